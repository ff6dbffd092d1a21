#pragma once

#include <string_view>

#include "sim/base/object_reader.h"
#include "sim/base/random.h"
#include "sim/base/time.h"

namespace bethany {

/// A lognormal length of time, in seconds: median · e^(sigma · N(0, 1)).
struct Lognormal {
  double median_s = 0;
  double sigma = 0;  // 0: always the median

  double mean_s() const;
  double draw(Rng& rng) const;
};

/// Reads `median`, and `mean` (not below it) or `sigma` (default 0), out of `object`.
Lognormal read_lognormal(ObjectReader& object);
/// The same with defaults, given as median and mean.
Lognormal read_lognormal(ObjectReader& object, Duration median, Duration mean);

/// How long a node works before it fails, in seconds, by its mean.
struct TimeToFailure {
  enum class Kind { exponential, weibull, lognormal };

  Kind kind = Kind::exponential;
  double mean_s = 1;
  double shape = 1;  // of Weibull: k, below 1 the hazard falls; of lognormal: sigma

  /// Of a new node.
  double draw(Rng& rng) const;
  /// From an instant in a long renewal process to its next failure: density (1 - F(t)) / mean.
  double draw_steady(Rng& rng) const;
  /// Of a node that has worked for `age_s`, from then on. Not for lognormal.
  double draw_aged(Rng& rng, double age_s) const;

 private:
  double scale() const;
};

/// Reads `mtbf`, `distribution` and `shape` (default 0.7 of Weibull, as Los Alamos' nodes have; 1
/// of lognormal).
TimeToFailure read_time_to_failure(ObjectReader& options);

}  // namespace bethany
