#include "sim/placement/recovery.h"

#include <algorithm>

#include "sim/base/check.h"
#include "sim/placement/set_components.h"

namespace bethany {
namespace {

bool all_affordable(const Components& components) {
  return std::all_of(components.parts.begin(), components.parts.end(), affordable);
}

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

/// Components do not share nodes, so their survivors multiply. Empty when a count passes 128 bits.
std::optional<std::vector<UInt128>> count_survivors(const Components& components, int k_max) {
  auto product = binomials(components.free_nodes, k_max);
  for (const auto& part : components.parts) {
    if (!product) return std::nullopt;
    const auto counts = component_survivors(part, k_max);
    if (!counts) return std::nullopt;
    product = multiply(*product, *counts, static_cast<std::size_t>(k_max));
  }
  return product;
}

/// P(k losses among these nodes are survived).
struct Survival {
  int nodes = 0;
  std::vector<double> probability;  // by k, up to min(nodes, k_max)
};

/// The nodes of both: k losses fall hypergeometrically on them. All terms are positive, and the
/// weights are built by ratios from the largest, so nothing cancels or overflows.
Survival join(const Survival& a, const Survival& b, int k_max) {
  Survival joined{.nodes = a.nodes + b.nodes, .probability = {}};
  for (int k = 0; k <= std::min(joined.nodes, k_max); ++k) {
    const int low = std::max(0, k - a.nodes);
    const int high = std::min(b.nodes, k);
    const auto mode = static_cast<int>((static_cast<std::int64_t>(k) + 1) * (b.nodes + 1) /
                                       (static_cast<std::int64_t>(joined.nodes) + 2));
    const int start = std::clamp(mode, low, high);
    double weights = 0;
    double sum = 0;
    const auto add = [&](int in_b, double weight) {
      weights += weight;
      sum += weight * b.probability[static_cast<std::size_t>(in_b)] *
             a.probability[static_cast<std::size_t>(k - in_b)];
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
    joined.probability.push_back(std::min(1.0, sum / weights));
  }
  return joined;
}

std::vector<double> curve_in_doubles(const Components& components, int k_max) {
  Survival joined{.nodes = components.free_nodes, .probability = {}};
  joined.probability.assign(static_cast<std::size_t>(std::min(components.free_nodes, k_max)) + 1,
                            1.0);
  for (const auto& part : components.parts) {
    joined = join(joined, {part.nodes, component_probabilities(part, k_max)}, k_max);
  }
  return joined.probability;
}

}  // namespace

std::optional<SetComponent> unaffordable_component(int nodes, const std::vector<HostSet>& sets) {
  std::optional<SetComponent> worst;
  for (const auto& part : components_of(nodes, sets).parts) {
    if (affordable(part) || (worst && worst->nodes >= part.nodes)) continue;
    worst = SetComponent{.nodes = part.nodes, .sets = static_cast<int>(part.sets.size())};
  }
  return worst;
}

std::optional<std::vector<UInt128>> survivor_counts(int nodes, const std::vector<HostSet>& sets,
                                                    int k_max) {
  const auto components = components_of(nodes, sets);
  k_max = std::min(k_max, nodes);
  if (!all_affordable(components) || !binomials(nodes, k_max)) return std::nullopt;
  return count_survivors(components, k_max);
}

std::optional<RecoveryCurve> recovery_curve(int nodes, const std::vector<HostSet>& sets,
                                            int k_max) {
  BETHANY_CHECK(k_max >= 0 && !sets.empty(), "{} losses, {} host sets", k_max, sets.size());
  const auto components = components_of(nodes, sets);
  if (!all_affordable(components)) return std::nullopt;
  RecoveryCurve curve;
  curve.method = "exact";
  curve.witness.assign(sets.front().begin(), sets.front().end());
  curve.guaranteed_losses = static_cast<int>(sets.front().size()) - 1;
  const int top = std::min(k_max, nodes);
  const auto all = binomials(nodes, top);
  const auto survivors = all ? count_survivors(components, top) : std::nullopt;
  if (survivors) {
    for (std::size_t k = 0; k < survivors->size(); ++k) {
      curve.probability.push_back(static_cast<double>((*survivors)[k]) /
                                  static_cast<double>((*all)[k]));
    }
  } else {
    curve.probability = curve_in_doubles(components, top);
    for (int k = 0; k <= std::min(top, curve.guaranteed_losses); ++k) {
      curve.probability[static_cast<std::size_t>(k)] = 1;
    }
  }
  curve.probability.resize(static_cast<std::size_t>(k_max) + 1, 0.0);
  return curve;
}

std::optional<RecoveryCurve> recovery_curve(const PlacementPlan& plan, int k_max) {
  return recovery_curve(plan.nodes, minimal_host_sets(plan), k_max);
}

}  // namespace bethany
