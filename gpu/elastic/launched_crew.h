#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "gpu/elastic/remote_crew.h"
#include "gpu/fabric/environment.h"
#include "gpu/fabric/store.h"

namespace bethany {

/// How machines of launched processes die. A launcher starts a process once.
enum class Kill {
  soft,  // drops its state and connections at once, and waits for its next life
  hard,  // SIGKILL, for good; the process of rank 0, which coordinates, dies softly all the same
};

/// A launched process, as all of them must know alike.
struct LaunchedOptions {
  Launch launch;
  Kill kill = Kill::soft;
  double timeout_seconds = 60;  // until all have met
  std::function<std::unique_ptr<Compute>()> compute;
  FabricMaker fabric = connect_by_sockets;
};

/// Of this process: launch_from(), and BETHANY_PORT where MASTER_PORT is taken (torchrun's own
/// store listens there). Throws InputError when no launcher shows or it does not say where rank 0
/// is.
Launch launch_of_this_process();

/// The life of a launched process that does not coordinate: obeys rank 0 until it is gone, and
/// from then on, when rank 0 has come, leaves SIGINT and SIGTERM to it: who interrupts a job
/// signals all its processes, and rank 0 may still have to finish with the others. Throws
/// MachineError when rank 0 does not come.
void serve_launched_rank(const LaunchedOptions& options);

/// The processes that a launcher started, this one with rank 0 among them: its own rank is a thread
/// beside the coordinator. Between crews they hold nothing.
class LaunchedProcesses {
 public:
  /// Returns when all have met. Throws MachineError. Requires: rank 0.
  explicit LaunchedProcesses(const LaunchedOptions& options);
  ~LaunchedProcesses();
  LaunchedProcesses(const LaunchedProcesses&) = delete;
  LaunchedProcesses& operator=(const LaunchedProcesses&) = delete;

  int free() const { return static_cast<int>(idle_.size()); }
  Kill how_they_die() const { return options_.kill; }
  /// A process without a life, lowest rank first. Throws MachineError when there is none.
  RemoteRank* take();
  /// It lives no more.
  void give_back(RemoteRank* process);
  /// Kills one in the midst of its work.
  void strike(RemoteRank& process);
  bool dead(const RemoteRank& process) const;
  /// Of the last configuration, whatever crew had it.
  std::uint64_t& epoch() { return epoch_; }
  /// Where the ranks of a configuration meet, on the machine of this process.
  int store_port() const { return store_.port(); }
  /// Seconds of all connections so far, by how they came about (Fabric::origin()).
  std::map<std::string, std::vector<double>>& connections() { return connections_; }

 private:
  struct Process;

  void meet();
  void name_for_others();

  LaunchedOptions options_;
  StoreServer store_;
  std::uint64_t epoch_ = 0;
  std::map<std::string, std::vector<double>> connections_;
  std::jthread own_;  // ends when its coordinator, the connections below, is gone
  std::vector<std::unique_ptr<Process>> processes_;  // by rank
  std::vector<Process*> idle_;                       // by rank, descending
};

/// Machines of launched processes, one a GPU. One crew at a time has lives there. `policy`: the one
/// whose dispatch `setup` has, as `compare` takes it.
std::unique_ptr<Crew> make_launched_crew(LaunchedProcesses& processes, const TrainingSetup& setup,
                                         const std::string& policy);

}  // namespace bethany
