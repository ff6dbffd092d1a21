#pragma once

#include <string>
#include <utility>
#include <vector>

#include "sim/cost/measured_curves.h"
#include "sim/cost/step_table.h"

namespace bethany {

/// How long ranks take to exchange data: the curve of a key over all rank counts and, where the
/// profile has them, those of single rank counts (KEY/RANKS). Whoever copies first is slower, and
/// all copy from the same rank first, so the time does not grow in proportion to the ranks.
class ExchangeCurves {
 public:
  /// `curves` outlive it.
  ExchangeCurves(const std::vector<MeasuredCurve>& curves, const std::string& key);

  bool measured() const { return all_ != nullptr; }
  /// Of the port that has most to do: between two measured rank counts linear, beyond the highest
  /// by the curve over all, which does not undercut it. `work.count` is of all messages of the port
  /// and in proportion to its peers. Requires: measured(), ranks >= 2. Counts what the profile does
  /// not cover.
  double seconds(double ranks, const Work& work, double extent, const RangeCounter& outside) const;

 private:
  const MeasuredCurve* all_ = nullptr;
  std::vector<std::pair<double, const MeasuredCurve*>> of_ranks_;  // rising
};

}  // namespace bethany
