#include <fmt/format.h>

#include <map>

#include "analysis/number_text.h"
#include "analysis/report/figure_parts.h"
#include "analysis/report/sweep_grid.h"
#include "sim/base/text.h"

namespace bethany {
namespace {

constexpr char kNoWinner[] = "no clear winner";

std::string axis_title(const SweepAxis& axis) {
  return axis.followers.empty() ? axis.key
                                : axis.key + " (with " + list_in_words(axis.followers) + ")";
}

/// A cell for each point at which some policy has a run in every replication.
class MapMaker {
 public:
  MapMaker(const SweepGrid& grid, bool by_policy, Chart& chart)
      : grid_(grid), by_policy_(by_policy), chart_(chart) {}

  void fill() {
    ChartData rows{{{"x", grid_.axes[0].key},
                    {"y", grid_.axes[1].key},
                    {"winner", "most goodput"},
                    {"policy", "policy with the highest mean"},
                    {"goodput_tokens_per_s", "its mean goodput, tokens/s"},
                    {"next", "next policy"},
                    {"ratio", "goodput by the next one's"},
                    {"replications", "replications"}},
                   {}};
    // Last value of the second axis first: it grows upwards.
    const auto& second = grid_.axes[1].values;
    for (auto y = second.rbegin(); y != second.rend(); ++y) {
      for (const auto& x : grid_.axes[0].values) add(value_text(x), value_text(*y), rows);
    }
    chart_.data.push_back(std::move(rows));
    chart_.layers.push_back({.mark = Mark::cell,
                             .x = "x",
                             .y = "y",
                             .colour = by_policy_ ? "winner" : "goodput_tokens_per_s"});
  }

  bool any() const { return cells_ > 0; }
  double highest() const { return highest_; }

  std::string caption() const {
    std::string text;
    if (by_policy_) {
      text = fmt::format(
          "The policy with the most goodput by point. '{}': the next policy is within 0.5 %, or "
          "the "
          "95 % interval of the mean paired difference reaches 0.",
          kNoWinner);
      if (single_ > 0) {
        text += fmt::format(
            " {} of {} points have one trace only: what holds for it need not hold "
            "for others.",
            single_, cells_);
      }
    } else {
      text = "Mean goodput by point.";
    }
    return text + fmt::format(
                      " Upper bounds are left out. Blank: no policy has a run in every replication "
                      "({} of {} points).",
                      blank_, blank_ + cells_);
  }

  std::string alternative() const {
    std::vector<std::string> parts;
    for (const auto& [winner, count] : wins_) {
      parts.push_back(winner == kNoWinner
                          ? fmt::format("no clear winner at {}", count)
                          : fmt::format("{} has most goodput at {}", winner, count));
    }
    return fmt::format("Of {} points, {}.", blank_ + cells_, list_in_words(parts));
  }

 private:
  void add(const std::string& x, const std::string& y, ChartData& rows) {
    const auto cell = grid_.cells.find({x, y});
    const auto winner = cell == grid_.cells.end() ? std::nullopt : winner_of(cell->second);
    if (!winner) {
      ++blank_;
      rows.rows.push_back({x, y, {}, {}, {}, {}, {}, {}});
      return;
    }
    ++cells_;
    if (winner->replications < 2) ++single_;
    const std::string name = winner->clear ? winner->policy : kNoWinner;
    ++wins_[name];
    highest_ = std::max(highest_, winner->goodput);
    ChartCell next;
    ChartCell ratio;
    if (!winner->next.empty()) next = winner->next;
    if (winner->ratio) ratio = *winner->ratio;
    rows.rows.push_back({x, y, name, winner->policy, winner->goodput, next, ratio,
                         static_cast<double>(winner->replications)});
  }

  const SweepGrid& grid_;
  bool by_policy_;
  Chart& chart_;
  std::map<std::string, int> wins_;
  int cells_ = 0;
  int blank_ = 0;
  int single_ = 0;
  double highest_ = 0;
};

std::optional<Chart> make(const ReportData& data) {
  if (data.sweep_runs.empty()) return std::nullopt;
  SweepGrid grid = sweep_grid(data);
  if (grid.axes.size() != 2) return std::nullopt;
  std::vector<std::string> policies;  // that may win
  for (const auto& policy : policy_names(data)) {
    if (!is_bound(data, policy)) policies.push_back(policy);
  }
  if (policies.empty()) return std::nullopt;
  for (auto& [point, cells] : grid.cells) {
    std::erase_if(cells, [&](const auto& cell) { return is_bound(data, cell.first); });
  }
  const bool by_policy = policies.size() > 1;
  Chart chart = policy_chart(
      data, "sweep-map", by_policy ? "Which policy has most goodput where" : "Goodput by point");
  chart.x = {axis_title(grid.axes[0]), ScaleKind::category};
  chart.y = {axis_title(grid.axes[1]), ScaleKind::category};
  MapMaker map(grid, by_policy, chart);
  map.fill();
  if (!map.any()) return std::nullopt;
  chart.caption = map.caption();
  if (by_policy) {
    chart.colour_order.emplace_back(kNoWinner);
    chart.alternative = map.alternative();
  } else {
    chart.colour_title = "tokens/s";
    chart.colour_range = {0, map.highest()};
    chart.alternative = fmt::format("The highest mean goodput of {} is {} tokens/s.",
                                    policies.front(), short_number(map.highest()));
  }
  return chart;
}

const bool registered = add_chart({
    .name = "sweep-map",
    .order = 100,
    .summary = "the policy with most goodput over two axes of a sweep",
    .make = make,
});

}  // namespace
}  // namespace bethany
