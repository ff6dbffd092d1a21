#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "analysis/answers.h"
#include "analysis/number_text.h"
#include "sim/base/quantities.h"
#include "sim/policy/young_daly.h"
#include "sim/study/planning/answer_parts.h"

namespace bethany {
namespace {

/// Intervals whose goodput is at least this share of the best are one flat region.
constexpr double kFlat = 0.99;
constexpr int kCoarse = 9;
constexpr int kRounds = 2;

std::string interval_policy(const std::string& policy, std::int64_t interval_s) {
  return with_key(with_key(policy, "checkpoint", "interval"), "checkpoint.every",
                  fmt::format("{}s", interval_s));
}

/// `kCoarse` intervals in whole seconds, evenly spaced in their logarithm.
std::set<std::int64_t> coarse_grid(double low_s, double high_s) {
  std::set<std::int64_t> grid;
  for (int i = 0; i < kCoarse; ++i) {
    const double share = static_cast<double>(i) / (kCoarse - 1);
    grid.insert(std::llround(low_s * std::pow(high_s / low_s, share)));
  }
  return grid;
}

/// The intervals half-way, in logarithm, between `at` and its neighbours.
std::vector<std::int64_t> between_neighbours(const std::set<std::int64_t>& grid, std::int64_t at) {
  std::vector<std::int64_t> added;
  const auto place = grid.find(at);
  const auto middle = [&](std::int64_t other) {
    const double product = static_cast<double>(at) * static_cast<double>(other);
    added.push_back(std::llround(std::sqrt(product)));
  };
  if (place != grid.begin()) middle(*std::prev(place));
  if (std::next(place) != grid.end()) middle(*std::next(place));
  return added;
}

/// The intervals that were run, with what came of them.
struct Found {
  std::string policy;
  std::map<std::int64_t, const Evaluated*> runs;  // by interval in seconds
  const Evaluated* best = nullptr;
  std::int64_t best_s = 0;
  std::int64_t flat_low_s = 0;
  std::int64_t flat_high_s = 0;

  std::vector<const Evaluated*> evaluated() const {
    std::vector<const Evaluated*> all;
    for (const auto& [interval, each] : runs) all.push_back(each);
    return all;
  }
};

bool is_flat(const Found& found, const Evaluated& each) {
  const auto ratio = paired_ratio(each, *found.best);
  return ratio && ratio->ratio >= kFlat;
}

void run_grid(Evaluator& evaluator, const std::set<std::int64_t>& grid, Found& found) {
  std::vector<Variant> variants;
  for (const auto interval : grid) {
    variants.push_back({interval_policy(found.policy, interval), {}});
  }
  const auto runs = evaluator.evaluate(variants);
  require_a_run(runs);
  found.best = best_of(runs);
  auto each = runs.begin();
  for (const auto interval : grid) {
    if (*each == found.best) found.best_s = interval;
    found.runs[interval] = *each++;
  }
}

/// The flat region reaches from the best interval to both sides as far as there is no gap.
void mark_flat(Found& found) {
  found.flat_low_s = found.flat_high_s = found.best_s;
  for (auto at = found.runs.find(found.best_s); is_flat(found, *at->second); --at) {
    found.flat_low_s = at->first;
    if (at == found.runs.begin()) break;
  }
  for (auto at = found.runs.find(found.best_s);
       at != found.runs.end() && is_flat(found, *at->second); ++at) {
    found.flat_high_s = at->first;
  }
}

Found search(Evaluator& evaluator, const std::string& policy, double low_s, double high_s) {
  Found found{.policy = policy};
  auto grid = coarse_grid(low_s, high_s);
  run_grid(evaluator, grid, found);
  for (int round = 0; round < kRounds; ++round) {
    for (const auto added : between_neighbours(grid, found.best_s)) grid.insert(added);
    run_grid(evaluator, grid, found);
  }
  mark_flat(found);
  return found;
}

Chart figure_of(const Found& found) {
  std::vector<LinePoint> points;
  for (const auto& [interval, each] : found.runs) {
    if (!each->feasible) continue;
    const auto spread = spread_of(each->goodputs());
    points.push_back({static_cast<double>(interval), spread.mean, spread.interval});
  }
  auto chart =
      line_chart("plan-checkpoint", "Goodput by checkpoint interval of " + found.policy,
                 {.title = "interval between checkpoints, s", .scale = ScaleKind::logarithmic},
                 {.title = "goodput, tokens/s"}, points);
  chart.caption =
      "Mean goodput over the replications with the 95 % interval of each mean. Differences between "
      "intervals are paired and better known than these bars say: see the column \"vs best\".";
  return chart;
}

std::vector<JsonNode> add_rows(const Found& found, int replications, Table& table) {
  std::vector<JsonNode> rows;
  for (const auto& [interval, each] : found.runs) {
    const auto ratio = paired_ratio(*each, *found.best);
    JsonNode row;
    row.member("interval_s") = JsonNode::of(interval);
    row.member("goodput_tokens_per_s") = goodput_json(*each);
    row.member("ratio_to_best") = ratio_json(ratio);
    row.member("restarts") = each->feasible ? JsonNode::of(each->restarts()) : JsonNode{};
    rows.push_back(std::move(row));
    const auto title = rounded_text(std::chrono::seconds(interval));
    if (!each->feasible) {
      table.add_note(title, "no run: " + each->reason);
      continue;
    }
    const bool best = each == found.best;
    table.add({title, goodput_text(*each), ratio_text(ratio),
               fmt::format("{:.1f}", static_cast<double>(each->restarts()) / replications),
               best                    ? "best"
               : is_flat(found, *each) ? "within 1 %"
                                       : ""},
              best ? Emphasis::best : Emphasis::none);
  }
  return rows;
}

/// Of the best interval's runs; empty without a restart or a write.
struct Formulas {
  std::optional<double> write_s;
  std::optional<double> mtbf_s;
  std::optional<double> young_s;
  std::optional<double> daly_s;
};

Formulas formulas_of(const Evaluated& best) {
  Formulas formulas;
  if (best.write > Duration(0)) formulas.write_s = to_seconds(best.write);
  if (best.restarts() > 0) {
    formulas.mtbf_s = to_seconds(best.horizon()) / static_cast<double>(best.restarts());
  }
  if (formulas.write_s && formulas.mtbf_s) {
    formulas.young_s = young_interval_s(*formulas.write_s, *formulas.mtbf_s);
    formulas.daly_s = daly_interval_s(*formulas.write_s, *formulas.mtbf_s);
  }
  return formulas;
}

JsonNode result_of(const Found& found, const Evaluated& asked, const Formulas& formulas) {
  JsonNode result;
  result.member("interval_s") = JsonNode::of(found.best_s);
  result.member("flat_low_s") = JsonNode::of(found.flat_low_s);
  result.member("flat_high_s") = JsonNode::of(found.flat_high_s);
  result.member("goodput_tokens_per_s") = JsonNode::of(mean(found.best->goodputs()));
  result.member("ratio_as_given") = ratio_json(paired_ratio(asked, *found.best));
  result.member("write_s") = number_or_null(formulas.write_s);
  result.member("mean_time_between_restarts_s") = number_or_null(formulas.mtbf_s);
  result.member("young_s") = number_or_null(formulas.young_s);
  result.member("daly_s") = number_or_null(formulas.daly_s);
  return result;
}

std::vector<std::string> text_of(const Found& found, const Evaluated& asked,
                                 const Formulas& formulas) {
  const auto words = [](double seconds) { return rounded_text(round_to_duration(seconds)); };
  const auto whole = [&](std::int64_t seconds) { return words(static_cast<double>(seconds)); };
  std::vector<std::string> text;
  text.push_back(fmt::format(
      "{}: a checkpoint every {} gives most, {} tokens/s; from {} to {} it is within 1 % of that.",
      found.policy, whole(found.best_s), rounded(mean(found.best->goodputs())),
      whole(found.flat_low_s), whole(found.flat_high_s)));
  text.push_back(formulas.daly_s
                     ? fmt::format("Young: {}, Daly: {}, for writes of {} and {} between restarts, "
                                   "as observed at the best interval.",
                                   words(*formulas.young_s), words(*formulas.daly_s),
                                   words(*formulas.write_s), words(*formulas.mtbf_s))
                     : std::string("Young, Daly: UNKNOWN, nothing restarted from a checkpoint."));
  text.push_back(fmt::format("The policy as given reaches {} of the best.",
                             ratio_text(paired_ratio(asked, *found.best))));
  return text;
}

}  // namespace

PlanAnswer plan_checkpoint(const JsonNode& tree, const PlanOptions& options) {
  Evaluator evaluator(tree, options.replications, options.threads);
  const auto policy = one_policy(tree, options);
  // The policy as it is says how long a write and a run are.
  const auto& asked = evaluator.evaluate(Variant{policy, {}});
  require_a_run({&asked});
  const double horizon_s = to_seconds(asked.runs.front().summary.horizon);
  const double low_s = std::max(1.0, to_seconds(asked.write));
  const auto found = search(evaluator, policy, low_s, std::max(2 * low_s, horizon_s / 2));
  const auto formulas = formulas_of(*found.best);
  PlanAnswer answer{
      .question = "checkpoint",
      .json = plan_head("checkpoint", {policy}, evaluator, found.evaluated()),
      .table = Table(
          {{"interval"}, {"tokens/s [95 %]"}, {"vs best [95 %]"}, {"restarts"}, {"", Align::left}}),
      .text = text_of(found, asked, formulas),
      .figure = figure_of(found)};
  answer.figure->alternative = answer.text.front();
  auto rows = add_rows(found, options.replications, answer.table);
  finish_json(answer, std::move(rows), result_of(found, asked, formulas));
  return answer;
}

}  // namespace bethany
