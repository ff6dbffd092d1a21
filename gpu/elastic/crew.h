#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "gpu/elastic/migration.h"
#include "gpu/elastic/order.h"
#include "gpu/elastic/worker.h"
#include "gpu/fabric/host_local.h"
#include "sim/base/time.h"

namespace bethany {

/// Machines that die while an order is obeyed.
struct Attack {
  std::vector<NodeId> nodes;
  Duration after{0};    // of real time, for ranks that can be killed at any instant
  double fraction = 0;  // of the order's exchanges, for those that cannot
};

/// What an order came to.
struct CrewReply {
  std::vector<Reply> ranks;  // empty where the rank died
  bool lost = false;         // some rank lost a peer or died: the order was not done
  double seconds = 0;        // from the order to the last reply
};

/// The ranks of a training, wherever they run. Machines are started and killed, and those of one
/// configuration connected; then all connected ranks obey one order at a time.
class Crew {
 public:
  virtual ~Crew() = default;
  /// New ranks on each machine's GPUs, holding nothing. Requires: none run there.
  virtual void start(std::span<const NodeId> nodes) = 0;
  /// Kills them with all they hold. Machines without ranks are left alone.
  virtual void kill(std::span<const NodeId> nodes) = 0;
  /// Their ranks end with all they hold, and the machines stay: for a restart.
  virtual void end(std::span<const NodeId> nodes) { kill(nodes); }
  virtual bool runs(NodeId node) const = 0;
  /// Makes the communicator of these ranks, in this order; earlier ones end.
  virtual void connect(const std::vector<RankPlace>& ranks) = 0;
  virtual CrewReply obey(const Order& order, const std::optional<Attack>& attack) = 0;
  /// After members died: returns when every survivor has noticed; the seconds since they died. 0
  /// where deaths are not real.
  virtual double wait_for_detection() = 0;
  /// Deaths strike at real instants: orders are timed by the clock on the wall, and whether they
  /// end before an attack is decided there.
  virtual bool dies_for_real() const = 0;
};

/// How the ranks of one process share it.
struct ThreadCrewOptions {
  bool serialised = true;  // one computes at a time, so that each is timed alone
  /// Of the phases of serialised ranks; null: the wall's. thread_seconds() where threads compute.
  PhaseClock clock = nullptr;
  /// Of a rank, by its place on the device: 0, 1, …, as many as ranks at once; a killed rank's is
  /// free again.
  std::function<std::unique_ptr<Compute>(int place)> compute;
  /// Before each phase of serialised ranks, untimed (PhaseLog); may be empty.
  std::function<void()> before;
  bool device_memory = false;  // tensors lie where only the arithmetic reaches: it copies
  Waiting waiting = Waiting::asleep;
};

/// Ranks as threads of this process, data through its memory.
std::unique_ptr<Crew> make_thread_crew(const TrainingSetup& setup,
                                       const ThreadCrewOptions& options);

/// Ranks as processes of this machine, forked from this one (which runs one thread then), data
/// through TCP sockets. Killing them is real.
std::unique_ptr<Crew> make_process_crew(const TrainingSetup& setup,
                                        std::function<std::unique_ptr<Compute>()> compute);

}  // namespace bethany
