#pragma once

#include <cstdint>
#include <vector>

#include "sim/placement/expert_bits.h"

namespace bethany {

/// Rows of equal contents, put together.
struct RowKinds {
  std::vector<std::uint32_t> kind_of;               // by position in the list that was given
  std::vector<std::vector<std::uint32_t>> members;  // rows of each kind, ascending
  std::size_t size() const { return members.size(); }
  std::size_t row(std::size_t kind) const { return members[kind].front(); }
};

/// The kinds of these rows (ascending), in the order of their first rows.
RowKinds kinds_of(const ExpertBits& bits, const std::vector<std::uint32_t>& rows);

/// For each bit the kinds whose rows have it, ascending.
std::vector<std::vector<std::uint32_t>> holders_of(const ExpertBits& bits, const RowKinds& kinds);

}  // namespace bethany
