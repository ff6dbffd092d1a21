#pragma once

#include <string_view>

namespace bethany {

/// What the synthetic testbed does to predictions; tests know it.
struct SyntheticBias {
  double noise = 0.02;    // standard deviation of the logarithm of each phase
  double compute = 1.01;  // predicted / true, of dense and expert
  double network = 1.03;  // of what ranks exchange
  double stages = 0.9;    // of detection and the stages of changes
  double memory = 1.005;  // of bytes

  constexpr double of(std::string_view what) const {
    if (what == "memory") return memory;
    if (what == "dense" || what == "expert" || what == "optimizer") return compute;
    if (what == "all_to_all" || what == "count_exchange" || what == "all_reduce_dense" ||
        what == "all_reduce_expert" || what == "tensor_parallel") {
      return network;
    }
    return stages;
  }
};

}  // namespace bethany
