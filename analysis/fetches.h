#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "sim/base/ids.h"
#include "sim/model/run_record.h"
#include "sim/model/traffic.h"
#include "sim/placement/binding.h"

namespace bethany {

/// How the job schedules fetches. A record has their sums only; with this they can be made again.
struct FetchRules {
  StateSizes sizes;
  BindingMethod method = BindingMethod::greedy;
};

/// What a machine fetched when a configuration was made.
struct ToldFetch {
  NodeId node;
  std::int64_t experts = 0;
  bool dense = false;  // the dense state too
  /// Bytes by sender, most first; empty when it is not known who sent.
  std::vector<std::pair<NodeId, std::int64_t>> from;

  std::int64_t bytes() const;
};

/// Who fetched what for the configuration `made`, most experts first, when machines held the places
/// `place_of` of the plan `before`. Empty where the plans do not give the recorded number of
/// experts (a restart reads checkpoints instead); without senders where `rules` are missing or do
/// not give the recorded sums.
std::vector<ToldFetch> fetches_of(const PlacementPlan& before,
                                  const std::map<NodeId, int>& place_of,
                                  const ConfigurationCompleted& made,
                                  const std::optional<FetchRules>& rules);

}  // namespace bethany
