#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "sim/base/time.h"
#include "sim/model/cluster.h"
#include "sim/model/moe_model.h"

namespace bethany {

/// When a run ends, besides the trace. At most one is given.
struct Until {
  std::optional<Duration> time;
  std::optional<std::int64_t> samples;
  std::optional<std::int64_t> tokens;

  bool given() const { return time || samples || tokens; }
};

/// What happens when the trace is over (DESIGN §4.5 rule 10).
enum class AtEnd { hold, stop, repeat };

/// One question, policies, trace, routing load and cost model aside: those are made from the
/// scenario file by `sim/study` and handed to the job beside it.
struct Scenario {
  std::string name;
  std::uint64_t seed = 0;
  std::int64_t replication = 0;  // which draw of every random stream of the seed
  MoeModel model;
  Training training;
  Until until;
  Cluster cluster;
  AtEnd at_end = AtEnd::stop;
};

}  // namespace bethany
