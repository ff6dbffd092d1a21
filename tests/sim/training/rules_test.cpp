// The ten rules of the training job (DESIGN §4.5), each by small cases with hand-made expectations.
// Times are seconds, ledger amounts node-seconds. Steps take 3 s unless said.
#include <algorithm>

#include "tests/sim/training/job_support.h"
#include "tests/support/catch.h"

namespace bethany {
namespace {

using std::chrono::seconds;

void check_equal(Int128 got, std::int64_t expected_s) {
  CHECK(to_text(got) == to_text(node_s(expected_s)));
}

/// Facts of one kind, in order.
template <class Fact>
std::vector<Fact> facts(const Collected& run) {
  std::vector<Fact> found;
  for (const auto& event : run.events) {
    if (const auto* fact = std::get_if<Fact>(&event)) found.push_back(*fact);
  }
  return found;
}

std::int64_t seconds_of(SimTime time) { return time.time_since_epoch() / seconds(1); }

/// Lazarus without checkpoints, rebalances and joins; tests switch on what they look at.
SmallJob quiet_lazarus() {
  SmallJob job;
  job.policy = R"({"preset": "lazarus", "checkpoint": "none", "rebalance": "never",
                   "membership": "at-restart"})";
  job.cost = R"({"model": "fixed", "step": "3s", "detection": "2s", "planning": "1s",
                 "communicator": "1s", "transfer": "1s", "process_start": "5s",
                 "group_init": "1s", "load": "1s"})";
  return job;
}

TEST_CASE("rule 1: the job begins when minimum_nodes are ready, with all ready nodes") {
  auto job = quiet_lazarus();
  job.nodes = 4;
  job.slots = 1;  // two experts: two nodes at least
  job.trace = "0 join a; 5 join b c; 9 join d";
  job.until_time = "11s";
  const auto run = job.run();
  const auto made = facts<ConfigurationCompleted>(run);
  REQUIRE(made.size() == 1);
  CHECK(made[0].cause == PlanCause::start);
  CHECK(seconds_of(made[0].time) == 5);
  CHECK(made[0].nodes == 3);
  check_equal(unavailable(run, Unavailable::waiting), 5 + 2);  // a until 5; d from 9
}

TEST_CASE("rule 1: a cold start costs the restart stages without load, a warm one nothing") {
  auto job = quiet_lazarus();
  job.warm_start = false;
  const auto cold = job.run();
  check_equal(blocked(cold, Blocked::start), 2 * (5 + 1));
  check_equal(blocked(cold, Blocked::load), 0);
  job.warm_start = true;
  job.scenario = {};
  const auto warm = job.run();
  check_equal(blocked(warm, Blocked::start), 0);
  CHECK(seconds_of(facts<StepsCommitted>(warm).front().from) == 0);
}

TEST_CASE("rule 1: nodes present at time 0 are ready at once, later joins after startup_delay") {
  auto job = quiet_lazarus();
  job.nodes = 3;
  job.startup_delay = seconds(4);
  job.policy = R"({"preset": "lazarus", "checkpoint": "none", "rebalance": "never",
                   "membership": "eager"})";
  job.trace = "0 join a b; 1 join c";
  job.until_time = "12s";
  const auto run = job.run();
  check_equal(unavailable(run, Unavailable::starting), 4);  // c from 1 to 5
  const auto made = facts<ConfigurationCompleted>(run);
  REQUIRE(made.size() == 2);
  CHECK(seconds_of(made[0].time) == 0);
  // c is a candidate at 5, the next boundary is at 6; planning, communicator, transfer: 9.
  CHECK(made[1].cause == PlanCause::join);
  CHECK(seconds_of(made[1].time) == 9);
}

TEST_CASE("rule 1: a loss during the first start begins it again, without detection") {
  auto job = quiet_lazarus();
  job.warm_start = false;
  job.trace = "0 join a b; 4 lost b";
  job.until_time = "13s";
  const auto run = job.run();
  CHECK(facts<DisruptionBegan>(run).empty());
  check_equal(blocked(run, Blocked::detection), 0);
  check_equal(blocked(run, Blocked::start), 2 * 4 + 6);  // cut at 4, again 4-10 on one
  CHECK(run.end.steps_committed == 1);                   // 10-13
}

TEST_CASE("rule 2: members are those taken when a change begins; losing one during it counts") {
  auto job = quiet_lazarus();
  job.nodes = 3;
  job.policy = R"({"preset": "lazarus", "checkpoint": "none", "rebalance": "never",
                   "membership": "eager"})";
  // c joins at the boundary of 3; it is a member from then on and is lost during its join at 5.
  job.trace = "0 join a b; 2 join c; 5 lost c";
  job.until_time = "13s";
  const auto run = job.run();
  REQUIRE(run.disruptions.size() == 1);
  CHECK(run.disruptions[0].recovery == Recovery::in_place);
  CHECK(run.disruptions[0].lost == 0);  // the last completed configuration lost nobody
  check_equal(blocked(run, Blocked::join), 3 * 2);
}

TEST_CASE("rule 2: while the job waits nobody is a member and losses are no disruption") {
  auto job = quiet_lazarus();
  job.slots = 1;
  job.nodes = 3;
  job.trace = "0 join a; 3 lost a; 4 join b; 6 join c";
  job.until_time = "9s";
  const auto run = job.run();
  CHECK(facts<DisruptionBegan>(run).empty());
  check_equal(unavailable(run, Unavailable::waiting), 3 + 2);
  CHECK(run.end.steps_committed == 1);  // begins at 6, at once
}

TEST_CASE("rule 3: only losses of members interrupt a step or a checkpoint") {
  auto job = quiet_lazarus();
  job.nodes = 4;
  job.policy = R"({"preset": "lazarus", "checkpoint": {"kind": "steps", "every": 1},
                   "rebalance": "never", "membership": "at-restart"})";
  job.cost = R"({"model": "fixed", "step": "3s", "checkpoint": "2s"})";
  // c comes and goes in the middle of a step (1, 2) and of a write (4); it never is a member.
  job.trace = "0 join a b; 1 join c; 2 lost c; 3.5 join d; 4 lost d";
  job.until_time = "10s";
  const auto run = job.run();
  CHECK(run.disruptions.empty());
  CHECK(run.end.steps_committed == 2);
  check_equal(blocked(run, Blocked::checkpoint), 2 * (2 + 2));
  check_equal(run.end.ledger.step_in_flight, 0);
}

TEST_CASE("rule 3: a step that ends at the instant of a loss survives it") {
  auto job = quiet_lazarus();
  job.nodes = 3;
  job.trace = "0 join a b c; 6 lost c";
  job.until_time = "14s";
  const auto run = job.run();
  CHECK(run.end.steps_committed == 2 + 1);  // 0-3, 3-6; detection 6-8, stages 8-11; 11-14
  check_equal(run.end.ledger.step_in_flight, 0);
}

TEST_CASE("rule 4: a loss during detection joins the disruption and the clock runs on") {
  auto job = quiet_lazarus();
  job.nodes = 4;
  // The second loss falls on the very instant detection ends (1 + 2 = 3): it still joins.
  job.trace = "0 join a b c d; 1 lost d; 3 lost c";
  job.until_time = "9s";
  const auto run = job.run();
  REQUIRE(run.disruptions.size() == 1);
  CHECK(run.disruptions[0].lost == 2);
  CHECK(seconds_of(run.disruptions[0].time) == 3);
  check_equal(blocked(run, Blocked::detection), 3 * 2);
  CHECK(run.end.steps_committed == 1);  // stages 3-6, step 6-9
}

TEST_CASE("rule 4: a loss during a restart is a new disruption, from its first stage again") {
  auto job = quiet_lazarus();
  job.nodes = 3;
  job.policy = R"({"preset": "ds", "checkpoint": "none", "membership": "at-restart"})";
  job.trace = "0 join a b c; 3 lost c; 8 lost b";
  job.until_time = "20s";
  const auto run = job.run();
  // Detection 3-5, process start 5-10 cut at 8; detection 8-10, restart 10-16, load 16-17, 17-20.
  REQUIRE(run.disruptions.size() == 2);
  CHECK(run.disruptions[1].lost == 2);
  check_equal(blocked(run, Blocked::detection), 2 * 2 + 2);
  check_equal(blocked(run, Blocked::restart), 2 * 3 + 6);
  check_equal(blocked(run, Blocked::load), 1);
  CHECK(run.end.steps_committed == 1);
}

TEST_CASE(
    "rule 5: without enough nodes the job waits, then goes on in place if state is complete") {
  auto job = quiet_lazarus();
  job.nodes = 3;
  job.slots = 2;
  job.policy = R"({"preset": "lazarus", "checkpoint": "none", "rebalance": "never",
                   "membership": "at-restart", "minimum_nodes": 2})";
  job.trace = "0 join a b; 1 lost b; 10 join c";
  job.until_time = "16s";
  const auto run = job.run();
  REQUIRE(run.disruptions.size() == 1);
  CHECK(run.disruptions[0].recovery == Recovery::in_place);
  CHECK(seconds_of(run.disruptions[0].time) == 10);
  check_equal(unavailable(run, Unavailable::waiting), 7);  // a from 3 to 10
  CHECK(run.end.steps_committed == 1);                     // 13-16
}

TEST_CASE("rule 5: a restart rolls back to the last usable checkpoint") {
  auto job = quiet_lazarus();
  job.policy = R"({"preset": "ds", "checkpoint": {"every": 2}, "membership": "at-restart"})";
  job.trace = "0 join a b; 10 lost b";
  job.until_time = "13s";
  const auto run = job.run();  // checkpoint of 0 s at 6 covers 2 steps; 3 are committed at 9
  const auto undone = facts<RolledBack>(run);
  REQUIRE(undone.size() == 1);
  CHECK(undone[0].from_step == 3);
  CHECK(undone[0].to_step == 2);
  CHECK(undone[0].samples == 8);
  check_equal(run.end.ledger.rolled_back, 6);
}

TEST_CASE("rule 6: at a boundary the checkpoint comes first, then a join or else the rebalance") {
  auto job = quiet_lazarus();
  job.nodes = 3;
  job.policy = R"({"preset": "lazarus", "checkpoint": {"kind": "steps", "every": 1},
                   "rebalance": "never", "membership": {"kind": "gather", "wait": "4s"}})";
  job.cost = R"({"model": "fixed", "step": "3s", "checkpoint": "2s", "planning": "1s"})";
  // c is a candidate at 0.5; its timer is over at 4.5, during the write of 3-5; it joins at 5.
  job.trace = "0 join a b; 0.5 join c";
  job.until_time = "9s";
  const auto run = job.run();
  const auto made = facts<ConfigurationCompleted>(run);
  REQUIRE(made.size() == 2);
  CHECK(made[1].cause == PlanCause::join);
  CHECK(seconds_of(made[1].time) == 6);
  check_equal(blocked(run, Blocked::join), 3);
}

TEST_CASE("rule 7: an interrupted checkpoint is retried at the next boundary") {
  auto job = quiet_lazarus();
  job.nodes = 3;
  job.policy = R"({"preset": "lazarus", "checkpoint": {"kind": "steps", "every": 2},
                   "rebalance": "never", "membership": "at-restart"})";
  job.cost = R"({"model": "fixed", "step": "3s", "checkpoint": "2s", "detection": "1s"})";
  // The write of 6-8 is cut at 7; detection 7-8, recovery 0 s; one step 8-11, then the write.
  job.trace = "0 join a b c; 7 lost c";
  job.until_time = "14s";
  const auto run = job.run();
  const auto usable = facts<CheckpointUsable>(run);
  REQUIRE(usable.size() == 2);
  CHECK(usable[0].step == 0);
  CHECK(seconds_of(usable[1].time) == 13);
  CHECK(usable[1].step == 3);
  check_equal(blocked(run, Blocked::checkpoint), 3 * 1 + 2 * 2);
}

TEST_CASE("rule 8: a node that cannot fill a group is stranded until there are enough") {
  auto job = quiet_lazarus();
  job.nodes = 4;
  job.slots = 1;  // EP over two nodes
  job.policy = R"({"preset": "ds", "checkpoint": {"every": 2},
                   "membership": {"kind": "gather", "wait": "1s"}})";
  job.cost = R"({"model": "fixed", "step": "3s", "checkpoint": "1s", "process_start": "2s"})";
  // c is stranded 1-4; with d there are two candidates at 4, over at 5. They come in by a restart
  // at the end of the write of 6-7.
  job.trace = "0 join a b; 1 join c; 4 join d";
  job.until_time = "12s";
  const auto run = job.run();
  CHECK(run.disruptions.empty());
  check_equal(unavailable(run, Unavailable::stranded), 3);
  check_equal(unavailable(run, Unavailable::waiting), 2 * 3);
  check_equal(blocked(run, Blocked::restart), 4 * 2);
  const auto made = facts<ConfigurationCompleted>(run);
  REQUIRE(made.size() == 2);
  CHECK(made[1].nodes == 4);
  CHECK(seconds_of(made[1].time) == 9);
  CHECK(run.end.steps_committed == 3);
}

TEST_CASE("rule 8: the gather timer is cleared when no candidate is left") {
  auto job = quiet_lazarus();
  job.nodes = 3;
  job.policy = R"({"preset": "lazarus", "checkpoint": "none", "rebalance": "never",
                   "membership": {"kind": "gather", "wait": "5s"}})";
  job.cost = R"({"model": "fixed", "step": "3s"})";
  // c would join at 6 (1 + 5); it is gone at 4. d is a candidate at 5 and joins at 12 (10 → 12).
  job.trace = "0 join a b; 1 join c; 4 lost c; 5 join d";
  job.until_time = "15s";
  const auto run = job.run();
  const auto made = facts<ConfigurationCompleted>(run);
  REQUIRE(made.size() == 2);
  CHECK(seconds_of(made[1].time) == 12);
}

TEST_CASE("rule 8: at-restart policies never admit candidates by themselves") {
  auto job = quiet_lazarus();
  job.nodes = 3;
  job.trace = "0 join a b; 1 join c; 10 lost b";
  job.until_time = "18s";
  const auto run = job.run();
  const auto made = facts<ConfigurationCompleted>(run);
  REQUIRE(made.size() == 2);
  CHECK(made[1].cause == PlanCause::in_place);
  CHECK(made[1].nodes == 2);  // a and c: a recovery takes all candidates
}

/// Loads that turn round at a step: a plan made before differs from one made after.
std::vector<RoutingLoad::Entry> turning_load(std::int64_t step) {
  LoadMatrix before(1, 2);
  before.values = {1, 9};
  LoadMatrix after(1, 2);
  after.values = {9, 1};
  return {{0, before}, {step, after}};
}

TEST_CASE("rule 9: a rebalance is due M steps after the last plan change, skipped when equal") {
  auto job = quiet_lazarus();
  job.nodes = 4;
  job.slots = 1;
  job.policy = R"({"preset": "lazarus", "fault_threshold": 1, "checkpoint": "none",
                   "rebalance": {"kind": "steps", "every": 10}, "membership": "at-restart"})";
  job.cost = R"({"model": "fixed", "step": "1s", "planning": "1s", "communicator": "50s",
                 "rebalance_communicator": "2s", "transfer": "3s"})";
  job.trace = "0 join a b c d";
  job.routing = turning_load(100);
  job.until_time = "400s";
  const auto run = job.run();
  const auto made = facts<ConfigurationCompleted>(run);
  // Start: uniform loads, 2 + 2. After 10 steps 1:9 is observed, 1 + 3: a rebalance 10-16. The
  // window of 50 steps is 21:29 for expert 1 at the check of step 120 (1 + 3 still, skipped) and
  // 29:21 for expert 0 at that of step 130, which is reached at 136.
  REQUIRE(made.size() == 3);
  CHECK(made[0].plan->layers[0].replicas == std::vector<std::int32_t>{2, 2});
  CHECK(made[1].cause == PlanCause::rebalance);
  CHECK(seconds_of(made[1].time) == 10 + 6);
  CHECK(made[1].plan->layers[0].replicas == std::vector<std::int32_t>{1, 3});
  CHECK(seconds_of(made[2].time) == 136 + 6);
  CHECK(made[2].plan->layers[0].replicas == std::vector<std::int32_t>{3, 1});
  check_equal(blocked(run, Blocked::rebalance), 2 * 4 * 6);
  CHECK(to_text(run.end.ledger.productive) ==
        to_text(job.run(true).end.ledger.productive));  // skipped checks change nothing
}

TEST_CASE("rule 9: other copies on machines that hold the expert already are a rebalance, too") {
  auto job = quiet_lazarus();
  job.nodes = 2;
  job.slots = 3;
  job.policy = R"({"preset": "lazarus", "fault_threshold": 2, "checkpoint": "none",
                   "rebalance": {"kind": "steps", "every": 10}, "membership": "at-restart"})";
  job.cost = R"({"model": "fixed", "step": "1s", "rebalance_communicator": "2s"})";
  job.trace = "0 join a b";
  job.routing = turning_load(100);
  job.until_time = "40s";
  const auto made = facts<ConfigurationCompleted>(job.run());
  // Both machines hold both experts throughout: 3 + 3 copies, then 2 + 4 for loads of 1:9.
  REQUIRE(made.size() == 2);
  CHECK(made[0].plan->layers[0].replicas == std::vector<std::int32_t>{3, 3});
  CHECK(made[1].cause == PlanCause::rebalance);
  CHECK(made[1].plan->layers[0].replicas == std::vector<std::int32_t>{2, 4});
  CHECK(made[1].transfer.experts_moved == 0);
}

TEST_CASE("rule 10: a step that ends at the horizon commits; trace events there are not applied") {
  auto job = quiet_lazarus();
  job.nodes = 3;
  job.trace = "0 join a b c; 6 lost c";
  job.until_time = "6s";
  const auto run = job.run();
  CHECK(run.end.steps_committed == 2);
  CHECK(facts<NodesLost>(run).empty());
  check_equal(unavailable(run, Unavailable::absent), 0);
}

TEST_CASE("rule 10: what is in flight at the horizon is booked to its own bucket") {
  auto job = quiet_lazarus();
  job.nodes = 3;
  job.trace = "0 join a b c; 3 lost c";
  job.until_time = "4s";
  const auto run = job.run();
  check_equal(blocked(run, Blocked::detection), 2);
  REQUIRE(run.disruptions.size() == 1);
  CHECK(run.disruptions[0].recovery == Recovery::none);
}

TEST_CASE("rule 10: at_end stop ends with the trace, hold goes on, repeat begins again") {
  auto job = quiet_lazarus();
  job.nodes = 3;
  job.policy = R"({"preset": "lazarus", "checkpoint": "none", "rebalance": "never",
                   "membership": "eager"})";
  job.cost = R"({"model": "fixed", "step": "3s", "detection": "1s"})";
  job.trace = "0 join a b c; 7 lost c; 10 join c";
  job.until_time = "30s";
  job.at_end = AtEnd::stop;
  CHECK(job.run().end.horizon == at(seconds(10)));
  job.at_end = AtEnd::hold;
  job.scenario = {};
  const auto held = job.run();
  CHECK(held.end.horizon == at(seconds(30)));
  CHECK(held.disruptions.size() == 1);
  job.at_end = AtEnd::repeat;
  job.scenario = {};
  // c is there at 10, where the trace begins again with a, b and c: nothing changes at the seam.
  CHECK(job.run().disruptions.size() == 3);  // 7, 17, 27
}

TEST_CASE("rule 10: until in samples ends at the commit that reaches it") {
  auto job = quiet_lazarus();
  job.until_time = "";
  job.scenario.until.samples = 20;  // 8 a step: the third
  const auto run = job.run();
  CHECK(run.end.horizon == at(seconds(9)));
  CHECK(run.end.samples == 24);
}

TEST_CASE("rule 10: samples that can never be reached are named") {
  auto job = quiet_lazarus();
  job.until_time = "";
  job.scenario.until.samples = 1000;
  job.slots = 1;
  job.trace = "0 join a b; 5 lost b";
  CHECK(job.infeasible().find("never finishes") != std::string::npos);

  auto loop = quiet_lazarus();
  loop.until_time = "";
  loop.scenario.until.samples = 1000;
  loop.policy = R"({"preset": "ds", "checkpoint": "none", "membership": "at-restart"})";
  loop.trace = "0 join a b; 20 lost b; 20.5 join b";
  loop.at_end = AtEnd::repeat;
  CHECK(loop.infeasible().find("never finishes") != std::string::npos);
}

TEST_CASE("per-GPU batches follow the members; a global batch stays") {
  auto job = quiet_lazarus();
  job.scenario.training.batch = {.global = false, .sequences = 3, .accumulation = 2};
  job.until_time = "3s";
  CHECK(job.run().end.samples == 3 * 2 * 2);
  job.scenario = {};
  job.scenario.training.batch = {.global = true, .sequences = 7, .accumulation = 2};
  CHECK(job.run().end.samples == 7 * 2);
}

TEST_CASE("a cluster that cannot hold the model has no run, and the reason is said") {
  auto job = quiet_lazarus();
  job.experts = 8;
  job.slots = 1;
  CHECK(job.infeasible().find("needs 8 nodes") != std::string::npos);
}

}  // namespace
}  // namespace bethany
