#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace bethany {

/// One message of a group, as one side sees it.
struct PlannedMessage {
  int peer = 0;
  std::int64_t bytes = 0;

  friend bool operator==(const PlannedMessage&, const PlannedMessage&) = default;
};

/// What one rank posts in one group, in order.
struct RankMessages {
  std::vector<PlannedMessage> sends;
  std::vector<PlannedMessage> receives;
};

/// What all ranks post in one group: index is the rank.
using CommPlan = std::vector<RankMessages>;

/// Why a group would hang or mix up data: a send without its receive, a receive without its send,
/// sizes or orders of a pair that differ, messages of no bytes, to oneself or to ranks that do not
/// exist. Nothing when every message finds its peer.
std::optional<std::string> mismatch(const CommPlan& plan);

}  // namespace bethany
