#pragma once

#include <cstdint>
#include <vector>

#include "gpu/cuda/device.h"
#include "gpu/cuda/routing.h"

namespace bethany::cuda {

/// Buffers from the device's arena for the pairs of `keys` (the expert of each), the keys uploaded
/// and everything ready for sort_routing(). Throws GpuError when the arena is full.
RoutingBuffers take_routing(Device& device, const std::vector<std::uint16_t>& keys, int experts);

}  // namespace bethany::cuda
