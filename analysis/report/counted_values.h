#pragma once

#include <cstdint>
#include <map>

#include "sim/base/int128.h"

namespace bethany {

/// How often each value occurred, in bounded memory. Exact up to kExactValues different ones; from
/// then on every value is rounded up to 9 significant bits, less than 0.4 % more.
class CountedValues {
 public:
  static constexpr std::size_t kExactValues = 4096;

  /// Requires: value >= 0, times >= 0.
  void add(Int128 value, std::int64_t times = 1);

  bool exact() const { return exact_; }
  std::int64_t count() const { return count_; }
  Int128 sum() const { return sum_; }  // of the values as they came
  const std::map<Int128, std::int64_t>& counts() const { return counts_; }
  /// The smallest value that at least this share (0..1) does not exceed. Requires: not empty.
  Int128 quantile(double share) const;

 private:
  void coarsen();

  std::map<Int128, std::int64_t> counts_;
  std::int64_t count_ = 0;
  Int128 sum_ = 0;
  bool exact_ = true;
};

}  // namespace bethany
