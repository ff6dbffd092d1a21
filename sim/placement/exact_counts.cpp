#include "sim/placement/exact_counts.h"

#include <algorithm>
#include <cmath>

#include "sim/placement/exact_methods.h"

namespace bethany {
namespace {

/// Allowances grow from rung to rung, so that what is tried in vain costs little beside the method
/// that ends first.
constexpr std::int64_t kFirstRung = std::int64_t{1} << 12;
constexpr std::int64_t kRungGrowth = 16;

/// The first result of attempt(method, budget), methods in turn, with a growing budget for each.
template <class Attempt>
auto climb(const ExactOptions& options, const std::vector<ExactMethod>& methods, Attempt attempt)
    -> decltype(attempt(ExactMethod::unions, std::declval<WorkBudget&>())) {
  for (std::int64_t rung = kFirstRung;; rung *= kRungGrowth) {
    const std::int64_t work = std::min(rung, options.work);
    for (const ExactMethod method : methods) {
      if (options.method != ExactMethod::automatic && options.method != method) continue;
      WorkBudget budget(work);
      if (auto result = attempt(method, budget)) return result;
    }
    if (work == options.work) return std::nullopt;
  }
}

const std::vector<ExactMethod> kCounting = {ExactMethod::unions, ExactMethod::enumeration,
                                            ExactMethod::elimination, ExactMethod::branching};
const std::vector<ExactMethod> kRated = {ExactMethod::elimination, ExactMethod::branching};

/// Σ g_w · C(n-w, k-w), modulo 2^128: the result fits, whatever wraps around on the way.
std::vector<UInt128> survivors_of_unions(const std::vector<std::int64_t>& g, int nodes,
                                         std::size_t size) {
  std::vector<UInt128> counts(size);
  for (std::size_t w = 0; w < size; ++w) {
    if (g[w] == 0) continue;
    const auto ways =
        binomials(nodes - static_cast<int>(w), static_cast<int>(size) - 1 - static_cast<int>(w));
    for (std::size_t k = w; k < size; ++k) {
      counts[k] += static_cast<UInt128>(g[w]) * (*ways)[k - w];
    }
  }
  return counts;
}

/// C(n-w, k-w) / C(n, k) is the product of (k-i) / (n-i) for i < w. Empty when the terms cancel so
/// far that either sum would be known to less than about 1e-10 of itself.
std::optional<Survival> survival_of_unions(const std::vector<std::int64_t>& g, int nodes) {
  constexpr double kUnit = 0x1.0p-50;
  Survival result{.nodes = nodes, .survived = {}, .fatal = {}};
  for (std::size_t k = 0; k < g.size(); ++k) {
    double ratio = 1;
    double sum = 0;
    double fatal = 0;
    double size = 0;
    for (std::size_t w = 0; w <= k; ++w) {
      const double term = static_cast<double>(g[w]) * ratio;
      sum += term;
      if (w > 0) fatal -= term;
      if (w > 0) size += std::abs(term);
      ratio *= static_cast<double>(k - w) / static_cast<double>(nodes - static_cast<int>(w));
    }
    if (size * kUnit > 1e-10 * fatal || (1 + size) * kUnit > 1e-10 * sum) return std::nullopt;
    result.survived.push_back(sum);
    result.fatal.push_back(fatal);
  }
  return result;
}

/// C(n, k) for k < size; empty when one is beyond doubles.
std::optional<std::vector<double>> binomials_in_doubles(int n, std::size_t size) {
  std::vector<double> row{1};
  while (row.size() < size) {
    const auto k = static_cast<double>(row.size());
    row.push_back(row.back() * (n - k + 1) / k);
    if (!std::isfinite(row.back())) return std::nullopt;
  }
  return row;
}

template <class T>
std::optional<Outcome<T>> walk(const Component& part, const std::vector<double>& rates, int k_max,
                               ExactMethod method, WorkBudget& budget) {
  if (method == ExactMethod::branching) return branch<T>(part, rates, k_max, budget);
  const CellGraph graph = merge_twins(part);
  return eliminate(graph, weights_of<T>(graph, rates), k_max, budget);
}

}  // namespace

std::optional<std::vector<UInt128>> exact_counts(const Component& part, int k_max,
                                                 const ExactOptions& options) {
  const int top = std::min(k_max, part.nodes);
  auto counts = binomials(part.nodes, top);
  if (!counts) return std::nullopt;
  if (part.sets.size() == 1 && options.method == ExactMethod::automatic) {
    if (part.nodes == top) counts->back() = 0;  // all of the set's nodes lost
    return counts;
  }
  const std::size_t size = counts->size();
  using Counts = std::optional<std::vector<UInt128>>;
  return climb(options, kCounting, [&](ExactMethod method, WorkBudget& budget) -> Counts {
    if (method == ExactMethod::unions) {
      const auto g = count_unions(part, top, budget);
      return g ? Counts(survivors_of_unions(*g, part.nodes, size)) : std::nullopt;
    }
    if (method == ExactMethod::enumeration) {
      const auto survivors = enumerate_survivors(part, budget);
      if (!survivors) return std::nullopt;
      return std::vector<UInt128>(survivors->begin(), survivors->begin() + top + 1);
    }
    auto outcome = walk<UInt128>(part, {}, top, method, budget);
    return outcome ? Counts(std::move(outcome->survived)) : std::nullopt;
  });
}

std::optional<Survival> exact_survival(const Component& part, int k_max,
                                       const ExactOptions& options) {
  const int top = std::min(k_max, part.nodes);
  const auto size = static_cast<std::size_t>(top) + 1;
  if (part.sets.size() == 1 && options.method == ExactMethod::automatic) {
    Survival one{.nodes = part.nodes, .survived = {}, .fatal = {}};
    one.survived.assign(size, 1.0);
    one.fatal.assign(size, 0.0);
    if (part.nodes == top) std::swap(one.survived.back(), one.fatal.back());
    return one;
  }
  const auto all = binomials_in_doubles(part.nodes, size);
  return climb(options, kCounting,
               [&](ExactMethod method, WorkBudget& budget) -> std::optional<Survival> {
                 if (method == ExactMethod::unions) {
                   const auto g = count_unions(part, top, budget);
                   return g ? survival_of_unions(*g, part.nodes) : std::nullopt;
                 }
                 if (!all) return std::nullopt;
                 Survival result{.nodes = part.nodes, .survived = {}, .fatal = {}};
                 if (method == ExactMethod::enumeration) {
                   const auto survivors = enumerate_survivors(part, budget);
                   if (!survivors) return std::nullopt;
                   for (std::size_t k = 0; k < size; ++k) {
                     const auto survived = static_cast<double>((*survivors)[k]);
                     result.survived.push_back(survived / (*all)[k]);
                     result.fatal.push_back(((*all)[k] - survived) / (*all)[k]);
                   }
                   return result;
                 }
                 const auto outcome = walk<double>(part, {}, top, method, budget);
                 if (!outcome) return std::nullopt;
                 for (std::size_t k = 0; k < size; ++k) {
                   result.survived.push_back(outcome->survived[k] / (*all)[k]);
                   result.fatal.push_back(outcome->fatal[k] / (*all)[k]);
                 }
                 return result;
               });
}

std::optional<RatedRecovery> exact_rated(const Component& part, const std::vector<double>& rates,
                                         const ExactOptions& options) {
  using Rated = std::optional<RatedRecovery>;
  return climb(options, kRated, [&](ExactMethod method, WorkBudget& budget) -> Rated {
    const auto outcome = walk<double>(part, rates, 0, method, budget);
    if (!outcome) return std::nullopt;
    return RatedRecovery{outcome->survived.front(), outcome->fatal.front()};
  });
}

}  // namespace bethany
