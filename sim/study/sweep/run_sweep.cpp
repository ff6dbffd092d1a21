#include "sim/study/sweep/run_sweep.h"

#include <fmt/format.h>

#include <filesystem>

#include "sim/base/error.h"
#include "sim/base/files.h"
#include "sim/study/sweep/manifest.h"
#include "sim/study/sweep/ordered.h"
#include "sim/study/sweep/runs_table.h"

namespace bethany {
namespace {

namespace fs = std::filesystem;

std::string shard_text(const Shard& shard) {
  return fmt::format("shard {}/{}", shard.index, shard.count);
}

/// Refuses a directory that holds something else.
void check_directory(const Sweep& sweep, const SweepOrder& order) {
  const auto path = order.directory + "/manifest.json";
  if (!fs::exists(path)) {
    std::error_code none;
    const auto size = fs::file_size(order.directory + "/runs.jsonl", none);
    if (!none && size > 0) {
      throw InputError(
          fmt::format("{}: holds runs without a manifest; --force begins again", order.directory));
    }
    return;
  }
  const auto there = read_manifest(path);
  const auto here = sweep.manifest(order.directory, order.shard);
  if (there.hash != sweep.hash()) {
    throw InputError(fmt::format("{}: another sweep: {}; --force begins again", path,
                                 difference(there.tree, here)));
  }
  if (there.shard.index != order.shard.index || there.shard.count != order.shard.count) {
    throw InputError(fmt::format("{}: holds {}, not {}", path, shard_text(there.shard),
                                 shard_text(order.shard)));
  }
}

}  // namespace

SweepProgress run_sweep(const Sweep& sweep, const SweepOrder& order) {
  if (!order.force) check_directory(sweep, order);
  make_output_directory(order.directory, true);
  const auto place = [&](const char* name) { return order.directory + "/" + name; };
  RunsFile runs(place("runs.jsonl"));
  if (order.force) {
    runs.clear();
    fs::remove(place("runs.csv"));
  }
  if (order.force || !fs::exists(place("manifest.json"))) {
    write_output(place("manifest.json"),
                 to_text(sweep.manifest(order.directory, order.shard)) + "\n", true);
  }
  SweepProgress progress;
  progress.runs = order.shard.size(sweep.space().runs());
  progress.before = runs.keep_whole_lines(sweep.hash(), order.shard, sweep.space().runs());
  progress.done = progress.before;
  const auto index = [&](std::int64_t k) {
    return order.shard.index + (progress.before + k) * order.shard.count;
  };
  in_order({.count = progress.runs - progress.before,
            .threads = order.threads,
            .make = [&](std::int64_t k) { return sweep.line(index(k)); },
            .take =
                [&](const std::string& lines, std::int64_t count) {
                  runs.append(lines);
                  progress.done += count;
                  if (order.progress) order.progress(progress.done, progress.runs);
                },
            .stop = order.stop});
  if (progress.complete() && !fs::exists(place("runs.csv"))) {
    write_runs_csv(place("runs.jsonl"), place("runs.csv"));
  }
  return progress;
}

}  // namespace bethany
