#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "sim/base/json.h"
#include "sim/study/sweep/values.h"

namespace bethany {

/// What a sweep varies, as the command line says it.
struct SweepAxes {
  std::vector<std::string> grid;    // KEY=VALUES: every combination
  std::vector<std::string> zip;     // KEY=VALUES: these advance together
  std::vector<std::string> random;  // KEY=DISTRIBUTION: drawn anew for each sample
  std::int64_t samples = 0;         // of the random keys; 0: not given
  std::vector<std::string> policies;
  std::int64_t replications = 1;
};

/// A value that one run gives a key, as typed.
struct Assigned {
  std::string key;
  std::string value;
};

/// One run of a sweep.
struct SweepRun {
  std::vector<Assigned> assigned;  // of the axes, in their order
  std::string policy;              // as named, the keys `policy.…` not yet laid over it
  std::int64_t replication = 0;
};

/// All runs of a sweep, by number. Order: the grid axes as given, the last one fastest; then the
/// zipped axes, then the samples, the policies, and fastest of all the replications. Memory does
/// not grow with the number of runs.
class SweepSpace {
 public:
  /// `seed` is of the random keys, `first_replication` the scenario's. Throws InputError naming the
  /// option when an axis is malformed, a key is given twice or below another, zipped axes differ in
  /// length, `samples` and random keys do not come together, or there are more than 10^9 runs.
  /// Requires: policies.
  SweepSpace(const SweepAxes& axes, std::uint64_t seed, std::int64_t first_replication);

  std::int64_t runs() const { return points() * policies() * replications_; }
  /// The combinations of values of the axes.
  std::int64_t points() const { return grid_points_ * zip_length_ * samples_; }
  std::int64_t policies() const { return static_cast<std::int64_t>(policies_.size()); }
  const std::string& policy(std::int64_t place) const {
    return policies_[static_cast<std::size_t>(place)];
  }
  std::int64_t replications() const { return replications_; }
  /// Requires: 0 <= index < runs().
  SweepRun run(std::int64_t index) const;
  /// The keys of the axes, in the order of `SweepRun::assigned`.
  std::vector<std::string> keys() const;
  /// Every value that stands on an axis of this key; nothing for random numbers.
  const std::vector<std::pair<std::string, std::vector<std::string>>>& listed() const {
    return axes_;
  }
  /// The member "axes" of a manifest.
  JsonNode axes_answer() const;

 private:
  void add(const std::string& option, const std::string& text);
  void check_key(const std::string& option, const std::string& key) const;

  std::vector<std::pair<std::string, std::vector<std::string>>> axes_;  // grid, then zip
  std::size_t grid_axes_ = 0;
  std::vector<std::pair<std::string, RandomValues>> random_;
  std::int64_t grid_points_ = 1;
  std::int64_t zip_length_ = 1;
  std::int64_t samples_ = 1;
  std::vector<std::string> policies_;
  std::int64_t first_replication_ = 0;
  std::int64_t replications_ = 1;
  std::uint64_t seed_ = 0;
};

/// A value as typed, as a scenario has it: JSON, or else text.
JsonNode typed_value(const std::string& text);

}  // namespace bethany
