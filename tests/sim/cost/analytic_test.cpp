#include <numeric>

#include "sim/model/moe_model.h"
#include "tests/sim/cost/cost_support.h"
#include "tests/support/catch.h"

namespace bethany {
namespace {

using namespace std::chrono_literals;

using Nodes = std::vector<std::vector<std::int32_t>>;

std::vector<std::int32_t> experts_from(std::int32_t first, int count) {
  std::vector<std::int32_t> experts(static_cast<std::size_t>(count));
  std::iota(experts.begin(), experts.end(), first);
  return experts;
}

/// Static expert parallelism: group after group, each rank with the next experts.
PlacementPlan ep_plan(int nodes, int group, int experts) {
  Nodes held;
  for (int node = 0; node < nodes; ++node) {
    held.push_back(experts_from(node % group * (experts / group), experts / group));
  }
  return same_layers(12, experts, 6, held);
}

CostBreakdown step_of(const Cost& cost, const PlacementPlan& plan, const LayerTraffic& layer,
                      std::int64_t tokens = 4096) {
  const std::vector<LayerTraffic> layers(plan.layers.size(), layer);
  return cost.timer->step({.nodes = plan.nodes,
                           .ranks = plan.ranks(),
                           .accumulation = 1,
                           .tokens_per_rank = tokens,
                           .plan = &plan,
                           .layers = layers});
}

// The vectors of the following two cases are worked out in the notes on the published results of
// Lazarus for its testbed A, with the constants of the profile rtx3090-100g.

TEST_CASE("a GPT-M step of Lazarus on 10 RTX 3090 with uniform loads takes 835.2 ms") {
  // 12 experts of 5 replicas: the first six on nodes 0-4, the others on nodes 5-9.
  Nodes held;
  for (int node = 0; node < 10; ++node) held.push_back(experts_from(node < 5 ? 0 : 6, 6));
  const auto plan = same_layers(12, 12, 6, held);
  // Half of a rank's 4096 tokens go to the five ranks of the other half, 409.6 each. Nodes 4 and 5
  // share a server.
  auto traffic = even_traffic(10, 4096, 0, 2048);
  for (auto* rows : {&traffic.sent_inside, &traffic.received_inside}) (*rows)[4] = (*rows)[5] = 410;
  for (auto* rows : {&traffic.sent_outside, &traffic.received_outside}) {
    (*rows)[4] = (*rows)[5] = 1638;
  }
  const auto cost = TestCost().make("{}");
  CHECK(cost.profile.name == "rtx3090-100g");
  CHECK(cost.profile.kind == "assumed");
  const auto step = step_of(cost, plan, traffic);
  const auto ms = [&step](const char* name) { return milliseconds(term(step, name)); };
  CHECK(ms("dense") == Approx(87.9).margin(0.05));
  CHECK(ms("tensor_parallel") == 0);
  CHECK(ms("expert") == Approx(81.7).margin(0.05));
  CHECK(ms("all_to_all") + ms("count_exchange") == Approx(48.6).margin(0.05));
  CHECK(ms("count_exchange") == Approx(12 * 0.2));
  CHECK(ms("all_reduce_dense") == Approx(67.3).margin(0.05));
  CHECK(ms("all_reduce_expert") == Approx(351.4).margin(0.05));
  CHECK(ms("optimizer") == Approx(28.3).margin(0.05));
  CHECK(ms("fixed") == 170);
  CHECK(milliseconds(step.total) == Approx(835.2).margin(0.1));
}

TEST_CASE("a GPT-M step of DeepSpeed on 10 RTX 3090 with uniform loads takes 823.7 ms") {
  // EP groups of two, one to a server; 4096 rows per rank, half of them to the other rank.
  const auto step =
      step_of(TestCost().make("{}"), ep_plan(10, 2, 12), even_traffic(10, 4096, 2048, 0));
  const auto ms = [&step](const char* name) { return milliseconds(term(step, name)); };
  CHECK(ms("dense") == Approx(87.9).margin(0.05));
  CHECK(ms("expert") == Approx(81.7).margin(0.05));
  CHECK(ms("all_to_all") + ms("count_exchange") == Approx(37.2).margin(0.05));
  CHECK(ms("all_reduce_dense") == Approx(67.3).margin(0.05));
  CHECK(ms("all_reduce_expert") == Approx(351.4).margin(0.05));
  CHECK(ms("optimizer") == Approx(28.3).margin(0.05));
  CHECK(milliseconds(step.total) == Approx(823.7).margin(0.1));
}

TEST_CASE("the terms that do not depend on loads match the published set-ups") {
  TestCost small;
  small.model = "gpt-s";
  const auto gpt_s = step_of(small.make("{}"), ep_plan(10, 2, 8), even_traffic(10, 1, 1, 1));
  CHECK(milliseconds(term(gpt_s, "dense")) == Approx(59.4).margin(0.05));
  CHECK(milliseconds(term(gpt_s, "all_reduce_dense")) == Approx(44.3).margin(0.05));
  CHECK(milliseconds(term(gpt_s, "all_reduce_expert")) == Approx(131.8).margin(0.05));
  CHECK(milliseconds(term(gpt_s, "optimizer")) == Approx(11.8).margin(0.05));
  TestCost large;
  large.model = "gpt-l";
  const auto gpt_l = step_of(large.make("{}"), ep_plan(8, 4, 16), even_traffic(8, 1, 1, 1));
  CHECK(milliseconds(term(gpt_l, "all_reduce_dense")) == Approx(65.4).margin(0.05));
  CHECK(milliseconds(term(gpt_l, "all_reduce_expert")) == Approx(146.4).margin(0.05));
  CHECK(milliseconds(term(gpt_l, "optimizer")) == Approx(20.2).margin(0.05));
}

TEST_CASE("restarts and checkpoints of the published set-ups take the worked-out times") {
  struct Row {
    const char* model;
    double state_gb, load_s, save_s;
  };
  for (const Row& row : {Row{"gpt-s", 7.2895, 7.29, 20.8}, Row{"gpt-m", 18.3512, 18.35, 52.4},
                         Row{"gpt-l", 23.9884, 23.99, 68.5}}) {
    TestCost test;
    test.model = row.model;
    test.cluster =
        "{\"slots_per_gpu\":6,\"storage\":{\"read\":\"1.0GB/s\",\"write\":\"0.35GB/s\"}}";
    // The published figures hold when the storage delivers each byte once.
    const auto cost = test.make("{\"restart_read\":\"once\"}");
    const auto& timer = *cost.timer;
    const std::int64_t state = find_model(row.model)->parameters() * Precision{}.state_bytes();
    CHECK(static_cast<double>(state) / 1e9 == Approx(row.state_gb).margin(5e-5));
    CHECK(to_seconds(timer.checkpoint_write(state, 10)) == Approx(row.save_s).margin(0.05));
    const auto load =
        timer.load({.nodes = 10, .checkpoint_bytes = state, .total_bytes = 3 * state});
    CHECK(to_seconds(load) == Approx(row.load_s).margin(0.005));
    const auto by_rank = test.make("{}").timer->load(
        {.nodes = 10, .checkpoint_bytes = state, .total_bytes = 3 * state});
    CHECK(to_seconds(by_rank) == Approx(3 * row.load_s).margin(0.015));
    CHECK(timer.detection() == 15s);
    CHECK(timer.reschedule() == 0s);
    CHECK(timer.process_start() == 50s);
    CHECK(timer.group_init(10) == 10s);
    CHECK(timer.communicator(10) == 10s);
    CHECK(timer.rebalance_communicator(10) == 5s);
    CHECK(timer.planning(10) == 100ms);
    // 1.7 GB through the busiest port at 1 GB/s.
    CHECK(timer.transfer({.busiest_port_bytes = 1'700'000'000}) == 1700ms);
  }
}

TEST_CASE("a node's share of the NIC bounds reads and writes") {
  TestCost test;
  test.cluster = "{\"slots_per_gpu\":6,\"storage\":{\"read\":\"1TB/s\",\"write\":\"1TB/s\"}}";
  const auto cost = test.make("{}");
  // 100 Gb/s shared by two nodes: 6.25 GB/s each.
  CHECK(cost.timer->load({.total_bytes = 10, .busiest_node_bytes = 12'500'000'000}) == 2s);
  CHECK(cost.timer->checkpoint_write(125'000'000'000, 10) == 2s);
}

TEST_CASE("the all-reduce of an expert counts distinct ranks, and stays inside a server") {
  const auto cost = TestCost().make("{}");
  const auto traffic = even_traffic(4, 1, 1, 1);
  const auto reduce = [&](const Nodes& held) {
    const auto plan = same_layers(1, 2, 2, held);
    return milliseconds(term(step_of(cost, plan, traffic), "all_reduce_expert"));
  };
  const double bytes_ms = 2 * 8'388'608 / 1e6;  // of one expert's gradients, per GB/s
  // Alone on its rank: nothing to reduce, however many copies.
  CHECK(reduce({{0, 0}, {1, 1}, {}, {}}) == 0);
  // Nodes 0 and 1 share a server: 8 GB/s.
  CHECK(reduce({{0, 0}, {0, 1}, {}, {}}) == Approx(bytes_ms / 8));
  // Nodes 1 and 2 do not: 5.5 GB/s; copies on one rank count once.
  CHECK(reduce({{1}, {0, 0}, {0}, {}}) == Approx(bytes_ms / 5.5));
  // Expert 0 on three ranks, expert 1 on two: rank 1 reduces both.
  CHECK(reduce({{0}, {0, 1}, {0}, {1}}) == Approx(bytes_ms * (4.0 / 3 + 1) / 5.5));
}

TEST_CASE("the fullest rank and the longest link decide") {
  const auto cost = TestCost().make("{}");
  const auto plan = same_layers(1, 2, 2, {{0, 1}, {0, 1}});
  auto traffic = even_traffic(2, 100, 0, 0);
  traffic.computed[1] = 10'000;
  traffic.received_inside[0] = 8'000;
  traffic.sent_outside[1] = 4'000;
  const auto step = step_of(cost, plan, traffic);
  const double expert_ms = 10'000 * 3 * 16.0 * 1024 * 1024 / 35.5e9 + 1;
  CHECK(milliseconds(term(step, "expert")) == Approx(expert_ms));
  // 8000 rows of 2 kB at 8 GB/s last longer than 4000 at 5.5.
  CHECK(milliseconds(term(step, "all_to_all")) == Approx(4 * (0.2 + 8'000 * 2048 / 8e6)));
  traffic.sent_outside[1] = 6'000;
  CHECK(milliseconds(term(step_of(cost, plan, traffic), "all_to_all")) ==
        Approx(4 * (0.2 + 6'000 * 2048 / 5.5e6)));
}

TEST_CASE("of an overlapped layer the longer of exchange and computation counts") {
  TestCost cost;
  const auto timer = cost.make(R"({"count_exchange": {"latency": "0s"},
      "all_to_all": {"latency": "1ms"}, "expert": {"per_layer": "2ms"}})");
  const auto plan = same_layers(12, 12, 6, {{0, 1, 2, 3, 4, 5}, {6, 7, 8, 9, 10, 11}});
  const auto step = [&](std::int64_t computed, bool overlapped) {
    std::vector<LayerTraffic> layers(12, even_traffic(2, computed, 0, 1000));
    for (auto& layer : layers) layer.overlapped = overlapped;
    return timer.timer->step({.nodes = 2,
                              .ranks = 2,
                              .accumulation = 3,
                              .tokens_per_rank = 4096,
                              .plan = &plan,
                              .layers = layers});
  };
  // 4 (1 ms + 1000 rows x 2048 B / 5.5 GB/s) = 5.49 ms a layer beside 3 x 16 d^2 FLOP a row at
  // 35.5 TFLOP/s: 1.42 us a row.
  const double exchange = 4 * (1e-3 + 1000 * 2048 / 5.5e9);
  const double row = 3 * 16.0 * 1024 * 1024 / 35.5e12;
  const double constant = 12 * 3 * 2e-3;
  for (const std::int64_t rows : {0, 1000, 3000, 5000, 40000}) {
    const auto plain = step(rows, false);
    const auto overlapped = step(rows, true);
    const double compute = row * static_cast<double>(rows);
    const double longer = std::max(exchange, compute);
    const auto both = term(overlapped, "expert") + term(overlapped, "all_to_all");
    // Each of the two terms is rounded to whole ns.
    CHECK(to_seconds(both) == Approx(constant + 36 * longer).margin(1.1e-9).epsilon(1e-12));
    CHECK(term(overlapped, "expert") == term(plain, "expert"));
    CHECK(to_seconds(plain.total - overlapped.total) ==
          Approx(36 * std::min(exchange, compute)).margin(1.1e-9).epsilon(1e-12));
  }
}

TEST_CASE("a single rank exchanges nothing") {
  const auto step = step_of(TestCost().make("{}"), same_layers(12, 12, 12, {experts_from(0, 12)}),
                            even_traffic(1, 4096, 0, 0));
  for (const char* name :
       {"all_to_all", "count_exchange", "all_reduce_dense", "all_reduce_expert"}) {
    CHECK(term(step, name) == 0ns);
  }
}

TEST_CASE("accumulation repeats everything but gradient reductions and optimizer") {
  TestCost test;
  const auto cost = test.make("{\"fixed\":{\"per_step\":\"1s\",\"per_micro_batch\":\"1ms\"}}");
  const auto plan = ep_plan(10, 2, 12);
  const std::vector<LayerTraffic> layers(12, even_traffic(10, 4096, 2048, 2048));
  const auto step = [&](std::int64_t accumulation) {
    return cost.timer->step({.nodes = 10,
                             .ranks = 10,
                             .accumulation = accumulation,
                             .tokens_per_rank = 4096,
                             .plan = &plan,
                             .layers = layers});
  };
  const auto once = step(1);
  const auto four = step(4);
  for (const char* name : {"dense", "expert", "all_to_all", "count_exchange"}) {
    CHECK(milliseconds(term(four, name)) == Approx(4 * milliseconds(term(once, name))));
  }
  for (const char* name : {"all_reduce_dense", "all_reduce_expert", "optimizer"}) {
    CHECK(term(four, name) == term(once, name));
  }
  CHECK(term(once, "fixed") == 1001ms);
  CHECK(term(four, "fixed") == 1004ms);
}

TEST_CASE("recomputing activations adds one forward pass of computation") {
  TestCost test;
  const auto traffic = even_traffic(10, 4096, 2048, 0);
  const auto kept = step_of(test.make("{}"), ep_plan(10, 2, 12), traffic);
  test.training = "{\"recompute\":true}";
  const auto recomputed = step_of(test.make("{}"), ep_plan(10, 2, 12), traffic);
  CHECK(milliseconds(term(recomputed, "dense")) ==
        Approx(milliseconds(term(kept, "dense")) * 4 / 3));
  // 12 ms of the expert term do not depend on the rows.
  CHECK(milliseconds(term(recomputed, "expert")) - 12 ==
        Approx((milliseconds(term(kept, "expert")) - 12) * 4 / 3));
  CHECK(term(recomputed, "all_to_all") == term(kept, "all_to_all"));
}

TEST_CASE("tensor parallelism reduces activations, and cuts the optimizer's dense part") {
  TestCost test;
  test.cluster = "{\"node_type\":\"h200-8x400g\",\"slots_per_gpu\":2,\"nodes\":2}";
  PlacementPlan plan;
  plan.nodes = 2;
  plan.gpus_per_node = 8;
  plan.slots_per_node = 16;
  plan.experts = 12;
  plan.layers = {{.replicas = std::vector<std::int32_t>(12, 0),
                  .expert_of_slot = std::vector<std::int32_t>(32, kVacant)}};
  const auto traffic = even_traffic(16, 0, 0, 0);
  const auto alone = step_of(test.make("{}"), plan, traffic);
  test.training = "{\"tensor_parallel\":4}";
  const auto cut = step_of(test.make("{}"), plan, traffic);
  CHECK(term(alone, "tensor_parallel") == 0ns);
  // 12 layers, 4 all-reduces each, of the 4 x 4096 tokens of a group; 2 (t-1)/t = 1.5.
  const double bytes = 4.0 * 4096 * 1024 * 2;
  CHECK(milliseconds(term(cut, "tensor_parallel")) ==
        Approx(12 * 4 * (0.015 + 1.5 * bytes / 382.5e6)));
  CHECK(term(cut, "dense") == term(alone, "dense"));
  CHECK(term(cut, "optimizer").count() ==
        Approx(static_cast<double>(term(alone, "optimizer").count()) / 4).margin(1));
  // 16 ranks in one group, or 4 ranks in each of 4 groups, through the same NICs: 340 GB/s.
  const double gradients_ms = 2 * 102'843'392 / 340e6;
  CHECK(milliseconds(term(alone, "all_reduce_dense")) ==
        Approx(0.015 + 2 * 15.0 / 16 * gradients_ms).margin(1e-6));
  CHECK(milliseconds(term(cut, "all_reduce_dense")) ==
        Approx(0.015 + 2 * 3.0 / 4 * gradients_ms).margin(1e-6));
  test.training = "{\"zero\":1}";
  CHECK(term(step_of(test.make("{}"), plan, traffic), "optimizer").count() ==
        Approx(static_cast<double>(term(alone, "optimizer").count()) / 16).margin(1));
}

TEST_CASE("absurd constants end in very long times, not in an overflow") {
  const auto cost = TestCost().make(
      "{\"dense\":{\"flop_rate\":\"0.000001FLOPS\"},\"migration\":{\"bandwidth\":\"0.0001B/s\"},"
      "\"communicator\":{\"base\":\"36500d\",\"per_node\":\"36500d\"}}");
  const auto step = step_of(cost, ep_plan(10, 2, 12), even_traffic(10, 4096, 2048, 0));
  CHECK(step.total > 24h * 365);
  CHECK(cost.timer->transfer({.busiest_port_bytes = 1'000'000'000'000}) == kLongest);
  CHECK(cost.timer->communicator(1'000'000) == kLongest);
}

}  // namespace
}  // namespace bethany
