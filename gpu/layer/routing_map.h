#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "sim/placement/token_matrix.h"

namespace bethany {

/// The rows of one expert that a rank computes, side by side in expert order.
struct ExpertRows {
  int expert = 0;
  std::int64_t first = 0;
  std::int64_t rows = 0;  // above 0
};

/// Where the routed rows of one rank lie in one micro-batch of one layer. A *pair* is one of the
/// top_k experts of one token: token · top_k + k. Three orders of rows:
/// send: by (destination, expert, pair), the pairs of this rank;
/// receive: by (source, expert), in the source's order: what the ranks sent here;
/// expert: by (expert, source), in the source's order: the same rows, as the experts compute them.
struct RoutingMap {
  std::vector<int> send_order;             // the pair of each row in send order
  std::vector<int> send_position;          // its inverse: the row of each pair
  std::vector<std::int64_t> send_rows;     // by destination
  std::vector<std::int64_t> receive_rows;  // by source
  std::vector<int> expert_order;           // the row in receive order of each row in expert order
  std::vector<int> receive_position;       // its inverse
  std::vector<ExpertRows> experts;         // that have rows here, ascending

  std::int64_t received() const { return static_cast<std::int64_t>(expert_order.size()); }
};

/// How many pairs go to each expert.
std::vector<std::int64_t> pairs_by_expert(std::span<const int> expert_ids, int experts);

/// `expert_ids`: of each pair of this rank. Of the pairs that one expert gets, the first go to rank
/// 0, as many as the matrix says, the next to rank 1, …
/// Requires: the matrix sends on as many pairs of every expert as there are.
RoutingMap routing_map(std::span<const int> expert_ids, const TokenMatrix& matrix, int rank);

}  // namespace bethany
