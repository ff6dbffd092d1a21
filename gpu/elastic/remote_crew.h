#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "gpu/elastic/crew.h"
#include "gpu/elastic/rank_process.h"
#include "gpu/fabric/connection.h"

namespace bethany {

/// Longer than anything a rank does at once; beyond it the rank hangs.
constexpr double kRankPatienceSeconds = 300;

/// The coordinator's end of a process that is a rank.
struct RemoteRank {
  Descriptor control;
  Descriptor call_off;
  Address address;
  bool answers = true;              // false: dead to this crew
  std::atomic<bool> struck{false};  // dead because we killed it
  std::atomic<int> call_offs{0};    // bytes sent
};

/// Has the rank called off what it does at the moment.
void call_off(RemoteRank& rank);
/// Receives its hello, and with it the address. Throws MachineError.
void await_hello(RemoteRank& rank);

/// Ranks that are processes, data through TCP sockets between them. How a machine's ranks come to
/// be and how they die is the business of who derives.
class RemoteCrew : public Crew {
 public:
  /// `epoch`: of the last configuration that these processes had; outlives the crew. `store_port`:
  /// where ranks meet, 0: nowhere.
  explicit RemoteCrew(std::uint64_t& epoch, int store_port = 0)
      : epoch_(epoch), store_port_(store_port) {}

  bool runs(NodeId node) const override { return machines_.count(node) != 0; }
  void connect(const std::vector<RankPlace>& ranks) override;
  CrewReply obey(const Order& order, const std::optional<Attack>& attack) override;
  double wait_for_detection() override;
  bool dies_for_real() const override { return true; }

 protected:
  /// Kills a rank in the midst of what it does. Called from a thread of its own.
  virtual void strike_rank(RemoteRank& rank) = 0;
  /// Strikes all ranks of these machines, and notes when.
  void strike(const std::vector<NodeId>& nodes);
  /// The machine's ranks are no longer of this crew.
  void forget(NodeId node);
  /// All ranks of a configuration are connected: how (Fabric::origin()), and the seconds that the
  /// slowest took.
  virtual void note_connected(const std::string& origin, double seconds) {
    (void)origin, (void)seconds;
  }

  std::map<NodeId, std::vector<RemoteRank*>> machines_;  // those of a machine by GPU

 private:
  CrewReply collect();
  int rank_before(const RemoteRank* rank) const;

  std::vector<RemoteRank*> connected_;
  /// The ranks that connected last, if all of them did; null where one is no longer of this crew.
  std::vector<RemoteRank*> before_;
  std::uint64_t& epoch_;
  int store_port_;
  // Written by the killer's thread, read after it has ended.
  double killed_at_ = 0;
  double noticed_at_ = 0;
};

}  // namespace bethany
