#include "sim/placement/token_matrix.h"

#include <algorithm>

#include "sim/base/check.h"
#include "sim/model/routing_load.h"

namespace bethany {

TokenCounts routed_counts(std::span<const std::int64_t> rows, std::span<const std::int64_t> loads) {
  TokenCounts counts(static_cast<int>(rows.size()), static_cast<int>(loads.size()));
  for (std::size_t rank = 0; rank < rows.size(); ++rank) {
    split_by_largest_remainder(rows[rank], loads,
                               {counts.values.data() + rank * loads.size(), loads.size()});
  }
  return counts;
}

LayerTraffic traffic_of(const TokenMatrix& matrix, int ranks_per_server) {
  BETHANY_CHECK(ranks_per_server > 0, "{} ranks per server", ranks_per_server);
  const auto ranks = static_cast<std::size_t>(matrix.ranks);
  LayerTraffic traffic;
  for (auto* rows : {&traffic.computed, &traffic.sent_inside, &traffic.received_inside,
                     &traffic.sent_outside, &traffic.received_outside}) {
    rows->assign(ranks, 0);
  }
  for (int expert = 0; expert < matrix.experts; ++expert) {
    for (int from = 0; from < matrix.ranks; ++from) {
      for (int to = 0; to < matrix.ranks; ++to) {
        const std::int64_t rows = matrix.at(expert, from, to);
        const auto i = static_cast<std::size_t>(from);
        const auto j = static_cast<std::size_t>(to);
        traffic.computed[j] += rows;
        if (from == to) continue;
        const bool inside = from / ranks_per_server == to / ranks_per_server;
        (inside ? traffic.sent_inside : traffic.sent_outside)[i] += rows;
        (inside ? traffic.received_inside : traffic.received_outside)[j] += rows;
      }
    }
  }
  return traffic;
}

}  // namespace bethany
