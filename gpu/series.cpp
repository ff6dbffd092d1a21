#include "gpu/series.h"

#include <algorithm>

namespace bethany {
namespace {

bool is_expert(const Point& point) {
  return point.operation == Operation::expert_forward ||
         point.operation == Operation::expert_backward;
}

double extent(const Point& point) { return operation_extent(point.operation, point_size(point)); }

/// Whether `extent` alone names a point of the series.
bool has_table(const std::vector<Averaged>& points) {
  const Operation operation = points.front().point.operation;
  const bool counted = operation == Operation::all_to_all || operation == Operation::reduce;
  const int ranks = points.front().point.experts;
  if (counted && std::any_of(points.begin(), points.end(),
                             [&](const Averaged& p) { return p.point.experts != ranks; })) {
    return false;
  }
  if (is_expert(points.front().point)) return false;
  std::map<double, int> seen;
  for (const auto& p : points) {
    if (++seen[extent(p.point)] > 1) return false;
  }
  return points.size() > 2;
}

}  // namespace

std::vector<Averaged> average_passes(const Measurements& measurements) {
  struct Sum {
    Point point;
    double clean = 0;
    int clean_count = 0;
    double all = 0;
    int count = 0;
  };
  std::map<std::string, Sum> sums;
  for (const auto& m : measurements.points) {
    Sum& sum = sums[describe(m.point)];
    sum.point = m.point;
    sum.all += m.median;
    ++sum.count;
    if (m.note == "drift") continue;
    sum.clean += m.median;
    ++sum.clean_count;
  }
  std::vector<Averaged> result;
  for (const auto& [name, sum] : sums) {
    const double seconds = sum.clean_count > 0 ? sum.clean / sum.clean_count : sum.all / sum.count;
    result.push_back({sum.point, seconds});
  }
  return result;
}

std::vector<Averaged> best_variants(const std::vector<Averaged>& points,
                                    std::map<std::string, std::map<std::string, int>>& wins) {
  struct Best {
    Averaged averaged;
    std::string variant;
  };
  std::map<std::string, Best> best;
  for (const auto& p : points) {
    if (!is_expert(p.point)) continue;
    Averaged candidate = p;
    candidate.point.variant = "best";
    const auto name = describe(candidate.point);
    const auto found = best.find(name);
    if (found == best.end() || p.seconds < found->second.averaged.seconds) {
      best[name] = {candidate, p.point.variant};
    }
  }
  std::vector<Averaged> result;
  for (const auto& [name, entry] : best) {
    result.push_back(entry.averaged);
    ++wins[series_of(entry.averaged.point)][entry.variant];
  }
  return result;
}

FitPoint fit_point(const Averaged& averaged) {
  const Work work = point_work(averaged.point);
  return {.count = work.count, .bytes = work.bytes, .flop = work.flop, .seconds = averaged.seconds};
}

SeriesFit fit_series(const std::string& key, const std::vector<Averaged>& points,
                     std::uint64_t seed, int draws) {
  auto ordered = points;
  std::stable_sort(ordered.begin(), ordered.end(), [](const Averaged& a, const Averaged& b) {
    return extent(a.point) < extent(b.point);
  });
  std::vector<FitPoint> fit_points;
  for (const auto& p : ordered) fit_points.push_back(fit_point(p));
  SeriesFit series;
  series.key = key;
  series.operation = ordered.front().point.operation;
  series.fit = fit_curve(fit_points, seed, draws);
  series.extent_min = extent(ordered.front().point);
  series.extent_max = extent(ordered.back().point);
  const auto counts =
      std::minmax_element(fit_points.begin(), fit_points.end(),
                          [](const FitPoint& a, const FitPoint& b) { return a.count < b.count; });
  series.count_min = counts.first->count;
  series.count_max = counts.second->count;
  if (has_table(ordered)) {
    std::vector<double> seconds;
    for (const auto& p : ordered) seconds.push_back(p.seconds);
    const auto smooth = monotone(seconds);
    for (std::size_t i = 0; i < ordered.size(); ++i) {
      series.table.emplace_back(extent(ordered[i].point), smooth[i]);
    }
  }
  return series;
}

}  // namespace bethany
