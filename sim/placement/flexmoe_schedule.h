#pragma once

#include <cstdint>
#include <variant>
#include <vector>

#include "sim/base/object_reader.h"
#include "sim/placement/parts.h"

namespace bethany {

/// FlexMoE's scheduler (arXiv 2304.03946, papers.md §2.1): from the plan in force, one change at a
/// time, each kept only if the cost model predicts less time:
/// - Expand: one more replica of the expert with most load per replica, into a vacant slot or into
///   the one of Shrink: a replica of the expert with least load per replica that has another one,
///   on the least loaded GPU that holds it;
/// - Migrate, when that does not help: a replica of the costliest GPU and one of the least loaded
///   GPU change places, the pair that leaves the smaller maximum of the two.
/// Cost of a GPU: tokens · (compute + 4 all-to-alls) + for each of its experts that other GPUs hold
/// too a ring all-reduce of its gradients; of a plan: the largest of its GPUs.
/// Starts from what the nodes hold of the plan in force, after repair (repair_rows.h); without one
/// from even counts spread over nodes and GPUs.
class FlexMoeSchedule {
 public:
  /// Reads the options threshold, max_iterations, tokens_per_gpu, token_time, token_bytes,
  /// bandwidth and expert_bytes.
  explicit FlexMoeSchedule(ObjectReader& options);

  /// The slots of every layer, and how many changes were made.
  struct Result {
    LayerRows rows;
    int changes = 0;
  };
  /// Infeasible without a slot for each expert, or when the plan in force is of another shape.
  std::variant<Result, Infeasible> run(const PlacementShape& shape, const LoadMatrix& loads) const;

 private:
  double threshold_;             // of max/mean GPU load, at and below which nothing is changed
  std::int64_t max_iterations_;  // changes of a layer
  std::int64_t tokens_per_gpu_;  // rows that a GPU routes in a step
  Duration token_time_;          // one row through an expert
  Bytes token_bytes_;
  Bandwidth bandwidth_;
  Bytes expert_bytes_;  // gradients of one expert
};

}  // namespace bethany
