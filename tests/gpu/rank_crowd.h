#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "gpu/fabric/fabric.h"
#include "gpu/layer/stack.h"
#include "sim/model/plan.h"
#include "sim/placement/parts.h"

namespace bethany {

/// Puts something between a rank and its fabric, for tests that corrupt messages.
using Tamper = std::function<std::unique_ptr<Fabric>(std::unique_ptr<Fabric> fabric)>;

/// How a crowd is set up.
struct CrowdOptions {
  StackShape shape;
  PlacementShape placement;
  PlacementPlan plan;
  std::string dispatch = "lazarus";
  bool forced = false;   // experts by the token's place in its sample, not by the gate
  bool average = false;  // of the holders' gradients, the wrong reduction
  Products products = Products::fp32;
  Tamper tamper;
};

/// All ranks of a plan, as threads of the test, that train together: gradients are summed over the
/// ranks that hold an expert by plain loops.
class RankCrowd {
 public:
  explicit RankCrowd(CrowdOptions options);
  ~RankCrowd();

  /// Micro-batches of `samples` samples in all, split unevenly over the ranks; answers the loss.
  /// The gradients are then the same sums on all ranks.
  double gradients(int samples, int micro_batches = 1);
  void update(int samples);

  std::vector<float> dense_gradient();
  std::vector<float> expert_gradient(int layer, int expert);
  /// Weights and moments. CHECKs that all holders have the same.
  std::vector<float> dense_state();
  std::vector<float> expert_state(int layer, int expert);
  std::vector<float> output(int rank);
  const std::vector<PhaseTime>& phases(int rank) const;
  RankState& state(int rank);

 private:
  struct Rank;
  void reduce();
  std::vector<int> holders(int layer, int expert) const;

  CrowdOptions options_;
  std::unique_ptr<Dispatch> dispatch_;
  std::unique_ptr<Router> router_;
  std::vector<std::unique_ptr<Rank>> ranks_;
  std::int64_t next_sample_ = 0;
  std::int64_t step_ = 0;
};

/// A plan of one rank that holds every expert once.
CrowdOptions alone(const StackShape& shape);

/// A plan by those parts; loads are skewed. Requires: it exists.
CrowdOptions crowd_of(const StackShape& shape, int nodes, int gpus, int slots_per_gpu,
                      const std::string& allocation, const std::string& placement,
                      const std::string& dispatch, std::uint64_t seed);

}  // namespace bethany
