#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "gpu/elastic/rank_process.h"
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
  /// Readable when the configuration is called off. -1: none.
  int abort_descriptor = -1;
  /// Several ranks may have one GPU: NCCL then takes them for machines of their own.
  bool shares_devices = false;
};

/// The ranks of one configuration as processes with one GPU each. exchange() answers the seconds on
/// the rank's stream, waiting for slower peers included. After PeerLost it only serves reconnect().
/// All waits poll, so that a peer that is gone never blocks the process; what was under way may
/// hold up the stream until the fabric is gone or reconnected.
class NcclFabric : public Fabric {
 public:
  /// A new communicator of all ranks, on this stream of the thread's device. Throws PeerLost when
  /// one does not come or it is called off, InputError when two ranks have the same GPU. The stream
  /// and the store outlive the fabric.
  static std::unique_ptr<NcclFabric> connect(cudaStream_t stream, Store& store,
                                             const NcclOptions& options);

  /// The configuration of the survivors of this one: for each new rank the rank it had here, none
  /// twice. Keeps the communicator when all survive in another order; else shrinks it
  /// (ncclCommShrink, which first aborts what is under way) and, unless that works on every
  /// survivor, makes a new one. Called by all survivors with equal lists; this fabric is of no more
  /// use afterwards. Throws as connect().
  virtual std::unique_ptr<NcclFabric> reconnect(const std::vector<int>& survivors, Store& store,
                                                const NcclOptions& options) = 0;
};

/// Connects launched ranks, which meet in the store of the coordinator on this host: those that
/// were all in the configuration before reconnect, others begin anew. For one thread. Where
/// BETHANY_SHARE_GPUS is set, sets variables of NCCL's that let ranks share a GPU.
FabricMaker nccl_maker(std::string store_host);

/// "NCCL 2.28.9".
std::string nccl_name();

}  // namespace bethany::cuda
