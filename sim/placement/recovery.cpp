#include "sim/placement/recovery.h"

#include <algorithm>

#include "sim/base/check.h"
#include "sim/placement/bits.h"
#include "sim/placement/exact_counts.h"
#include "sim/placement/exact_methods.h"
#include "sim/placement/set_components.h"

namespace bethany {
namespace {

/// Coefficients up to k_max of the product.
std::vector<UInt128> multiply(const std::vector<UInt128>& a, const std::vector<UInt128>& b,
                              std::size_t k_max) {
  std::vector<UInt128> product(std::min(a.size() + b.size() - 1, k_max + 1));
  for (std::size_t i = 0; i < std::min(a.size(), product.size()); ++i) {
    for (std::size_t j = 0; j < std::min(b.size(), product.size() - i); ++j) {
      product[i + j] += a[i] * b[j];
    }
  }
  return product;
}

/// The sizes of the sets, ascending; empty when two of them share a node.
std::vector<int> disjoint_sizes(int nodes, const std::vector<HostSet>& sets) {
  std::vector<std::uint64_t> used(words_for(static_cast<std::size_t>(nodes)));
  std::vector<int> sizes;
  for (const auto& set : sets) {
    for (const std::int32_t node : set) {
      const auto bit = static_cast<std::size_t>(node);
      if (has_bit(used.data(), bit)) return {};
      set_bit(used.data(), bit);
    }
    sizes.push_back(static_cast<int>(set.size()));
  }
  std::sort(sizes.begin(), sizes.end());
  return sizes;
}

/// Disjoint sets: g = Π (1 - x^size) and survive = Σ g_w x^w (1+x)^(N-w) (placement.md §1), both
/// modulo 2^128: the results fit. Empty when a binomial does not.
std::optional<std::vector<UInt128>> count_disjoint(int nodes, const std::vector<int>& sizes,
                                                   int k_max) {
  const auto most = static_cast<std::size_t>(k_max);
  std::vector<UInt128> g(most + 1);
  g[0] = 1;
  std::size_t degree = 0;
  for (const int size : sizes) {
    const auto s = static_cast<std::size_t>(size);
    if (s > most) break;
    degree = std::min(degree + s, most);
    for (std::size_t w = degree; w >= s; --w) g[w] -= g[w - s];
  }
  const auto rest = binomials(nodes - static_cast<int>(degree), k_max);
  if (!rest) return std::nullopt;
  // Horner: Σ over w <= degree of g_w x^w (1+x)^(degree-w).
  std::vector<UInt128> sum(degree + 1);
  sum[0] = g[0];
  for (std::size_t w = 1; w <= degree; ++w) {
    for (std::size_t k = w; k > 0; --k) sum[k] += sum[k - 1];
    sum[w] += g[w];
  }
  return multiply(sum, *rest, most);
}

/// Components do not share nodes, so their survivors multiply. Empty when a count passes 128 bits
/// or cannot be afforded.
std::optional<std::vector<UInt128>> count_survivors(const Components& components, int k_max,
                                                    const ExactOptions& options) {
  auto product = binomials(components.free_nodes, k_max);
  for (const auto& part : components.parts) {
    if (!product) return std::nullopt;
    const auto counts = exact_counts(part, k_max, options);
    if (!counts) return std::nullopt;
    product = multiply(*product, *counts, static_cast<std::size_t>(k_max));
  }
  return product;
}

/// The nodes of both: k losses fall hypergeometrically on them. All terms are positive, and the
/// weights are built by ratios from the largest, so nothing cancels or overflows.
Survival join(const Survival& a, const Survival& b, int k_max) {
  Survival joined{.nodes = a.nodes + b.nodes, .survived = {}, .fatal = {}};
  for (int k = 0; k <= std::min(joined.nodes, k_max); ++k) {
    const int low = std::max(0, k - a.nodes);
    const int high = std::min(b.nodes, k);
    const auto mode = static_cast<int>((static_cast<std::int64_t>(k) + 1) * (b.nodes + 1) /
                                       (static_cast<std::int64_t>(joined.nodes) + 2));
    const int start = std::clamp(mode, low, high);
    double weights = 0;
    double survived = 0;
    double fatal = 0;
    const auto add = [&](int in_b, double weight) {
      weights += weight;
      const auto of_a = static_cast<std::size_t>(k - in_b);
      const auto of_b = static_cast<std::size_t>(in_b);
      survived += weight * a.survived[of_a] * b.survived[of_b];
      fatal += weight * (a.fatal[of_a] + a.survived[of_a] * b.fatal[of_b]);
    };
    double weight = 1;
    add(start, weight);
    for (int j = start; j < high && weight > 0; ++j) {
      weight *= static_cast<double>(b.nodes - j) * static_cast<double>(k - j) /
                (static_cast<double>(j + 1) * static_cast<double>(a.nodes - k + j + 1));
      add(j + 1, weight);
    }
    weight = 1;
    for (int j = start; j > low && weight > 0; --j) {
      weight *= static_cast<double>(j) * static_cast<double>(a.nodes - k + j) /
                (static_cast<double>(b.nodes - j + 1) * static_cast<double>(k - j + 1));
      add(j - 1, weight);
    }
    joined.survived.push_back(std::min(1.0, survived / weights));
    joined.fatal.push_back(std::min(1.0, fatal / weights));
  }
  return joined;
}

std::optional<Survival> join_all(const Components& components, int k_max,
                                 const ExactOptions& options) {
  Survival joined{.nodes = components.free_nodes, .survived = {}, .fatal = {}};
  const auto size = static_cast<std::size_t>(std::min(components.free_nodes, k_max)) + 1;
  joined.survived.assign(size, 1.0);
  joined.fatal.assign(size, 0.0);
  for (const auto& part : components.parts) {
    const auto survival = exact_survival(part, k_max, options);
    if (!survival) return std::nullopt;
    joined = join(joined, *survival, k_max);
  }
  return joined;
}

}  // namespace

SetComponent hardest_component(int nodes, const std::vector<HostSet>& sets) {
  std::optional<SetComponent> worst;
  for (const auto& part : components_of(nodes, sets).parts) {
    const double states = elimination_cost(merge_twins(part));
    if (worst && worst->log2_states >= states) continue;
    worst = SetComponent{
        .nodes = part.nodes, .sets = static_cast<int>(part.sets.size()), .log2_states = states};
  }
  BETHANY_CHECK(worst.has_value(), "no host sets");
  return *worst;
}

namespace {

/// Requires: k_max <= nodes, and all C(nodes, k) fit 128 bits.
std::optional<std::vector<UInt128>> counts_that_fit(int nodes, const std::vector<HostSet>& sets,
                                                    int k_max, const ExactOptions& options) {
  if (options.method == ExactMethod::automatic) {
    const auto sizes = disjoint_sizes(nodes, sets);
    if (!sizes.empty()) return count_disjoint(nodes, sizes, k_max);
  }
  return count_survivors(components_of(nodes, sets), k_max, options);
}

}  // namespace

std::optional<std::vector<UInt128>> survivor_counts(int nodes, const std::vector<HostSet>& sets,
                                                    int k_max, const ExactOptions& options) {
  k_max = std::min(k_max, nodes);
  if (!binomials(nodes, k_max)) return std::nullopt;
  return counts_that_fit(nodes, sets, k_max, options);
}

std::optional<RecoveryCurve> recovery_curve(int nodes, const std::vector<HostSet>& sets, int k_max,
                                            const ExactOptions& options) {
  BETHANY_CHECK(k_max >= 0 && !sets.empty(), "{} losses, {} host sets", k_max, sets.size());
  RecoveryCurve curve;
  curve.method = "exact";
  curve.witness.assign(sets.front().begin(), sets.front().end());
  curve.guaranteed_losses = static_cast<int>(sets.front().size()) - 1;
  const int top = std::min(k_max, nodes);
  if (const auto all = binomials(nodes, top)) {
    const auto survivors = counts_that_fit(nodes, sets, top, options);
    if (!survivors) return std::nullopt;
    for (std::size_t k = 0; k < survivors->size(); ++k) {
      const auto ways = static_cast<double>((*all)[k]);
      curve.probability.push_back(static_cast<double>((*survivors)[k]) / ways);
      curve.loss.push_back(static_cast<double>((*all)[k] - (*survivors)[k]) / ways);
    }
  } else {
    auto joined = join_all(components_of(nodes, sets), top, options);
    if (!joined) return std::nullopt;
    curve.probability = std::move(joined->survived);
    curve.loss = std::move(joined->fatal);
    for (int k = 0; k <= std::min(top, curve.guaranteed_losses); ++k) {
      curve.probability[static_cast<std::size_t>(k)] = 1;
      curve.loss[static_cast<std::size_t>(k)] = 0;
    }
  }
  curve.probability.resize(static_cast<std::size_t>(k_max) + 1, 0.0);
  curve.loss.resize(static_cast<std::size_t>(k_max) + 1, 1.0);
  return curve;
}

std::optional<RecoveryCurve> recovery_curve(const PlacementPlan& plan, int k_max,
                                            const ExactOptions& options) {
  return recovery_curve(plan.nodes, minimal_host_sets(plan), k_max, options);
}

std::optional<RatedRecovery> rated_recovery(const std::vector<double>& rates,
                                            const std::vector<HostSet>& sets,
                                            const ExactOptions& options) {
  RatedRecovery joint;
  for (const auto& part : components_of(static_cast<int>(rates.size()), sets).parts) {
    std::vector<double> of_part;
    for (const std::int32_t node : part.members) {
      of_part.push_back(rates[static_cast<std::size_t>(node)]);
    }
    const auto rated = exact_rated(part, of_part, options);
    if (!rated) return std::nullopt;
    joint.loss += joint.probability * rated->loss;
    joint.probability *= rated->probability;
  }
  return joint;
}

}  // namespace bethany
