#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "sim/model/traffic.h"

namespace bethany {

/// T: how many rows of one micro-batch of one layer each rank routes to each expert.
struct TokenCounts {
  int ranks = 0;
  int experts = 0;
  std::vector<std::int64_t> values;  // [rank][expert]

  TokenCounts() = default;
  TokenCounts(int rank_count, int expert_count)
      : ranks(rank_count),
        experts(expert_count),
        values(static_cast<std::size_t>(rank_count) * static_cast<std::size_t>(expert_count)) {}

  std::int64_t& at(int rank, int expert) { return values[index(rank, expert)]; }
  std::int64_t at(int rank, int expert) const { return values[index(rank, expert)]; }

 private:
  std::size_t index(int rank, int expert) const {
    return static_cast<std::size_t>(rank) * static_cast<std::size_t>(experts) +
           static_cast<std::size_t>(expert);
  }
};

/// D: how many of the rows that rank `from` routes to an expert are computed by rank `to`. Size
/// experts · ranks², so for tests, real hardware and small outputs only.
struct TokenMatrix {
  int ranks = 0;
  int experts = 0;
  std::vector<std::int64_t> values;  // [expert][from][to]

  TokenMatrix() = default;
  TokenMatrix(int rank_count, int expert_count)
      : ranks(rank_count),
        experts(expert_count),
        values(static_cast<std::size_t>(expert_count) * static_cast<std::size_t>(rank_count) *
               static_cast<std::size_t>(rank_count)) {}

  std::int64_t& at(int expert, int from, int to) { return values[index(expert, from, to)]; }
  std::int64_t at(int expert, int from, int to) const { return values[index(expert, from, to)]; }

 private:
  std::size_t index(int expert, int from, int to) const {
    const auto n = static_cast<std::size_t>(ranks);
    return (static_cast<std::size_t>(expert) * n + static_cast<std::size_t>(from)) * n +
           static_cast<std::size_t>(to);
  }
};

/// T of a routing mixture: rank i splits rows[i] in proportion to `loads` by largest remainder.
TokenCounts routed_counts(std::span<const std::int64_t> rows, std::span<const std::int64_t> loads);

/// What a matrix makes each rank do; ranks i and j share a server when i / ranks_per_server is the
/// same for both.
LayerTraffic traffic_of(const TokenMatrix& matrix, int ranks_per_server);

}  // namespace bethany
