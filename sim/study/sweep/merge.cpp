#include "sim/study/sweep/merge.h"

#include <fmt/format.h>

#include <deque>
#include <filesystem>
#include <map>

#include "sim/base/error.h"
#include "sim/base/files.h"
#include "sim/study/sweep/lines.h"
#include "sim/study/sweep/manifest.h"
#include "sim/study/sweep/runs_table.h"

namespace bethany {
namespace {

namespace fs = std::filesystem;

struct Part {
  std::string directory;
  Manifest manifest;

  std::string runs() const { return directory + "/runs.jsonl"; }
};

/// The parts by the place of their shard.
using Parts = std::map<std::int64_t, Part>;

void check_same_sweep(const Part& first, const Part& other) {
  if (other.manifest.hash != first.manifest.hash) {
    throw InputError(fmt::format("{}: another sweep than {}: {}", other.directory, first.directory,
                                 difference(other.manifest.tree, first.manifest.tree)));
  }
  if (other.manifest.shard.count != first.manifest.shard.count) {
    throw InputError(fmt::format("{}: one of {} shards, but {} is one of {}", other.directory,
                                 other.manifest.shard.count, first.directory,
                                 first.manifest.shard.count));
  }
}

Parts parts_of(const std::vector<std::string>& directories) {
  Parts parts;
  std::string first;
  for (const auto& directory : directories) {
    if (!fs::exists(directory + "/manifest.json")) {
      throw InputError(fmt::format("{}: no sweep: it has no manifest.json", directory));
    }
    Part part{directory, read_manifest(directory + "/manifest.json")};
    if (!parts.empty()) check_same_sweep(parts.begin()->second, part);
    const auto place = part.manifest.shard.index;
    const auto [known, added] = parts.emplace(place, std::move(part));
    if (!added) {
      throw InputError(
          fmt::format("{} and {} are both shard {}", known->second.directory, directory, place));
    }
  }
  return parts;
}

void check_none_missing(const Parts& parts) {
  const auto count = parts.begin()->second.manifest.shard.count;
  if (static_cast<std::int64_t>(parts.size()) == count) return;
  std::string missing;
  std::int64_t more = count - static_cast<std::int64_t>(parts.size());
  for (std::int64_t i = 0, named = 0; i < count && named < 10; ++i) {
    if (parts.count(i) > 0) continue;
    missing += fmt::format("{}{}", named++ == 0 ? "" : ", ", i);
    --more;
  }
  if (more > 0) missing += fmt::format(" and {} more", more);
  throw PartialSweep(fmt::format("of {} shards these are missing: {}", count, missing));
}

void check_runs(const Part& part) {
  const auto& shard = part.manifest.shard;
  const std::int64_t most = shard.size(part.manifest.runs);
  LineSource lines(part.runs());
  std::string_view line;
  std::int64_t count = 0;
  for (; lines.next(line); ++count) {
    const std::int64_t index = shard.index + count * shard.count;
    if (count < most && is_line_of(line, part.manifest.hash, index)) continue;
    throw InputError(fmt::format("{}:{}: not run {} of this sweep", part.runs(), count + 1, index));
  }
  if (count < most || lines.torn() > 0) {
    throw PartialSweep(fmt::format("{}: not complete: {} of {} runs", part.directory, count, most));
  }
}

void check_output(const std::string& output, bool force) {
  for (const char* name : {"manifest.json", "runs.jsonl", "runs.csv"}) {
    if (!force && fs::exists(output + "/" + name)) {
      throw InputError(fmt::format("{}/{}: exists already; --force overwrites it", output, name));
    }
  }
}

void write_runs(const Parts& parts, std::int64_t runs, const std::string& path) {
  std::deque<LineSource> sources;
  for (const auto& [place, part] : parts) sources.emplace_back(part.runs());
  OutputFile file(path);
  std::string_view line;
  for (std::int64_t r = 0; r < runs; ++r) {
    auto& source = sources[static_cast<std::size_t>(r) % sources.size()];
    if (!source.next(line)) {
      throw InputError(fmt::format("{}: became shorter meanwhile", source.path()));
    }
    file.write(line);
    file.write("\n");
  }
  file.finish();
}

}  // namespace

std::int64_t merge_shards(const std::vector<std::string>& directories, const std::string& output,
                          bool force) {
  const auto parts = parts_of(directories);
  check_none_missing(parts);
  for (const auto& [place, part] : parts) check_runs(part);
  check_output(output, force);
  make_output_directory(output, true);
  const auto& first = parts.begin()->second;
  auto manifest = moved(first.manifest.tree, first.directory, output);
  manifest.member("shard") = shard_answer({});
  write_runs(parts, first.manifest.runs, output + "/runs.jsonl");
  write_runs_csv(output + "/runs.jsonl", output + "/runs.csv");
  write_output(output + "/manifest.json", to_text(manifest) + "\n", true);
  return first.manifest.runs;
}

}  // namespace bethany
