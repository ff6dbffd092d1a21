#include <algorithm>
#include <set>

#include "gpu/elastic/crew.h"
#include "gpu/elastic/fused_fabric.h"
#include "gpu/fabric/host_local.h"
#include "gpu/protocol.h"
#include "gpu/rank_threads.h"
#include "sim/base/check.h"

namespace bethany {
namespace {

class ThreadCrew final : public Crew {
 public:
  ThreadCrew(const TrainingSetup& setup, ThreadCrewOptions options)
      : setup_(setup),
        options_(std::move(options)),
        turn_(options_.waiting),
        threads_(options_.waiting) {}

  void start(std::span<const NodeId> nodes) override {
    for (const auto node : nodes) {
      BETHANY_CHECK(!runs(node), "machine {} already runs", node.value);
      auto& ranks = machines_[node];
      for (int gpu = 0; gpu < setup_.placement.gpus_per_node; ++gpu) {
        const int place = free_place();
        ranks.push_back(std::make_unique<Rank>());
        ranks.back()->worker = std::make_unique<Worker>(
            setup_, options_.compute(place),
            options_.serialised
                ? PhaseTiming{.turn = &turn_, .clock = options_.clock, .before = options_.before}
                : PhaseTiming{});
        ranks.back()->place = place;
      }
    }
  }

  void kill(std::span<const NodeId> nodes) override {
    for (const auto node : nodes) {
      if (machines_.count(node) == 0) continue;
      std::erase_if(connected_, [&](Rank* rank) {
        const auto& ranks = machines_.at(node);
        return std::any_of(ranks.begin(), ranks.end(),
                           [&](const auto& own) { return own.get() == rank; });
      });
      machines_.erase(node);
    }
  }

  bool runs(NodeId node) const override { return machines_.count(node) != 0; }

  void connect(const std::vector<RankPlace>& ranks) override {
    network_ = std::make_unique<HostLocal>(static_cast<int>(ranks.size()), turn(),
                                           options_.waiting);
    connected_.clear();
    places_ = ranks;
    for (std::size_t i = 0; i < ranks.size(); ++i) {
      Rank* const rank = machines_.at(ranks[i].node)[static_cast<std::size_t>(ranks[i].gpu)].get();
      CopyBytes copy;
      if (options_.device_memory) {
        copy = [worker = rank->worker.get()](void* to, const void* from, std::size_t bytes) {
          worker->compute().copy_now(to, from, bytes);
        };
      }
      rank->worker->connect(std::make_unique<FusedFabric>(
          network_->fabric(static_cast<int>(i), std::move(copy)), rank->fuse, rank->exchanges));
      connected_.push_back(rank);
    }
  }

  CrewReply obey(const Order& order, const std::optional<Attack>& attack) override {
    CrewReply reply;
    reply.ranks.resize(connected_.size());
    for (auto* const rank : connected_) {
      rank->exchanges = 0;
      rank->fuse = {};
    }
    if (attack) light(*attack, order.kind);
    const double begin = wall_seconds();
    threads_.run(
        connected_.size(),
        [&](std::size_t i) { reply.ranks[i] = connected_[i]->worker->obey(order); },
        [this] { network_->abort("a rank failed"); });
    reply.seconds = wall_seconds() - begin;
    for (const auto& rank : reply.ranks) reply.lost = reply.lost || rank.lost;
    if (!connected_.empty() && !reply.lost) {
      exchanges_of_[order.kind] = connected_.front()->exchanges;
    }
    return reply;
  }

  double wait_for_detection() override { return 0; }
  bool dies_for_real() const override { return false; }

 private:
  struct Rank {
    std::unique_ptr<Worker> worker;
    int place = -1;
    Fuse fuse;
    int exchanges = 0;  // of the order at hand
  };

  Turn* turn() { return options_.serialised ? &turn_ : nullptr; }

  int free_place() const {
    std::set<int> taken;
    for (const auto& [node, ranks] : machines_) {
      for (const auto& rank : ranks) taken.insert(rank->place);
    }
    int place = 0;
    while (taken.count(place) != 0) ++place;
    return place;
  }

  /// The victims die at their next exchange when that part of the last such order's is over.
  void light(const Attack& attack, Order::Kind kind) {
    const int usual = std::max(exchanges_of_[kind], 1);
    const int at = std::min(static_cast<int>(attack.fraction * usual), usual - 1);
    for (std::size_t i = 0; i < places_.size(); ++i) {
      const auto& nodes = attack.nodes;
      if (std::find(nodes.begin(), nodes.end(), places_[i].node) == nodes.end()) continue;
      connected_[i]->fuse = {.exchange = at,
                             .blown = [this] { network_->abort("a rank was killed"); }};
    }
  }

  TrainingSetup setup_;
  ThreadCrewOptions options_;
  Turn turn_;
  std::map<NodeId, std::vector<std::unique_ptr<Rank>>> machines_;
  std::unique_ptr<HostLocal> network_;
  std::vector<Rank*> connected_;
  std::vector<RankPlace> places_;
  std::map<Order::Kind, int> exchanges_of_;  // of one that ended
  RankThreads threads_;
};

}  // namespace

std::unique_ptr<Crew> make_thread_crew(const TrainingSetup& setup,
                                       const ThreadCrewOptions& options) {
  return std::make_unique<ThreadCrew>(setup, options);
}

}  // namespace bethany
