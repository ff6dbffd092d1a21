#pragma once

#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "gpu/fabric/fabric.h"
#include "gpu/fabric/views.h"
#include "gpu/phase.h"

namespace bethany {

/// sum[i] = ((addends[0][i] + addends[1][i]) + addends[2][i]) + … for all i < values, in floats;
/// done when it returns. `sum` is one of the addends.
using SliceSum =
    std::function<void(std::span<const float* const> addends, std::int64_t values, float* sum)>;

/// A plain loop over host memory.
void sum_slices(std::span<const float* const> addends, std::int64_t values, float* sum);

/// Sums gradients over the ranks that hold them (never averages: replicas see different numbers of
/// tokens), all of a list in two groups of messages. Every rank of the fabric makes one from the
/// same list and calls run() as often as the others.
///
/// A slice is summed by one rank, in the order of the ranks, and copied to the others: all holders
/// end with the same bits.
class Reduction {
 public:
  Reduction(std::vector<SharedGradient> gradients, int rank);

  /// Floats that run() needs to receive into.
  std::size_t staging_values() const { return staging_values_; }
  /// The groups it will exchange.
  ReduceMessages messages() const { return reduce_messages(gradients_, rank_); }

  /// `data`: of each gradient of the list where it lies on this rank; null where the rank does not
  /// hold it. `staging`: staging_values() floats; both in the memory of the rank's device. Books
  /// three phases of that name, on every rank: scatter, sum, gather. Throws PeerLost; the gradients
  /// are then worthless.
  void run(Fabric& fabric, std::span<float* const> data, float* staging, const SliceSum& sum,
           PhaseLog& log, std::string_view phase) const;

 private:
  /// Sums the rank's slices, the others' addends being in `staging`.
  void sum_own(std::span<float* const> data, const float* staging, const SliceSum& sum) const;

  std::vector<SharedGradient> gradients_;
  int rank_;
  ReduceView view_;
  std::size_t staging_values_ = 0;
};

}  // namespace bethany
