#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "gpu/fabric/connection.h"
#include "gpu/fabric/fabric.h"

namespace bethany {

struct MeshOptions {
  int rank = 0;
  std::vector<Address> addresses;  // of the listeners of all ranks; the own one is not looked at
  /// Number of the configuration: peers of another one are refused.
  std::uint64_t epoch = 0;
  /// Readable (a byte came) or closed at its other end: the configuration is called off. -1: none.
  int abort_descriptor = -1;
  /// Until all are connected.
  double timeout_seconds = 30;
};

/// The ranks of one configuration as processes, each connected with each by TCP; messages lie in
/// host memory. Ranks connect to lower ones and accept higher ones. Throws PeerLost when a peer
/// does not come in time, is of a later epoch, or the configuration is called off.
///
/// exchange(): the ranks that exchange something first tell each other that they are there, then
/// move data both ways at once; the answer is the second part alone. A connection that ends while
/// something is expected of it, or the abort descriptor, throws PeerLost and closes all connections
/// of this rank, so that those who wait for it learn of it as well.
std::unique_ptr<Fabric> connect_mesh(const Listener& listener, const MeshOptions& options);

}  // namespace bethany
