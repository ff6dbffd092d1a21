// The dispatcher `min-makespan` beside a flow over single (rank, expert) sources and beside every
// possible split of a few rows.

#include <rapidcheck.h>

#include <numeric>

#include "tests/sim/placement/naive.h"

namespace bethany {
namespace {

using naive::Loads;
using Rows = std::vector<std::int64_t>;

struct Case {
  PlacementShape shape;
  LayerPlan plan;
};

/// Experts anywhere, each somewhere.
Case random_plan(int most_nodes, int most_gpus, int most_slots, int most_experts) {
  Case at;
  at.shape.nodes = *rc::gen::inRange(1, most_nodes + 1);
  at.shape.gpus_per_node = *rc::gen::inRange(1, most_gpus + 1);
  at.shape.slots_per_gpu = *rc::gen::inRange(1, most_slots + 1);
  const int slots = static_cast<int>(at.shape.slots());
  at.shape.experts = *rc::gen::inRange(1, std::min(slots, most_experts) + 1);
  at.plan.expert_of_slot = *rc::gen::container<std::vector<std::int32_t>>(
      static_cast<std::size_t>(slots), rc::gen::inRange(0, at.shape.experts));
  for (int e = 0; e < at.shape.experts; ++e) {
    at.plan.expert_of_slot[static_cast<std::size_t>(e * slots / at.shape.experts)] = e;
  }
  at.plan.replicas = naive::counted(at.plan, at.shape.experts);
  return at;
}

TokenCounts random_rows(const Case& at, std::int64_t most) {
  TokenCounts routed(at.shape.ranks(), at.shape.experts);
  for (auto& rows : routed.values) rows = *rc::gen::inRange<std::int64_t>(0, most);
  return routed;
}

bool hosts(const Case& at, int expert, int rank) {
  const auto first = at.plan.expert_of_slot.begin() + rank * at.shape.slots_per_gpu;
  return std::find(first, first + at.shape.slots_per_gpu, expert) != first + at.shape.slots_per_gpu;
}

struct Split {
  std::int64_t rows = 0;      // as many as can be placed
  std::int64_t off_node = 0;  // the fewest of them that leave their node
};

/// A cheapest flow of the rows of every (rank, expert) to the ranks that host the expert, none with
/// more than `capacity`, along ways found by Bellman and Ford; leaving the node costs 1.
Split cheapest(const Case& at, const TokenCounts& routed, std::int64_t capacity) {
  struct Arc {
    std::size_t from, to;
    std::int64_t room, cost;
  };
  const auto ranks = static_cast<std::size_t>(at.shape.ranks());
  const auto experts = static_cast<std::size_t>(at.shape.experts);
  const std::size_t source = ranks * experts + ranks;
  const std::size_t sink = source + 1;
  std::vector<Arc> arcs;  // each followed by its reverse
  const auto add = [&](std::size_t from, std::size_t to, std::int64_t room, std::int64_t cost) {
    arcs.push_back({from, to, room, cost});
    arcs.push_back({to, from, 0, -cost});
  };
  for (std::size_t i = 0; i < ranks; ++i) {
    add(ranks * experts + i, sink, capacity, 0);
    for (std::size_t e = 0; e < experts; ++e) {
      const auto rows = routed.at(static_cast<int>(i), static_cast<int>(e));
      add(source, i * experts + e, rows, 0);
      for (std::size_t j = 0; j < ranks; ++j) {
        if (!hosts(at, static_cast<int>(e), static_cast<int>(j))) continue;
        const auto gpus = static_cast<std::size_t>(at.shape.gpus_per_node);
        add(i * experts + e, ranks * experts + j, rows, i / gpus == j / gpus ? 0 : 1);
      }
    }
  }
  constexpr std::int64_t kFar = 1 << 30;
  Split split;
  while (true) {
    std::vector<std::int64_t> distance(sink + 1, kFar);
    std::vector<std::size_t> by(sink + 1);
    distance[source] = 0;
    for (bool changed = true; changed;) {
      changed = false;
      for (std::size_t a = 0; a < arcs.size(); ++a) {
        const auto& arc = arcs[a];
        if (arc.room == 0 || distance[arc.from] == kFar) continue;
        if (distance[arc.from] + arc.cost >= distance[arc.to]) continue;
        distance[arc.to] = distance[arc.from] + arc.cost;
        by[arc.to] = a;
        changed = true;
      }
    }
    if (distance[sink] == kFar) return split;
    std::int64_t amount = kFar;
    for (auto v = sink; v != source; v = arcs[by[v]].from)
      amount = std::min(amount, arcs[by[v]].room);
    for (auto v = sink; v != source; v = arcs[by[v]].from) {
      arcs[by[v]].room -= amount;
      arcs[by[v] ^ 1].room += amount;
    }
    split.rows += amount;
    split.off_node += amount * distance[sink];
  }
}

std::int64_t sum(const Rows& values) {
  return std::accumulate(values.begin(), values.end(), std::int64_t{0});
}

/// Rows where they may be, none lost, none invented.
void check_matrix(const Case& at, const TokenCounts& routed, const TokenMatrix& matrix) {
  for (int e = 0; e < at.shape.experts; ++e) {
    for (int i = 0; i < at.shape.ranks(); ++i) {
      std::int64_t sent = 0;
      for (int j = 0; j < at.shape.ranks(); ++j) {
        RC_ASSERT(matrix.at(e, i, j) >= 0);
        RC_ASSERT(matrix.at(e, i, j) == 0 || hosts(at, e, j));
        sent += matrix.at(e, i, j);
      }
      RC_ASSERT(sent == routed.at(i, e));
    }
  }
}

void check_best(const Case& at, const TokenCounts& routed, const LayerTraffic& traffic,
                double slack) {
  const auto rows = sum(routed.values);
  std::int64_t least = 0;
  while (cheapest(at, routed, least).rows < rows) ++least;
  const auto capacity =
      std::max(least, static_cast<std::int64_t>(static_cast<double>(least) * slack));
  const auto busiest = *std::max_element(traffic.computed.begin(), traffic.computed.end());
  if (slack == 1) RC_ASSERT(busiest == least);
  RC_ASSERT(busiest <= capacity);
  RC_ASSERT(sum(traffic.computed) == rows);
  RC_ASSERT(sum(traffic.sent_outside) == cheapest(at, routed, capacity).off_node);
}

TEST_CASE("min-makespan: the busiest GPU has the least, and no split with it crosses nodes less") {
  for (const double slack : {1.0, 1.05, 1.5}) {
    const auto dispatch =
        naive::part(dispatches(), "min-makespan", fmt::format(R"({{"slack": {}}})", slack));
    CHECK(rc::check(fmt::format("slack {}", slack), [&] {
      const auto at = random_plan(4, 3, 3, 6);
      const auto routed = random_rows(at, *rc::gen::element<std::int64_t>(2, 4, 12));
      const auto matrix = dispatch->matrix(at.shape, at.plan, routed);
      RC_ASSERT(matrix.has_value());
      check_matrix(at, routed, *matrix);
      check_best(at, routed, traffic_of(*matrix, at.shape.gpus_per_node), slack);
    }));
  }
}

TEST_CASE("min-makespan: one GPU per node, equal and unequal sources, the best of all splits") {
  const auto dispatch = naive::part(dispatches(), "min-makespan");
  CHECK(rc::check("mixtures", [&] {
    const auto at = random_plan(8, 1, 4, 8);
    const auto ranks = static_cast<std::size_t>(at.shape.ranks());
    const std::int64_t most = *rc::gen::element<std::int64_t>(3, 40);
    Rows rows(ranks, *rc::gen::inRange<std::int64_t>(0, most));
    if (*rc::gen::arbitrary<bool>()) {
      rows = *rc::gen::container<Rows>(ranks, rc::gen::inRange<std::int64_t>(0, most));
    }
    const auto loads = *rc::gen::container<Loads>(static_cast<std::size_t>(at.shape.experts),
                                                  rc::gen::inRange<std::int64_t>(0, 1000));
    const auto traffic = dispatch->dispatch(at.shape, at.plan, rows, loads);
    check_best(at, routed_counts(rows, loads), traffic, 1);
  }));
}

TEST_CASE("min-makespan: the summary is the matrix summed, row for row") {
  const auto dispatch = naive::part(dispatches(), "min-makespan");
  CHECK(rc::check("mixtures", [&] {
    const auto at = random_plan(5, 4, 3, 7);
    const auto ranks = static_cast<std::size_t>(at.shape.ranks());
    const std::int64_t most = *rc::gen::element<std::int64_t>(3, 50, 5000);
    const auto rows = *rc::gen::container<Rows>(ranks, rc::gen::inRange<std::int64_t>(0, most));
    const auto loads = *rc::gen::container<Loads>(static_cast<std::size_t>(at.shape.experts),
                                                  rc::gen::inRange<std::int64_t>(0, 1000));
    const auto routed = routed_counts(rows, loads);
    const auto matrix = dispatch->matrix(at.shape, at.plan, routed);
    RC_ASSERT(matrix.has_value());
    check_matrix(at, routed, *matrix);
    const auto summary = dispatch->dispatch(at.shape, at.plan, rows, loads);
    const auto summed = traffic_of(*matrix, at.shape.gpus_per_node);
    RC_ASSERT(summary.computed == summed.computed);
    RC_ASSERT(summary.sent_inside == summed.sent_inside);
    RC_ASSERT(summary.received_inside == summed.received_inside);
    RC_ASSERT(summary.sent_outside == summed.sent_outside);
    RC_ASSERT(summary.received_outside == summed.received_outside);
    RC_ASSERT(!summary.padded);
  }));
}

/// Every way to send the rows, one by one, to a host: the least busiest load, and the fewest rows
/// that leave their node with it.
class EverySplit {
 public:
  EverySplit(const Case& at, const TokenCounts& routed) : at_(at) {
    for (int i = 0; i < at.shape.ranks(); ++i) {
      for (int e = 0; e < at.shape.experts; ++e) {
        for (std::int64_t n = 0; n < routed.at(i, e); ++n) rows_.push_back({i, e});
      }
    }
    load_.resize(static_cast<std::size_t>(at.shape.ranks()));
    place(0, 0);
  }

  std::size_t rows() const { return rows_.size(); }
  std::pair<std::int64_t, std::int64_t> best() const { return best_; }

 private:
  void place(std::size_t row, std::int64_t off_node) {
    if (row == rows_.size()) {
      best_ = std::min(best_, {*std::max_element(load_.begin(), load_.end()), off_node});
      return;
    }
    const auto [from, expert] = rows_[row];
    for (int to = 0; to < at_.shape.ranks(); ++to) {
      if (!hosts(at_, expert, to)) continue;
      ++load_[static_cast<std::size_t>(to)];
      const bool leaves = from / at_.shape.gpus_per_node != to / at_.shape.gpus_per_node;
      place(row + 1, off_node + (leaves ? 1 : 0));
      --load_[static_cast<std::size_t>(to)];
    }
  }

  const Case& at_;
  std::vector<std::pair<int, int>> rows_;
  Rows load_;
  std::pair<std::int64_t, std::int64_t> best_{1 << 30, 1 << 30};
};

TEST_CASE("min-makespan: the best of every split of up to nine rows") {
  const auto dispatch = naive::part(dispatches(), "min-makespan");
  CHECK(rc::check("every split", [&] {
    const auto at = random_plan(3, 2, 2, 3);
    auto routed = random_rows(at, 3);
    std::int64_t left = at.shape.ranks() > 4 ? 6 : 9;
    for (auto& rows : routed.values) rows = std::min(rows, left), left -= rows;
    const auto traffic =
        traffic_of(*dispatch->matrix(at.shape, at.plan, routed), at.shape.gpus_per_node);
    const EverySplit every(at, routed);
    const auto busiest = *std::max_element(traffic.computed.begin(), traffic.computed.end());
    RC_ASSERT(std::pair(busiest, sum(traffic.sent_outside)) == every.best());
  }));
}

TEST_CASE("min-makespan: known splits") {
  const auto dispatch = naive::part(dispatches(), "min-makespan");
  SECTION("what spread plans allow is perfect balance where an even split has none") {
    // Two nodes host both experts; three quarters of the rows are of expert 0.
    const auto at = naive::shape(2, 2, 2);
    const LayerPlan plan{{2, 2}, {0, 1, 0, 1}};
    const auto traffic = dispatch->dispatch(at, plan, Rows{100, 100}, Loads{3, 1});
    CHECK(traffic.computed == Rows{100, 100});
    CHECK(sum(traffic.sent_outside) == 0);
  }
  SECTION("a replica more than its host needs is left alone") {
    // Expert 0 on both nodes, 1 on node 1 only: node 1 keeps none of 0.
    const auto at = naive::shape(2, 2, 2);
    const LayerPlan plan{{2, 1}, {0, kVacant, 0, 1}};
    const auto traffic = dispatch->dispatch(at, plan, Rows{100, 100}, Loads{1, 1});
    CHECK(traffic.computed == Rows{100, 100});
    CHECK(traffic.sent_outside == Rows{50, 50});
  }
  SECTION("FlashLB's example: the mean, 181.25, where the best even split of any plan has 196.67") {
    const auto at = naive::shape(8, 2, 8);
    const LayerPlan plan{{4, 5, 2, 1, 1, 1, 1, 1},
                         {0, 4, 0, 5, 0, 6, 0, 1, 1, 7, 1, 2, 1, 3, 1, 2}};
    const Loads loads{600, 560, 120, 120, 20, 10, 10, 10};
    const auto best = dispatch->dispatch(at, plan, Rows(8, 4 * 1450), loads);
    CHECK(best.computed == Rows(8, 4 * 1450));
    const auto even = naive::part(dispatches(), "even")->dispatch(at, plan, Rows(8, 1450), loads);
    CHECK(max_over_mean(even) == Approx(262 / 181.25));
  }
  SECTION("no rows at all") {
    const auto at = naive::shape(2, 2, 2);
    const LayerPlan plan{{2, 2}, {0, 1, 0, 1}};
    const auto traffic = dispatch->dispatch(at, plan, Rows{0, 0}, Loads{0, 0});
    CHECK(traffic.computed == Rows{0, 0});
  }
}

}  // namespace
}  // namespace bethany
