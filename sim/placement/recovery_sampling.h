#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sim/base/random.h"
#include "sim/base/statistics.h"
#include "sim/placement/recovery.h"

namespace bethany {

/// An estimate of P(loss of the model) = 1 - P(recover).
struct SampledLoss {
  double loss = 0;
  Interval interval;  // of the loss; exact (Clopper–Pearson)
  std::int64_t samples = 0;
  std::string method;  // "monte-carlo" or "importance-sampling"
};

enum class SamplingMethod {
  automatic,   // importance when its bound of the loss is below 1, else plain
  plain,       // Monte Carlo: the share of loss sets that are fatal
  importance,  // Karp and Luby: only loss sets that are fatal to a set drawn first
};

struct SamplingOptions {
  SamplingMethod method = SamplingMethod::automatic;
  std::int64_t samples = 1'000'000;
  double confidence = 0.95;
};

/// Samples which losses are fatal to the sets.
///
/// Importance sampling (Karp and Luby 1983; Karp, Luby and Madras 1989): a set is drawn in
/// proportion to the probability q_i that all of it is lost, then a loss set given that; it counts
/// if no earlier set is lost whole too. The loss is U = Σ q_i times the probability to count, which
/// is at least 1 over the number of sets: the relative error is at most sqrt(sets / samples),
/// however rare the loss is, and near sqrt((U / loss - 1) / samples).
class LossSampler {
 public:
  /// Requires: nodes of the sets in 0..nodes-1, none empty.
  LossSampler(int nodes, std::vector<HostSet> sets);

  /// k of the nodes are lost, all subsets equally likely. Requires: 0 <= k <= nodes, samples > 0.
  SampledLoss uniform(int k, const SamplingOptions& options, Rng rng) const;
  /// Node v is lost with probability rates[v], independently. Requires: as many rates as nodes, all
  /// in 0..1; samples > 0.
  SampledLoss rated(const std::vector<double>& rates, const SamplingOptions& options,
                    Rng rng) const;

 private:
  class Draw;

  int nodes_;
  std::vector<HostSet> sets_;
  std::vector<std::vector<std::int32_t>> sets_of_;  // by node
};

}  // namespace bethany
