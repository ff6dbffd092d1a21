#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "sim/base/int128.h"

namespace bethany {

/// Why member nodes do not step (DESIGN §4.8). `drain` is reserved for notices.
enum class Blocked : std::uint8_t {
  start,
  checkpoint,
  detection,
  planning,
  communicator,
  transfer,
  restart,
  load,
  rebalance,
  join,
  drain
};
inline constexpr std::size_t kBlockedCount = 11;
inline constexpr std::array<std::string_view, kBlockedCount> kBlockedNames = {
    "start",   "checkpoint", "detection", "planning", "communicator", "transfer",
    "restart", "load",       "rebalance", "join",     "drain"};

/// Why a place of the cluster is no member (DESIGN §4.8). `spare`: held back by the policy, as too
/// slow.
enum class Unavailable : std::uint8_t { absent, starting, waiting, spare, stranded };
inline constexpr std::size_t kUnavailableCount = 5;
inline constexpr std::array<std::string_view, kUnavailableCount> kUnavailableNames = {
    "absent", "starting", "waiting", "spare", "stranded"};

/// Where every node-nanosecond of the run went. Total = cluster.nodes × horizon, exactly.
struct Ledger {
  Int128 total = 0;
  Int128 productive = 0;  // steps that count in the end
  std::array<Int128, kBlockedCount> blocked{};
  Int128 rolled_back = 0;     // steps that had committed and were undone
  Int128 step_in_flight = 0;  // steps that never committed
  std::array<Int128, kUnavailableCount> unavailable{};

  Int128 sum() const {
    Int128 all = productive + rolled_back + step_in_flight;
    for (const auto part : blocked) all += part;
    for (const auto part : unavailable) all += part;
    return all;
  }
};

}  // namespace bethany
