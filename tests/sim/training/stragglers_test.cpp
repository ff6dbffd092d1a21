// What slow nodes change (sim/training/README.md), by small cases with hand-made expectations.
// Times are seconds, ledger amounts node-seconds. Steps take 3 s at full speed.
#include "sim/model/cluster.h"
#include "tests/sim/training/job_support.h"
#include "tests/support/catch.h"

namespace bethany {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

void check_equal(Int128 got, std::int64_t expected_s) {
  CHECK(to_text(got) == to_text(node_s(expected_s)));
}

std::vector<ConfigurationCompleted> configurations(const Collected& run) {
  std::vector<ConfigurationCompleted> found;
  for (const auto& event : run.events) {
    if (const auto* fact = std::get_if<ConfigurationCompleted>(&event)) found.push_back(*fact);
  }
  return found;
}

/// Duration of each committed step, in ms.
std::vector<std::int64_t> step_times(const Collected& run) {
  std::vector<std::int64_t> times;
  for (const auto& event : run.events) {
    if (const auto* steps = std::get_if<StepsCommitted>(&event)) {
      times.insert(times.end(), static_cast<std::size_t>(steps->count),
                   steps->step_time / milliseconds(1));
    }
  }
  return times;
}

/// No checkpoints and rebalances; stages of 1 s each; members slower than 0.7 for 4 s are evicted.
SmallJob evicting(const std::string& membership = R"("at-restart")") {
  SmallJob job;
  job.policy = R"({"preset": "lazarus", "checkpoint": "none", "rebalance": "never",
                   "straggler": {"kind": "evict", "after": "4s"}, "membership": )" +
               membership + "}";
  job.cost = R"({"model": "fixed", "step": "3s", "detection": "2s", "planning": "1s",
                 "communicator": "1s", "transfer": "1s", "process_start": "5s"})";
  return job;
}

TEST_CASE("rule slow: the step in flight keeps its length, those that begin later do not") {
  SmallJob job;
  job.trace = "0 join a b; 1 slow:0.5 b; 6 slow:0.25 a; 22 normal a";
  job.until_time = "33s";
  // 0-3, 3-9 (at 6 in flight), 9-21, 21-33: `normal` at 22 is too late for it.
  const std::vector<std::int64_t> expected = {3000, 6000, 12000, 12000};
  CHECK(step_times(job.run()) == expected);
  CHECK(step_times(job.run(true)) == expected);
}

TEST_CASE("rule slow: whole rounds of steps and writes are cut at the next step") {
  SmallJob job;
  job.policy = R"({"preset": "ds", "checkpoint": {"every": 2}})";
  job.cost = R"({"model": "fixed", "step": "3s", "checkpoint": "1s"})";
  // Rounds of 7 s. Slow at 25 in the step of 24-27, the second of the round that begins at 21: the
  // write 27-28, then steps of 6 s. At 35 (in 34-40) normal again: write 40-41, steps of 3 s.
  job.trace = "0 join a b; 25 slow:0.5 b; 35 normal b";
  job.until_time = "48s";
  const auto run = job.run();
  CHECK(run.end.steps_committed == 8 + 2 + 2);
  check_equal(blocked(run, Blocked::checkpoint), 2 * (4 + 1 + 1));
  CHECK(to_text(run.end.ledger.productive) == to_text(job.run(true).end.ledger.productive));
}

TEST_CASE("rule slow: a node that is no member counts when it joins") {
  SmallJob job;
  job.nodes = 3;
  job.policy = R"({"preset": "lazarus", "checkpoint": "none", "rebalance": "never",
                   "membership": {"kind": "gather", "wait": "5s"}})";
  job.trace = "0 join a b; 1 join c; 2 slow:0.5 c";
  job.until_time = "15s";
  CHECK(step_times(job.run()) == std::vector<std::int64_t>{3000, 3000, 6000});
}

TEST_CASE("rule slow: a loss ends slowness") {
  SmallJob job;
  job.trace = "0 join a b; 1 slow:0.5 b; 3 lost b; 3 join b";
  job.until_time = "9s";
  CHECK(step_times(job.run()) == std::vector<std::int64_t>{3000, 3000, 3000});
}

TEST_CASE("rule slow: a trace that begins again goes back to the speeds of its start") {
  SmallJob job;
  job.trace = "0 join a b; 0 slow:0.5 b; 6 normal b; 12 slow:0.25 a; 18 slow:0.3 a";
  job.at_end = AtEnd::repeat;
  job.until_time = "36s";
  // 0-6 at half speed; 6-12; at 12 a quarter: 12-24. At 18 the trace begins again with b at half
  // speed: 24-30, where b is normal since 24.
  const auto run = job.run();
  CHECK(step_times(run) == step_times(job.run(true)));
  CHECK(step_times(run) == std::vector<std::int64_t>{6000, 3000, 3000, 12000, 3000, 3000});
}

TEST_CASE("rule evict: a node must be too slow for the whole time, however slow it is in between") {
  auto job = evicting();
  job.nodes = 4;
  // d is below 0.7 from 1 on, the speed changes at 3: overdue at 5, gone at the boundary of 3 + 6.
  job.trace = "0 join a b c d; 1 slow:0.5 d; 4 slow:0.6 d";
  job.until_time = "30s";
  auto made = configurations(job.run());
  REQUIRE(made.size() == 2);
  CHECK(made[1].cause == PlanCause::evict);
  CHECK(made[1].nodes == 3);
  CHECK(made[1].time == at(seconds(9 + 3)));
  // Well for a moment, and once not quite too slow: the time begins anew at 8 and is over at 12.
  job.scenario = {};
  job.trace = "0 join a b c d; 1 slow:0.5 d; 4 normal d; 5 slow:0.75 d; 8 slow:0.5 d";
  made = configurations(job.run());
  REQUIRE(made.size() == 2);
  CHECK(made[1].time == at(seconds(15 + 3)));  // steps 0-3, 3-9 and 9-15, then the stages
}

TEST_CASE("rule evict: nobody goes when fewer than minimum_nodes would be left, or in vain") {
  auto job = evicting();
  job.nodes = 3;
  job.slots = 1;
  job.policy.insert(1, R"("minimum_nodes": 3, )");
  job.trace = "0 join a b c; 1 slow:0.1 c";
  CHECK(configurations(job.run()).size() == 1);
  auto pair = evicting();
  pair.trace = "0 join a b; 1 slow:0.6 b";  // one node at full speed is worth less
  pair.until_time = "40s";
  CHECK(configurations(pair.run()).size() == 1);
  pair.scenario = {};
  pair.trace = "0 join a b; 1 slow:0.4 b";
  CHECK(configurations(pair.run()).size() == 2);
}

TEST_CASE("rule evict: of several slow members the slowest go, as many as help") {
  auto job = evicting();
  job.nodes = 5;
  job.until_time = "30s";  // steps 0-3 and, five times as long, 3-18
  // Without d 4 · 0.6, without d and e 3: both go. At 0.65 all are slow: they stay, d goes.
  job.trace = "0 join a b c d e; 1 slow:0.2 d; 1 slow:0.55 e";
  CHECK(configurations(job.run()).back().nodes == 3);
  job.scenario = {};
  job.trace = "0 join a b c d e; 1 slow:0.65 a b c e; 1 slow:0.2 d";
  CHECK(configurations(job.run()).back().nodes == 4);
}

TEST_CASE("rule evict: the change takes the candidates along, and a spare is no candidate") {
  auto job = evicting(R"({"kind": "gather", "wait": "1min"})");
  job.nodes = 4;
  job.trace = "0 join a b c; 1 slow:0.5 c; 2 join d";
  job.until_time = "40s";
  const auto made = configurations(job.run());
  REQUIRE(made.size() == 2);
  CHECK(made[1].cause == PlanCause::evict);
  CHECK(made[1].nodes == 3);  // a, b and d
}

TEST_CASE("rule evict: a node that is too slow for too long is not admitted") {
  auto job = evicting(R"({"kind": "gather", "wait": "5s"})");
  job.nodes = 3;
  job.trace = "0 join a b; 1 join c; 1 slow:0.5 c; 30 normal c";
  job.until_time = "42s";
  const auto run = job.run();
  // A candidate from 1 to 5, then a spare; from 30 a candidate again that joins at 36.
  check_equal(unavailable(run, Unavailable::waiting), 4 + 6);
  check_equal(unavailable(run, Unavailable::spare), 25);
  REQUIRE(configurations(run).size() == 2);
  CHECK(configurations(run)[1].time == at(seconds(39)));
}

TEST_CASE("rule evict: rather than wait the job takes spares back") {
  auto job = evicting();
  job.nodes = 3;
  job.slots = 1;  // two experts: two nodes at least
  job.trace = "0 join a b c; 1 slow:0.5 b; 20 lost c";
  job.until_time = "60s";
  const auto run = job.run();
  const auto made = configurations(run);
  REQUIRE(made.size() == 3);
  CHECK(made[1].cause == PlanCause::evict);
  CHECK(made[1].time == at(seconds(12)));
  check_equal(unavailable(run, Unavailable::spare), 22 - 9);  // until detection is over
  check_equal(unavailable(run, Unavailable::waiting), 0);
  CHECK(made[2].nodes == 2);
  CHECK(run.events.size() > 3);
  CHECK(step_times(run).back() == 6000);
}

TEST_CASE("rule evict: who is dismissed sends what it holds, also when the eviction is disturbed") {
  auto job = evicting();
  job.nodes = 3;
  job.slots = 1;
  // a holds the only replica of expert 0. It goes at 9; the others fetch the expert from it.
  job.trace = "0 join a b c; 1 slow:0.5 a";
  job.until_time = "30s";
  const auto calm = job.run();
  REQUIRE(configurations(calm).size() == 2);
  CHECK(configurations(calm)[1].transfer.experts_moved == 1);
  CHECK(calm.disruptions.empty());
  // c is lost during the eviction. Nothing is: a still holds expert 0, and is needed.
  job.scenario = {};
  job.trace = "0 join a b c; 1 slow:0.5 a; 10 lost c";
  const auto disturbed = job.run();
  REQUIRE(disturbed.disruptions.size() == 1);
  CHECK(disturbed.disruptions[0].recovery == Recovery::in_place);
  CHECK(disturbed.disruptions[0].state_complete);
  CHECK(configurations(disturbed).back().nodes == 2);
}

TEST_CASE("rule evict: a member that is dismissed and lost at once is no disruption") {
  auto job = evicting();
  job.nodes = 4;
  job.trace = "0 join a b c d; 1 slow:0.5 d; 10 lost d";
  job.until_time = "30s";
  const auto run = job.run();
  CHECK(run.disruptions.empty());
  CHECK(configurations(run).back().cause == PlanCause::evict);
  check_equal(unavailable(run, Unavailable::spare), 1);
}

TEST_CASE("rule evict: decisions follow the load, and are those of stepping one by one") {
  SmallJob job;
  job.nodes = 4;
  job.experts = 4;
  job.slots = 2;
  job.moe_layers = 2;
  job.scenario.cluster.node_type = *find_node_type("rtx3090-100g");
  job.scenario.cluster.storage = {.read = Bandwidth{1e9}, .write = Bandwidth{1e9}};
  job.scenario.model.dense_matmul_parameters = 1000;
  job.scenario.training.sequence_length = 64;
  // Computation of milliseconds a step, so that what the load asks of the slow rank decides.
  job.cost = R"({"model": "analytic", "dense": {"flop_rate": "10MFLOPS"},
                 "expert": {"flop_rate": "100MFLOPS"}, "planning": "1ms",
                 "fixed": {"per_step": "0s"}, "detection": "1s",
                 "rebalance_communicator": "10ms",
                 "communicator": {"base": "10ms", "per_node": "0s"}})";
  job.policy = R"({"preset": "lazarus", "checkpoint": {"every": 7}, "rebalance": {"every": 10},
                   "membership": {"kind": "gather", "wait": "2s"},
                   "straggler": {"kind": "evict", "below": 0.95, "after": "1s"}})";
  Rng rng = RngStreams(3, 0).stream("loads");
  for (std::int64_t step = 0; step < 400; step += 25) {
    LoadMatrix load(2, 4);
    for (auto& value : load.values) value = static_cast<std::int64_t>(rng.below(50) + 1);
    job.routing.push_back({step, load});
  }
  job.until_time = "60s";
  int evictions = 0;
  for (const char* speed : {"0.9", "0.8", "0.7", "0.6", "0.5", "0.3"}) {
    job.trace = std::string("0 join a b c d; 2 slow:") + speed +
                " b; 7 slow:0.6 d; 20 normal b; 30 lost a; 31 join a; 40 normal d";
    const auto scenario = job.scenario;
    const auto in_one_go = job.run(false);
    job.scenario = scenario;
    const auto one_by_one = job.run(true);
    job.scenario = scenario;
    INFO("speed " << speed);
    CHECK(in_one_go.end.samples == one_by_one.end.samples);
    CHECK(to_text(in_one_go.end.ledger.productive) == to_text(one_by_one.end.ledger.productive));
    const auto made = configurations(in_one_go);
    const auto made_one_by_one = configurations(one_by_one);
    REQUIRE(made.size() == made_one_by_one.size());
    for (std::size_t i = 0; i < made.size(); ++i) {
      CHECK(made[i].time == made_one_by_one[i].time);
      CHECK(made[i].machine_of_place == made_one_by_one[i].machine_of_place);
      evictions += made[i].cause == PlanCause::evict ? 1 : 0;
    }
  }
  CHECK(evictions > 3);
  CHECK(evictions < 12);  // not always
}

}  // namespace
}  // namespace bethany
