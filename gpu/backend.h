#pragma once

#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "gpu/numerics.h"
#include "gpu/point.h"
#include "sim/base/registry.h"

namespace bethany {

/// The device a backend needs is not there, or the program was built without it. Exit code 77.
class NoDevice : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// What is measured, and with which software: facts by name, in a fixed order (`device`, `driver`,
/// `toolkit`, … as the backend has them). Stands in every file that comes from a measurement.
struct Machine {
  std::vector<std::pair<std::string, std::string>> facts;

  /// Empty when unknown.
  std::string fact(std::string_view name) const;
};

/// One timed repetition of a point.
struct Sample {
  double seconds = 0;          // of one run of the operation, on the device's clock
  double enqueue_seconds = 0;  // what the host spent to start it; above `seconds`: launch-bound
  /// Of equal ranks: how far one is from their mean, as a share of it (standard deviation); 0: of
  /// one rank alone, or of the slowest.
  double spread = 0;
};

/// A point with its buffers filled and all set-up done.
class PreparedOperation {
 public:
  virtual ~PreparedOperation() = default;
  /// Runs the operation `repeats` times in a row (over different buffers where these would
  /// otherwise stay in a cache) and answers the mean of one. Requires: repeats > 0.
  virtual Sample run(int repeats) = 0;
  /// The device's clock rate now, in Hz; 0 when unknown. Devices slow down under load.
  virtual double clock_hertz() { return 0; }
};

/// Which of the sweeps suit a backend, and how far they go.
struct Sweeps {
  std::vector<std::string> shapes = {"gpt", "mixtral", "deepseek"};  // of the zoo
  int peak = 8192;      // width of the product that shows the ceiling
  int sentinel = 4096;  // width of the product that shows whether the machine changed
  std::int64_t bytes_max = std::int64_t{1} << 31;     // of a copy
  std::int64_t elements_max = std::int64_t{1} << 30;  // of Adam and slice sums
  bool separate_host = true;      // memory and launches of its own: links and launches are measured
  std::vector<int> arrays = {0};  // of parameters that are updated at once; 0: nobody counts them
  int rows_factor = 1;            // of the row counts of shapes that are trained
  std::vector<int> fabric_ranks;  // how many ranks exchange data; empty: no fabric is measured
  std::vector<int> crew_ranks;    // how many are started, connected and killed; empty: none are
};

/// What one rank needs to train a stack: predicted, and counted while it trains.
struct MemoryCheck {
  std::string what;
  std::string parts;           // of the prediction
  std::int64_t predicted = 0;  // bytes
  std::int64_t measured = 0;
};

/// Something that can be measured: a GPU, the CPU, or a formula.
class Backend {
 public:
  virtual ~Backend() = default;
  virtual Machine machine() const = 0;
  /// Whether the point can be run here; a reason when not (too large, not built).
  virtual std::string refuses(const Point& point) const = 0;
  /// At most one prepared operation lives at a time. Requires: refuses(point) is empty.
  virtual std::unique_ptr<PreparedOperation> prepare(const Point& point) = 0;
  /// Trains stacks of its shapes and counts their memory; none where that is not built.
  virtual std::vector<MemoryCheck> memory() { return {}; }
  virtual Sweeps sweeps() const { return {}; }
  /// Ways to run the GEMMs of several experts, measured beside each other.
  virtual std::vector<std::string> expert_variants() const = 0;
  /// The arithmetic behind the timings, to be checked; null when there is none (synthetic).
  virtual Numerics* numerics() { return nullptr; }
};

/// The registry's `make` reads the backend's options: `seed`, and `element` where there is a
/// choice. It throws NoDevice.
Registry<Backend>& backends();

/// Builds a backend by name. `element`: of the rows and matrices that it measures ("bf16", …);
/// empty: the backend's own. Throws InputError on an unknown name and where there is no choice of
/// elements, NoDevice when it cannot run here.
std::unique_ptr<Backend> make_backend(const std::string& name, std::uint64_t seed,
                                      const std::string& element = "");

}  // namespace bethany
