#include "sim/placement/set_components.h"

#include <algorithm>
#include <array>
#include <numeric>

#include "sim/base/check.h"
#include "sim/placement/bits.h"

namespace bethany {
namespace {

std::int32_t root_of(std::vector<std::int32_t>& parent, std::int32_t node) {
  while (parent[static_cast<std::size_t>(node)] != node) {
    auto& up = parent[static_cast<std::size_t>(node)];
    up = parent[static_cast<std::size_t>(up)];
    node = up;
  }
  return node;
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

/// The polynomial g of placement.md §1: by size w, the number of families of an even number of
/// sets whose union has w nodes less those of an odd number. survive(k) = sum of g_w · C(N-w, k-w).
class UnionSizes {
 public:
  explicit UnionSizes(const Component& part)
      : words_(words_for(static_cast<std::size_t>(part.nodes))),
        count_(part.sets.size()),
        sets_(count_ * words_),
        unions_((count_ + 1) * words_),
        by_size_(static_cast<std::size_t>(part.nodes) + 1) {
    for (std::size_t i = 0; i < count_; ++i) {
      for (const std::int32_t node : part.sets[i]) {
        set_bit(sets_.data() + i * words_, static_cast<std::size_t>(node));
      }
    }
    add(0, 0, 1);
  }

  const std::vector<std::int64_t>& by_size() const { return by_size_; }

 private:
  /// Families that go on from one of `chosen` sets with sets from `next` on.
  void add(std::size_t next, std::size_t chosen, std::int64_t sign) {
    const std::uint64_t* present = unions_.data() + chosen * words_;
    int size = 0;
    for (std::size_t w = 0; w < words_; ++w) size += count_bits(present[w]);
    by_size_[static_cast<std::size_t>(size)] += sign;
    for (std::size_t i = next; i < count_; ++i) {
      std::uint64_t* with = unions_.data() + (chosen + 1) * words_;
      for (std::size_t w = 0; w < words_; ++w) with[w] = present[w] | sets_[i * words_ + w];
      add(i + 1, chosen + 1, -sign);
    }
  }

  std::size_t words_;
  std::size_t count_;
  std::vector<std::uint64_t> sets_;
  std::vector<std::uint64_t> unions_;  // by number of sets chosen
  std::vector<std::int64_t> by_size_;
};

/// Inclusion-exclusion instead of enumeration, where it is possible and less work.
bool by_unions(const Component& part) {
  const std::size_t sets = part.sets.size();
  if (sets > static_cast<std::size_t>(kExactSets)) return false;
  if (part.nodes > kExactNodes) return true;
  const auto nodes = static_cast<std::size_t>(part.nodes);
  return (std::size_t{1} << sets) < nodes * (std::size_t{1} << nodes) / kBitsPerWord;
}

}  // namespace

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
    for (const std::int32_t node : set) {
      renumbered.push_back(number[static_cast<std::size_t>(node)]);
    }
    result.parts[static_cast<std::size_t>(part_of_root[root])].sets.push_back(
        std::move(renumbered));
  }
  return result;
}

bool affordable(const Component& part) {
  return part.sets.size() <= static_cast<std::size_t>(kExactSets) || part.nodes <= kExactNodes;
}

std::optional<std::vector<UInt128>> binomials(int n, int k_max) {
  std::vector<UInt128> row{1};
  for (int k = 1; k <= std::min(n, k_max); ++k) {
    // C(n, k) = C(n, k-1) · (n-k+1) / k, divided before it is multiplied.
    const auto factor = static_cast<std::uint64_t>(n - k + 1);
    const auto divisor = static_cast<std::uint64_t>(k);
    const auto common = std::gcd(static_cast<std::uint64_t>(row.back() % divisor), divisor);
    const UInt128 rest = row.back() / common;
    const UInt128 times = factor / (divisor / common);
    if (rest > ~UInt128{0} / times) return std::nullopt;
    row.push_back(rest * times);
  }
  return row;
}

std::optional<std::vector<UInt128>> component_survivors(const Component& part, int k_max) {
  auto counts = binomials(part.nodes, k_max);
  if (!counts) return std::nullopt;
  if (part.sets.size() == 1) {
    if (part.nodes <= k_max) counts->back() = 0;  // all of the set's nodes lost
    return counts;
  }
  if (!by_unions(part)) {
    const auto survivors = enumerate_survivors(part);
    std::copy_n(survivors.begin(), counts->size(), counts->begin());
    return counts;
  }
  // Sums may wrap around on the way; modulo 2^128 the result, which fits, is right.
  std::fill(counts->begin(), counts->end(), UInt128{0});
  const UnionSizes unions(part);
  for (std::size_t w = 0; w < counts->size(); ++w) {
    if (unions.by_size()[w] == 0) continue;
    const auto ways = binomials(part.nodes - static_cast<int>(w), k_max - static_cast<int>(w));
    for (std::size_t k = w; k < counts->size(); ++k) {
      (*counts)[k] += static_cast<UInt128>(unions.by_size()[w]) * (*ways)[k - w];
    }
  }
  return counts;
}

std::vector<double> component_probabilities(const Component& part, int k_max) {
  std::vector<double> result(static_cast<std::size_t>(std::min(part.nodes, k_max)) + 1, 1.0);
  if (part.sets.size() == 1) {
    if (part.nodes <= k_max) result.back() = 0;
    return result;
  }
  if (!by_unions(part)) {
    const auto survivors = enumerate_survivors(part);
    const auto all = binomials(part.nodes, part.nodes);
    for (std::size_t k = 0; k < result.size(); ++k) {
      result[k] = static_cast<double>(survivors[k]) / static_cast<double>((*all)[k]);
    }
    return result;
  }
  // C(n-w, k-w) / C(n, k) is the product of (k-i) / (n-i) for i < w: at most 1, so the error is at
  // most the sum of |g_w|, 2^kExactSets, in units of the last place.
  const UnionSizes unions(part);
  for (std::size_t k = 0; k < result.size(); ++k) {
    double ratio = 1;
    double sum = 0;
    for (std::size_t w = 0; w <= k; ++w) {
      sum += static_cast<double>(unions.by_size()[w]) * ratio;
      ratio *= static_cast<double>(k - w) / static_cast<double>(part.nodes - static_cast<int>(w));
    }
    result[k] = std::clamp(sum, 0.0, 1.0);
  }
  return result;
}

}  // namespace bethany
