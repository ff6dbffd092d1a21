#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "gpu/cuda/device.h"
#include "gpu/fabric/fabric.h"
#include "gpu/fabric/store.h"

namespace bethany::cuda {

struct NcclOptions {
  int rank = 0;
  int ranks = 1;
  /// Number of the configuration: what its ranks agree on in the store lies under it.
  std::uint64_t epoch = 0;
  /// For each thing the ranks wait for while they connect.
  double timeout_seconds = 120;
  /// Asked while waiting: the configuration is called off. Empty: never.
  std::function<bool()> called_off;
};

/// The ranks of one configuration as processes with one GPU each. exchange() answers the seconds on
/// the device's stream, waiting for slower peers included. After PeerLost it only serves
/// reconnect(). All waits poll, so that a peer that is gone never blocks the process.
class NcclFabric : public Fabric {
 public:
  /// A new communicator of all ranks. Throws PeerLost when one does not come or it is called off,
  /// InputError when two ranks have the same GPU. The device and the store outlive the fabric.
  static std::unique_ptr<NcclFabric> connect(const Device& device, Store& store,
                                             const NcclOptions& options);

  /// The configuration of the survivors of this one: for each new rank the rank it had here, none
  /// twice. Shrinks the communicator (ncclCommShrink, which first aborts what is under way) and,
  /// unless that works on every survivor, makes a new one. Called by all survivors with equal
  /// lists; this fabric is gone afterwards. Throws as connect().
  virtual std::unique_ptr<NcclFabric> reconnect(const std::vector<int>& survivors, Store& store,
                                                const NcclOptions& options) = 0;
};

}  // namespace bethany::cuda
