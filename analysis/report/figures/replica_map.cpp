#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <numeric>

#include "analysis/number_text.h"
#include "analysis/report/figure_parts.h"
#include "analysis/table.h"
#include "sim/base/quantities.h"
#include "sim/base/text.h"

namespace bethany {
namespace {

constexpr std::size_t kMostRows = 64;
constexpr std::size_t kMostColumns = 64;

/// Nodes that hold each expert of a layer, without those that were lost.
std::vector<int> live_hosts(const PlacementPlan& plan, int layer,
                            const std::vector<NodeId>& machines, const std::set<NodeId>& lost) {
  std::vector<int> hosts(static_cast<std::size_t>(plan.experts));
  for (int place = 0; place < plan.nodes; ++place) {
    if (lost.count(machines[static_cast<std::size_t>(place)]) > 0) continue;
    std::set<std::int32_t> held;
    for (const auto expert : plan.node_slots(layer, place)) {
      if (expert != kVacant) held.insert(expert);
    }
    for (const auto expert : held) ++hosts[static_cast<std::size_t>(expert)];
  }
  return hosts;
}

/// The layer with the expert that the losses left on fewest nodes; of several, the one with most
/// such experts, then the first.
int worst_layer(const PlanChange& change) {
  int worst = 0;
  std::pair<int, std::int64_t> worst_of{std::numeric_limits<int>::max(), 0};
  for (int layer = 0; layer < static_cast<int>(change.before->layers.size()); ++layer) {
    const auto hosts = live_hosts(*change.before, layer, change.machines_before, change.lost);
    const int fewest = *std::min_element(hosts.begin(), hosts.end());
    const std::pair<int, std::int64_t> here{fewest,
                                            -std::count(hosts.begin(), hosts.end(), fewest)};
    if (here < worst_of) {
      worst_of = here;
      worst = layer;
    }
  }
  return worst;
}

/// Items joined to at most `most` groups of neighbours.
struct Groups {
  std::size_t items;
  std::size_t each;

  Groups(std::size_t count, std::size_t most) : items(count), each((count + most - 1) / most) {}
  bool joined() const { return each > 1; }
  std::size_t of(std::size_t item) const { return item / each; }
  std::size_t last_of(std::size_t group) const { return std::min(items, (group + 1) * each) - 1; }
};

class MapMaker {
 public:
  MapMaker(const RunSeries& series, Chart& chart)
      : series_(series),
        change_(*series.plan_change),
        chart_(chart),
        layer_(worst_layer(change_)),
        experts_(by_replicas()),
        rows_(experts_.size(), kMostRows) {
    for (const auto* machines : {&change_.machines_before, &change_.machines_after}) {
      for (const NodeId node : *machines) {
        if (index_of_.emplace(node, machines_.size()).second) machines_.push_back(node);
      }
    }
    columns_ = Groups(machines_.size(), kMostColumns);
  }

  void fill() {
    ChartData data{{{"when", "when"},
                    {"node", "node"},
                    {"expert", "expert"},
                    {"replicas", "replicas"},
                    {"lost", "lost"}},
                   {}};
    add(data, "before the loss", *change_.before, change_.machines_before);
    add(data, "after the recovery", *change_.after, change_.machines_after);
    double most = 0;
    for (const auto& row : data.rows) most = std::max(most, std::get<double>(row[3]));
    chart_.colour_range = {0, std::max(1.0, most)};
    chart_.data.push_back(std::move(data));
    chart_.layers.push_back({.mark = Mark::cell, .x = "node", .y = "expert", .colour = "replicas"});
  }

  int layer() const { return layer_; }
  bool joined() const { return rows_.joined() || columns_.joined(); }
  std::string joined_text() const {
    std::vector<std::string> parts;
    if (rows_.joined()) parts.push_back(fmt::format("{} of {} experts", rows_.each, rows_.items));
    if (columns_.joined()) {
      parts.push_back(fmt::format("{} of {} nodes", columns_.each, columns_.items));
    }
    return " A cell sums over " + list_in_words(parts) + ".";
  }

 private:
  /// Most replicas before the loss first, then by number.
  std::vector<std::size_t> by_replicas() const {
    const auto& replicas = change_.before->layers[static_cast<std::size_t>(layer_)].replicas;
    std::vector<std::size_t> experts(replicas.size());
    std::iota(experts.begin(), experts.end(), std::size_t{0});
    std::stable_sort(experts.begin(), experts.end(),
                     [&](std::size_t a, std::size_t b) { return replicas[a] > replicas[b]; });
    return experts;
  }

  std::string expert_name(std::size_t group) const {
    const std::size_t first = group * rows_.each;
    if (!rows_.joined()) return fmt::format("expert {}", experts_[first]);
    return fmt::format("rank {} to {} of replicas", first + 1, rows_.last_of(group) + 1);
  }

  std::string node_name(NodeId node) const {
    if (node.index() < series_.node_names.size()) return one_line(series_.node_names[node.index()]);
    return fmt::format("node {}", node.value);
  }

  std::string column_name(std::size_t group) const {
    const std::size_t first = group * columns_.each;
    const std::size_t last = columns_.last_of(group);
    const std::string name = node_name(machines_[first]);
    return first == last ? name : name + " to " + node_name(machines_[last]);
  }

  void add(ChartData& data, const char* when, const PlacementPlan& plan,
           const std::vector<NodeId>& machines) const {
    std::vector<std::size_t> rank(experts_.size());
    for (std::size_t i = 0; i < experts_.size(); ++i) rank[experts_[i]] = i;
    std::map<std::pair<std::size_t, std::size_t>, double> cells;  // (row, column)
    std::set<std::size_t> present;
    std::map<std::size_t, int> lost;  // nodes of the column
    for (int place = 0; place < plan.nodes; ++place) {
      const NodeId node = machines[static_cast<std::size_t>(place)];
      const std::size_t column = columns_.of(index_of_.at(node));
      present.insert(column);
      if (change_.lost.count(node) > 0) ++lost[column];
      for (const auto expert : plan.node_slots(layer_, place)) {
        if (expert == kVacant) continue;
        ++cells[{rows_.of(rank[static_cast<std::size_t>(expert)]), column}];
      }
    }
    for (std::size_t row = 0; row <= rows_.of(experts_.size() - 1); ++row) {
      for (const std::size_t column : present) {
        const auto found = cells.find({row, column});
        const double replicas = found == cells.end() ? 0 : found->second;
        const auto gone = lost.find(column);
        ChartCell mark;
        if (gone != lost.end()) mark = static_cast<double>(gone->second);
        data.rows.push_back({when, column_name(column), expert_name(row), replicas, mark});
      }
    }
  }

  const RunSeries& series_;
  const PlanChange& change_;
  Chart& chart_;
  int layer_;
  std::vector<std::size_t> experts_;  // row after row
  std::vector<NodeId> machines_;      // column after column: before, then those that came
  std::map<NodeId, std::size_t> index_of_;
  Groups rows_;
  Groups columns_{0, 1};
};

std::optional<Chart> make(const ReportData& data) {
  const KeptRun* chosen = nullptr;
  for (const auto& kept : data.kept) {
    if (chosen == nullptr && !kept.is_bound && kept.series->plan_change) chosen = &kept;
  }
  if (chosen == nullptr) return std::nullopt;
  const PlanChange& change = *chosen->series->plan_change;
  Chart chart;
  chart.id = "replica-map";
  chart.title = "Replicas of experts around a recovery in place";
  chart.x = {"node", ScaleKind::category};
  chart.y = {"expert", ScaleKind::category};
  chart.colour_title = "replicas";
  chart.panel = "when";
  MapMaker map(*chosen->series, chart);
  map.fill();
  const auto hosts = live_hosts(*change.before, map.layer(), change.machines_before, change.lost);
  const int fewest = *std::min_element(hosts.begin(), hosts.end());
  chart.caption = fmt::format(
      "{}, recovery at {} that moved most state: {} expert states, {}. Layer {} of {}, where the "
      "losses left an expert on fewest nodes. Rows: experts, those with most replicas first. "
      "Columns: nodes in the order of the plan before, then those that came; a node that is not "
      "there has no cell.",
      chosen->policy, rounded_text(change.time.time_since_epoch()),
      grouped(change.transfer.experts_moved), rounded_bytes(change.transfer.total_bytes),
      map.layer(), change.before->layers.size());
  if (map.joined()) chart.caption += map.joined_text();
  chart.caption += of_first_replication(data);
  chart.alternative = fmt::format(
      "{} goes from {} to {} nodes; in layer {} the loss of {} leaves {} of {} experts on {} "
      "node{}, the fewest.",
      chosen->policy, change.before->nodes, change.after->nodes, map.layer(), change.lost.size(),
      std::count(hosts.begin(), hosts.end(), fewest), change.before->experts, fewest,
      fewest == 1 ? "" : "s");
  return chart;
}

const bool registered = add_chart({
    .name = "replica-map",
    .order = 50,
    .summary = "replicas by expert and node before and after the recovery that moved most state",
    .make = make,
});

}  // namespace
}  // namespace bethany
