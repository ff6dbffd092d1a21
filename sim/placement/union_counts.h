#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "sim/base/int128.h"
#include "sim/placement/host_bits.h"

namespace bethany {

/// The polynomial g of placement.md §1 of one family, up to a degree.
struct UnionCounts {
  std::vector<Int128> by_size;  // g_w for w = 0..limit
  int next_size = 0;            // size of the smallest union beyond the limit; else the total + 1
  std::int64_t work = 0;        // word steps
  bool exact = false;           // false: more than `work` steps; the rest is not filled in
};

/// Set after set, the different unions of at most `limit` nodes, each with its signed number of
/// subfamilies; unions whose signs cancel are dropped, so that stars and nested sets stay small.
/// `weight`: nodes that each bit stands for. At most 1,024 bits; more are not exact.
/// `next_size` may lie below the true one (never above), and is then a degree of coefficient 0.
UnionCounts count_unions(const HostBits& sets, std::span<const std::int32_t> weight, int limit,
                         std::int64_t work);

}  // namespace bethany
