#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "sim/placement/token_matrix.h"

namespace bethany {

/// T without a matrix: ranks that route the same mixture of equally many rows share one entry.
class RoutedRows {
 public:
  /// Rank i routes rows[i] rows in proportion to `loads`, split by largest remainder.
  RoutedRows(std::span<const std::int64_t> rows, std::span<const std::int64_t> loads);
  explicit RoutedRows(const TokenCounts& counts);

  int ranks() const { return static_cast<int>(kind_of_rank_.size()); }
  int experts() const { return static_cast<int>(experts_); }
  std::int64_t at(int rank, int expert) const {
    return values_[first_of(rank) + static_cast<std::size_t>(expert)];
  }
  /// Rows of the rank over all experts.
  std::int64_t of_rank(int rank) const { return values_[first_of(rank) + experts_]; }
  /// Rows of the expert over all ranks.
  std::int64_t total(int expert) const {
    return values_[totals_ + static_cast<std::size_t>(expert)];
  }
  /// The largest count of one expert on one of the ranks [first, last).
  std::int64_t largest(int first, int last) const;

 private:
  std::size_t first_of(int rank) const {
    return static_cast<std::size_t>(kind_of_rank_[static_cast<std::size_t>(rank)]) * (experts_ + 1);
  }
  /// Makes room for the kinds; their counts are filled in by the caller, then sum_up() is called.
  void resize(std::size_t kinds);
  void sum_up();

  // One buffer, because this is made for every layer of every new plan or load: for each kind the
  // count of every expert and their sum, then the totals by expert.
  std::size_t experts_;
  std::size_t totals_ = 0;
  std::vector<std::int32_t> kind_of_rank_;
  std::vector<std::int64_t> values_;
};

}  // namespace bethany
