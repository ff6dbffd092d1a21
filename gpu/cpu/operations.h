#pragma once

#include <functional>
#include <memory>

#include "gpu/backend.h"
#include "gpu/compute.h"

namespace bethany::cpu {

/// The work of one point on buffers of its own; each call does it once. Null when the operation
/// needs no device alone (fabrics). Requires: the device outlives it.
std::function<void()> operation_work_of(Compute& compute, const Point& point, std::uint64_t seed);

/// An operation between ranks that are threads of this process: all_to_all, reduce or migrate.
std::unique_ptr<PreparedOperation> fabric_operation(const Point& point);

/// Planning, or starting, connecting, losing or storing the state of ranks that are processes of
/// this machine; null for other operations.
std::unique_ptr<PreparedOperation> lifecycle_operation(const Point& point);

/// The arithmetic of `compute` for comparisons with the reference.
std::unique_ptr<Numerics> numerics_of(Compute& compute);

/// Trains two layers of the shape on one rank that holds all experts.
MemoryCheck memory_check(const ShapeZooEntry& entry);

/// "OpenBLAS 0.3.21 …" or "own kernel".
std::string blas_name();

}  // namespace bethany::cpu
