#pragma once

#include <cuda_runtime_api.h>

#include "gpu/compute.h"

namespace bethany::cuda {

/// The stream on which a rank computes. Requires: the arithmetic `cuda`.
cudaStream_t stream_of(const Compute& compute);

}  // namespace bethany::cuda
