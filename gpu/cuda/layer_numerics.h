#pragma once

#include <memory>

#include "gpu/cuda/device.h"
#include "gpu/numerics.h"

namespace bethany::cuda {

/// The arithmetic of the CUDA backend on plain arrays: the very kernels and GEMMs that are timed.
std::unique_ptr<Numerics> make_numerics(Device& device);

}  // namespace bethany::cuda
