#pragma once

#include <cstdint>
#include <memory>

#include "gpu/compute.h"
#include "gpu/elastic/order.h"
#include "gpu/fabric/fabric.h"
#include "gpu/layer/stack.h"
#include "gpu/phase.h"
#include "sim/placement/parts.h"

namespace bethany {

/// What all ranks of a training know alike.
struct TrainingSetup {
  StackShape shape;
  const Dispatch* dispatch = nullptr;  // of the policy; it can tell where every row goes
  PlacementShape placement;            // its `nodes` are those of the plan at hand
  std::uint64_t seed = 0;              // of the first weights, samples and targets
};

/// One rank: its state, its arithmetic, and its end of the fabric. Obeys orders; all ranks of a
/// configuration get the same one at the same time. Used by one thread at a time.
class Worker {
 public:
  /// `timing`: of its phases; how long the host waits is asked of the arithmetic.
  Worker(const TrainingSetup& setup, std::unique_ptr<Compute> compute, PhaseTiming timing = {});
  ~Worker();

  /// The fabric of the next configuration; the last one is let go.
  void connect(std::unique_ptr<Fabric> fabric);
  /// Hands out the fabric of the last one; null when there is none.
  std::unique_ptr<Fabric> disconnect();
  /// Never throws PeerLost: the reply says it, also where the last connecting failed.
  Reply obey(const Order& order);
  Compute& compute() { return *compute_; }

 private:
  void initialise(const Order& order);
  void step(const Order& order, Reply& reply);
  void reduce(const Order& order);
  void migrate(const Order& order);
  void settle(const Order& order);
  void save(const Order& order);
  void load(const Order& order);
  void digest(Reply& reply);
  /// The different experts that the plan gives this rank, ascending; none to a rank beyond it.
  std::vector<std::int32_t> experts_of(const PlacementPlan& plan, int layer, int rank) const;

  const TrainingSetup setup_;
  std::unique_ptr<Compute> compute_;
  PhaseLog log_;
  std::unique_ptr<RankState> state_;
  std::unique_ptr<Stack> stack_;
  std::unique_ptr<Fabric> fabric_;
  std::vector<std::byte> host_;  // state on its way between device and storage
};

}  // namespace bethany
