// The orders of rows of a MoE layer, for random routings and matrices: labels that are carried
// through them have to arrive, and to come back.
#include "gpu/layer/routing_map.h"

#include <rapidcheck.h>
#include <algorithm>
#include <numeric>

#include "tests/support/catch.h"

namespace bethany {
namespace {

std::size_t z(std::int64_t value) { return static_cast<std::size_t>(value); }

struct Routing {
  int top_k = 1;
  std::vector<std::vector<int>> ids;  // [rank][pair]
  TokenMatrix matrix;
};

/// Tokens of each rank to different experts, each pair to any rank.
Routing random_routing() {
  const int ranks = *rc::gen::inRange(1, 6);
  const int experts = *rc::gen::inRange(1, 7);
  Routing routing{.top_k = *rc::gen::inRange(1, std::min(experts, 3) + 1),
                  .matrix = TokenMatrix(ranks, experts)};
  for (int r = 0; r < ranks; ++r) {
    std::vector<int> ids;
    const int tokens = *rc::gen::inRange(0, 12);
    for (int t = 0; t < tokens; ++t) {
      const int first = *rc::gen::inRange(0, experts);
      for (int k = 0; k < routing.top_k; ++k) ids.push_back((first + k) % experts);
    }
    for (const int id : ids) ++routing.matrix.at(id, r, *rc::gen::inRange(0, ranks));
    routing.ids.push_back(ids);
  }
  return routing;
}

struct Row {
  int from = 0;
  int pair = 0;
  bool operator==(const Row&) const = default;
};

/// Carries every pair to its expert and back along the maps of all ranks; why it went wrong, or
/// nothing.
std::string carry(const Routing& routing, const std::vector<RoutingMap>& maps) {
  const int ranks = routing.matrix.ranks;
  std::vector<std::vector<Row>> here(z(ranks));  // in receive order
  for (int to = 0; to < ranks; ++to) {
    for (int from = 0; from < ranks; ++from) {
      const auto& sent = maps[z(from)].send_rows;
      auto row = std::accumulate(sent.begin(), sent.begin() + to, std::int64_t{0});
      if (sent[z(to)] != maps[z(to)].receive_rows[z(from)]) return "counts of a pair of ranks";
      for (std::int64_t i = 0; i < sent[z(to)]; ++i, ++row) {
        here[z(to)].push_back({from, maps[z(from)].send_order[z(row)]});
      }
    }
  }
  std::vector<std::vector<bool>> seen;
  for (const auto& ids : routing.ids) seen.emplace_back(ids.size());
  for (int rank = 0; rank < ranks; ++rank) {
    const auto& map = maps[z(rank)];
    std::int64_t covered = 0;
    for (const auto& part : map.experts) {
      if (part.first != covered || part.rows <= 0) return "parts of the experts";
      covered += part.rows;
      TokenCounts counts(ranks, routing.matrix.experts);
      for (std::int64_t i = part.first; i < covered; ++i) {
        const Row row = here[z(rank)][z(map.expert_order[z(i)])];
        if (routing.ids[z(row.from)][z(row.pair)] != part.expert) return "a row at another expert";
        if (map.receive_position[z(map.expert_order[z(i)])] != i) return "inverse";
        if (seen[z(row.from)][z(row.pair)]) return "a row twice";
        seen[z(row.from)][z(row.pair)] = true;
        ++counts.at(row.from, part.expert);
      }
      for (int from = 0; from < ranks; ++from) {
        if (counts.at(from, part.expert) != routing.matrix.at(part.expert, from, rank)) {
          return "not what the matrix says";
        }
      }
    }
    if (covered != map.received()) return "rows without an expert";
    for (std::size_t p = 0; p < map.send_order.size(); ++p) {
      if (map.send_order[z(map.send_position[p])] != static_cast<int>(p)) return "inverse";
    }
  }
  for (const auto& pairs : seen) {
    if (std::find(pairs.begin(), pairs.end(), false) != pairs.end()) return "a pair got lost";
  }
  return "";
}

std::vector<RoutingMap> maps_of(const Routing& routing) {
  std::vector<RoutingMap> maps;
  for (int r = 0; r < routing.matrix.ranks; ++r) {
    maps.push_back(routing_map(routing.ids[z(r)], routing.matrix, r));
  }
  return maps;
}

TEST_CASE("every pair reaches its expert where the matrix says and finds back") {
  CHECK(rc::check([] {
    const Routing routing = random_routing();
    RC_ASSERT(carry(routing, maps_of(routing)) == "");
  }));
}

TEST_CASE("two rows that change places in a map are noticed") {
  // Rank 0: four tokens, experts 0 1 0 1, all computed by rank 1.
  Routing routing{.ids = {{0, 1, 0, 1}, {1}}, .matrix = TokenMatrix(2, 2)};
  routing.matrix.at(0, 0, 1) = 2;
  routing.matrix.at(1, 0, 1) = 2;
  routing.matrix.at(1, 1, 0) = 1;
  const auto maps = maps_of(routing);
  CHECK(carry(routing, maps) == "");
  CHECK(maps[0].send_order == std::vector<int>{0, 2, 1, 3});
  CHECK(maps[1].expert_order == std::vector<int>{0, 1, 2, 3});
  auto swapped = maps;
  std::swap(swapped[1].expert_order[0], swapped[1].expert_order[3]);
  CHECK(carry(routing, swapped) == "a row at another expert");
  swapped = maps;
  std::swap(swapped[0].send_position[0], swapped[0].send_position[2]);
  CHECK(carry(routing, swapped) == "inverse");
  swapped = maps;
  swapped[0].send_order[1] = 0;
  CHECK(carry(routing, swapped) != "");
}

}  // namespace
}  // namespace bethany
