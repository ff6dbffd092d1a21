#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "gpu/backend.h"
#include "gpu/compute.h"
#include "gpu/fabric/host_local.h"
#include "gpu/layer/stack.h"
#include "gpu/phase.h"

namespace bethany {

/// The ranks whose work is measured piece by piece: as many as a piece asks for, each with its own
/// arithmetic, kept for the next piece.
struct PieceRanks {
  std::function<std::unique_ptr<Compute>(int rank)> make;
  PhaseClock clock = nullptr;  // of what a rank computes; null: the wall's
  bool device_memory = false;  // tensors lie where only the arithmetic reaches: it copies
  bool serialised = true;      // one computes or copies at a time
  Waiting waiting = Waiting::asleep;
  StackShape trained;          // what validation trains: plans and crews are of this shape
  std::vector<std::unique_ptr<Compute>> made;

  Compute& at(int rank) {
    while (static_cast<int>(made.size()) <= rank) {
      made.push_back(make(static_cast<int>(made.size())));
    }
    return *made[static_cast<std::size_t>(rank)];
  }
};

/// The work of one point on buffers of its own, as a phase of a real step does it; each call does
/// it once and may return before the device is done. Requires: an operation of one rank alone; the
/// arithmetic outlives it.
std::function<void()> piece_work(Compute& compute, const Point& point, std::uint64_t seed);

/// An operation between ranks that are threads of this process: all_to_all, reduce or migrate.
std::unique_ptr<PreparedOperation> fabric_piece(PieceRanks& ranks, const Point& point);

/// Planning, storing the state of ranks, or (of processes of this machine, on the CPU) starting,
/// connecting and losing them; null for other operations.
std::unique_ptr<PreparedOperation> lifecycle_piece(PieceRanks& ranks, const Point& point);

/// Trains two layers of the shape on one rank that holds all experts.
MemoryCheck memory_check(Compute& compute, const ShapeZooEntry& entry);

}  // namespace bethany
