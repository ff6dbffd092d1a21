#include "analysis/report/verdict.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "analysis/comparison.h"
#include "analysis/metric.h"
#include "analysis/number_text.h"
#include "analysis/report/clean_text.h"
#include "analysis/report/figure_parts.h"
#include "analysis/report/json_values.h"
#include "analysis/report/provenance.h"
#include "analysis/report/report_table.h"
#include "sim/base/quantities.h"
#include "sim/base/text.h"

namespace bethany {
namespace {

/// Characters of a name in a sentence.
constexpr std::size_t kName = 60;

bool is_sweep(const ReportData& data) { return data.comparison.kind == JsonNode::Kind::null; }

Int128 nanoseconds(const JsonNode& run, KeyPath keys) {
  return static_cast<Int128>(std::llround(number_at(run, keys).value_or(0) * 1e9));
}

/// Adds the run to the sums that the verdict is made from.
void add_run(const JsonNode& run, RunSummary& sum) {
  sum.tokens_per_sample = 1;
  sum.samples += integer_at(run, {"tokens"}).value_or(0);
  sum.horizon += Duration(std::llround(number_at(run, {"horizon_s"}).value_or(0) * 1e9));
  Ledger& ledger = sum.ledger;
  ledger.total += nanoseconds(run, {"ledger_node_s", "total"});
  ledger.productive += nanoseconds(run, {"ledger_node_s", "productive"});
  for (std::size_t i = 0; i < kBlockedCount; ++i) {
    ledger.blocked[i] += nanoseconds(run, {"ledger_node_s", "blocked", kBlockedNames[i]});
  }
  ledger.rolled_back += nanoseconds(run, {"ledger_node_s", "discarded", "rolled_back"});
  ledger.step_in_flight += nanoseconds(run, {"ledger_node_s", "discarded", "step_in_flight"});
  for (std::size_t i = 0; i < kUnavailableCount; ++i) {
    ledger.unavailable[i] +=
        nanoseconds(run, {"ledger_node_s", "unavailable", kUnavailableNames[i]});
  }
}

/// Each policy's runs added up.
std::vector<RunSummary> summed_runs(const ReportData& data) {
  std::vector<RunSummary> sums;
  for (const auto& entry : items_of(data.comparison, "policies")) {
    RunSummary& sum = sums.emplace_back();
    sum.policy = text_at(entry, {"policy"});
    sum.is_bound = flag_at(entry, {"bound"});
    sum.feasible = flag_at(entry, {"feasible"});
    sum.reason = text_at(entry, {"reason"});
    for (const auto& run : items_of(data.comparison, "runs")) {
      if (text_at(run, {"policy"}) == sum.policy && flag_at(run, {"feasible"})) add_run(run, sum);
    }
  }
  return sums;
}

Comparison comparison_of(const JsonNode& node) {
  Comparison comparison;
  comparison.policy = text_at(node, {"policy"});
  comparison.baseline = text_at(node, {"baseline"});
  comparison.goodput_ratio = number_at(node, {"goodput_ratio"});
  const auto low = number_at(node, {"low"});
  const auto high = number_at(node, {"high"});
  if (low && high) comparison.interval = Interval{*low, *high};
  comparison.replications = integer_at(node, {"replications"}).value_or(1);
  comparison.method = text_at(node, {"method"});
  comparison.wins = integer_at(node, {"wins"}).value_or(0);
  return comparison;
}

double goodput(const RunSummary& run) {
  return metric_value("goodput_tokens_per_s", run).value_or(0);
}

/// Feasible policies that can be chosen, most goodput first.
std::vector<const RunSummary*> ranked(const std::vector<RunSummary>& runs) {
  std::vector<const RunSummary*> ranking;
  for (const auto& run : runs) {
    if (run.feasible && !run.is_bound) ranking.push_back(&run);
  }
  std::stable_sort(ranking.begin(), ranking.end(), [](const RunSummary* a, const RunSummary* b) {
    return goodput(*a) > goodput(*b);
  });
  return ranking;
}

/// The comparison of the two, whichever of them is the baseline.
const Comparison* between(const std::vector<Comparison>& comparisons, const std::string& a,
                          const std::string& b) {
  for (const auto& comparison : comparisons) {
    const bool forward = comparison.policy == a && comparison.baseline == b;
    if (forward || (comparison.policy == b && comparison.baseline == a)) return &comparison;
  }
  return nullptr;
}

/// Those with the baseline, then that of the leader with the next best, which may be neither.
std::vector<Comparison> comparisons_of(const ReportData& data) {
  std::vector<Comparison> comparisons;
  for (const auto& node : items_of(data.comparison, "comparison")) {
    comparisons.push_back(comparison_of(node));
  }
  const auto* ranking = data.comparison.find("ranking");
  const auto* lead = ranking == nullptr ? nullptr : ranking->find("first_to_second");
  if (lead != nullptr && lead->kind == JsonNode::Kind::object) {
    auto tested = comparison_of(*lead);
    const bool known = between(comparisons, tested.policy, tested.baseline) != nullptr;
    if (!known) comparisons.push_back(std::move(tested));
  }
  return comparisons;
}

std::string headline_of(const std::vector<RunSummary>& runs,
                        const std::vector<Comparison>& comparisons, std::int64_t replications) {
  const auto ranking = ranked(runs);
  if (ranking.empty()) return "No policy has a run";
  const std::string leader = short_text(ranking[0]->policy, kName);
  if (ranking.size() == 1) {
    return fmt::format("{} trains {} tokens/s", leader, rounded(goodput(*ranking[0])));
  }
  const std::string next = short_text(ranking[1]->policy, kName);
  if (replications == 1) return leader + " trains most on this trace";
  const auto* tested = between(comparisons, ranking[0]->policy, ranking[1]->policy);
  if (tested == nullptr) return fmt::format("{} has the highest mean, {} the next", leader, next);
  if (!tested->interval || verdict_of(*tested->interval) == Verdict::no_clear_winner) {
    return fmt::format("No clear winner between {} and {}", leader, next);
  }
  return leader + " trains most";
}

/// Long names stand in sentences as in tables.
std::string with_short_names(std::string text, const std::vector<RunSummary>& runs) {
  for (const auto& run : runs) {
    if (length_of(run.policy) <= kName) continue;
    const std::string name = short_text(run.policy, kName);
    for (std::size_t at = text.find(run.policy); at != std::string::npos;
         at = text.find(run.policy, at + name.size())) {
      text.replace(at, run.policy.size(), name);
    }
  }
  return text;
}

/// What the sentence of `compare` does not say with several replications: in how many of them the
/// leader was ahead.
std::string further(const std::vector<RunSummary>& runs, const std::vector<Comparison>& comparisons,
                    const ReportData& data) {
  const auto ranking = ranked(runs);
  if (ranking.size() < 2 || replications_of(data) == 1) return "";
  const auto* tested = between(comparisons, ranking[0]->policy, ranking[1]->policy);
  if (tested == nullptr) return "";
  const bool forward = tested->policy == ranking[0]->policy;
  const std::int64_t wins = forward ? tested->wins : tested->replications - tested->wins;
  return fmt::format(" {} was ahead of {} in {} of {} replications.", ranking[0]->policy,
                     ranking[1]->policy, wins, tested->replications);
}

ReportVerdict sweep_verdict(const ReportData& data) {
  ReportVerdict verdict;
  std::size_t ok = 0;
  for (const auto& run : data.sweep_runs) ok += text_at(run, {"status"}) == "ok" ? 1 : 0;
  verdict.headline = fmt::format("A sweep of {} runs", data.sweep_runs.size());
  verdict.text = fmt::format("{} of {} runs have a result.", ok, data.sweep_runs.size());
  const ReportTable table = policies_table(data);
  for (const auto& row : table.rows) {
    const auto best = std::find_if(row.cells.begin(), row.cells.end(),
                                   [](const ReportTable::Cell& cell) { return cell.best; });
    if (best == row.cells.end() ||
        table.columns[static_cast<std::size_t>(best - row.cells.begin())].title != "tokens/s") {
      continue;
    }
    std::vector<std::string> keys;
    for (auto cell = row.cells.begin(); cell != best; ++cell) {
      const auto& column = table.columns[static_cast<std::size_t>(cell - row.cells.begin())];
      keys.push_back(
          fmt::format("{} = {}", short_text(column.title, kName), short_text(cell->text, kName)));
    }
    verdict.text += fmt::format(" The point with most goodput is {}: {} tokens/s.",
                                list_in_words(keys), best->text);
    verdict.text += " It is the best of many: run it again with other seeds before relying on it.";
    break;
  }
  return verdict;
}

}  // namespace

ReportVerdict report_verdict(const ReportData& data) {
  if (is_sweep(data)) return sweep_verdict(data);
  const auto runs = summed_runs(data);
  const auto comparisons = comparisons_of(data);
  ReportVerdict verdict;
  verdict.headline = headline_of(runs, comparisons, replications_of(data));
  verdict.text = with_short_names(
      verdict_sentence(runs, comparisons) + further(runs, comparisons, data), runs);
  return verdict;
}

std::string report_markdown(const ReportData& data) {
  const ReportVerdict verdict = report_verdict(data);
  std::string text = fmt::format(
      "## {}\n\n**{}.** {}\n\n", markdown_text(clean_text(title_of(data))),
      markdown_text(clean_text(verdict.headline)), markdown_text(clean_text(verdict.text)));
  text += to_markdown(plain_table(policies_table(data)));
  const ReportTable pairs = pairs_table(data);
  if (!pairs.rows.empty()) text += "\n" + to_markdown(plain_table(pairs));
  text += "\n★ best of its column, bounds left out.\n";
  for (const auto& warning : report_warnings(data)) {
    text += "\n- " + markdown_text(clean_text(warning)) + "\n";
  }
  text += "\n";
  for (const auto& [title, value] : scenario_card(data)) {
    text += fmt::format("- {}: {}\n", title, markdown_text(clean_text(value)));
  }
  std::string command = clean_text(command_of(data));
  std::replace(command.begin(), command.end(), '`', '\'');
  return text + fmt::format("\nMade by `{}`\n", command);
}

}  // namespace bethany
