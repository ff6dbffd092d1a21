#include "analysis/compare_text.h"

#include <fmt/format.h>

#include <algorithm>

#include "analysis/compare_answer.h"
#include "analysis/metric.h"
#include "analysis/number_text.h"
#include "analysis/tables.h"
#include "sim/base/text.h"

namespace bethany {
namespace {

/// What has to be said of each policy's predictions, policies with equal notes together.
std::string prediction_notes(std::span<const RunSummary> runs) {
  std::vector<std::pair<std::string, std::vector<std::string>>> notes;
  for (const auto& run : runs) {
    if (!run.feasible || run.is_bound) continue;
    const auto& note = run.recovery.note;
    auto same = std::find_if(notes.begin(), notes.end(),
                             [&](const auto& entry) { return entry.first == note; });
    if (same == notes.end()) same = notes.insert(notes.end(), {note, {}});
    same->second.push_back(one_line(run.policy));
  }
  std::string text;
  for (const auto& [note, policies] : notes) {
    text += fmt::format("predicted ({}): {}\n", list_in_words(policies), note);
  }
  return text;
}

bool has_prices(std::span<const RunSummary> runs) {
  return std::any_of(runs.begin(), runs.end(), [](const RunSummary& run) {
    return run.feasible && run.usd_per_node_hour.has_value();
  });
}

const Comparison* comparison_of(const RunSummary& run, std::span<const Comparison> comparisons) {
  for (const auto& comparison : comparisons) {
    if (comparison.policy == run.policy) return &comparison;
  }
  return nullptr;
}

/// A comparison is missing for the baseline.
std::string ratio_cell(const Comparison* comparison) {
  if (comparison == nullptr) return "1";
  if (!comparison->goodput_ratio) return "-";
  if (!comparison->interval) return fmt::format("{:.3f}", *comparison->goodput_ratio);
  return fmt::format("{:.3f} [{:.3f}, {:.3f}]", *comparison->goodput_ratio,
                     comparison->interval->low, comparison->interval->high);
}

/// A count of all replications as the mean of one; whole numbers with one replication.
std::string per_run(std::int64_t count, std::size_t replications) {
  if (replications == 1) return grouped(count);
  const double each = static_cast<double>(count) / static_cast<double>(replications);
  return each >= 100 ? rounded(each) : fmt::format("{:.1f}", each);
}

struct Place {
  const Replications& replications;
  const RunSummary& run;  // pooled
  std::size_t place = 0;
  const Comparison* comparison = nullptr;  // null: the baseline
};

/// Rate, ratio and what replications add to them.
void add_goodput(const Place& at, std::vector<std::string>& cells) {
  const auto goodput = metric_spread(at.replications, at.place, "goodput_tokens_per_s");
  const auto rate = [](std::optional<double> value) { return rounded(value); };
  cells.push_back(rate(goodput ? std::optional(goodput->mean) : std::nullopt));
  cells.push_back(ratio_cell(at.comparison));
  if (at.replications.count() == 1) return;
  cells.push_back(rate(goodput ? goodput->p10 : std::nullopt));
  const bool paired = at.comparison != nullptr && at.comparison->difference_tokens_per_s;
  cells.push_back(paired ? fmt::format("{}/{}", at.comparison->wins, at.comparison->replications)
                         : "");
}

std::vector<std::string> cells_of(const Place& at, bool prices) {
  const auto& run = at.run;
  const std::size_t n = at.replications.count();
  std::vector<std::string> cells = {run.policy, per_run(run.samples, n)};
  add_goodput(at, cells);
  cells.insert(
      cells.end(),
      {percent(metric_value("ettr", run)), per_run(run.recovery.in_place + run.recovery.regroup, n),
       per_run(run.recovery.restart, n), per_run(run.recovery.disruptions, n),
       recovered_text(run.recovery), percent(run.recovery.predicted),
       percent(metric_value("blocked_share", run)), percent(metric_value("discarded_share", run)),
       percent(metric_value("unavailable_share", run))});
  if (prices) {
    const auto cost = metric_value("cost_usd", run);
    cells.push_back(rounded(cost ? std::optional(*cost / static_cast<double>(n)) : cost));
    cells.push_back(rounded(metric_value("usd_per_million_tokens", run)));
  }
  return cells;
}

std::vector<Table::Column> columns_of(const Replications& replications, const std::string& baseline,
                                      bool prices) {
  const bool paired = replications.count() > 1;
  std::vector<Table::Column> columns = {{"policy", Align::left}, {"samples"}, {"tokens/s"}};
  columns.push_back({"vs " + one_line(baseline) + (paired ? " [95 %]" : "")});
  if (paired) {
    columns.push_back({"P10 tokens/s"});
    columns.push_back({"better in"});
  }
  for (const char* title : {"ETTR", "in place", "restarts", "disruptions", "recovered [95 %]",
                            "predicted", "blocked", "discarded", "unavailable"}) {
    columns.push_back({title});
  }
  if (prices) {
    columns.push_back({"USD"});
    columns.push_back({"USD/Mtoken"});
  }
  return columns;
}

/// "ranking by mean: a > b; by P10: the same".
std::string ranking_line(const Replications& replications) {
  const auto ranking = ranking_of(replications);
  if (ranking.by_p10.empty()) return "";
  const auto order = [](const std::vector<std::string>& policies) {
    std::string text;
    for (const auto& policy : policies) text += (text.empty() ? "" : " > ") + one_line(policy);
    return text;
  };
  const bool same = ranking.by_mean == ranking.by_p10;
  auto text = fmt::format(
      "ranking by mean tokens/s: {}; by P10, what nine of ten replications exceed: {}\n",
      order(ranking.by_mean), same ? "the same" : order(ranking.by_p10));
  const auto& lead = ranking.first_to_second;
  if (lead && lead->verdict) {
    text += fmt::format("first against second: {}, {}, better in {}/{}\n", ratio_cell(&*lead),
                        name_of(*lead->verdict), lead->wins, lead->replications);
  }
  return text;
}

/// Where the bootstrap says something else than the t interval.
std::string bootstrap_line(std::span<const Comparison> comparisons) {
  std::string text;
  for (const auto& comparison : comparisons) {
    if (!comparison.bootstrap || !comparison.interval) continue;
    const auto drawn = verdict_of(*comparison.bootstrap);
    if (drawn == verdict_of(*comparison.interval)) continue;
    text += fmt::format("bootstrap ({}): [{:.3f}, {:.3f}], {}\n", one_line(comparison.policy),
                        comparison.bootstrap->low, comparison.bootstrap->high, name_of(drawn));
  }
  return text;
}

/// The first replication's context, with the questions outside the range of all.
RunContext context_of_all(const Replications& replications) {
  RunContext context = replications.runs.front().front().context;
  context.out_of_range_queries = 0;
  for (const auto& runs : replications.runs) {
    for (const auto& run : runs) context.out_of_range_queries += run.context.out_of_range_queries;
  }
  return context;
}

}  // namespace

Table compare_table(const Replications& replications, std::span<const Comparison> comparisons) {
  const auto runs = pooled_runs(replications);
  const bool prices = has_prices(runs);
  const std::string baseline = comparisons.empty() ? "baseline" : comparisons.front().baseline;
  Table table(columns_of(replications, baseline, prices));
  double best = 0;
  for (const auto& run : runs) {
    best = std::max(best, metric_value("goodput_tokens_per_s", run).value_or(0));
  }
  for (std::size_t i = 0; i < runs.size(); ++i) {
    if (!runs[i].feasible) {
      table.add_note(runs[i].policy, "no run: " + runs[i].reason);
      continue;
    }
    const Place at{replications, runs[i], i, comparison_of(runs[i], comparisons)};
    const auto goodput = metric_value("goodput_tokens_per_s", runs[i]);
    const bool is_best = goodput && *goodput == best && best > 0;
    table.add(cells_of(at, prices), is_best ? Emphasis::best : Emphasis::none);
  }
  return table;
}

std::string compare_notes(const Replications& replications,
                          std::span<const Comparison> comparisons) {
  const auto runs = pooled_runs(replications);
  std::string notes = one_line(verdict_sentence(runs, comparisons)) + "\n";
  notes += ranking_line(replications) + bootstrap_line(comparisons);
  for (const auto& note : comparison_notes(replications)) notes += one_line(note) + "\n";
  notes += prediction_notes(runs);
  if (replications.count() > 1) notes += "of replication 0: ";
  return notes + context_text(context_of_all(replications));
}

std::string compare_text(const Replications& replications, std::span<const Comparison> comparisons,
                         TableFormat format, bool colour) {
  if (format == TableFormat::csv) {
    std::vector<RunResult> all;
    for (const auto& runs : replications.runs) all.insert(all.end(), runs.begin(), runs.end());
    return to_csv(runs_table(all, comparisons));
  }
  return render(compare_table(replications, comparisons), format, colour) +
         below_table(compare_notes(replications, comparisons), format);
}

}  // namespace bethany
