#include "analysis/report/report_data.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <utility>

#include "analysis/compare_answer.h"
#include "analysis/report/json_values.h"
#include "analysis/report/run_series.h"
#include "analysis/report/validation.h"
#include "analysis/table.h"
#include "sim/base/check.h"
#include "sim/base/error.h"
#include "sim/base/files.h"
#include "sim/base/text.h"

namespace bethany {
namespace {

namespace fs = std::filesystem;
using Kind = JsonNode::Kind;

constexpr char kReplaySchema[] = "bethany/replay/1";
constexpr char kCompareSchema[] = "bethany/compare/1";
constexpr char kSweepSchema[] = "bethany/sweep-manifest/1";

JsonNode read_json(const fs::path& file) {
  return parse_json(read_input(file.string()), file.string());
}

void check_schema(const JsonNode& object, std::string_view schema) {
  const auto& found = required(object, "schema", Kind::string);
  if (found.text != schema) {
    fail_at(found, fmt::format("/schema: expected '{}', found '{}'", schema, one_line(found.text)));
  }
}

/// What figures rely on in the object of `replay`.
void check_run(const JsonNode& run) {
  if (run.kind != Kind::object) fail_at(run, "a run is an object");
  check_schema(run, kReplaySchema);
  if (required(run, "policy", Kind::string).text.empty()) fail_at(run, "a policy without a name");
  if (!required(run, "feasible", Kind::boolean).boolean) return;
  const auto horizon = number_at(run, {"horizon_s"});
  required(run, "horizon_s", Kind::real);
  if (!(*horizon >= 0 && *horizon <= to_seconds(kLongest))) fail_at(run, "/horizon_s: no length");
  for (const auto* key : {"samples", "tokens", "steps_committed", "steps_discarded"}) {
    if (required(run, key, Kind::integer).integer < 0)
      fail_at(run, fmt::format("/{}: below 0", key));
  }
  required(run, "digest", Kind::string);
  const auto& ledger = required(run, "ledger_node_s", Kind::object);
  required(ledger, "total", Kind::real);
  required(ledger, "productive", Kind::real);
  for (const auto* part : {"blocked", "discarded", "unavailable"}) {
    for (const auto& bucket : required(ledger, part, Kind::object).members) {
      required(*ledger.find(part), bucket.key, Kind::real);
    }
  }
  const auto& recovery = required(run, "recovery", Kind::object);
  for (const auto* key : {"disruptions", "in_place", "regroup", "restart", "none"}) {
    required(recovery, key, Kind::integer);
  }
}

/// What `compare` says of a policy alone: the same metrics, recomputed from its record.
JsonNode comparison_of_one(const JsonNode& run, const KeptRun& kept) {
  SummaryFold fold;
  read_kept(kept, fold);
  RunResult result{fold.summary(), {}};
  RunSummary& summary = result.summary;
  if (summary.digest != text_at(run, {"digest"})) {
    fail_at(run, fmt::format("digest {}, but {} has {}", one_line(text_at(run, {"digest"})),
                             kept.events_file, summary.digest));
  }
  summary.policy = kept.policy;
  summary.is_bound = kept.is_bound;
  const auto absent = static_cast<std::size_t>(Unavailable::absent);
  const Int128 paid = summary.ledger.total - summary.ledger.unavailable[absent];
  const auto cost = number_at(run, {"cost_usd"});
  if (cost && paid > 0) summary.usd_per_node_hour = *cost / (to_seconds(paid) / 3600);
  return compare_answer({.runs = {{result}}, .drawn = "", .scope = ""}, {});
}

/// The replication whose records are kept. Requires: a run that was checked.
std::int64_t first_replication(const JsonNode& comparison) {
  return integer_at(comparison.find("runs")->items.front(), {"replication"}).value_or(0);
}

KeptRun kept_run(const fs::path& directory, const JsonNode& run) {
  const JsonNode summary = read_json(directory / "summary.json");
  check_run(summary);
  for (const auto* key : {"policy", "digest"}) {
    if (text_at(summary, {key}) != text_at(run, {key})) {
      fail_at(*summary.find(key),
              fmt::format("/{}: '{}' here, '{}' at {}", key, one_line(text_at(summary, {key})),
                          one_line(text_at(run, {key})), run.place()));
    }
  }
  KeptRun kept;
  kept.policy = text_at(run, {"policy"});
  kept.events_file = (directory / "events.jsonl").string();
  if (!fs::exists(kept.events_file)) {
    throw InputError(fmt::format("{}: missing, beside a summary.json", kept.events_file));
  }
  return kept;
}

void read_comparison(const fs::path& top, ReportData& data) {
  data.comparison = read_json(top / "comparison.json");
  check_schema(data.comparison, kCompareSchema);
  std::set<std::pair<std::string, std::int64_t>> seen;
  std::size_t place = 0;
  auto& runs = data.comparison.member("runs");
  if (required(data.comparison, "runs", Kind::array).items.empty()) fail_at(runs, "no run");
  for (auto& run : runs.items) {
    check_run(run);
    const auto policy = text_at(run, {"policy"});
    const auto replication = required(run, "replication", Kind::integer).integer;
    if (!seen.emplace(policy, replication).second) {
      fail_at(run, fmt::format("policy '{}' stands twice", one_line(policy)));
    }
    if (replication != first_replication(data.comparison)) continue;
    if (flag_at(run, {"feasible"})) {
      data.kept.push_back(kept_run(top / kept_directory(place, policy), run));
    }
    ++place;
  }
  required(data.comparison, "comparison", Kind::array);
  std::set<std::string> names;
  const auto first = first_replication(data.comparison);
  for (const auto& entry : required(data.comparison, "policies", Kind::array).items) {
    const auto& name = required(entry, "policy", Kind::string).text;
    const bool bound = required(entry, "bound", Kind::boolean).boolean;
    required(entry, "metrics", Kind::object);
    if (!names.insert(name).second || seen.count({name, first}) == 0) {
      fail_at(entry, fmt::format("policy '{}' stands twice or has no run", one_line(name)));
    }
    for (auto& kept : data.kept) {
      if (kept.policy == name) kept.is_bound = bound;
    }
  }
  for (const auto& [policy, replication] : seen) {
    if (names.count(policy) == 0) {
      fail_at(data.comparison, fmt::format("policy '{}' is not in /policies", one_line(policy)));
    }
  }
}

/// Reads the records. All timelines have the same bins.
void read_all_series(ReportData& data) {
  constexpr std::size_t kMostBins = 2000;
  const auto& runs = data.comparison.find("runs")->items;
  const auto first = first_replication(data.comparison);
  double longest = 0;
  for (const auto& run : runs) {
    if (integer_at(run, {"replication"}) != first) continue;
    longest = std::max(longest, number_at(run, {"horizon_s"}).value_or(0));
  }
  const Duration horizon(static_cast<std::int64_t>(longest * 1e9));
  const TimeBins bins = time_bins(std::min(horizon, kLongest), kMostBins);
  for (auto& kept : data.kept) {
    auto series = read_series(kept, bins);
    const auto run = std::find_if(runs.begin(), runs.end(), [&](const JsonNode& node) {
      return text_at(node, {"policy"}) == kept.policy && integer_at(node, {"replication"}) == first;
    });
    BETHANY_CHECK(run != runs.end(), "a record of '{}' without its run", kept.policy);
    const auto differs = [&](const char* key, double value) {
      if (number_at(*run, {key}) == value) return;
      fail_at(*run, fmt::format("/{}: {} has {}", key, kept.events_file, value));
    };
    differs("horizon_s", to_seconds(series.ended.horizon));
    differs("samples", static_cast<double>(series.ended.samples));
    differs("steps_committed", static_cast<double>(series.ended.steps_committed));
    kept.series = std::make_shared<const RunSeries>(std::move(series));
  }
}

void read_replay(const fs::path& top, ReportData& data) {
  JsonNode run = read_json(top / "summary.json");
  check_run(run);
  required(run, "replication", Kind::integer);
  KeptRun kept = kept_run(top, run);
  kept.is_bound = looks_like_bound(data.scenario, kept.policy);
  data.comparison = comparison_of_one(run, kept);
  data.comparison.member("version") = required(run, "version", Kind::string);
  data.comparison.member("command") =
      JsonNode::of("bethany replay scenario.json --policy " + shell_word(kept.policy));
  data.comparison.member("runs") = JsonNode::array_of({std::move(run)});
  data.kept.push_back(std::move(kept));
}

/// A sweep may have a million runs.
void keep_numbers(JsonNode& result) {
  result.members.remove_if([](const JsonMember& member) {
    return member.value.kind == Kind::object || member.value.kind == Kind::string;
  });
}

void read_sweep(const fs::path& top, ReportData& data) {
  data.manifest = read_json(top / "manifest.json");
  check_schema(data.manifest, kSweepSchema);
  if (const auto* scenario = data.manifest.find("scenario")) data.scenario = *scenario;
  const auto file = (top / "runs.jsonl").string();
  const std::string text = read_input(file);
  const std::vector<std::string> known = {"ok", "infeasible", "invalid", "failed"};
  std::set<std::string> ids;
  std::size_t from = 0;
  bool any_result = false;
  // A sweep under way may end in a torn line, which is none of its results.
  for (int line = 1; text.find('\n', from) != std::string::npos; ++line) {
    const std::size_t end = text.find('\n', from);
    JsonNode run = parse_json(std::string_view(text).substr(from, end - from),
                              fmt::format("{}:{}", file, line));
    from = end + 1;
    if (run.kind != Kind::object) fail_at(run, "a run is an object");
    const auto& id = required(run, "run_id", Kind::string).text;
    if (!ids.insert(id).second) fail_at(run, fmt::format("run '{}' stands twice", one_line(id)));
    required(run, "assignment", Kind::object);
    required(run, "replication", Kind::integer);
    const auto& status = required(run, "status", Kind::string).text;
    if (std::find(known.begin(), known.end(), status) == known.end()) {
      fail_at(run, unknown_name("status", one_line(status), known));
    }
    if (status == "ok") {
      check_run(required(run, "result", Kind::object));
      if (any_result) keep_numbers(run.member("result"));
      any_result = true;
    }
    data.sweep_runs.push_back(std::move(run));
  }
  const auto all = required(data.manifest, "runs", Kind::integer).integer;
  const bool part = value_at(data.manifest, {"shard"}) != nullptr;
  if (!part && static_cast<std::int64_t>(data.sweep_runs.size()) > all) {
    fail_at(*data.manifest.find("runs"),
            fmt::format("/runs: {}, but {} has {}", all, file, data.sweep_runs.size()));
  }
}

}  // namespace

ReportData read_report_data(const std::string& directory) {
  const fs::path top(directory);
  std::error_code error;
  if (!fs::is_directory(top, error)) {
    throw InputError(fmt::format("{}: is no directory", directory));
  }
  ReportData data;
  const bool validated = fs::exists(top / "validation.json");
  if (validated) {
    data.validation = read_json(top / "validation.json");
    check_validation(data.validation);
  }
  if (fs::exists(top / "manifest.json")) {
    read_sweep(top, data);
    return data;
  }
  const bool compared = fs::exists(top / "comparison.json");
  if (!compared && !fs::exists(top / "summary.json")) {
    if (validated) return data;
    throw InputError(fmt::format(
        "{}: has no comparison.json, summary.json, manifest.json or validation.json; name a "
        "directory that compare -o, replay -o, sweep -o or validate -o wrote",
        directory));
  }
  data.scenario = read_json(top / "scenario.json");
  if (compared) {
    read_comparison(top, data);
  } else {
    read_replay(top, data);
  }
  read_all_series(data);
  return data;
}

bool looks_like_bound(const JsonNode& scenario, const std::string& policy) {
  return policy == "ideal" || text_at(scenario, {"policies", policy, "preset"}) == "ideal";
}

std::string kept_directory(std::size_t place, const std::string& policy) {
  std::string name = fmt::format("{:02}-", place);
  for (const char c : policy) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '+' || c == '.' || c == '_';
    name += plain ? c : '_';
  }
  return name;
}

RecordHeader read_kept(const KeptRun& run, RunSink& sink) {
  return read_record(read_input(run.events_file), run.events_file, sink);
}

}  // namespace bethany
