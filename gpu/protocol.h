#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "gpu/backend.h"

namespace bethany {

/// How every point is measured.
struct Protocol {
  int warm_up = 3;  // untimed runs before the samples; the first point gets 10
  /// Then the operation runs untimed until this is over, so that a card whose clock falls under
  /// load has the clock of that load; 0: not.
  double warm_seconds = 0;
  int samples_least = 5;  // that a point gets though its time is over
  int samples_min = 20;
  int samples_max = 200;
  double confidence_target = 0.01;  // half width of the 95 % interval of the median, of the median
  double seconds_max = 0.5;         // of one point
  double sample_seconds = 2e-4;     // short operations are repeated to last about this long
  int passes = 2;                   // over all points, in another order: their difference is noise
  int sentinel_every = 25;          // points between two runs of the sentinel
  double drift_limit = 0.02;        // of the sentinel: beyond it the block is flagged
  double within_seconds = 0;        // stop then and keep what was measured; 0: no limit
};

/// What one point gave. Times are seconds of one run of the operation.
struct Measured {
  Point point;
  int pass = 0;
  int block = 0;  // of the sentinel
  int samples = 0;
  int repeats = 0;  // runs in one sample
  double min = 0;
  double p5 = 0;
  double median = 0;
  double p95 = 0;
  double max = 0;
  double mad = 0;          // median absolute deviation
  double confidence = 0;   // half width of the 95 % interval of the median, of the median
  int outliers = 0;        // samples beyond 5 scaled MADs; kept in all figures
  double clock = 0;        // Hz, right after the samples; 0: unknown
  double enqueue = 0;      // median time the host needed to start one run
  double spread = 0;       // of equal ranks, as Sample has it; mean
  std::string note = "-";  // "wide": confidence not reached; "drift": the block is flagged
};

struct Measurements {
  Machine machine;
  std::string backend;
  std::uint64_t seed = 0;
  Protocol protocol;
  std::vector<Measured> points;
  std::vector<std::string> refused;  // points the backend cannot run, with its reason
  std::vector<double> sentinel;      // medians, one a block
  std::vector<double> sentinel_clocks;
  bool complete = false;
};

/// Runs the points in a shuffled order, `passes` times. `stop` is asked between points: true keeps
/// what was measured and ends. `progress` gets (points done, points in all).
Measurements measure(Backend& backend, const std::string& name, const std::vector<Point>& points,
                     const Protocol& protocol, std::uint64_t seed,
                     const std::function<bool()>& stop,
                     const std::function<void(std::size_t, std::size_t)>& progress);

/// The micro-measurements of one device (gpu.md, M1–M7), without those it refuses. `quick`: about a
/// tenth of them.
std::vector<Point> measurement_points(const Backend& backend, bool quick);

/// What the sentinel took in cycles of the device's clock, or in seconds where the clock is
/// unknown: a clock that moves is on record and no drift.
std::vector<double> sentinel_work(const Measurements& measurements);
/// Largest deviation of the values from their median, as a share of it; 0 without values.
double largest_deviation(const std::vector<double>& values);

/// Seconds of a clock that only goes forward.
double wall_seconds();
/// Seconds that this thread computed: what other programs take of a shared core is not in it.
double thread_seconds();
/// "2026-11-26T06:14:13Z".
std::string utc_now();

}  // namespace bethany
