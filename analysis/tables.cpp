#include "analysis/tables.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "analysis/compare_answer.h"
#include "analysis/metric.h"
#include "analysis/number_text.h"
#include "sim/base/quantities.h"
#include "sim/base/text.h"

namespace bethany {
namespace {

/// Node time of a bucket, for people: hours and share.
void add_bucket(Table& table, const std::string& name, Int128 part, const Ledger& ledger) {
  if (part == 0) return;
  table.add({"  " + name, rounded(to_seconds(part) / 3600) + " node-h",
             percent(ratio(part, ledger.total))});
}

void add_ledger(Table& table, const Ledger& ledger) {
  table.add({"node time", rounded(to_seconds(ledger.total) / 3600) + " node-h", "100 %"});
  add_bucket(table, "productive", ledger.productive, ledger);
  for (std::size_t i = 0; i < kBlockedCount; ++i) {
    add_bucket(table, "blocked: " + std::string(kBlockedNames[i]), ledger.blocked[i], ledger);
  }
  add_bucket(table, "discarded: rolled back", ledger.rolled_back, ledger);
  add_bucket(table, "discarded: step in flight", ledger.step_in_flight, ledger);
  for (std::size_t i = 0; i < kUnavailableCount; ++i) {
    add_bucket(table, "unavailable: " + std::string(kUnavailableNames[i]), ledger.unavailable[i],
               ledger);
  }
}

void add_recovery(Table& table, const RecoverySummary& recovery) {
  table.add({"disruptions", grouped(recovery.disruptions),
             fmt::format("{} in place, {} regrouped, {} restarted, {} undecided", recovery.in_place,
                         recovery.regroup, recovery.restart, recovery.none)});
  table.add({"recovered without restart", recovered_text(recovery), "observed, 95 % interval"});
  table.add({"  predicted", percent(recovery.predicted), recovery.note});
  // The curve falls, so that nothing follows a 0.
  for (std::size_t k = 1; recovery.by_losses && k <= recovery.by_losses->size(); ++k) {
    const double probability = (*recovery.by_losses)[k - 1];
    table.add({fmt::format("  P(recover | {}{} lost)", k, probability == 0 ? " or more" : ""),
               percent(probability), "time-weighted, given uniform victims"});
    if (probability == 0) break;
  }
  const auto& guaranteed = recovery.guaranteed_losses_min;
  table.add({"guaranteed losses", guaranteed ? grouped(*guaranteed) : "-",
             "survived at any time, whoever is lost"});
}

/// Columns and cells of one JSON object, nested keys joined by dots.
void flatten(const JsonNode& node, const std::string& name, std::vector<std::string>& names,
             std::vector<std::string>& cells) {
  if (name == "recovery.by_losses") {
    for (int k = 1; k <= kLossesShown; ++k) {
      const auto index = static_cast<std::size_t>(k - 1);
      const bool known = index < node.items.size();
      flatten(known ? node.items[index] : JsonNode{}, fmt::format("{}.{}", name, k), names, cells);
    }
  } else if (node.kind == JsonNode::Kind::object) {
    for (const auto& member : node.members) {
      flatten(member.value, name.empty() ? member.key : name + "." + member.key, names, cells);
    }
  } else {
    names.push_back(name);
    const bool null = node.kind == JsonNode::Kind::null;
    cells.push_back(node.kind == JsonNode::Kind::string ? node.text : null ? "" : to_line(node));
  }
}

}  // namespace

std::string recovered_text(const RecoverySummary& recovery) {
  const auto interval = recovery.observed_interval();
  if (!interval) return "-";
  return fmt::format("{} [{:.1f}, {:.1f}]", percent(recovery.observed()), interval->low * 100,
                     interval->high * 100);
}

std::string below_table(const std::string& notes, TableFormat format) {
  if (format == TableFormat::text) return "\n" + notes;
  std::string text;
  std::size_t from = 0;
  for (std::size_t end = notes.find('\n'); end != std::string::npos;
       from = end + 1, end = notes.find('\n', from)) {
    text += "\n" + markdown_text(notes.substr(from, end - from)) + "\n";
  }
  return text;
}

Table replay_table(const RunResult& result) {
  const RunSummary& run = result.summary;
  Table table({{"quantity", Align::left}, {"value", Align::right}, {"", Align::left}});
  table.add({"policy", one_line(run.policy), ""});
  if (!run.feasible) {
    table.add_note("no run", run.reason);
    return table;
  }
  const auto rate = [&](const char* title, const char* name) {
    table.add({title, rounded(metric_value(name, run)), "tokens/s"});
  };
  table.add({"horizon", rounded_text(run.horizon), ""});
  table.add({"samples", grouped(run.samples), ""});
  table.add({"tokens", grouped(run.tokens()), ""});
  rate("goodput", "goodput_tokens_per_s");
  rate("throughput", "throughput_tokens_per_s");
  rate("step throughput", "step_throughput_tokens_per_s");
  table.add({"ETTR", percent(metric_value("ettr", run)), "wall time of kept steps / horizon"});
  table.add({"steps committed", grouped(run.steps_committed), ""});
  table.add({"steps rolled back", grouped(run.steps_discarded), ""});
  add_recovery(table, run.recovery);
  add_ledger(table, run.ledger);
  if (run.usd_per_node_hour) {
    table.add({"cost", rounded(metric_value("cost_usd", run)), "USD"});
    table.add(
        {"cost of a million tokens", rounded(metric_value("usd_per_million_tokens", run)), "USD"});
  }
  table.add({"digest", run.digest, ""});
  return table;
}

Table runs_table(std::span<const RunResult> runs, std::span<const Comparison> comparisons) {
  std::vector<std::string> names;
  std::vector<std::vector<std::string>> rows;
  const auto cells_of = [&](const RunResult& run) {
    Comparison own;
    own.policy = run.summary.policy;
    own.replications = 0;
    own.method.clear();
    for (const auto& comparison : comparisons) {
      if (comparison.policy == run.summary.policy) own = comparison;
    }
    JsonNode versus = comparison_answer(own);
    versus.members.pop_front();  // the policy stands in the run
    // The baseline, and a single run, are compared with nothing.
    if (own.replications == 0) blank(versus);
    JsonNode answer = replay_answer(run);
    answer.member("comparison") = std::move(versus);
    std::vector<std::string> cells;
    names.clear();
    flatten(answer, "", names, cells);
    return cells;
  };
  for (const auto& run : runs) rows.push_back(cells_of(run));
  if (runs.empty()) cells_of(RunResult{});
  std::vector<Table::Column> columns;
  columns.reserve(names.size());
  for (const auto& name : names) columns.push_back({name, Align::left});
  Table table(std::move(columns));
  for (auto& row : rows) table.add(std::move(row));
  return table;
}

std::string context_text(const RunContext& context) {
  const auto& trace = context.trace;
  const auto& profile = context.profile;
  std::string text = "trace: " + trace.name;
  if (!trace.sha256.empty()) text += fmt::format(" (sha256 {})", trace.sha256.substr(0, 12));
  if (!trace.cap.empty()) text += "; cap: " + trace.cap;
  if (!trace.statistics.empty()) text += "; " + trace.statistics;
  std::string lines = one_line(text) + "\n";
  text = fmt::format("profile: {} ({})", profile.name, profile.kind);
  if (context.out_of_range_queries > 0) {
    text += fmt::format("; {} questions lay outside the range it was measured in",
                        grouped(context.out_of_range_queries));
  }
  lines += one_line(text) + fmt::format("\nseed: {}\n", context.seed);
  return lines;
}

std::string replay_text(const RunResult& run, TableFormat format, bool colour) {
  if (format == TableFormat::csv) return to_csv(runs_table(std::span(&run, 1), {}));
  return render(replay_table(run), format, colour) + below_table(context_text(run.context), format);
}

Table metrics_table() {
  Table table({{"name", Align::left}, {"unit", Align::left}, {"definition", Align::left}});
  for (const auto& entry : metrics().entries()) {
    const Metric found = metric(entry.name);
    table.add({found.name, found.unit, found.definition});
  }
  return table;
}

}  // namespace bethany
