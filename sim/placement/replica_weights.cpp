#include "sim/placement/replica_weights.h"

#include <algorithm>

namespace bethany {

std::vector<Int128> replica_weights(std::span<const std::int32_t> replicas,
                                    std::span<const std::int64_t> loads) {
  std::vector<Int128> weights(replicas.size());
  const bool no_load =
      std::all_of(loads.begin(), loads.end(), [](std::int64_t load) { return load == 0; });
  for (std::size_t e = 0; e < weights.size(); ++e) {
    const Int128 load = static_cast<Int128>(no_load ? 1 : loads[e]) << kWeightDigits;
    weights[e] = no_load ? load : load / std::max<std::int32_t>(replicas[e], 1);
  }
  return weights;
}

}  // namespace bethany
