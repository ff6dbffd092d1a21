#include "sim/model/run_record_file.h"

#include <limits>

#include "sim/base/error.h"
#include "tests/analysis/streams.h"
#include "tests/support/catch.h"

using namespace bethany;
using namespace bethany::streams;

namespace {

std::string written(const std::vector<RunEvent>& events, const RecordHeader& header = {}) {
  RecordWriter writer(header);
  feed(events, writer);
  return writer.text();
}

std::string rewritten(const std::string& text) {
  RecordWriter again(read_record_header(text, "events.jsonl"));
  read_record(text, "events.jsonl", again);
  return again.text();
}

class Ignore final : public RunSink {
 public:
  void take(const RunEvent&) override {}
};

/// What the reader says about a record; empty when it takes it.
std::string complaint(const std::string& text) {
  Ignore ignore;
  try {
    read_record(text, "events.jsonl", ignore);
  } catch (const InputError& error) {
    return error.what();
  }
  return "";
}

/// A record of one line between run_started and run_ended.
std::string with_line(const std::string& line) {
  const std::string empty = written(empty_run());
  const auto end = empty.rfind("{\"event\":\"run_ended\"");
  return empty.substr(0, end) + line + "\n" + empty.substr(end);
}

/// A good record with the first `from` replaced by `to`.
std::string changed(const std::string& from, const std::string& to) {
  std::string text = written(lazarus_run());
  const auto at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

bool says(const std::string& message, const std::string& part) {
  INFO(message);
  return message.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("a record reads back to what was written, for every kind of fact") {
  auto events = lazarus_run(true);
  const auto rounds = lazarus_run(false);
  for (const auto& run : {events, rounds, ds_run(), empty_run()}) {
    const std::string text = written(run);
    CHECK(rewritten(text) == text);
  }
  std::vector<bool> seen(std::variant_size_v<RunEvent>);
  for (const auto& event : events) seen[event.index()] = true;
  for (const auto& event : rounds) seen[event.index()] = true;
  const std::vector<RunEvent> slow = {RunStarted{"p", true, 0, 8, 1},
                                      SpeedChanged{second(1), nodes({3, 1}), 0.3},
                                      SpeedChanged{second(2), nodes({3}), 1}, RunEnded{}};
  CHECK(rewritten(written(slow)) == written(slow));
  for (const auto& event : slow) seen[event.index()] = true;
  for (std::size_t i = 0; i < seen.size(); ++i) {
    INFO("alternative " << i);
    CHECK(seen[i]);
  }
}

TEST_CASE("every value of every enumeration reads back") {
  std::vector<RunEvent> events = {RunStarted{"p", true, 0, 8, 1}};
  for (int i = 0; i <= static_cast<int>(Stage::load); ++i) {
    events.push_back(
        StageEnded{second(i), second(i + 1), static_cast<Stage>(i), Blocked::start, 1, i % 2 == 0});
  }
  for (int i = 0; i < static_cast<int>(kBlockedCount); ++i) {
    events.push_back(
        StageEnded{second(i), second(i), Stage::planning, static_cast<Blocked>(i), 1, true});
  }
  for (int i = 0; i <= static_cast<int>(PlanCause::evict); ++i) {
    events.push_back(
        ConfigurationCompleted{second(i), static_cast<PlanCause>(i), i, nullptr, {}, {}});
  }
  events.push_back(DisruptionBegan{second(1), 0});
  for (int i = 0; i <= static_cast<int>(Recovery::none); ++i) {
    events.push_back(RecoveryDecided{second(i), 0, static_cast<Recovery>(i), i, i, i % 2 == 0});
  }
  events.push_back(RunEnded{});
  const std::string text = written(events);
  CHECK(rewritten(text) == text);
}

TEST_CASE("a record holds a header line and one object a fact") {
  const std::string text = written(
      {RunStarted{"lazarus:f=3", true, 2, 8, 1024},
       NodesLost{at(Duration(7)), nodes({1, 0}), 1, "rack \"7\"\n"},
       ConfigurationCompleted{
           at(Duration(9)),
           PlanCause::start,
           2,
           plan({0, 1}, 2),
           nodes({1, 0}),
           {.experts_moved = 3, .dense_copies = 1, .total_bytes = 12, .busiest_port_bytes = 5}},
       RolledBack{at(Duration(11)), 0, 0, 0, Duration(0), Int128{1} << 70}},
      {{"node-a", "node-b"}});
  CHECK(text ==
        "{\"bethany_record\":1,\"node_names\":[\"node-a\",\"node-b\"]}\n"
        "{\"event\":\"run_started\",\"policy\":\"lazarus:f=3\",\"recovers_in_place\":true,"
        "\"target_nodes\":2,\"gpus_per_node\":8,\"tokens_per_sample\":1024}\n"
        "{\"event\":\"nodes_lost\",\"t_ns\":7,\"nodes\":[1,0],\"members\":1,"
        "\"cause\":\"rack \\\"7\\\"\\n\"}\n"
        "{\"event\":\"configuration_completed\",\"t_ns\":9,\"cause\":\"start\",\"nodes\":2,"
        "\"plan\":{\"nodes\":2,\"gpus_per_node\":1,\"slots_per_node\":1,\"experts\":2,"
        "\"slots\":[[0,1]]},\"machine_of_place\":[1,0],\"transfer\":{\"experts_moved\":3,"
        "\"dense_copies\":1,\"total_bytes\":12,\"busiest_port_bytes\":5}}\n"
        "{\"event\":\"rolled_back\",\"t_ns\":11,\"from_step\":0,\"to_step\":0,\"samples\":0,"
        "\"wall_time_ns\":0,\"node_ns\":\"1180591620717411303424\"}\n");
}

TEST_CASE("integers beyond a double and beyond 64 bits are exact") {
  constexpr std::int64_t kOdd = (std::int64_t{1} << 61) + 1;
  RunEnded end{at(Duration(kOdd)), 0, 0, {}};
  end.ledger.total = Int128{2'000'000'001} * kOdd;
  end.ledger.productive = end.ledger.total;
  const std::string text = written({RunStarted{"p", false, 2'000'000'001, 1, 1}, end});
  CHECK(text.find("\"horizon_ns\":2305843009213693953") != std::string::npos);
  CHECK(text.find("\"total\":\"4611686020733230915213693953\"") != std::string::npos);
  CHECK(rewritten(text) == text);
}

TEST_CASE("a plan reads back with vacant slots, GPUs, layers and counted replicas") {
  class Plans final : public RunSink {
   public:
    void take(const RunEvent& event) override {
      if (const auto* fact = std::get_if<ConfigurationCompleted>(&event)) plan = fact->plan;
    }
    std::shared_ptr<const PlacementPlan> plan;
  } sink;
  PlacementPlan made;
  made.nodes = 2;
  made.gpus_per_node = 2;
  made.slots_per_node = 4;
  made.experts = 3;
  made.layers.push_back({{2, 2, 2}, {0, 1, 2, kVacant, 0, 1, 2, kVacant}});
  made.layers.push_back({{1, 5, 1}, {1, 1, 1, kVacant, 0, 1, 1, 2}});
  const auto shared = std::make_shared<const PlacementPlan>(made);
  read_record(
      written({RunStarted{"p", true, 0, 2, 1},
               ConfigurationCompleted{second(0), PlanCause::start, 2, shared, nodes({0, 1}), {}},
               RunEnded{}}),
      "events.jsonl", sink);
  REQUIRE(sink.plan != nullptr);
  CHECK(*sink.plan == made);
}

TEST_CASE("the header of a record can be read alone") {
  const std::string text = written(empty_run(), {{"a", "b \"c\""}});
  CHECK(read_record_header(text, "events.jsonl").node_names ==
        std::vector<std::string>{"a", "b \"c\""});
}

TEST_CASE("a record that is not one is refused with line and key") {
  CHECK(complaint("") == "events.jsonl:0: the record is empty");
  CHECK(says(complaint("{\"bethany_record\":2,\"node_names\":[]}\n"),
             "events.jsonl:1: /bethany_record: version 2 is unknown"));
  CHECK(says(complaint("{\"bethany_trace\":1}\n"), "missing key 'bethany_record'"));
  CHECK(says(complaint("[]\n"), "events.jsonl:1: expected an object"));
  CHECK(says(complaint(with_line("{\"event\":")), "events.jsonl:3: not a line of JSON"));
  CHECK(says(complaint(with_line("")), "events.jsonl:3: not a line of JSON"));
  CHECK(says(complaint(with_line("{\"event\":\"disruption_begun\"}")),
             "events.jsonl:3: /event: unknown event 'disruption_begun'; did you mean "
             "'disruption_began'?"));
}

TEST_CASE("keys of a fact are all asked for, once, and no others are taken") {
  const std::string fact = "{\"event\":\"checkpoint_usable\",\"t_ns\":5,\"step\":0";
  CHECK(complaint(with_line(fact + "}")).empty());
  CHECK(says(complaint(with_line(fact + ",\"stepp\":1}")),
             "events.jsonl:3: /stepp: unknown key 'stepp'; did you mean 'step'?"));
  CHECK(says(complaint(with_line(fact + ",\"step\":0}")), "events.jsonl:3: /step: duplicate key"));
  CHECK(says(complaint(with_line("{\"event\":\"checkpoint_usable\",\"t_ns\":5}")),
             "events.jsonl:3: missing key 'step'"));
}

TEST_CASE("values of the wrong kind or out of range are refused") {
  const auto step = [](const std::string& value) {
    return complaint(
        with_line("{\"event\":\"checkpoint_usable\",\"t_ns\":5,\"step\":" + value + "}"));
  };
  CHECK(says(step("-1"), "/step: expected a whole number in 0..9223372036854775807"));
  CHECK(says(step("1.5"), "/step: expected a whole number"));
  CHECK(says(step("1.0"), "/step: expected a whole number"));
  CHECK(says(step("9223372036854775808"), "/step: expected a whole number"));
  CHECK(says(step("\"1\""), "/step: expected a whole number"));
  CHECK(says(step("null"), "/step: expected a whole number"));
  CHECK(says(complaint(changed("\"node_ns\":\"15000000000\"", "\"node_ns\":15000000000")),
             "/node_ns: expected a text"));
  CHECK(says(complaint(changed("\"node_ns\":\"15000000000\"", "\"node_ns\":\"-1\"")),
             "/node_ns: expected a whole number as text"));
  CHECK(says(complaint(changed("\"recovery\":\"in_place\"", "\"recovery\":\"in-place\"")),
             "/recovery: unknown value 'in-place'; did you mean 'in_place'?"));
  CHECK(says(complaint(changed("\"nodes\":[3]", "\"nodes\":[-3]")),
             "/nodes: expected whole numbers"));
}

TEST_CASE("a plan that is none is refused") {
  CHECK(says(complaint(changed("\"slots\":[[0,0,1,1]]", "\"slots\":[[0,0,1]]")),
             "/plan/slots: 3 slots in a layer of 4 nodes with 1 slots"));
  CHECK(says(complaint(changed("\"slots\":[[0,0,1,1]]", "\"slots\":[[0,0,1,2]]")),
             "/plan/slots: there is no expert 2"));
  CHECK(says(complaint(changed("\"slots\":[[0,0,1,1]]", "\"slots\":[[0,0,0,-1]]")),
             "/plan/slots: an expert without a replica"));
  CHECK(says(complaint(changed("\"slots\":[[0,0,1,1]]", "\"slots\":[]")),
             "/plan/slots: a plan without layers"));
  CHECK(says(complaint(changed("\"experts\":2", "\"experts\":2000000000")),
             "/plan/experts: more experts than slots"));
  CHECK(says(complaint(changed("\"gpus_per_node\":1,\"slots", "\"gpus_per_node\":2,\"slots")),
             "/plan/slots_per_node: not a multiple of gpus_per_node"));
  CHECK(says(complaint(changed("\"machine_of_place\":[0,1,2,3]", "\"machine_of_place\":[0,1,2]")),
             "/machine_of_place: expected 4 nodes"));
}

TEST_CASE("facts that contradict one another are refused") {
  const std::string good = written(lazarus_run());
  CHECK(complaint(good).empty());
  CHECK(says(complaint(good.substr(0, good.rfind("{\"event\":\"run_ended\""))),
             "ends without run_ended"));
  CHECK(says(complaint(good + "{\"event\":\"disruption_began\",\"t_ns\":1,\"disruption\":2}\n"),
             "an event after run_ended"));
  CHECK(says(complaint(changed("{\"event\":\"run_started\"",
                               "{\"event\":\"disruption_began\",\"t_ns\":1,\"disruption\":0}\n"
                               "{\"event\":\"run_started\"")),
             "as its first event"));
  CHECK(says(complaint(changed("\"count\":5", "\"count\":4")), "from_ns + count x step_time_ns"));
  CHECK(says(complaint(changed("\"rounds\":2", "\"rounds\":3")), "from_ns + rounds x"));
  CHECK(says(complaint(changed("\"first_step\":20", "\"first_step\":21")),
             "/first_step: the step counter is 20"));
  CHECK(
      says(complaint(changed("\"samples\":20", "\"samples\":21")), "the events before add up to"));
  CHECK(says(complaint(changed("\"from_step\":35", "\"from_step\":34")),
             "/from_step: the step counter is 35"));
  CHECK(says(complaint(changed("\"node_ns\":\"15000000000\"",
                               "\"node_ns\":\"1000000000000000000000000\"")),
             "/node_ns: more than any nodes have in wall_time_ns"));
  CHECK(says(complaint(changed("\"steps_committed\":58", "\"steps_committed\":59")),
             "59 steps and 199 samples, but the events before add up to 58 and 199"));
  CHECK(
      says(complaint(changed("\"productive\":\"199000000000\"", "\"productive\":\"199000000001\"")),
           "/ledger: its parts do not add up"));
  CHECK(
      says(complaint(changed("\"disruption\":0", "\"disruption\":1")), "/disruption: expected 0"));
}

TEST_CASE("numbers that no run reaches cannot make sums overflow") {
  const std::string huge = std::to_string(std::numeric_limits<std::int64_t>::max());
  CHECK(says(complaint(changed("\"from_ns\":27000000000", "\"from_ns\":" + huge)),
             "/from_ns: expected a whole number in 0..4611686018427387904"));
  CHECK(says(
      complaint(changed("\"rounds\":2,\"steps\":10", "\"rounds\":" + huge + ",\"steps\":" + huge)),
      "from_ns + rounds x"));
  CHECK(says(complaint(changed("\"samples\":80", "\"samples\":" + huge)),
             "more steps or tokens than a record can hold"));
}
