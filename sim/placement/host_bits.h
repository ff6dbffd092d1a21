#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "sim/placement/bits.h"
#include "sim/placement/recovery.h"

namespace bethany {

/// A family of node sets as bits: `words` words for each set, one set after another.
struct HostBits {
  int nodes = 0;
  std::size_t words = 0;
  std::vector<std::uint64_t> bits;

  std::size_t sets() const { return words == 0 ? 0 : bits.size() / words; }
  const std::uint64_t* set(std::size_t i) const { return bits.data() + i * words; }
  std::uint64_t* set(std::size_t i) { return bits.data() + i * words; }
  int size_of(std::size_t i) const {
    int count = 0;
    for (std::size_t w = 0; w < words; ++w) count += count_bits(set(i)[w]);
    return count;
  }
  bool operator==(const HostBits&) const = default;
};

/// `count` empty sets.
HostBits empty_host_bits(int nodes, std::size_t count);

/// The hosts of every expert in the rows of a placement (slots of node 0, node 1, …).
HostBits hosts_of_rows(int nodes, int slots_per_node, int experts,
                       std::span<const std::int32_t> rows);

HostBits host_bits(int nodes, const std::vector<HostSet>& sets);
std::vector<HostSet> host_sets(const HostBits& family);

/// The sets that contain no other one, each once, by size, then content. An empty set is alone.
HostBits minimal_sets(const HostBits& family);

}  // namespace bethany
