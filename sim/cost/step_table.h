#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sim/base/object_reader.h"
#include "sim/base/time.h"

namespace bethany {

/// Step durations by node count: linear between the counts that are given, rounded to the nearest
/// ns. Outside of them it does not extrapolate: the nearest one holds, and the question is counted.
class StepTable {
 public:
  /// One duration for any number of nodes.
  explicit StepTable(Duration any_count) : points_{{0, any_count}}, any_count_(true) {}
  /// Requires: not empty, counts strictly rising.
  explicit StepTable(std::vector<std::pair<int, Duration>> points);

  Duration at(int nodes) const;
  bool covers(int nodes) const;
  /// "1s" or "9:2s 10:1s".
  std::string text() const;

 private:
  std::vector<std::pair<int, Duration>> points_;
  bool any_count_ = false;
};

/// Reads `key` of `cost`: a duration, or an object of node counts and durations. Throws InputError
/// when it is missing, a count is not a positive whole number, or a duration is 0.
StepTable read_step_table(ObjectReader& cost, std::string_view key);

/// Counts questions outside a range, from any number of threads.
class RangeCounter {
 public:
  void add() const { count_.fetch_add(1, std::memory_order_relaxed); }
  std::int64_t count() const { return count_.load(std::memory_order_relaxed); }

 private:
  mutable std::atomic<std::int64_t> count_{0};
};

}  // namespace bethany
