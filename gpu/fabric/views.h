#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "gpu/fabric/comm_plan.h"
#include "sim/model/plan.h"
#include "sim/placement/binding.h"
#include "sim/placement/token_matrix.h"

namespace bethany {

/// What one rank posts in each group of a step or of a plan change, worked out by that rank for
/// itself. Together the views of all ranks are a CommPlan without mismatch.

/// Rows on their way to the experts: to each peer one message with the rows of all its experts, in
/// the order of the experts. Peers ascend; what stays on the rank is no message.
RankMessages dispatch_messages(const TokenMatrix& matrix, int rank, std::int64_t row_bytes);

/// Rows on their way back: the mirror.
RankMessages collect_messages(const TokenMatrix& matrix, int rank, std::int64_t row_bytes);

/// Fetches between machines when there is one rank for each, in the order of the list.
RankMessages migration_messages(std::span<const Transfer> transfers, int rank);

/// A gradient that several ranks hold and sum up.
struct SharedGradient {
  std::vector<int> holders;  // different ranks, ascending
  std::int64_t values = 0;   // floats
};

/// Of every expert of every layer, layer by layer: the ranks that hold it.
std::vector<SharedGradient> expert_gradients(const PlacementPlan& plan, std::int64_t values);

/// The piece of a shared gradient that one of its holders sums up for all of them: the values are
/// split over the holders by largest remainder, so that the pieces of lower ranks are the longer
/// ones. A holder of an expert held by more ranks than it has values may have none.
struct Slice {
  int peer = 0;              // with whom it is exchanged
  std::size_t gradient = 0;  // index into the list of shared gradients
  std::int64_t first = 0;
  std::int64_t values = 0;  // above 0
};

/// One rank's part in the reduction of all gradients of a list, in two groups. Scatter: send
/// `theirs`, receive `own`; each rank then sums its own slices in the order of the ranks. Gather:
/// send `own`, receive `theirs`. Both in the order of the gradients.
struct ReduceView {
  std::vector<Slice> own;     // the rank's slice of each gradient, once for each other holder
  std::vector<Slice> theirs;  // the slices that other holders sum up
};

ReduceView reduce_view(std::span<const SharedGradient> gradients, int rank);

/// The two groups of a reduction as messages of floats.
struct ReduceMessages {
  RankMessages scatter;
  RankMessages gather;
};

ReduceMessages reduce_messages(std::span<const SharedGradient> gradients, int rank);

}  // namespace bethany
