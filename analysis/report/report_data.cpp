#include "analysis/report/report_data.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <utility>

#include "analysis/answers.h"
#include "analysis/metric.h"
#include "analysis/report/json_values.h"
#include "analysis/report/run_series.h"
#include "analysis/table.h"
#include "sim/base/error.h"
#include "sim/base/files.h"
#include "sim/base/text.h"

namespace bethany {
namespace {

namespace fs = std::filesystem;
using Kind = JsonNode::Kind;

constexpr char kReplaySchema[] = "bethany/replay/1";
constexpr char kCompareSchema[] = "bethany/compare/1";
constexpr char kSweepSchema[] = "bethany/sweep/1";

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

/// The entry of `policies` of a policy with one run: its metrics, recomputed from its record.
JsonNode policy_entry(const JsonNode& run, const KeptRun* kept) {
  JsonNode entry;
  entry.member("policy") = *run.find("policy");
  entry.member("bound") = JsonNode::of(kept != nullptr && kept->is_bound);
  entry.member("feasible") = *run.find("feasible");
  entry.member("reason") = run.find("reason") == nullptr ? JsonNode{} : *run.find("reason");
  entry.member("replications") = JsonNode::of(std::int64_t{1});
  JsonNode& values = entry.member("metrics");
  for (const auto& name : metrics().names()) values.member(name);
  if (kept == nullptr) return entry;
  SummaryFold fold;
  read_kept(*kept, fold);
  RunSummary summary = fold.summary();
  if (summary.digest != text_at(run, {"digest"})) {
    fail_at(run, fmt::format("digest {}, but {} has {}", one_line(text_at(run, {"digest"})),
                             kept->events_file, summary.digest));
  }
  const Int128 paid = summary.ledger.total -
                      summary.ledger.unavailable[static_cast<std::size_t>(Unavailable::absent)];
  const auto cost = number_at(run, {"cost_usd"});
  if (cost && paid > 0) summary.usd_per_node_hour = *cost / (to_seconds(paid) / 3600);
  for (const auto& name : metrics().names()) {
    const auto value = metric_value(name, summary);
    if (!value) continue;
    JsonNode& node = values.member(name);
    node.member("mean") = JsonNode::of(*value);
    for (const auto* key : {"low", "high", "p10", "p50", "p90"}) node.member(key);
  }
  return entry;
}

/// Adds what a comparison of one trace has beside its runs.
void complete(JsonNode& comparison, const std::vector<KeptRun>& kept) {
  std::vector<JsonNode> policies;
  std::vector<std::pair<double, std::string>> ranked;
  for (const auto& run : comparison.find("runs")->items) {
    const auto policy = text_at(run, {"policy"});
    const KeptRun* found = nullptr;
    for (const auto& one : kept) {
      if (one.policy == policy) found = &one;
    }
    policies.push_back(policy_entry(run, found));
    if (found == nullptr || found->is_bound) continue;
    ranked.emplace_back(number_at(run, {"goodput_tokens_per_s"}).value_or(0), policy);
  }
  std::stable_sort(ranked.begin(), ranked.end(),
                   [](const auto& a, const auto& b) { return a.first > b.first; });
  std::vector<JsonNode> names;
  for (const auto& [goodput, name] : ranked) names.push_back(JsonNode::of(name));
  comparison.member("policies") = JsonNode::array_of(std::move(policies));
  comparison.member("ranking").member("mean") = JsonNode::array_of(names);
  comparison.member("ranking").member("p10") = JsonNode::array_of(std::move(names));
  comparison.member("notes") = JsonNode::array_of({});
}

/// The directory that `compare -o` made for the policy at that place of the order.
fs::path kept_directory(const fs::path& top, std::size_t place) {
  const std::string start = fmt::format("{:02}-", place);
  for (const auto& entry : fs::directory_iterator(top)) {
    if (entry.is_directory() && entry.path().filename().string().starts_with(start)) {
      return entry.path();
    }
  }
  throw InputError(fmt::format("{}: there is no directory {}*", top.string(), start));
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
    auto& replication = run.member("replication");
    if (replication.kind == Kind::null) replication = JsonNode::of(std::int64_t{0});
    const auto policy = text_at(run, {"policy"});
    if (!seen.emplace(policy, required(run, "replication", Kind::integer).integer).second) {
      fail_at(run, fmt::format("policy '{}' stands twice", one_line(policy)));
    }
    if (replication.integer != 0) continue;
    if (flag_at(run, {"feasible"})) {
      data.kept.push_back(kept_run(kept_directory(top, place), run));
      data.kept.back().is_bound = looks_like_bound(data.scenario, policy);
    }
    ++place;
  }
  required(data.comparison, "comparison", Kind::array);
  if (data.comparison.find("policies") == nullptr) complete(data.comparison, data.kept);
  std::set<std::string> names;
  for (const auto& entry : required(data.comparison, "policies", Kind::array).items) {
    const auto& name = required(entry, "policy", Kind::string).text;
    const bool bound = required(entry, "bound", Kind::boolean).boolean;
    required(entry, "metrics", Kind::object);
    if (!names.insert(name).second || seen.count({name, 0}) == 0) {
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
  double longest = 0;
  for (const auto& run : runs) {
    if (integer_at(run, {"replication"}) != 0) continue;
    longest = std::max(longest, number_at(run, {"horizon_s"}).value_or(0));
  }
  const TimeBins bins = time_bins(Duration(static_cast<std::int64_t>(longest * 1e9)), kMostBins);
  for (auto& kept : data.kept) {
    auto series = read_series(kept, bins);
    const auto run = std::find_if(runs.begin(), runs.end(), [&](const JsonNode& node) {
      return text_at(node, {"policy"}) == kept.policy && integer_at(node, {"replication"}) == 0;
    });
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
  data.kept.push_back(kept_run(top, run));
  data.kept.back().is_bound = looks_like_bound(data.scenario, data.kept.back().policy);
  data.comparison.member("schema") = JsonNode::of(kCompareSchema);
  data.comparison.member("version") = required(run, "version", Kind::string);
  data.comparison.member("command") =
      JsonNode::of("bethany replay scenario.json --policy '" + data.kept.back().policy + "'");
  run.member("replication") = JsonNode::of(std::int64_t{0});
  data.comparison.member("runs") = JsonNode::array_of({std::move(run)});
  data.comparison.member("comparison") = JsonNode::array_of({});
  complete(data.comparison, data.kept);
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
    if (status == "ok") check_run(required(run, "result", Kind::object));
    data.sweep_runs.push_back(std::move(run));
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
  if (fs::exists(top / "manifest.json")) {
    read_sweep(top, data);
    return data;
  }
  const bool compared = fs::exists(top / "comparison.json");
  if (!compared && !fs::exists(top / "summary.json")) {
    throw InputError(fmt::format(
        "{}: has no comparison.json, summary.json or manifest.json; name a directory that "
        "compare -o, replay -o or sweep -o wrote",
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

RecordHeader read_kept(const KeptRun& run, RunSink& sink) {
  return read_record(read_input(run.events_file), run.events_file, sink);
}

}  // namespace bethany
