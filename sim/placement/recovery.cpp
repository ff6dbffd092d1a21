#include "sim/placement/recovery.h"

#include <algorithm>
#include <array>
#include <numeric>

#include "sim/base/check.h"
#include "sim/placement/bits.h"

namespace bethany {
namespace {

/// Sets that share nodes, directly or through others, with the nodes numbered anew from 0.
struct Component {
  int nodes = 0;
  std::vector<HostSet> sets;
};

struct Components {
  std::vector<Component> parts;
  int free_nodes = 0;  // in no set
};

std::int32_t root_of(std::vector<std::int32_t>& parent, std::int32_t node) {
  while (parent[static_cast<std::size_t>(node)] != node) {
    auto& up = parent[static_cast<std::size_t>(node)];
    up = parent[static_cast<std::size_t>(up)];
    node = up;
  }
  return node;
}

Components components_of(int nodes, const std::vector<HostSet>& sets) {
  std::vector<std::int32_t> parent(static_cast<std::size_t>(nodes));
  std::iota(parent.begin(), parent.end(), 0);
  std::vector<std::uint8_t> used(static_cast<std::size_t>(nodes));
  for (const auto& set : sets) {
    BETHANY_CHECK(!set.empty(), "an expert without a host");
    for (const std::int32_t node : set) {
      used[static_cast<std::size_t>(node)] = 1;
      const auto a = root_of(parent, set.front());
      const auto b = root_of(parent, node);
      parent[static_cast<std::size_t>(std::max(a, b))] = std::min(a, b);
    }
  }
  Components result;
  std::vector<std::int32_t> part_of_root(static_cast<std::size_t>(nodes), -1);
  std::vector<std::int32_t> number(static_cast<std::size_t>(nodes));
  for (std::int32_t node = 0; node < nodes; ++node) {
    if (used[static_cast<std::size_t>(node)] == 0) {
      ++result.free_nodes;
      continue;
    }
    auto& part = part_of_root[static_cast<std::size_t>(root_of(parent, node))];
    if (part < 0) {
      part = static_cast<std::int32_t>(result.parts.size());
      result.parts.emplace_back();
    }
    number[static_cast<std::size_t>(node)] = result.parts[static_cast<std::size_t>(part)].nodes++;
  }
  for (const auto& set : sets) {
    const auto root = static_cast<std::size_t>(root_of(parent, set.front()));
    HostSet renumbered;
    renumbered.reserve(set.size());
    for (const std::int32_t node : set)
      renumbered.push_back(number[static_cast<std::size_t>(node)]);
    result.parts[static_cast<std::size_t>(part_of_root[root])].sets.push_back(
        std::move(renumbered));
  }
  return result;
}

bool affordable(const Components& components) {
  return std::all_of(components.parts.begin(), components.parts.end(), [](const Component& part) {
    return part.sets.size() == 1 || part.nodes <= kExactNodes;
  });
}

/// By number of losses, how many loss sets are fatal to no set. A bit for every loss set: those
/// equal to a set are marked, then everything that contains a marked one.
std::vector<std::uint64_t> enumerate_survivors(const Component& part) {
  const auto n = static_cast<std::size_t>(part.nodes);
  std::vector<std::uint64_t> fatal(std::max<std::size_t>(1, (std::size_t{1} << n) / kBitsPerWord));
  for (const auto& set : part.sets) {
    std::size_t losses = 0;
    for (const std::int32_t node : set) losses |= std::size_t{1} << node;
    set_bit(fatal.data(), losses);
  }
  constexpr std::array<std::uint64_t, 6> kWithout = {0x5555555555555555U, 0x3333333333333333U,
                                                     0x0F0F0F0F0F0F0F0FU, 0x00FF00FF00FF00FFU,
                                                     0x0000FFFF0000FFFFU, 0x00000000FFFFFFFFU};
  for (std::size_t node = 0; node < n; ++node) {
    if (node < kWithout.size()) {
      for (auto& word : fatal) word |= (word & kWithout[node]) << (std::size_t{1} << node);
    } else {
      const std::size_t bit = std::size_t{1} << (node - kWithout.size());
      for (std::size_t w = 0; w < fatal.size(); ++w) {
        if ((w & bit) != 0) fatal[w] |= fatal[w ^ bit];
      }
    }
  }
  // Within a word, the loss sets by the number of their lowest six nodes that are lost.
  std::array<std::uint64_t, 7> by_losses{};
  for (std::size_t losses = 0; losses < std::min(kBitsPerWord, std::size_t{1} << n); ++losses) {
    by_losses[static_cast<std::size_t>(count_bits(losses))] |= std::uint64_t{1} << losses;
  }
  std::vector<std::uint64_t> survivors(n + kWithout.size() + 1);
  for (std::size_t w = 0; w < fatal.size(); ++w) {
    const auto high = static_cast<std::size_t>(count_bits(w));
    for (std::size_t low = 0; low < by_losses.size(); ++low) {
      survivors[high + low] += static_cast<std::uint64_t>(count_bits(~fatal[w] & by_losses[low]));
    }
  }
  survivors.resize(n + 1);
  return survivors;
}

/// C(n, 0..k_max); empty when one of them passes 128 bits.
std::optional<std::vector<UInt128>> binomials(int n, int k_max) {
  std::vector<UInt128> row{1};
  for (int k = 1; k <= std::min(n, k_max); ++k) {
    // C(n, k) = C(n, k-1) · (n-k+1) / k, divided before it is multiplied.
    const auto factor = static_cast<std::uint64_t>(n - k + 1);
    const auto divisor = static_cast<std::uint64_t>(k);
    const auto common = std::gcd(static_cast<std::uint64_t>(row.back() % divisor), divisor);
    const UInt128 rest = row.back() / common;
    const UInt128 times = factor / (divisor / common);
    if (times > 0 && rest > ~UInt128{0} / times) return std::nullopt;
    row.push_back(rest * times);
  }
  return row;
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

/// survive(k) of one component; empty when a count passes 128 bits.
std::optional<std::vector<UInt128>> component_survivors(const Component& part, int k_max) {
  if (part.sets.size() > 1) {
    const auto counts = enumerate_survivors(part);
    return std::vector<UInt128>(counts.begin(), counts.end());
  }
  auto counts = binomials(part.nodes, k_max);
  if (counts && part.nodes <= k_max) counts->back() = 0;  // all of the set's nodes lost
  return counts;
}

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

Survival survival_of(const Component& part, int k_max) {
  Survival survival{.nodes = part.nodes, .probability = {}};
  if (part.sets.size() == 1) {
    survival.probability.assign(static_cast<std::size_t>(std::min(part.nodes, k_max)) + 1, 1.0);
    if (part.nodes <= k_max) survival.probability.back() = 0;
    return survival;
  }
  const auto counts = enumerate_survivors(part);
  const auto all = binomials(part.nodes, part.nodes);
  for (std::size_t k = 0; k < counts.size(); ++k) {
    survival.probability.push_back(static_cast<double>(counts[k]) / static_cast<double>((*all)[k]));
  }
  return survival;
}

std::vector<double> approximate_curve(const Components& components, int k_max) {
  Survival joined{.nodes = components.free_nodes, .probability = {}};
  joined.probability.assign(static_cast<std::size_t>(std::min(components.free_nodes, k_max)) + 1,
                            1.0);
  for (const auto& part : components.parts) {
    joined = join(joined, survival_of(part, k_max), k_max);
  }
  return joined.probability;
}

}  // namespace

int largest_component(int nodes, const std::vector<HostSet>& sets) {
  int largest = 0;
  for (const auto& part : components_of(nodes, sets).parts) {
    if (part.sets.size() > 1) largest = std::max(largest, part.nodes);
  }
  return largest;
}

std::optional<std::vector<UInt128>> survivor_counts(int nodes, const std::vector<HostSet>& sets,
                                                    int k_max) {
  const auto components = components_of(nodes, sets);
  if (!affordable(components)) return std::nullopt;
  k_max = std::min(k_max, nodes);
  if (!binomials(nodes, k_max)) return std::nullopt;
  return count_survivors(components, k_max);
}

std::optional<RecoveryCurve> recovery_curve(int nodes, const std::vector<HostSet>& sets,
                                            int k_max) {
  BETHANY_CHECK(k_max >= 0 && !sets.empty(), "{} losses, {} host sets", k_max, sets.size());
  const auto components = components_of(nodes, sets);
  if (!affordable(components)) return std::nullopt;
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
    curve.probability = approximate_curve(components, top);
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
