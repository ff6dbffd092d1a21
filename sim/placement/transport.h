#pragma once

#include <cstdint>
#include <functional>
#include <vector>

namespace bethany {

/// A matrix of whole numbers with given row and column sums whose diagonal blocks are empty, close
/// to weight_row · weight_column / weight_sum.
struct TransportProblem {
  std::vector<std::int64_t> rows;  // sums
  std::vector<std::int64_t> columns;
  std::vector<std::int64_t> row_weights;
  std::vector<std::int64_t> column_weights;
  std::int64_t weight_sum = 1;
  std::vector<std::int32_t> group;  // of each index; a group's indices are consecutive
};

/// Calls `put(i, j, rows)` for every entry above 0.
/// Requires: row and column sums are equal; for every group, rows + columns <= the sum over all.
/// Ensures: sums are met exactly; nothing moves within a group.
void solve_transport(const TransportProblem& problem,
                     const std::function<void(std::size_t, std::size_t, std::int64_t)>& put);

}  // namespace bethany
