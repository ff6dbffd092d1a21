#include "analysis/report/sweep_grid.h"

#include <algorithm>
#include <set>

#include "analysis/report/json_values.h"
#include "sim/base/check.h"
#include "sim/base/statistics.h"

namespace bethany {
namespace {

constexpr double kEqual = 0.005;  // means closer than this count as a tie

std::vector<SweepAxis> all_axes(const ReportData& data) {
  std::vector<SweepAxis> axes;
  for (const auto& run : data.sweep_runs) {
    for (const auto& member : run.find("assignment")->members) {
      if (member.key == "policy") continue;
      auto axis = std::find_if(axes.begin(), axes.end(),
                               [&](const SweepAxis& one) { return one.key == member.key; });
      if (axis == axes.end()) axis = axes.insert(axis, {member.key, {}, {}});
      const auto text = value_text(member.value);
      const bool known = std::any_of(axis->values.begin(), axis->values.end(),
                                     [&](const JsonNode& v) { return value_text(v) == text; });
      if (!known) axis->values.push_back(member.value);
    }
  }
  axes.erase(std::remove_if(axes.begin(), axes.end(),
                            [](const SweepAxis& axis) { return axis.values.size() < 2; }),
             axes.end());
  return axes;
}

std::string value_in(const JsonNode& run, const std::string& key) {
  const auto* value = run.find("assignment")->find(key);
  return value == nullptr ? "" : value_text(*value);
}

/// Whether each value of `key` stands with one value of `other` only.
bool decides(const ReportData& data, const std::string& key, const std::string& other) {
  std::map<std::string, std::string> seen;
  for (const auto& run : data.sweep_runs) {
    const auto [entry, added] = seen.emplace(value_in(run, key), value_in(run, other));
    if (!added && entry->second != value_in(run, other)) return false;
  }
  return true;
}

}  // namespace

bool SweepAxis::is_number() const {
  return std::all_of(values.begin(), values.end(), [](const JsonNode& value) {
    return value.kind == JsonNode::Kind::integer || value.kind == JsonNode::Kind::real;
  });
}

double SweepCell::mean() const {
  BETHANY_CHECK(complete(), "the mean of {} of {} runs", goodput.size(),
                static_cast<std::int64_t>(goodput.size()) + without_run);
  double sum = 0;
  for (const auto& [replication, value] : goodput) sum += value;
  return sum / static_cast<double>(goodput.size());
}

std::string value_text(const JsonNode& value) {
  return value.kind == JsonNode::Kind::string ? value.text : to_line(value);
}

SweepGrid sweep_grid(const ReportData& data) {
  SweepGrid grid;
  for (auto& axis : all_axes(data)) {
    const auto leader = std::find_if(grid.axes.begin(), grid.axes.end(), [&](const SweepAxis& one) {
      return decides(data, one.key, axis.key);
    });
    if (leader == grid.axes.end()) {
      grid.axes.push_back(std::move(axis));
    } else {
      leader->followers.push_back(axis.key);
    }
  }
  for (const auto& run : data.sweep_runs) {
    std::vector<std::string> point;
    for (const auto& axis : grid.axes) point.push_back(value_in(run, axis.key));
    SweepCell& cell = grid.cells[point][text_at(run, {"assignment", "policy"})];
    const auto goodput = number_at(run, {"result", "goodput_tokens_per_s"});
    if (text_at(run, {"status"}) == "ok" && goodput) {
      cell.goodput[integer_at(run, {"replication"}).value_or(0)] = *goodput;
    } else {
      ++cell.without_run;
    }
  }
  return grid;
}

std::optional<Winner> winner_of(const std::map<std::string, SweepCell>& policies) {
  const SweepCell* best = nullptr;
  const SweepCell* second = nullptr;
  Winner winner;
  for (const auto& [policy, cell] : policies) {
    if (!cell.complete()) continue;
    if (best == nullptr || cell.mean() > best->mean()) {
      second = best;
      winner.next = winner.policy;
      best = &cell;
      winner.policy = policy;
    } else if (second == nullptr || cell.mean() > second->mean()) {
      second = &cell;
      winner.next = policy;
    }
  }
  if (best == nullptr) return std::nullopt;
  winner.goodput = best->mean();
  winner.replications = static_cast<std::int64_t>(best->goodput.size());
  if (second == nullptr) return winner;
  if (second->mean() > 0) winner.ratio = best->mean() / second->mean();
  std::vector<double> differences;
  for (const auto& [replication, value] : best->goodput) {
    const auto other = second->goodput.find(replication);
    if (other != second->goodput.end()) differences.push_back(value - other->second);
  }
  winner.clear = best->mean() - second->mean() > kEqual * second->mean();
  if (differences.size() > 1) winner.clear = winner.clear && mean_interval(differences).low > 0;
  return winner;
}

}  // namespace bethany
