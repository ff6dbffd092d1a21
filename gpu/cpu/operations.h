#pragma once

#include <memory>
#include <string>

#include "gpu/compute.h"
#include "gpu/numerics.h"

namespace bethany::cpu {

/// The arithmetic of `compute` for comparisons with the reference.
std::unique_ptr<Numerics> numerics_of(Compute& compute);

/// "OpenBLAS 0.3.21 …" or "own kernel".
std::string blas_name();

}  // namespace bethany::cpu
