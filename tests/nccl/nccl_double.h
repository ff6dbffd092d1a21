#pragma once

namespace bethany::test {

/// A stand-in for NCCL and the CUDA runtime, on host memory over sockets, with what matters of
/// their manners: nothing blocks, work goes on beside its caller, who waits for a peer that is gone
/// waits until it is aborted, a shrunk communicator keeps the order of its parent's ranks, and the
/// pointer to it is written late. Linked in place of both.
struct NcclDouble {
  /// Shrinking fails on this rank of the parent, after its peers have succeeded. -1: on none.
  static inline int shrink_fails_on = -1;
};

}  // namespace bethany::test
