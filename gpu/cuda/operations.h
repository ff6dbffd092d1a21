#pragma once

#include <memory>

#include "gpu/backend.h"
#include "gpu/cuda/device.h"

namespace bethany::cuda {

/// Makes a point ready on the device, on rows of that element: the arena is reset, buffers are
/// filled with random data, and as many sets of them are made as three times the cache needs.
std::unique_ptr<PreparedOperation> prepare_operation(Device& device, Element element,
                                                     const Point& point, std::size_t cache_bytes);

}  // namespace bethany::cuda
