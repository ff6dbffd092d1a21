#include "gpu/fabric/comm_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

namespace bethany {
namespace {

/// The sizes of the messages from one rank to another, in order.
using PairSizes = std::map<std::pair<int, int>, std::vector<std::int64_t>>;

std::optional<std::string> wrong_message(const PlannedMessage& message, int rank, int ranks,
                                         const char* does) {
  if (message.peer < 0 || message.peer >= ranks) {
    return fmt::format("rank {} {} rank {} of {}", rank, does, message.peer, ranks);
  }
  if (message.peer == rank) return fmt::format("rank {} {} itself", rank, does);
  if (message.bytes <= 0) {
    return fmt::format("rank {} {} rank {}: {} bytes", rank, does, message.peer, message.bytes);
  }
  return std::nullopt;
}

std::string pair_mismatch(int from, int to, const std::vector<std::int64_t>& sent,
                          const std::vector<std::int64_t>& received) {
  const auto both = std::min(sent.size(), received.size());
  for (std::size_t i = 0; i < both; ++i) {
    if (sent[i] == received[i]) continue;
    return fmt::format("message {} from rank {} to rank {}: {} bytes sent, {} bytes received", i,
                       from, to, sent[i], received[i]);
  }
  return fmt::format("from rank {} to rank {}: {} sends, {} receives", from, to, sent.size(),
                     received.size());
}

}  // namespace

std::optional<std::string> mismatch(const CommPlan& plan) {
  const auto ranks = static_cast<int>(plan.size());
  PairSizes sent;
  PairSizes received;
  for (int rank = 0; rank < ranks; ++rank) {
    const RankMessages& messages = plan[static_cast<std::size_t>(rank)];
    for (const auto& send : messages.sends) {
      if (auto wrong = wrong_message(send, rank, ranks, "sends to")) return wrong;
      sent[{rank, send.peer}].push_back(send.bytes);
    }
    for (const auto& receive : messages.receives) {
      if (auto wrong = wrong_message(receive, rank, ranks, "receives from")) return wrong;
      received[{receive.peer, rank}].push_back(receive.bytes);
    }
  }
  for (const auto& [pair, sizes] : sent) {
    const auto& matching = received[pair];
    if (sizes != matching) return pair_mismatch(pair.first, pair.second, sizes, matching);
  }
  for (const auto& [pair, sizes] : received) {
    const auto& matching = sent[pair];
    if (sizes != matching) return pair_mismatch(pair.first, pair.second, matching, sizes);
  }
  return std::nullopt;
}

}  // namespace bethany
