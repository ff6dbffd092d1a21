#include "analysis/narrative.h"

#include "tests/analysis/streams.h"
#include "tests/support/catch.h"

using namespace bethany;
using namespace bethany::streams;

namespace {

std::string told(const std::vector<RunEvent>& events, std::vector<std::string> names = {},
                 std::optional<FetchRules> rules = {}) {
  std::string text;
  Narrator narrator({.node_names = std::move(names), .fetch_rules = rules},
                    [&text](std::string_view line) {
                      text += line;
                      text += '\n';
                    });
  feed(events, narrator);
  return text;
}

const std::vector<std::string> kNames = {"node1", "node2", "node3", "node4", "node5"};

}  // namespace

TEST_CASE("times are told as hours, minutes, seconds and tenths") {
  CHECK(clock_text(SimTime()) == "00:00:00.0");
  CHECK(clock_text(second(3060)) == "00:51:00.0");
  CHECK(clock_text(at(milliseconds(59'949))) == "00:00:59.9");
  CHECK(clock_text(at(milliseconds(59'950))) == "00:01:00.0");  // rounded, and carried over
  CHECK(clock_text(at(std::chrono::hours(123) + seconds(5))) == "123:00:05.0");
}

TEST_CASE("a run is told disruption by disruption, stage by stage") {
  // Blocked: 9 + 1.5 + 6 + 3 node-seconds, then 3 + 15 + 15. Behind: 400 tokens/s × 7 s since the
  // last step; 300 × 25 s and 15 samples of 100 tokens.
  CHECK(told(lazarus_run(), kNames) ==
        "00:00:00.0  policy lazarus on up to 4 nodes\n"
        "00:00:00.0  arrived: node1, node2, node3 and node4\n"
        "00:00:00.0  start complete on 4 nodes\n"
        "00:00:00.0  a checkpoint of step 0 is usable\n"
        "00:00:00.0  25 steps, 100 samples in 27 s on 4 nodes: 400 tokens/s; 2 checkpoints, 2 s of "
        "writing,\n"
        "              the last covers step 20\n"
        "00:00:27.5  lost: node4 (reclaimed); 1 of them took part\n"
        "              gone with them: 1 copy of 1 expert in 1 layer; the fewest copies left: 1 "
        "(expert 1 of\n"
        "              layer 0)\n"
        "00:00:27.5  the step in flight is discarded after 500 ms on 4 nodes\n"
        "00:00:27.5  disruption 1 begins\n"
        "00:00:27.5  detection: 3 s on 3 nodes\n"
        "00:00:30.5  disruption 1: the job goes on in place on 3 nodes: 1 node of the last "
        "configuration\n"
        "              lost, every expert keeps a live replica\n"
        "00:00:30.5  planning: 500 ms on 3 nodes\n"
        "00:00:31.0  communicator: 2 s on 3 nodes\n"
        "00:00:33.0  transfer: 1 s on 3 nodes\n"
        "00:00:34.0  recovery in place complete on 3 nodes: 1 expert state fetched, 3.22 GB in "
        "all, 3.22 GB\n"
        "              through the busiest port\n"
        "              node2 fetched 1 expert state\n"
        "00:00:34.0  training goes on, 6.5 s after the loss\n"
        "              0.325 node-minutes were blocked\n"
        "              2,800 tokens behind where the speed before would be\n"
        "              before: 400 tokens/s on 4 nodes; now: 300 tokens/s on 3 nodes\n"
        "00:00:34.0  10 steps, 30 samples in 11 s on 3 nodes: 300 tokens/s; 1 checkpoint, 1 s of "
        "writing, the\n"
        "              last covers step 30\n"
        "00:00:45.0  lost: node1 and node2; 2 of them took part\n"
        "              gone with them: 2 copies of 2 experts in 1 layer\n"
        "              no copy is left of 1 expert: expert 0 of layer 0\n"
        "00:00:45.0  disruption 2 begins\n"
        "00:00:45.0  detection: 3 s on 1 node\n"
        "00:00:48.0  waits for nodes: 1 ready, 2 needed\n"
        "00:01:00.0  arrived: node4 and node5\n"
        "00:01:00.0  enough nodes, after waiting 12 s\n"
        "00:01:00.0  disruption 2: the job restarts on 3 nodes: 2 nodes of the last configuration "
        "lost, 1\n"
        "              expert has no live replica left\n"
        "00:01:00.0  back from step 35 to step 30: 15 samples, 5 s of training undone\n"
        "00:01:00.0  start of processes (restart): 5 s on 3 nodes\n"
        "00:01:05.0  loading of the checkpoint: 5 s on 3 nodes\n"
        "00:01:10.0  restart complete on 3 nodes\n"
        "00:01:10.0  training goes on, 25 s after the loss\n"
        "              0.55 node-minutes were blocked\n"
        "              5 steps must be trained again\n"
        "              9,000 tokens behind where the speed before would be\n"
        "              before: 300 tokens/s on 3 nodes; now: 300 tokens/s on 3 nodes\n"
        "00:01:10.0  28 steps, 84 samples in 30 s on 3 nodes: 300 tokens/s; 2 checkpoints, 2 s of "
        "writing,\n"
        "              the last covers step 50\n"
        "00:01:40.0  end: 58 steps and 199 samples count\n");
}

TEST_CASE("a run is told the same however equal steps were grouped") {
  CHECK(told(lazarus_run(true)) == told(lazarus_run(false)));
  CHECK(told(ds_run(true)) == told(ds_run(false)));
}

TEST_CASE("a policy that can only restart is told so, and a node without a name by its number") {
  const std::string text = told(ds_run());
  CHECK(text.find("lost: node 3 (reclaimed); 1 of them took part") != std::string::npos);
  CHECK(text.find("the job restarts on 2 nodes: 1 node of the last configuration lost, and\n"
                  "              the policy can only restart") != std::string::npos);
  CHECK(text.find("the step in flight is discarded after 500 ms on 2 nodes\n"
                  "00:01:40.0  end") != std::string::npos);
}

TEST_CASE("what does not interrupt is told after the stretch it falls into") {
  Recorder r(false);
  r.add(ConfigurationCompleted{second(0), PlanCause::start, 2, nullptr, {}, {}});
  // While steps run, a node comes and goes; the steps are reported afterwards.
  r.add(NodesJoined{second(3), nodes({7})});
  r.add(NodesLost{second(5), nodes({7}), 0, ""});
  r.steps(0, 10, 2);
  r.stage(10, 11, Stage::planning, Blocked::rebalance, 2);
  CHECK(told(r.events) ==
        "00:00:00.0  start complete on 2 nodes\n"
        "00:00:00.0  10 steps, 20 samples in 10 s on 2 nodes\n"
        "00:00:03.0  arrived: node 7\n"
        "00:00:05.0  lost: node 7; no member, nothing is interrupted\n"
        "00:00:10.0  planning (rebalance): 1 s on 2 nodes\n");
}

TEST_CASE("slow nodes are told between the steps before and those that they lengthen") {
  Recorder r(false);
  r.add(ConfigurationCompleted{second(0), PlanCause::start, 2, nullptr, {}, {}});
  // The step of 4-5 is in flight when node 1 becomes slow.
  r.add(SpeedChanged{second(4.5), nodes({1}), 0.5});
  r.steps(0, 5, 2);
  r.add(StepsCommitted{second(5), second(9), 5, 2, 2, 4, seconds(2)});
  r.counter = 7;
  r.add(SpeedChanged{second(9), nodes({1}), 1});
  r.steps(9, 1, 2);
  r.stage(10, 11, Stage::planning, Blocked::join, 1);
  r.add(ConfigurationCompleted{second(11), PlanCause::evict, 1, nullptr, {}, {}});
  CHECK(told(r.events, {"a", "b"}) ==
        "00:00:00.0  start complete on 2 nodes\n"
        "00:00:00.0  5 steps, 10 samples in 5 s on 2 nodes\n"
        "00:00:04.5  slow: b, 0.5 of full speed\n"
        "00:00:05.0  2 steps, 4 samples in 4 s on 2 nodes\n"
        "00:00:09.0  at full speed again: b\n"
        "00:00:09.0  1 step, 2 samples in 1 s on 2 nodes\n"
        "00:00:10.0  planning (join): 1 s on 1 node\n"
        "00:00:11.0  eviction of slow nodes complete on 1 node\n");
}

TEST_CASE("joins and rebalances tell who fetched how much") {
  Recorder r(false);
  r.add(
      ConfigurationCompleted{second(0), PlanCause::start, 3, three_nodes(), nodes({0, 1, 2}), {}});
  // Experts 0, 1, 1 on machines 0, 1, 2; then 0, 0, 1, 1 on 0, 1, 2, 3: machine 1 fetches expert 0,
  // machine 3 expert 1 and the dense state.
  r.add(ConfigurationCompleted{second(5),
                               PlanCause::join,
                               4,
                               four_nodes(),
                               nodes({0, 1, 2, 3}),
                               {.experts_moved = 2,
                                .dense_copies = 1,
                                .total_bytes = 5'000'000,
                                .busiest_port_bytes = 4'000'000}});
  CHECK(told(r.events, {"a", "b", "c", "d"}) ==
        "00:00:00.0  start complete on 3 nodes\n"
        "00:00:05.0  join complete on 4 nodes: 2 expert states and 1 dense state fetched, 5 MB in "
        "all, 4 MB\n"
        "              through the busiest port\n"
        "              b fetched 1 expert state\n"
        "              d fetched 1 expert state and the dense state\n");
  // Sizes of 1 and 3 MB give the recorded sums: b has expert 0 from a, the only one that holds it;
  // d has the dense state from a, the first of those that hold it, and expert 1 from b, the first.
  const FetchRules rules{{.dense_bytes = 3'000'000, .expert_bytes = 1'000'000}};
  const auto full = told(r.events, {"a", "b", "c", "d"}, rules);
  CHECK(full.find("b fetched 1 expert state, 1 MB: 1 MB from a\n") != std::string::npos);
  CHECK(
      full.find("d fetched 1 expert state and the dense state, 4 MB: 3 MB from a, 1 MB from b\n") !=
      std::string::npos);
  // Other sizes do not, and then nobody is named.
  const FetchRules wrong{{.dense_bytes = 3'000'000, .expert_bytes = 1'000'001}};
  CHECK(told(r.events, {"a", "b", "c", "d"}, wrong).find(" from ") == std::string::npos);
}

TEST_CASE("a machine that was lost and came back holds nothing") {
  Recorder r(false);
  const auto full = plan({0, 0}, 1);
  r.add(ConfigurationCompleted{second(0), PlanCause::start, 2, full, nodes({0, 1}), {}});
  r.add(NodesLost{second(1), nodes({1}), 1, ""});
  r.add(NodesJoined{second(1), nodes({1})});
  r.add(ConfigurationCompleted{
      second(9),
      PlanCause::in_place,
      2,
      full,
      nodes({0, 1}),
      {.experts_moved = 1, .dense_copies = 1, .total_bytes = 10, .busiest_port_bytes = 10}});
  CHECK(told(r.events, {"a", "b"}).find("b fetched 1 expert state and the dense state") !=
        std::string::npos);
}

TEST_CASE("fetches that the plans do not explain are told in sum only") {
  Recorder r(false);
  r.add(
      ConfigurationCompleted{second(0), PlanCause::start, 3, three_nodes(), nodes({0, 1, 2}), {}});
  r.add(ConfigurationCompleted{
      second(5),
      PlanCause::join,
      3,
      three_nodes(),
      nodes({0, 1, 2}),
      {.experts_moved = 2, .dense_copies = 0, .total_bytes = 5, .busiest_port_bytes = 4}});
  const std::string text = told(r.events);
  CHECK(text.find("2 expert states fetched") != std::string::npos);
  CHECK(text.find(" fetched 1") == std::string::npos);
}

TEST_CASE("of very many nodes that fetch, those that fetch most are told") {
  Recorder r(false);
  // All hold expert 0; then all but one expert 1: nine nodes fetch one state each.
  r.add(ConfigurationCompleted{second(0),
                               PlanCause::start,
                               10,
                               plan({0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 1),
                               nodes({0, 1, 2, 3, 4, 5, 6, 7, 8, 9}),
                               {}});
  r.add(ConfigurationCompleted{
      second(5),
      PlanCause::rebalance,
      10,
      plan({0, 1, 1, 1, 1, 1, 1, 1, 1, 1}, 2),
      nodes({0, 1, 2, 3, 4, 5, 6, 7, 8, 9}),
      {.experts_moved = 9, .dense_copies = 0, .total_bytes = 9, .busiest_port_bytes = 1}});
  CHECK(told(r.events).find("node 3 fetched 1 expert state\n"
                            "              6 others fetched 6 expert states\n") !=
        std::string::npos);
}

TEST_CASE("losses before training went on belong to one interruption") {
  Recorder r(false);
  r.add(RunStarted{"p", true, 3, 1, 10});
  r.add(ConfigurationCompleted{second(0), PlanCause::start, 3, nullptr, {}, {}});
  r.steps(0, 10, 3);
  r.add(NodesLost{second(10), nodes({0}), 1, ""});
  r.add(DisruptionBegan{second(10), 0});
  r.stage(10, 12, Stage::detection, Blocked::detection, 2);
  r.add(RecoveryDecided{second(12), 0, Recovery::in_place, 1, 2, false});
  r.add(NodesLost{second(13), nodes({1}), 1, ""});
  r.stage(12, 13, Stage::communicator, Blocked::communicator, 2, false);
  r.add(DisruptionBegan{second(13), 1});
  r.stage(13, 15, Stage::detection, Blocked::detection, 1);
  r.add(RecoveryDecided{second(15), 1, Recovery::in_place, 2, 1, false});
  r.stage(15, 16, Stage::communicator, Blocked::communicator, 1);
  r.add(ConfigurationCompleted{second(16), PlanCause::in_place, 1, nullptr, {}, {}});
  auto unfinished = r.events;
  r.steps(16, 1, 1);
  const std::string text = told(r.events);
  CHECK(text.find("disruption 2 begins, before a step committed after the last") !=
        std::string::npos);
  // 4 + 2 + 2 + 1 node-seconds; 30 tokens/s for 6 s.
  CHECK(text.find("training goes on, 6 s after the loss\n"
                  "              0.15 node-minutes were blocked\n"
                  "              180 tokens behind where the speed before would be\n"
                  "              before: 30 tokens/s on 3 nodes; now: 10 tokens/s on 1 node\n") !=
        std::string::npos);
  unfinished.emplace_back(RunEnded{second(18), 10, 30, {}});
  CHECK(told(unfinished).find("00:00:18.0  not recovered by the end, 8 s after the loss\n") !=
        std::string::npos);
}

TEST_CASE("long lists of nodes are cut") {
  Recorder r(false);
  std::vector<int> many;
  for (int i = 0; i < 100; ++i) many.push_back(i);
  r.add(NodesLost{second(0), nodes(many), 100, ""});
  r.add(DisruptionBegan{second(0), 0});
  CHECK(told(r.events).find("92 more; 100") != std::string::npos);
}

TEST_CASE("memory is bounded: very many arrivals in one stretch are told in parts") {
  std::size_t lines = 0;
  Narrator narrator({}, [&lines](std::string_view) { ++lines; });
  for (int i = 0; i < 5000; ++i) narrator.take(NodesJoined{second(i), nodes({i})});
  CHECK(lines > 3900);
}

TEST_CASE("what is cut short is told so, and a run may end while it waits") {
  Recorder r(false);
  r.stage(0, 2, Stage::detection, Blocked::detection, 4, false);
  r.stage(2, 3, Stage::checkpoint_write, Blocked::checkpoint, 4, false);
  r.add(WaitBegan{second(3), 0, 2});
  r.add(RecoveryDecided{second(10), 0, Recovery::none, 1, 0, false});
  r.add(RunEnded{second(10), 0, 0, {}});
  CHECK(told(r.events) ==
        "00:00:00.0  detection: cut short after 2 s on 4 nodes\n"
        "00:00:02.0  checkpoint write: cut short after 1 s on 4 nodes\n"
        "00:00:03.0  waits for nodes: 0 ready, 2 needed\n"
        "00:00:10.0  disruption 1: the job has not decided by the end\n"
        "00:00:10.0  still waiting for nodes, after 7 s\n"
        "00:00:10.0  end: 0 steps and 0 samples count\n");
}

TEST_CASE("names and causes from files cannot steer the terminal") {
  CHECK(told({NodesLost{second(0), nodes({0}), 1, "c\x1b[2J"}, DisruptionBegan{second(0), 0}},
             {"n\x1b[31m"})
            .find('\x1b') == std::string::npos);
}
