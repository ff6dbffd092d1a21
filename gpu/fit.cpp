#include "gpu/fit.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>

#include "sim/base/check.h"
#include "sim/base/random.h"

namespace bethany {
namespace {

/// A point with what every evaluation of the loss needs of it.
struct Known {
  FitPoint point;
  double log_seconds;
};

std::vector<Known> known(const std::vector<FitPoint>& points) {
  std::vector<Known> result;
  for (const auto& p : points) result.push_back({p, std::log(p.seconds)});
  return result;
}

/// Which terms of a Curve are fitted, and the curve as a vector of logarithms and back.
class Terms {
 public:
  Terms(const std::vector<FitPoint>& points, bool sum) : sum_(sum) {
    double shortest = points.front().seconds;
    double bandwidth = 0;
    double flop_rate = 0;
    double count = 0;
    bool varies = false;
    for (const auto& p : points) {
      shortest = std::min(shortest, p.seconds);
      bandwidth = std::max(bandwidth, p.bytes / p.seconds);
      flop_rate = std::max(flop_rate, p.flop / p.seconds);
      count = std::max(count, p.count);
      varies = varies || p.count < points.front().count || p.count > points.front().count;
    }
    add(&Curve::start, shortest * 0.5);
    if (varies) add(&Curve::per_count, shortest * 0.2 / count);
    first_rate_ = initial_.size();
    if (bandwidth > 0) add(&Curve::bandwidth, bandwidth);
    if (flop_rate > 0) add(&Curve::flop_rate, flop_rate);
  }

  bool has_both_rates() const { return initial_.size() - first_rate_ == 2; }
  const std::vector<double>& initial() const { return initial_; }
  Curve curve(const std::vector<double>& logs) const {
    Curve curve;
    curve.sum = sum_;
    for (std::size_t i = 0; i < members_.size(); ++i) curve.*members_[i] = std::exp(logs[i]);
    return curve;
  }
  std::vector<double> logs(const Curve& curve) const {
    std::vector<double> result;
    for (const auto member : members_) result.push_back(std::log(curve.*member));
    return result;
  }
  /// Squared distance of the rates from the highest that a point shows.
  double distance(const std::vector<double>& logs) const {
    double sum = 0;
    for (std::size_t i = first_rate_; i < logs.size(); ++i) {
      sum += (logs[i] - initial_[i]) * (logs[i] - initial_[i]);
    }
    return sum;
  }

 private:
  void add(double Curve::*member, double value) {
    members_.push_back(member);
    initial_.push_back(std::log(value));
  }

  bool sum_;
  std::size_t first_rate_ = 0;
  std::vector<double Curve::*> members_;
  std::vector<double> initial_;
};

using Loss = std::function<double(const std::vector<double>&)>;

/// Nelder–Mead, a fixed number of moves: the loss is cheap, has kinks, and few parameters.
std::vector<double> minimise(const Loss& loss, const std::vector<double>& start, double size,
                             int moves) {
  struct Corner {
    std::vector<double> at;
    double value;
  };
  const std::size_t n = start.size();
  std::vector<Corner> simplex{{start, loss(start)}};
  for (std::size_t i = 0; i < n; ++i) {
    auto at = start;
    at[i] += size;
    simplex.push_back({at, loss(at)});
  }
  const auto by_value = [](const Corner& a, const Corner& b) { return a.value < b.value; };
  for (int move = 0; move < moves; ++move) {
    std::stable_sort(simplex.begin(), simplex.end(), by_value);
    std::vector<double> centre(n, 0);
    for (std::size_t c = 0; c < n; ++c) {
      for (std::size_t i = 0; i < n; ++i) centre[i] += simplex[c].at[i] / static_cast<double>(n);
    }
    Corner& worst = simplex.back();
    const auto towards = [&](double step) {
      Corner corner{centre, 0};
      for (std::size_t i = 0; i < n; ++i) corner.at[i] += step * (worst.at[i] - centre[i]);
      corner.value = loss(corner.at);
      return corner;
    };
    const Corner mirrored = towards(-1);
    if (mirrored.value < simplex.front().value) {
      const Corner further = towards(-2);
      worst = further.value < mirrored.value ? further : mirrored;
    } else if (mirrored.value < simplex[n - 1].value) {
      worst = mirrored;
    } else {
      const Corner inside = towards(mirrored.value < worst.value ? -0.5 : 0.5);
      if (inside.value < std::min(worst.value, mirrored.value)) {
        worst = inside;
      } else {
        for (std::size_t c = 1; c < simplex.size(); ++c) {
          for (std::size_t i = 0; i < n; ++i) {
            simplex[c].at[i] = (simplex[c].at[i] + simplex.front().at[i]) / 2;
          }
          simplex[c].value = loss(simplex[c].at);
        }
      }
    }
  }
  return std::min_element(simplex.begin(), simplex.end(), by_value)->at;
}

double residual(const Curve& curve, const Known& known) {
  return known.log_seconds - std::log(curve.seconds(known.point));
}

std::vector<double> residuals(const Curve& curve, const std::vector<Known>& points) {
  std::vector<double> result;
  for (const auto& p : points) result.push_back(residual(curve, p));
  return result;
}

double scaled_mad(std::vector<double> values) {
  for (auto& v : values) v = std::abs(v);
  std::sort(values.begin(), values.end());
  return 1.4826 * quantile_sorted(values, 0.5);
}

/// Tukey's biweight, bounded: beyond `reach` a residual counts the same however large.
double biweight(double residual, double reach) {
  const double u = residual / reach;
  if (std::abs(u) >= 1) return reach * reach / 6;
  const double inner = 1 - u * u;
  return reach * reach / 6 * (1 - inner * inner * inner);
}

/// A first fit by mean absolute residual, then by the biweight at the scale of the last one.
Curve robust_fit(const Terms& terms, const std::vector<Known>& points,
                 const std::vector<double>& start, bool first) {
  constexpr double kPrior = 1e-4;  // of a mean residual: decides only where the points do not
  const auto count = static_cast<double>(points.size());
  std::vector<double> logs = start;
  if (first) {
    const Loss absolute = [&](const std::vector<double>& at) {
      const Curve curve = terms.curve(at);
      double sum = 0;
      for (const auto& p : points) sum += std::abs(residual(curve, p));
      return sum / count + kPrior * terms.distance(at);
    };
    // Restarts: the start may lie where a term has no say.
    for (const double size : {1.0, -1.0, 0.3}) logs = minimise(absolute, logs, size, 300);
  }
  for (int round = 0; round < (first ? 2 : 1); ++round) {
    const double scale = scaled_mad(residuals(terms.curve(logs), points));
    const double reach = 4.685 * std::max(scale, 1e-4);
    const Loss robust = [&](const std::vector<double>& at) {
      const Curve curve = terms.curve(at);
      double sum = 0;
      for (const auto& p : points) sum += biweight(residual(curve, p), reach);
      return sum / count + kPrior * scale * scale * terms.distance(at);
    };
    logs = minimise(robust, logs, 0.05, first ? 300 : 80);
  }
  return terms.curve(logs);
}

std::vector<double> relative_errors(const Curve& curve, const std::vector<FitPoint>& points) {
  std::vector<double> errors;
  for (const auto& p : points) errors.push_back(std::abs(curve.seconds(p) / p.seconds - 1));
  std::sort(errors.begin(), errors.end());
  return errors;
}

double held_out_error(const std::vector<FitPoint>& points, bool sum) {
  if (points.size() < 8) return 0;
  std::vector<FitPoint> kept;
  std::vector<FitPoint> held_out;
  for (std::size_t i = 0; i < points.size(); ++i) {
    (i % 5 == 2 ? held_out : kept).push_back(points[i]);
  }
  const Terms terms(kept, sum);
  const Curve curve = robust_fit(terms, known(kept), terms.initial(), true);
  return mean(relative_errors(curve, held_out));
}

Interval spread(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return {quantile_sorted(values, 0.025), quantile_sorted(values, 0.975)};
}

}  // namespace

FittedCurve fit_curve(const std::vector<FitPoint>& points, std::uint64_t seed, int draws) {
  BETHANY_CHECK(!points.empty(), "a fit of nothing");
  for (const auto& p : points) BETHANY_CHECK(p.seconds > 0, "a point of {} s", p.seconds);
  FittedCurve result;
  const auto all = known(points);
  Terms terms(points, false);
  result.curve = robust_fit(terms, all, terms.initial(), true);
  if (terms.has_both_rates()) {
    const Terms other(points, true);
    const Curve sum = robust_fit(other, all, other.initial(), true);
    if (mean(relative_errors(sum, points)) < mean(relative_errors(result.curve, points))) {
      terms = other;
      result.curve = sum;
    }
  }
  result.points = static_cast<int>(points.size());
  const auto errors = relative_errors(result.curve, points);
  result.mape_in = mean(errors);
  result.p95 = quantile_sorted(errors, 0.95);
  result.worst = errors.back();
  result.mape_holdout = held_out_error(points, result.curve.sum);

  Rng rng = RngStreams(seed, 0).stream("gpu/bootstrap");
  std::array<std::vector<double>, 4> drawn;
  const auto best = terms.logs(result.curve);
  for (int draw = 0; draw < draws; ++draw) {
    std::vector<Known> sample;
    for (std::size_t i = 0; i < all.size(); ++i) {
      sample.push_back(all[static_cast<std::size_t>(rng.below(all.size()))]);
    }
    const Curve curve = robust_fit(terms, sample, best, false);
    drawn[0].push_back(curve.start);
    drawn[1].push_back(curve.per_count);
    drawn[2].push_back(curve.bandwidth);
    drawn[3].push_back(curve.flop_rate);
  }
  if (draws > 0) {
    result.start = spread(drawn[0]);
    result.per_count = spread(drawn[1]);
    result.bandwidth = spread(drawn[2]);
    result.flop_rate = spread(drawn[3]);
  }
  return result;
}

std::vector<double> monotone(const std::vector<double>& seconds) {
  struct Pool {
    double sum;
    std::size_t count;
    double level() const { return sum / static_cast<double>(count); }
  };
  std::vector<Pool> pools;
  for (const double s : seconds) {
    pools.push_back({std::log(s), 1});
    while (pools.size() > 1 && pools[pools.size() - 2].level() > pools.back().level()) {
      const Pool last = pools.back();
      pools.pop_back();
      pools.back().sum += last.sum;
      pools.back().count += last.count;
    }
  }
  std::vector<double> result;
  for (const auto& pool : pools) {
    for (std::size_t i = 0; i < pool.count; ++i) result.push_back(std::exp(pool.level()));
  }
  return result;
}

}  // namespace bethany
