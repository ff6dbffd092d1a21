#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace bethany {

/// EPLB's replication (papers.md §2.1): every expert starts with `minimum` replicas, and each
/// further slot goes to the expert with most load per replica, ties to the lowest id. This is the
/// highest-quotient apportionment: the slots go to the largest load / j, j = minimum, minimum + 1,
/// …, so most of them are known at once and few are handed out one by one.
/// Compares exactly. Keeps its memory between runs.
class GreedyCounts {
 public:
  /// Fills `counts`, which then sums to `slots`. No load at all counts as equal loads.
  /// Requires: minimum >= 1; minimum · experts <= slots < 2^31; loads from 0, their sum below 2^62.
  void run(std::span<const std::int64_t> loads, std::int64_t slots, std::int64_t minimum,
           std::span<std::int32_t> counts);

 private:
  /// load / count as a double: exact enough to compare while load · count < 2^52.
  struct Quotient {
    double value;
    std::int32_t expert;
  };
  struct Fraction {
    std::int64_t load;
    std::int32_t count;
    std::int32_t expert;
  };

  std::vector<std::int32_t> able_;  // experts that may get more than the minimum
  std::vector<Quotient> quotients_;
  std::vector<Fraction> fractions_;
};

}  // namespace bethany
