// DS(FT): recovery by regrouping whole EP groups (DESIGN §4.5 rules 5 and 8). Two experts with one
// slot a node make EP groups of two nodes: places 0, 2, … hold expert 0, places 1, 3, … expert 1.
#include <algorithm>

#include "tests/sim/training/job_support.h"
#include "tests/support/catch.h"

namespace bethany {
namespace {

SmallJob regrouping(const std::string& on_loss = R"("regroup")") {
  SmallJob job;
  job.slots = 1;
  job.policy = R"({"preset": "ds-ft", "checkpoint": "none", "on_loss": )" + on_loss + "}";
  job.cost = R"({"model": "fixed", "step": "3s", "detection": "2s", "planning": "1s",
                 "communicator": "1s", "transfer": "1s", "process_start": "5s",
                 "group_init": "1s", "load": "1s"})";
  return job;
}

std::vector<ConfigurationCompleted> configurations(const Collected& run) {
  std::vector<ConfigurationCompleted> found;
  for (const auto& event : run.events) {
    if (const auto* fact = std::get_if<ConfigurationCompleted>(&event)) found.push_back(*fact);
  }
  return found;
}

/// The machines of a configuration as letters: node 0 is a.
std::string letters(const ConfigurationCompleted& configuration) {
  std::string text;
  for (const NodeId node : configuration.machine_of_place) {
    text += static_cast<char>('a' + node.value);
  }
  std::sort(text.begin(), text.end());
  return text;
}

TEST_CASE("rule 5: survivors that hold every expert regroup, one of each content, and go on") {
  auto job = regrouping();
  job.nodes = 4;
  job.trace = "0 join a b c d; 5 lost c";  // b and d hold expert 1, a alone expert 0
  job.until_time = "20s";
  const auto run = job.run();
  REQUIRE(run.disruptions.size() == 1);
  CHECK(run.disruptions[0].recovery == Recovery::regroup);
  CHECK(run.disruptions[0].nodes == 2);
  CHECK(run.disruptions[0].state_complete);
  const auto made = configurations(run);
  REQUIRE(made.size() == 2);
  CHECK(made[1].cause == PlanCause::regroup);
  CHECK(letters(made[1]) == "ab");
  CHECK(made[1].transfer.experts_moved == 0);
  CHECK(made[1].time == at(std::chrono::seconds(5 + 2 + 3)));
  CHECK(run.steps_discarded == 0);
  // 3 s in flight are lost; d fills no group from 7 s on.
  CHECK(to_text(unavailable(run, Unavailable::stranded)) == to_text(node_s(20 - 7)));
  CHECK(run.end.steps_committed == 1 + 3);
}

TEST_CASE("rule 5: a regroup takes survivors only, idle nodes wait, whatever reuse_idle says") {
  // After the first loss b, c, d, e go on and f is idle; after the second b, d, e hold everything.
  for (const char* reuse : {"false", "true"}) {
    auto job = regrouping(std::string(R"({"kind": "regroup", "reuse_idle": )") + reuse + "}");
    job.policy.insert(job.policy.size() - 1, R"(, "membership": "at-restart")");
    job.nodes = 6;
    job.trace = "0 join a b c d e f; 5 lost a; 20 lost c";
    job.until_time = "40s";
    const auto run = job.run();
    REQUIRE(run.disruptions.size() == 2);
    CHECK(run.disruptions[0].recovery == Recovery::regroup);
    CHECK(run.disruptions[1].recovery == Recovery::regroup);
    const auto made = configurations(run);
    REQUIRE(made.size() == 3);
    CHECK(letters(made[1]) == "bcde");
    CHECK(letters(made[2]) == "be");
    CHECK(made[2].transfer.experts_moved == 0);
  }
}

TEST_CASE("rule 5: with a share of the experts lost, all ready nodes restart, idle ones too") {
  auto job = regrouping();
  job.nodes = 4;
  job.trace = "0 join a b c d; 5 lost c; 20 lost a";  // then b holds expert 1, d nothing
  job.until_time = "60s";
  const auto run = job.run();
  REQUIRE(run.disruptions.size() == 2);
  CHECK(run.disruptions[1].recovery == Recovery::restart);
  CHECK_FALSE(run.disruptions[1].state_complete);
  const auto made = configurations(run);
  CHECK(letters(made.back()) == "bd");
  CHECK(made.back().cause == PlanCause::restart);
  CHECK(run.steps_discarded > 0);
}

TEST_CASE("rule 5: fewer survivors than minimum_nodes restart with the idle ones") {
  auto job = regrouping();
  job.policy = R"({"preset": "ds-ft", "checkpoint": "none", "minimum_nodes": 4})";
  job.nodes = 6;
  job.trace = "0 join a b c d e f; 5 lost a; 20 lost c";
  job.until_time = "60s";
  const auto run = job.run();
  REQUIRE(run.disruptions.size() == 2);
  CHECK(run.disruptions[0].recovery == Recovery::regroup);
  CHECK(run.disruptions[1].recovery == Recovery::restart);
  CHECK(letters(configurations(run).back()) == "bdef");
}

TEST_CASE("rule 8: a join in place never sends away a node that holds state") {
  auto job = regrouping();
  job.policy = R"({"preset": "ds-ft", "checkpoint": "none", "membership": "eager"})";
  job.nodes = 5;
  // d and e restart alone; a, b and c come back, and there is room for two of them.
  job.trace = "0 join a b c d e; 5 lost a b c; 30 join a b c";
  job.until_time = "60s";
  const auto made = configurations(job.run());
  REQUIRE(made.size() == 3);
  CHECK(letters(made[1]) == "de");
  CHECK(made[2].cause == PlanCause::join);
  CHECK(letters(made[2]) == "abde");
}

TEST_CASE("rule 8: whom a regroup leaves out stays out until a restart; who comes later joins") {
  auto job = regrouping();
  job.policy = R"({"preset": "ds-ft", "checkpoint": "none", "membership": "eager"})";
  job.nodes = 6;
  // c is lost: a and b go on, d stays out. e alone makes no group without d; with f it does. The
  // loss of both holders of expert 0 restarts everybody, d too.
  job.trace = "0 join a b c d; 5 lost c; 12 join e; 20 join f; 40 lost a e";
  job.until_time = "60s";
  const auto run = job.run();
  const auto made = configurations(run);
  REQUIRE(made.size() == 4);
  CHECK(letters(made[1]) == "ab");
  CHECK(letters(made[2]) == "abef");
  CHECK(made[2].cause == PlanCause::join);
  CHECK(made[2].time > at(std::chrono::seconds(20)));
  CHECK(made[3].cause == PlanCause::restart);
  CHECK(letters(made[3]) == "bd");
}

TEST_CASE("rule 8: with reuse_idle nodes that were left out come back with others, not alone") {
  auto job = regrouping();
  job.policy = R"({"preset": "ds-ft", "checkpoint": "none", "membership": "eager",
                   "on_loss": {"kind": "regroup", "reuse_idle": true}})";
  job.nodes = 7;
  // Losing c and then e leaves f and d out: together they would make a group. g brings them back.
  job.trace = "0 join a b c d e f; 5 lost c; 15 lost e; 30 join g";
  job.until_time = "60s";
  const auto made = configurations(job.run());
  REQUIRE(made.size() == 4);
  CHECK(made[1].nodes == 4);
  CHECK(made[2].nodes == 2);
  CHECK(made[3].cause == PlanCause::join);
  CHECK(made[3].time > at(std::chrono::seconds(30)));
  CHECK(made[3].nodes == 4);
}

}  // namespace
}  // namespace bethany
