#include "sim/placement/routed_rows.h"

#include <algorithm>
#include <functional>
#include <numeric>

#include "sim/base/check.h"
#include "sim/model/routing_load.h"

namespace bethany {

RoutedRows::RoutedRows(std::span<const std::int64_t> rows, std::span<const std::int64_t> loads)
    : experts_(loads.size()), kind_of_rank_(rows.size()) {
  BETHANY_CHECK(!rows.empty() && !loads.empty(), "{} ranks, {} experts", rows.size(), loads.size());
  if (std::adjacent_find(rows.begin(), rows.end(), std::not_equal_to<>()) == rows.end()) {
    resize(1);  // the rule: a batch per GPU
    split_by_largest_remainder(rows.front(), loads, {values_.data(), experts_});
  } else {
    std::vector<std::int64_t> kinds(rows.begin(), rows.end());
    std::sort(kinds.begin(), kinds.end());
    kinds.erase(std::unique(kinds.begin(), kinds.end()), kinds.end());
    for (std::size_t rank = 0; rank < rows.size(); ++rank) {
      kind_of_rank_[rank] = static_cast<std::int32_t>(
          std::lower_bound(kinds.begin(), kinds.end(), rows[rank]) - kinds.begin());
    }
    resize(kinds.size());
    for (std::size_t kind = 0; kind < kinds.size(); ++kind) {
      split_by_largest_remainder(kinds[kind], loads,
                                 {values_.data() + kind * (experts_ + 1), experts_});
    }
  }
  sum_up();
}

RoutedRows::RoutedRows(const TokenCounts& counts)
    : experts_(static_cast<std::size_t>(counts.experts)),
      kind_of_rank_(static_cast<std::size_t>(counts.ranks)) {
  BETHANY_CHECK(counts.experts > 0, "counts of no expert");
  std::iota(kind_of_rank_.begin(), kind_of_rank_.end(), 0);
  resize(kind_of_rank_.size());
  for (int rank = 0; rank < counts.ranks; ++rank) {
    for (int expert = 0; expert < counts.experts; ++expert) {
      BETHANY_CHECK(counts.at(rank, expert) >= 0, "{} rows", counts.at(rank, expert));
      values_[first_of(rank) + static_cast<std::size_t>(expert)] = counts.at(rank, expert);
    }
  }
  sum_up();
}

void RoutedRows::resize(std::size_t kinds) {
  totals_ = kinds * (experts_ + 1);
  values_.resize(totals_ + experts_);
}

void RoutedRows::sum_up() {
  for (std::size_t first = 0; first < totals_; first += experts_ + 1) {
    for (std::size_t e = 0; e < experts_; ++e) values_[first + experts_] += values_[first + e];
  }
  if (totals_ == experts_ + 1) {
    for (std::size_t e = 0; e < experts_; ++e) values_[totals_ + e] = values_[e] * ranks();
    return;
  }
  for (int rank = 0; rank < ranks(); ++rank) {
    const std::size_t first = first_of(rank);
    for (std::size_t e = 0; e < experts_; ++e) values_[totals_ + e] += values_[first + e];
  }
}

std::int64_t RoutedRows::largest(int first, int last) const {
  std::int64_t result = 0;
  std::size_t before = totals_;
  for (int rank = first; rank < last; ++rank) {
    const std::size_t at = first_of(rank);
    if (at == before) continue;
    before = at;
    const std::int64_t* counts = values_.data() + at;
    result = std::max(result, *std::max_element(counts, counts + experts_));
  }
  return result;
}

}  // namespace bethany
