#pragma once

#include <cstdint>
#include <vector>

namespace bethany {

/// The largest of n independent standard normal values, expected: Φ⁻¹(0.5264^(1/n)), which is
/// within 1 % from n = 4 on (C.-C. Chen and C. W. Tyler, 1999); 0 for n = 1. Requires: n > 0.
double expected_extreme(std::int64_t n);

/// When the slowest of ranks is done that need `seconds` each in the mean, where what one rank
/// needs varies by `spread` of it (standard deviation, independent of the others): the most, over
/// all k, of the k-th longest, (1 + spread · expected_extreme(k)) times. That is exact for equal
/// ranks and for ranks far apart, and below the expected maximum between. Sorts `seconds`. 0
/// without ranks.
double expected_slowest(std::vector<double>& seconds, double spread);

}  // namespace bethany
