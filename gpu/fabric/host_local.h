#pragma once

#include <functional>
#include <memory>
#include <string>

#include "gpu/fabric/fabric.h"
#include "gpu/phase.h"

namespace bethany {

struct HostLocalState;

/// Copies bytes within the memory of the device; done when it returns.
using CopyBytes = std::function<void(void* to, const void* from, std::size_t bytes)>;

/// The ranks of one configuration as threads of this process: receivers copy from the senders'
/// memory. Its members may be called from any thread.
class HostLocal {
 public:
  /// `turn`: held while copying, so that copies are timed alone; null: they run beside each other.
  explicit HostLocal(int ranks, Turn* turn = nullptr, Waiting waiting = Waiting::asleep);

  /// The fabric of a rank; one each. `copy`: how it receives, called by the thread that calls
  /// exchange(); empty: within the memory of the host. It may outlive this object. exchange()
  /// answers the time of the rank's port: copies into its memory and copies out of it run at once,
  /// as on a network card, so the longer of the two sums counts; with a turn and no `copy` in
  /// thread_seconds(). The caller does not hold the turn.
  std::unique_ptr<Fabric> fabric(int rank, CopyBytes copy = {});

  /// Calls the configuration off: all ranks that wait or call from now on get PeerLost. Memory that
  /// a rank has posted is no longer read once its exchange() has ended.
  void abort(const std::string& why);

 private:
  std::shared_ptr<HostLocalState> state_;  // of all fabrics, whoever goes last
};

}  // namespace bethany
