#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "sim/base/json.h"
#include "sim/model/routing_load.h"

namespace bethany {

/// How uneven the shares of experts are; definitions in traces/README.md. Means where they are of
/// several layers or steps, each counting the same.
struct RoutingSkew {
  double skew = 0;          // largest share / mean share
  double balancedness = 0;  // mean share / largest share
  double top1 = 0;          // share of the hottest expert, of the 4 hottest, of the 8 hottest
  double top4 = 0;
  double top8 = 0;
  double gini = 0;          // 0: all equal
  double idle_experts = 0;  // experts without any token
};

/// How far the shares move.
struct RoutingDrift {
  std::int64_t lag = 0;    // steps
  std::int64_t pairs = 0;  // of entries that are so far apart
  double distance = 0;     // mean total variation: half the summed differences, 0..1
  std::vector<double> by_layer;
};

/// What a routing load says in numbers.
struct RoutingStatistics {
  RoutingSkew all;
  std::vector<RoutingSkew> by_layer;  // means over entries
  std::vector<RoutingSkew> by_entry;  // means over layers
  std::vector<std::int64_t> steps;    // of the entries
  std::vector<RoutingDrift> drift;    // by rising lag
};

/// Drift is over pairs of entries exactly 10, 50, 100, 200 and 400 steps apart, those of them that
/// the load has; when it has none of them, over the five smallest distances of entries that follow
/// each other.
RoutingStatistics statistics_of(const RoutingLoad& load);

/// The object that `routing stats` prints (schema bethany/routing-stats/1); `top_k` is null when
/// the input does not say it.
JsonNode to_json(const RoutingStatistics& statistics, const RoutingLoad& load, bool says_top_k);

}  // namespace bethany
