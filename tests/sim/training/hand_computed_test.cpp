// Runs computed by hand to the nanosecond. Times are seconds, amounts node-seconds; a ledger
// must hold exactly these and nothing else (Books checks that its buckets sum to nodes × horizon).
#include "tests/sim/training/job_support.h"
#include "tests/support/catch.h"

namespace bethany {
namespace {

/// Compared as text: Catch2 prints no 128-bit integers.
void check_equal(Int128 got, std::int64_t seconds) {
  CHECK(to_text(got) == to_text(node_s(seconds)));
}

constexpr char kNoRebalance[] = R"("rebalance": "never", "membership": "at-restart")";

TEST_CASE("hand-computed: no failure") {
  // Start 0-7 (process 5, groups 2). Steps 7-10, 10-13; the second makes 2 past the checkpoint of
  // step 0, so a write 13-14; steps 14-17, 17-20. The last ends at the horizon and commits; the
  // write that is due then never begins.
  SmallJob job;
  job.warm_start = false;
  job.cost = R"({"model": "fixed", "step": "3s", "checkpoint": "1s", "process_start": "5s",
                 "group_init": "2s"})";
  job.policy =
      std::string(R"({"preset": "lazarus", "checkpoint": {"every": 2}, )") + kNoRebalance + "}";
  const auto run = job.run();
  CHECK(run.end.horizon == at(std::chrono::seconds(20)));
  CHECK(run.end.steps_committed == 4);
  CHECK(run.end.samples == 4 * 2 * 4);  // steps × nodes × sequences
  check_equal(run.end.ledger.total, 40);
  check_equal(blocked(run, Blocked::start), 14);
  check_equal(blocked(run, Blocked::checkpoint), 2);
  check_equal(run.end.ledger.productive, 24);
  CHECK(run.disruptions.empty());
}

TEST_CASE("hand-computed: one loss with restart") {
  // Steps 0-3, 3-6, write 6-7 (covers 2), step 7-10; the step of 10-13 is cut at 12: 2 × 2 in
  // flight. Detection 12-14 on the one left. Restart: step 3 (7-10 on 2 nodes: 6) is rolled back;
  // process 14-19, groups 19-20, load 20-21. Then alone: steps 21-24, 24-27, write 27-28,
  // steps 28-31, 31-34, write 34-35, step 35-38, and 38-40 in flight at the horizon.
  SmallJob job;
  job.policy = R"({"preset": "ds", "checkpoint": {"every": 2}, "membership": "at-restart"})";
  job.cost = R"({"model": "fixed", "step": "3s", "checkpoint": "1s", "detection": "2s",
                 "process_start": "5s", "group_init": "1s", "load": "1s"})";
  job.trace = "0 join a b; 12 lost b";
  job.until_time = "40s";
  const auto run = job.run();
  CHECK(run.end.steps_committed == 2 + 5);
  CHECK(run.end.samples == 2 * 8 + 5 * 4);
  CHECK(run.steps_discarded == 1);
  check_equal(run.end.ledger.productive, 2 * 3 * 2 + 5 * 3);
  check_equal(run.end.ledger.rolled_back, 6);
  check_equal(run.end.ledger.step_in_flight, 4 + 2);
  check_equal(blocked(run, Blocked::checkpoint), 2 + 1 + 1);
  check_equal(blocked(run, Blocked::detection), 2);
  check_equal(blocked(run, Blocked::restart), 6);
  check_equal(blocked(run, Blocked::load), 1);
  check_equal(unavailable(run, Unavailable::absent), 28);
  check_equal(run.end.ledger.total, 80);
  REQUIRE(run.disruptions.size() == 1);
  CHECK(run.disruptions[0].recovery == Recovery::restart);
  CHECK(run.disruptions[0].time == at(std::chrono::seconds(14)));
  CHECK(run.disruptions[0].lost == 1);
}

TEST_CASE("hand-computed: one loss recovered in place") {
  // Three nodes of 2 slots hold both experts each. Steps 0-3, 3-6; 6-7 is cut on 3 nodes.
  // Detection 7-9, planning 9-10, communicator 10-12, transfer 12-15 on 2 nodes. The cut step is
  // repeated: steps 15-18, 18-21; 21-22 is in flight at the horizon.
  SmallJob job;
  job.nodes = 3;
  job.policy = std::string(R"({"preset": "lazarus", "checkpoint": "none", )") + kNoRebalance + "}";
  job.cost = R"({"model": "fixed", "step": "3s", "detection": "2s", "planning": "1s",
                 "communicator": "2s", "transfer": "3s"})";
  job.trace = "0 join a b c; 7 lost c";
  job.until_time = "22s";
  const auto run = job.run();
  CHECK(run.end.steps_committed == 4);
  CHECK(run.end.samples == 2 * 12 + 2 * 8);
  check_equal(run.end.ledger.productive, 18 + 12);
  check_equal(run.end.ledger.step_in_flight, 3 + 2);
  check_equal(blocked(run, Blocked::detection), 4);
  check_equal(blocked(run, Blocked::planning), 2);
  check_equal(blocked(run, Blocked::communicator), 4);
  check_equal(blocked(run, Blocked::transfer), 6);
  check_equal(unavailable(run, Unavailable::absent), 15);
  check_equal(run.end.ledger.total, 66);
  REQUIRE(run.disruptions.size() == 1);
  CHECK(run.disruptions[0].recovery == Recovery::in_place);
  CHECK(run.disruptions[0].state_complete);
  CHECK(run.disruptions[0].lost == 1);
}

TEST_CASE("hand-computed: a loss during reconfiguration") {
  // As before with 4 nodes, but d is lost at 11, inside the communicator stage of 10-12: that
  // stage keeps 10-11 on the 3 who were members until then. Detection again 11-13 on 2, then the
  // recovery from its first stage: planning 13-14, communicator 14-16, transfer 16-19; steps
  // 19-22, 22-25 (ends at the horizon, commits). Both losses lie since the last completed plan.
  SmallJob job;
  job.nodes = 4;
  job.policy = std::string(R"({"preset": "lazarus", "checkpoint": "none", )") + kNoRebalance + "}";
  job.cost = R"({"model": "fixed", "step": "3s", "detection": "2s", "planning": "1s",
                 "communicator": "2s", "transfer": "3s"})";
  job.trace = "0 join a b c d; 7 lost c; 11 lost d";
  job.until_time = "25s";
  const auto run = job.run();
  CHECK(run.end.steps_committed == 4);
  CHECK(run.end.samples == 2 * 16 + 2 * 8);
  check_equal(run.end.ledger.productive, 24 + 12);
  check_equal(run.end.ledger.step_in_flight, 4);
  check_equal(blocked(run, Blocked::detection), 6 + 4);
  check_equal(blocked(run, Blocked::planning), 3 + 2);
  check_equal(blocked(run, Blocked::communicator), 3 + 4);
  check_equal(blocked(run, Blocked::transfer), 6);
  check_equal(unavailable(run, Unavailable::absent), 18 + 14);
  check_equal(run.end.ledger.total, 100);
  REQUIRE(run.disruptions.size() == 2);
  CHECK(run.disruptions[0].recovery == Recovery::in_place);
  CHECK(run.disruptions[0].lost == 1);
  CHECK(run.disruptions[1].recovery == Recovery::in_place);
  CHECK(run.disruptions[1].lost == 2);
}

TEST_CASE("hand-computed: a bulk loss that kills an expert") {
  // Three nodes of one slot: expert 0 has one replica (node a), expert 1 two. Steps 0-3, 3-6, write
  // 6-7, usable at 7 because work that ends at an instant commits before its losses. a and b are
  // lost at 7: detection 7-9 on c. One node cannot hold two experts, so c waits 9-20 until e comes.
  // Nobody holds expert 0: restart at 20 with nothing to roll back; process 20-25, groups 25-26,
  // load 26-27 on 2 nodes; steps 27-30, 30-33, write 33-34 up to the horizon.
  SmallJob job;
  job.nodes = 3;
  job.slots = 1;
  job.policy =
      std::string(R"({"preset": "lazarus", "checkpoint": {"every": 2}, )") + kNoRebalance + "}";
  job.cost = R"({"model": "fixed", "step": "3s", "checkpoint": "1s", "detection": "2s",
                 "planning": "1s", "process_start": "5s", "group_init": "1s", "load": "1s"})";
  job.trace = "0 join a b c; 7 lost a b; 20 join e";
  job.until_time = "34s";
  const auto run = job.run();
  CHECK(run.end.steps_committed == 4);
  CHECK(run.end.samples == 2 * 12 + 2 * 8);
  CHECK(run.steps_discarded == 0);
  check_equal(run.end.ledger.productive, 18 + 12);
  check_equal(blocked(run, Blocked::checkpoint), 3 + 2);
  check_equal(blocked(run, Blocked::detection), 2);
  check_equal(blocked(run, Blocked::restart), 12);
  check_equal(blocked(run, Blocked::load), 2);
  check_equal(unavailable(run, Unavailable::waiting), 11);
  check_equal(unavailable(run, Unavailable::absent), 26 + 14);
  check_equal(run.end.ledger.total, 102);
  REQUIRE(run.disruptions.size() == 1);
  CHECK(run.disruptions[0].recovery == Recovery::restart);
  CHECK(run.disruptions[0].time == at(std::chrono::seconds(20)));
  CHECK(run.disruptions[0].lost == 2);
  CHECK_FALSE(run.disruptions[0].state_complete);
}

TEST_CASE("hand-computed: a slow node that the job waits for") {
  // Steps 0-3, 3-6; b works at 0.7 of its speed from 4 on, the steps that begin later take
  // 3 s / 0.7 = 4.285714286 s: 6-10.285714286 and -14.571428572, which runs on when b is well again
  // at 14. Then 3 s: -17.571428572, -20.571428572, and 1.428571428 s in flight at the horizon.
  SmallJob job;
  job.policy = std::string(R"({"preset": "lazarus", "checkpoint": "none", )") + kNoRebalance + "}";
  job.trace = "0 join a b; 4 slow:0.7 b; 14 normal b";
  job.until_time = "22s";
  for (const bool step_by_step : {true, false}) {
    const auto run = job.run(step_by_step);
    CHECK(run.end.steps_committed == 6);
    CHECK(run.end.samples == 6 * 8);
    CHECK(to_text(run.end.ledger.productive) == "41142857144");
    CHECK(to_text(run.end.ledger.step_in_flight) == "2857142856");
    check_equal(run.end.ledger.total, 44);
    CHECK(run.disruptions.empty());
  }
}

TEST_CASE("hand-computed: a slow node is evicted and joins again") {
  // Step 0-3 on 4 nodes. d is slow from 2: step 3-9. It is overdue at 7; at 9 it goes, as 3 nodes
  // at full speed are worth more than 4 at half of it: planning 9-10, communicator 10-12, transfer
  // 12-15 on 3, booked as join. Steps 15-18 ... 27-30 on 3, with d a spare 9-30. Well again at 30,
  // it is a candidate, gathered at 34: steps 30-33, 33-36, join 36-42 on 4, step 42-45, 45-46 in
  // flight.
  SmallJob job;
  job.nodes = 4;
  job.policy = R"({"preset": "lazarus", "checkpoint": "none", "rebalance": "never",
                   "membership": {"kind": "gather", "wait": "4s"},
                   "straggler": {"kind": "evict", "after": "5s"}})";
  job.cost = R"({"model": "fixed", "step": "3s", "detection": "2s", "planning": "1s",
                 "communicator": "2s", "transfer": "3s"})";
  job.trace = "0 join a b c d; 2 slow:0.5 d; 30 normal d";
  job.until_time = "46s";
  const auto run = job.run();
  CHECK(run.end.steps_committed == 2 + 7 + 1);
  CHECK(run.end.samples == 2 * 16 + 7 * 12 + 16);
  check_equal(run.end.ledger.productive, 9 * 4 + 21 * 3 + 3 * 4);
  check_equal(run.end.ledger.step_in_flight, 4);
  check_equal(blocked(run, Blocked::join), 6 * 3 + 6 * 4);
  check_equal(unavailable(run, Unavailable::spare), 21);
  check_equal(unavailable(run, Unavailable::waiting), 6);
  check_equal(run.end.ledger.total, 184);
  CHECK(run.disruptions.empty());
}

TEST_CASE("hand-computed: a policy that can only restart evicts at the end of a write") {
  // Step 0-3; c is slow from 1 and overdue at 3. Step 3-9 at half speed, write 9-10 on 3 nodes;
  // then a restart without c and without detection, nothing is rolled back: process 10-15, groups
  // 15-16, load 16-17 on 2. Steps 17-20, 20-23, write 23-24. c is a spare 10-24.
  SmallJob job;
  job.nodes = 3;
  job.policy = R"({"preset": "ds", "checkpoint": {"every": 2}, "membership": "at-restart",
                   "straggler": {"kind": "evict", "after": "2s"}})";
  job.cost = R"({"model": "fixed", "step": "3s", "checkpoint": "1s", "detection": "2s",
                 "process_start": "5s", "group_init": "1s", "load": "1s"})";
  job.trace = "0 join a b c; 1 slow:0.5 c";
  job.until_time = "24s";
  const auto run = job.run();
  CHECK(run.end.steps_committed == 4);
  CHECK(run.steps_discarded == 0);
  check_equal(run.end.ledger.productive, 9 * 3 + 6 * 2);
  check_equal(blocked(run, Blocked::checkpoint), 3 + 2);
  check_equal(blocked(run, Blocked::restart), 6 * 2);
  check_equal(blocked(run, Blocked::load), 2);
  check_equal(unavailable(run, Unavailable::spare), 14);
  check_equal(run.end.ledger.total, 72);
  CHECK(run.disruptions.empty());
}

}  // namespace
}  // namespace bethany
