#include <rapidcheck.h>

#include <cmath>
#include <numeric>

#include "tests/sim/placement/naive.h"

namespace bethany {
namespace {

using naive::Counts;
using naive::Loads;
using Rows = std::vector<std::int64_t>;

struct Case {
  PlacementShape shape;
  LayerPlan plan;
  Rows rows;
  Loads loads;
};

/// Experts anywhere, each somewhere; ranks route equally or differently many rows.
Case random_case() {
  Case at;
  at.shape.nodes = *rc::gen::inRange(1, 6);
  at.shape.gpus_per_node = *rc::gen::inRange(1, 4);
  at.shape.slots_per_gpu = *rc::gen::inRange(1, 4);
  const int slots = static_cast<int>(at.shape.slots());
  at.shape.experts = *rc::gen::inRange(1, std::min(slots, 7) + 1);
  at.plan.expert_of_slot = *rc::gen::container<std::vector<std::int32_t>>(
      static_cast<std::size_t>(slots), rc::gen::inRange(0, at.shape.experts));
  for (int e = 0; e < at.shape.experts; ++e) {
    at.plan.expert_of_slot[static_cast<std::size_t>(e * slots / at.shape.experts)] = e;
  }
  at.plan.replicas = naive::counted(at.plan, at.shape.experts);
  const std::int64_t most = *rc::gen::element<std::int64_t>(3, 50, 5000);
  const auto ranks = static_cast<std::size_t>(at.shape.ranks());
  if (*rc::gen::arbitrary<bool>()) {
    at.rows.assign(ranks, *rc::gen::inRange<std::int64_t>(0, most));
  } else {
    at.rows = *rc::gen::container<Rows>(ranks, rc::gen::inRange<std::int64_t>(0, most));
  }
  at.loads = *rc::gen::container<Loads>(static_cast<std::size_t>(at.shape.experts),
                                        rc::gen::inRange<std::int64_t>(0, 1000));
  return at;
}

std::int64_t copies(const Case& at, int expert, int rank) {
  const auto first = at.plan.expert_of_slot.begin() + rank * at.shape.slots_per_gpu;
  return std::count(first, first + at.shape.slots_per_gpu, expert);
}

void check_equal(const LayerTraffic& a, const LayerTraffic& b) {
  RC_ASSERT(a.computed == b.computed);
  RC_ASSERT(a.sent_inside == b.sent_inside);
  RC_ASSERT(a.received_inside == b.received_inside);
  RC_ASSERT(a.sent_outside == b.sent_outside);
  RC_ASSERT(a.received_outside == b.received_outside);
}

/// The promises of lazarus and even, and agreement of the summary with the matrix.
void check_matrix(const Case& at, const std::string& name, const TokenCounts& routed,
                  const TokenMatrix& matrix) {
  for (int e = 0; e < at.shape.experts; ++e) {
    std::int64_t total = 0;
    for (int i = 0; i < at.shape.ranks(); ++i) {
      std::int64_t sent = 0;
      for (int j = 0; j < at.shape.ranks(); ++j) {
        RC_ASSERT(matrix.at(e, i, j) >= 0);
        sent += matrix.at(e, i, j);
      }
      RC_ASSERT(sent == routed.at(i, e));
      total += sent;
    }
    const double share = static_cast<double>(total) / at.plan.replicas[static_cast<std::size_t>(e)];
    for (int j = 0; j < at.shape.ranks(); ++j) {
      std::int64_t received = 0;
      for (int i = 0; i < at.shape.ranks(); ++i) received += matrix.at(e, i, j);
      const double due = share * static_cast<double>(copies(at, e, j));
      RC_ASSERT(std::abs(static_cast<double>(received) - due) < 1);
      if (name == "lazarus") {
        RC_ASSERT(matrix.at(e, j, j) == std::min(routed.at(j, e), received));
      }
    }
  }
}

TEST_CASE("lazarus and even conserve every row, and the summary is the matrix summed") {
  for (const std::string name : {"lazarus", "even"}) {
    const auto dispatch = naive::part(dispatches(), name);
    CHECK(rc::check(name, [&] {
      const auto at = random_case();
      const auto routed = routed_counts(at.rows, at.loads);
      const auto matrix = dispatch->matrix(at.shape, at.plan, routed);
      RC_ASSERT(matrix.has_value());
      check_matrix(at, name, routed, *matrix);
      const auto summary = dispatch->dispatch(at.shape, at.plan, at.rows, at.loads);
      check_equal(summary, traffic_of(*matrix, at.shape.gpus_per_node));
      RC_ASSERT(std::accumulate(summary.computed.begin(), summary.computed.end(), 0L) ==
                std::accumulate(at.rows.begin(), at.rows.end(), 0L));
      RC_ASSERT(!summary.padded);
    }));
  }
}

TEST_CASE("any routing, not only a mixture, is conserved") {
  for (const std::string name : {"lazarus", "even"}) {
    const auto dispatch = naive::part(dispatches(), name);
    CHECK(rc::check(name, [&] {
      const auto at = random_case();
      TokenCounts routed(at.shape.ranks(), at.shape.experts);
      const std::int64_t most = *rc::gen::element<std::int64_t>(2, 4, 100);
      for (auto& rows : routed.values) rows = *rc::gen::inRange<std::int64_t>(0, most);
      const auto matrix = dispatch->matrix(at.shape, at.plan, routed);
      RC_ASSERT(matrix.has_value());
      check_matrix(at, name, routed, *matrix);
    }));
  }
}

TEST_CASE("the rest goes in proportion to surplus and residual") {
  for (const std::string name : {"lazarus", "even"}) {
    const auto dispatch = naive::part(dispatches(), name);
    CHECK(rc::check(name, [&] {
      const auto at = random_case();
      const auto routed = routed_counts(at.rows, at.loads);
      const auto matrix = *dispatch->matrix(at.shape, at.plan, routed);
      for (int e = 0; e < at.shape.experts; ++e) {
        std::vector<double> surplus;
        std::vector<double> residual;
        double sum = 0;
        for (int j = 0; j < at.shape.ranks(); ++j) {
          double received = 0;
          for (int i = 0; i < at.shape.ranks(); ++i) {
            received += static_cast<double>(matrix.at(e, i, j));
          }
          const double kept = name == "even" ? 0 : static_cast<double>(matrix.at(e, j, j));
          surplus.push_back(static_cast<double>(routed.at(j, e)) - kept);
          residual.push_back(received - kept);
          sum += surplus.back();
        }
        for (int i = 0; i < at.shape.ranks() && sum > 0; ++i) {
          for (int j = 0; j < at.shape.ranks(); ++j) {
            if (i == j && name == "lazarus") continue;
            const double due =
                surplus[static_cast<std::size_t>(i)] * residual[static_cast<std::size_t>(j)] / sum;
            RC_ASSERT(std::abs(static_cast<double>(matrix.at(e, i, j)) - due) < 4);
          }
        }
      }
    }));
  }
}

TEST_CASE("lazarus by hand: own replicas first") {
  // Two experts on three ranks: {0,0}, {0,1}, {1,1}; 30 rows each, 20 of expert 0 and 10 of 1.
  const auto shape = naive::shape(3, 2, 2);
  const LayerPlan plan{.replicas = {3, 3}, .expert_of_slot = {0, 0, 0, 1, 1, 1}};
  const Rows rows(3, 30);
  const auto traffic =
      naive::part(dispatches(), "lazarus")->dispatch(shape, plan, rows, Loads{2, 1});
  // p_0 = 20, p_1 = 10: rank 0 computes 40, rank 1 30, rank 2 20.
  CHECK(traffic.computed == Rows{40, 30, 20});
  // Rank 0 keeps its 20 of expert 0 and sends 10 of expert 1 to rank 2; rank 2 sends 20 of expert 0
  // to rank 0; rank 1 keeps all.
  CHECK(traffic.sent_outside == Rows{10, 0, 20});
  CHECK(traffic.received_outside == Rows{20, 0, 10});
  CHECK(traffic.sent_inside == Rows{0, 0, 0});
  CHECK(max_over_mean(traffic) == Approx(40.0 / 30));
}

TEST_CASE("even by hand: no rank is nearer than another") {
  const auto shape = naive::shape(2, 1, 1);
  const LayerPlan plan{.replicas = {2}, .expert_of_slot = {0, 0}};
  const auto traffic =
      naive::part(dispatches(), "even")->dispatch(shape, plan, Rows{40, 20}, Loads{1});
  CHECK(traffic.computed == Rows{30, 30});
  CHECK(traffic.sent_outside == Rows{20, 10});
  CHECK(traffic.received_outside == Rows{10, 20});
}

TEST_CASE("rows between GPUs of a node are inside") {
  // One node of two GPUs beside another: expert 0 on GPUs 0 and 1, expert 1 on GPUs 2 and 3.
  const auto shape = naive::shape(2, 2, 2, 2);
  const LayerPlan plan{.replicas = {2, 2}, .expert_of_slot = {0, 0, 1, 1}};
  const auto lazarus = naive::part(dispatches(), "lazarus");
  const auto traffic = lazarus->dispatch(shape, plan, Rows{40, 0, 20, 20}, Loads{1, 1});
  // t_0 = 40 over GPUs 0 and 1: 20 each; GPU 0 has 20 itself, GPU 1 takes 10 + 10 of node 1.
  CHECK(traffic.computed == Rows{20, 20, 20, 20});
  CHECK(traffic.sent_inside == Rows{0, 0, 0, 0});
  CHECK(traffic.sent_outside == Rows{20, 0, 10, 10});
  const auto skewed = lazarus->dispatch(shape, plan, Rows{80, 0, 0, 0}, Loads{1, 0});
  CHECK(skewed.computed == Rows{40, 40, 0, 0});
  CHECK(skewed.sent_inside == Rows{40, 0, 0, 0});
  CHECK(skewed.received_inside == Rows{0, 40, 0, 0});
  CHECK(skewed.sent_outside == Rows{0, 0, 0, 0});
}

TEST_CASE("what a node keeps is its share rounded down") {
  // Two nodes of two GPUs; the one expert on GPUs 1 and 3. 5 rows on GPU 0, 5 on GPU 2: of node 0's
  // surplus 5 and residual 5 of 10 it keeps 2.5, so 2; GPU 1 takes 3 from node 1, and the like.
  const auto shape = naive::shape(2, 2, 1, 2);
  const LayerPlan plan{.replicas = {2}, .expert_of_slot = {kVacant, 0, kVacant, 0}};
  const auto traffic =
      naive::part(dispatches(), "lazarus")->dispatch(shape, plan, Rows{5, 0, 5, 0}, Loads{1});
  CHECK(traffic.computed == Rows{0, 5, 0, 5});
  CHECK(traffic.sent_inside == Rows{2, 0, 2, 0});
  CHECK(traffic.received_inside == Rows{0, 2, 0, 2});
  CHECK(traffic.sent_outside == Rows{3, 0, 3, 0});
  CHECK(traffic.received_outside == Rows{0, 3, 0, 3});
}

TEST_CASE("odd rows of many experts do not gather on the first ranks") {
  // 64 experts with one replica on each of 8 ranks; each expert has 9 rows: one odd row each.
  const auto shape = naive::shape(8, 64, 64);
  LayerPlan plan;
  plan.replicas.assign(64, 8);
  for (int rank = 0; rank < 8; ++rank) {
    for (int e = 0; e < 64; ++e) plan.expert_of_slot.push_back(e);
  }
  const auto traffic = naive::part(dispatches(), "even")
                           ->dispatch(shape, plan, Rows{576, 0, 0, 0, 0, 0, 0, 0}, Loads(64, 1));
  for (const auto rows : traffic.computed) CHECK(std::abs(rows - 72) <= 4);
}

TEST_CASE("padded EP: every rank sends and computes E times the largest count") {
  // reproduction.md §1, GPT-L on 8 nodes, two to a server: EP 4, T = 4096, busiest share 1/2.
  auto shape = naive::shape(8, 6, 16);
  shape.nodes_per_server = 2;
  auto rng = RngStreams(1, 0).stream("test");
  const auto rows = naive::part(placements(), "ep-groups")->place(shape, Counts(16, 2), {}, rng);
  const LayerPlan plan{.replicas = Counts(16, 2),
                       .expert_of_slot = std::get<std::vector<std::int32_t>>(rows)};
  Loads loads(16, 1);
  loads[5] = 15;
  const auto traffic =
      naive::part(dispatches(), "ep-group")->dispatch(shape, plan, Rows(8, 4096), loads);
  const std::int64_t buffer = 16 * 2048;
  CHECK(traffic.padded);
  CHECK(traffic.computed == Rows(8, buffer));
  CHECK(traffic.sent_inside == Rows(8, buffer / 4));
  CHECK(traffic.sent_outside == Rows(8, buffer / 4 * 2));
  CHECK(traffic.received_inside == traffic.sent_inside);
  CHECK(traffic.received_outside == traffic.sent_outside);
  CHECK(max_over_mean(traffic) == 1.0);
}

TEST_CASE("EP pads what it exchanges and what it computes one without the other") {
  const auto shape = naive::shape(4, 6, 6);
  auto rng = RngStreams(1, 0).stream("test");
  const auto placed = naive::part(placements(), "ep-groups")->place(shape, Counts(6, 2), {}, rng);
  const LayerPlan plan{.replicas = Counts(6, 2),
                       .expert_of_slot = std::get<std::vector<std::int32_t>>(placed)};
  const Rows rows = {60, 90, 30, 60};
  const Loads loads = {1, 2, 3, 4, 5, 15};
  const auto traffic = [&](const std::string& options) {
    return naive::part(dispatches(), "ep-group", options)->dispatch(shape, plan, rows, loads);
  };
  const auto both = traffic("{}");
  const auto none = traffic(R"({"pad_tokens": false, "pad_compute": false})");
  const auto exchanged = traffic(R"({"pad_compute": false})");
  const auto computed = traffic(R"({"pad_tokens": false, "overlapped": true})");
  CHECK(exchanged.computed == none.computed);
  CHECK(exchanged.sent_outside == both.sent_outside);
  CHECK(exchanged.received_outside == both.received_outside);
  CHECK(computed.computed == both.computed);
  CHECK(computed.sent_outside == none.sent_outside);
  CHECK(computed.received_outside == none.received_outside);
  CHECK(none.computed != both.computed);
  CHECK(none.sent_outside != both.sent_outside);
  CHECK(computed.overlapped);
  CHECK_FALSE(both.overlapped);
}

TEST_CASE("EP computes the real or padded counts, and the summary is the matrix summed") {
  const auto padding = naive::part(dispatches(), "ep-group");
  const auto dispatch =
      naive::part(dispatches(), "ep-group", R"({"pad_tokens": false, "pad_compute": false})");
  const auto placement = naive::part(placements(), "ep-groups");
  CHECK(rc::check([&] {
    auto shape = naive::shape(4, 6, 6, *rc::gen::element(1, 2));
    shape.nodes_per_server = *rc::gen::element(1, 2);
    const int groups = *rc::gen::element(1, 2, 4);
    const int ep = shape.ranks() / groups;
    if (6 % ep != 0 || 6 / ep > shape.slots_per_gpu || (ep % 2 != 0 && shape.gpus_per_node == 2)) {
      return;
    }
    auto rng = RngStreams(1, 0).stream("test");
    const auto placed = placement->place(shape, Counts(6, groups), {}, rng);
    const LayerPlan plan{.replicas = Counts(6, groups),
                         .expert_of_slot = std::get<std::vector<std::int32_t>>(placed)};
    const auto rows = *rc::gen::container<Rows>(static_cast<std::size_t>(shape.ranks()),
                                                rc::gen::inRange<std::int64_t>(0, 100));
    const auto loads = *rc::gen::container<Loads>(6, rc::gen::inRange<std::int64_t>(0, 9));
    const auto routed = routed_counts(rows, loads);
    const auto matrix = dispatch->matrix(shape, plan, routed);
    for (int e = 0; e < 6; ++e) {
      for (int i = 0; i < shape.ranks(); ++i) {
        std::int64_t sent = 0;
        for (int j = 0; j < shape.ranks(); ++j) {
          sent += matrix->at(e, i, j);
          if (i / ep != j / ep) RC_ASSERT(matrix->at(e, i, j) == 0);
        }
        RC_ASSERT(sent == routed.at(i, e));
      }
    }
    const auto summary = dispatch->dispatch(shape, plan, rows, loads);
    RC_ASSERT(!summary.padded);
    const int per_server = shape.gpus_per_node * shape.nodes_per_server;
    check_equal(summary, traffic_of(*matrix, per_server));
    const auto filled = padding->matrix(shape, plan, padding->padded(shape, plan, routed));
    check_equal(padding->dispatch(shape, plan, rows, loads), traffic_of(*filled, per_server));
  }));
}

TEST_CASE("no rows are perfectly balanced") {
  CHECK(max_over_mean(LayerTraffic{.computed = {0, 0},
                                   .sent_inside = {},
                                   .received_inside = {},
                                   .sent_outside = {},
                                   .received_outside = {}}) == 1.0);
}

}  // namespace
}  // namespace bethany
