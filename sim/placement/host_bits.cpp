#include "sim/placement/host_bits.h"

#include <algorithm>
#include <bit>

namespace bethany {
namespace {

bool contains(const std::uint64_t* outer, const std::uint64_t* inner, std::size_t words) {
  for (std::size_t w = 0; w < words; ++w) {
    if ((inner[w] & ~outer[w]) != 0) return false;
  }
  return true;
}

struct Sized {
  std::int32_t size = 0;
  std::size_t set = 0;
};

/// Few nodes: sets are single words, and all pairs are looked at.
HostBits minimal_words(const HostBits& family) {
  std::vector<std::uint64_t> sets = family.bits;
  std::sort(sets.begin(), sets.end(), [](std::uint64_t a, std::uint64_t b) {
    const int size_a = count_bits(a);
    const int size_b = count_bits(b);
    return size_a != size_b ? size_a < size_b : a < b;
  });
  HostBits kept{.nodes = family.nodes, .words = family.words, .bits = {}};
  for (const std::uint64_t set : sets) {
    const bool minimal = std::none_of(kept.bits.begin(), kept.bits.end(),
                                      [&](std::uint64_t inner) { return (inner & ~set) == 0; });
    if (minimal) kept.bits.push_back(set);
  }
  return kept;
}

}  // namespace

HostBits empty_host_bits(int nodes, std::size_t count) {
  const std::size_t words = words_for(static_cast<std::size_t>(nodes));
  return {.nodes = nodes, .words = words, .bits = std::vector<std::uint64_t>(count * words)};
}

HostBits hosts_of_rows(int nodes, int slots_per_node, int experts,
                       std::span<const std::int32_t> rows) {
  HostBits family = empty_host_bits(nodes, static_cast<std::size_t>(experts));
  const auto slots = static_cast<std::size_t>(slots_per_node);
  for (std::size_t slot = 0; slot < rows.size(); ++slot) {
    if (rows[slot] == kVacant) continue;
    set_bit(family.set(static_cast<std::size_t>(rows[slot])), slot / slots);
  }
  return family;
}

HostBits host_bits(int nodes, const std::vector<HostSet>& sets) {
  HostBits family = empty_host_bits(nodes, sets.size());
  for (std::size_t i = 0; i < sets.size(); ++i) {
    for (const std::int32_t node : sets[i]) set_bit(family.set(i), static_cast<std::size_t>(node));
  }
  return family;
}

std::vector<HostSet> host_sets(const HostBits& family) {
  std::vector<HostSet> sets(family.sets());
  for (std::size_t i = 0; i < sets.size(); ++i) {
    for (std::size_t w = 0; w < family.words; ++w) {
      for (std::uint64_t bits = family.set(i)[w]; bits != 0; bits &= bits - 1) {
        sets[i].push_back(static_cast<std::int32_t>(w * kBitsPerWord) + std::countr_zero(bits));
      }
    }
  }
  return sets;
}

HostBits minimal_sets(const HostBits& family) {
  if (family.words == 1) return minimal_words(family);
  std::vector<Sized> order;
  for (std::size_t i = 0; i < family.sets(); ++i) order.push_back({family.size_of(i), i});
  const auto words = family.words;
  std::sort(order.begin(), order.end(), [&](const Sized& a, const Sized& b) {
    if (a.size != b.size) return a.size < b.size;
    return std::lexicographical_compare(family.set(a.set), family.set(a.set) + words,
                                        family.set(b.set), family.set(b.set) + words);
  });
  // A set within another begins at one of its nodes: chains by first node.
  std::vector<std::int32_t> first_with(static_cast<std::size_t>(family.nodes), -1);
  std::vector<std::int32_t> next;
  HostBits kept{.nodes = family.nodes, .words = words, .bits = {}};
  const std::uint64_t* previous = nullptr;
  for (const Sized& sized : order) {
    const std::uint64_t* set = family.set(sized.set);
    if (previous != nullptr && std::equal(set, set + words, previous)) continue;
    previous = set;
    bool minimal = kept.sets() == 0 || kept.size_of(0) > 0;
    std::size_t lowest = first_with.size();
    for (std::size_t w = 0; w < words && minimal; ++w) {
      for (std::uint64_t bits = set[w]; bits != 0 && minimal; bits &= bits - 1) {
        const auto node = w * kBitsPerWord + static_cast<std::size_t>(std::countr_zero(bits));
        lowest = std::min(lowest, node);
        for (std::int32_t at = first_with[node]; minimal && at >= 0;
             at = next[static_cast<std::size_t>(at)]) {
          minimal = !contains(set, kept.set(static_cast<std::size_t>(at)), words);
        }
      }
    }
    if (!minimal) continue;
    next.push_back(-1);
    if (lowest < first_with.size()) {
      next.back() = first_with[lowest];
      first_with[lowest] = static_cast<std::int32_t>(kept.sets());
    }
    kept.bits.insert(kept.bits.end(), set, set + words);
  }
  return kept;
}

}  // namespace bethany
