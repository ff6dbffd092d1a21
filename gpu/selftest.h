#pragma once

#include <string>
#include <vector>

#include "gpu/backend.h"

namespace bethany {

/// One comparison with the reference.
struct CheckResult {
  std::string what;
  double error = 0;  // relative, ‖a − b‖ / ‖b‖
  double bound = 0;

  bool passed() const { return error <= bound; }
};

/// Compares the backend's arithmetic with the float64 reference on fresh random inputs: the MoE
/// layer with all its gradients in every precision and variant, Adam, the slice sum, the gate.
/// Empty when the backend has no arithmetic.
std::vector<CheckResult> selftest(Backend& backend, std::uint64_t seed);

}  // namespace bethany
