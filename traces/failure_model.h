#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sim/base/object_reader.h"
#include "sim/model/trace.h"
#include "traces/bulk_sizes.h"
#include "traces/lifetimes.h"

namespace bethany {

/// Nodes that fail and are repaired. What strikes a node from several sides is one outage: from the
/// first loss to the end of the last repair.
struct FailureModel {
  /// What a repair does to the time to the next failure. `steady`: the node is as new, and the
  /// fleet has been running for long. `fresh`: as new, and all nodes are new at 0. `kept`: it goes
  /// on ageing, and all nodes are new at 0.
  enum class Age { steady, fresh, kept };

  /// Share of the losses, in parts of the sum over all causes, and the repair that it takes.
  struct Cause {
    std::string name;
    double weight = 1;
    std::size_t repair = 0;  // into repairs
  };

  /// Each domain, `size` nodes in a row, is struck at a constant rate; each of its nodes is lost
  /// with the probability `share`. They come back together.
  struct Domains {
    std::string name;  // of the level ("rack"); the losses' cause
    std::int64_t size = 1;
    double mtbf_s = 1;  // of one domain
    double share = 1;
    Lognormal repair;
  };

  /// Bulks of nodes drawn from the whole fleet, that come back together.
  struct Bulks {
    double every_s = 1;  // mean gap, exponential
    BulkSizes sizes;
    Lognormal repair;
  };

  /// Each node becomes slow at a constant rate.
  struct Slowness {
    double mtbf_s = 1;
    double factor = 0.5;
    Lognormal length;
  };

  std::string name;  // of the generator; its streams have it too
  std::int64_t nodes = 1;
  Duration length{1};
  TimeToFailure failure;
  Age age = Age::steady;
  double lemon_share = 0;   // the probability that a node is one
  double lemon_factor = 1;  // its failure rate, in those of another node
  std::vector<Cause> causes;
  std::vector<Lognormal> repairs;  // none: lost nodes never come back
  std::vector<Domains> domains;
  std::optional<Bulks> bulks;
  std::optional<Slowness> slowness;

  /// Losses to expect, of all kinds, roughly.
  double expected_losses() const;
};

/// Most losses and slow spells that are drawn: about 2 GB.
constexpr double kMostFailures = 1e7;

/// Reads `nodes` and `length`.
void read_fleet(ObjectReader& options, FailureModel& model, std::optional<std::int64_t> nodes,
                std::optional<Duration> length);
/// Reads the objects `lemons` and `slow`, which may be missing.
void read_lemons(ObjectReader& options, FailureModel& model);
void read_slowness(ObjectReader& options, FailureModel& model);
/// Throws InputError when more than kMostFailures are to be expected. Call it last.
void check_size(const ObjectReader& options, const FailureModel& model);

/// Draws the trace. Every node, domain and level has a stream of its own: what strikes one does not
/// depend on how many others there are. Bulks are drawn from all.
Trace draw_failures(const FailureModel& model, const RngStreams& streams);

}  // namespace bethany
