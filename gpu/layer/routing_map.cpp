#include "gpu/layer/routing_map.h"

#include <limits>
#include <numeric>

#include "sim/base/check.h"

namespace bethany {
namespace {

std::size_t z(std::int64_t value) { return static_cast<std::size_t>(value); }

std::vector<int> inverse(const std::vector<int>& order) {
  std::vector<int> position(order.size());
  for (std::size_t i = 0; i < order.size(); ++i) position[z(order[i])] = static_cast<int>(i);
  return position;
}

void order_sent(std::span<const int> expert_ids, const TokenMatrix& matrix, int rank,
                RoutingMap& map) {
  std::vector<std::vector<int>> pairs(z(matrix.experts));
  for (std::size_t p = 0; p < expert_ids.size(); ++p) {
    pairs[z(expert_ids[p])].push_back(static_cast<int>(p));
  }
  std::vector<std::int64_t> taken(z(matrix.experts));
  for (int to = 0; to < matrix.ranks; ++to) {
    const std::size_t before = map.send_order.size();
    for (int e = 0; e < matrix.experts; ++e) {
      const auto begin = pairs[z(e)].begin() + taken[z(e)];
      const std::int64_t count = matrix.at(e, rank, to);
      BETHANY_CHECK(count >= 0 && count <= pairs[z(e)].end() - begin,
                    "expert {}: rank {} sends {} rows to {} and has {} left", e, rank, count, to,
                    pairs[z(e)].end() - begin);
      map.send_order.insert(map.send_order.end(), begin, begin + count);
      taken[z(e)] += count;
    }
    map.send_rows.push_back(static_cast<std::int64_t>(map.send_order.size() - before));
  }
  BETHANY_CHECK(map.send_order.size() == expert_ids.size(), "rank {} sends {} of {} rows", rank,
                map.send_order.size(), expert_ids.size());
  map.send_position = inverse(map.send_order);
}

void order_received(const TokenMatrix& matrix, int rank, RoutingMap& map) {
  std::vector<std::int64_t> first(z(matrix.ranks) * z(matrix.experts));  // [source][expert]
  std::int64_t rows = 0;
  for (int from = 0; from < matrix.ranks; ++from) {
    const std::int64_t before = rows;
    for (int e = 0; e < matrix.experts; ++e) {
      first[z(from) * z(matrix.experts) + z(e)] = rows;
      rows += matrix.at(e, from, rank);
    }
    map.receive_rows.push_back(rows - before);
  }
  BETHANY_CHECK(rows <= std::numeric_limits<int>::max(), "{} rows on one rank", rows);
  map.expert_order.resize(z(rows));
  std::int64_t at = 0;
  for (int e = 0; e < matrix.experts; ++e) {
    const std::int64_t begin = at;
    for (int from = 0; from < matrix.ranks; ++from) {
      const std::int64_t count = matrix.at(e, from, rank);
      const auto here = map.expert_order.begin() + at;
      std::iota(here, here + count, static_cast<int>(first[z(from) * z(matrix.experts) + z(e)]));
      at += count;
    }
    if (at > begin) map.experts.push_back({.expert = e, .first = begin, .rows = at - begin});
  }
  map.receive_position = inverse(map.expert_order);
}

}  // namespace

std::vector<std::int64_t> pairs_by_expert(std::span<const int> expert_ids, int experts) {
  std::vector<std::int64_t> counts(z(experts));
  for (const int id : expert_ids) {
    BETHANY_CHECK(id >= 0 && id < experts, "expert {} of {}", id, experts);
    ++counts[z(id)];
  }
  return counts;
}

RoutingMap routing_map(std::span<const int> expert_ids, const TokenMatrix& matrix, int rank) {
  RoutingMap map;
  order_sent(expert_ids, matrix, rank, map);
  order_received(matrix, rank, map);
  return map;
}

}  // namespace bethany
