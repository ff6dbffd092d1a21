#pragma once

#include "gpu/compute.h"

namespace bethany::cpu {

/// The product without a BLAS: panels of both matrices are packed, small tiles of c stay in
/// registers. Sums of one element run over `inner` in order, in blocks.
void blocked_product(const ProductShape& shape, const float* a, const float* b, float* c);

}  // namespace bethany::cpu
