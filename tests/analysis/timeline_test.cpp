#include "analysis/timeline.h"

#include "sim/base/json.h"
#include "tests/analysis/streams.h"
#include "tests/support/catch.h"
#include "tests/support/refused.h"

using namespace bethany;
using namespace bethany::streams;
using bethany::test::contains;

namespace {

std::string drawn(const std::vector<RunEvent>& events, TimelineOptions options = {}) {
  Timeline timeline(std::move(options));
  feed(events, timeline);
  return timeline.text();
}

/// The events of a kind ("X", "i", "C") with that name.
std::vector<JsonNode> events_of(const std::string& text, const std::string& kind,
                                const std::string& name) {
  std::vector<JsonNode> found;
  const auto timeline = parse_json(text, "timeline");
  for (const auto& event : timeline.find("traceEvents")->items) {
    if (event.find("ph")->text == kind && event.find("name")->text == name) found.push_back(event);
  }
  return found;
}

TEST_CASE("a slice is on the track of the job and of everyone who took part") {
  const auto text = drawn(lazarus_run());
  // 27 - 27.5 on 4 nodes, those to be lost too.
  const auto cut = events_of(text, "X", "step cut short");
  REQUIRE(cut.size() == 5);
  CHECK(contains(text,
                 R"("name":"step cut short","cat":"discarded.step_in_flight","pid":1,"tid":1,)"
                 R"("ts":27000000.000,"dur":500000.000,"args":{"nodes":4}})"));
  // Detection on the survivors: 27.5 on 3 nodes, 45 on 1.
  CHECK(events_of(text, "X", "detection").size() == 2 + 3 + 1);
  // Nobody takes part while the job waits, 48 - 60.
  CHECK(contains(text, R"("name":"waiting for nodes","cat":"waiting","pid":1,"tid":1,)"
                       R"("ts":48000000.000,"dur":12000000.000)"));
  // Members: 0 to 45, 1 to 45, 2 to 48 and from 60, 3 to 27.5 and from 60, 4 from 60.
  const auto members = events_of(text, "X", "member");
  CHECK(members.size() == 7);
  std::vector<double> ends;
  for (const auto& member : members) {
    ends.push_back((member.find("ts")->real + member.find("dur")->real) / 1e6);
  }
  std::sort(ends.begin(), ends.end());
  CHECK(ends == std::vector<double>{27.5, 45, 45, 48, 100, 100, 100});
}

TEST_CASE("counters tell members, speed, copies left and samples that count") {
  const auto text = drawn(lazarus_run());
  const auto values = [&](const std::string& name) {
    std::vector<double> found;
    for (const auto& event : events_of(text, "C", name)) {
      const auto* value = event.find("args")->find(name);
      found.push_back(value->kind == JsonNode::Kind::integer ? static_cast<double>(value->integer)
                                                             : value->real);
    }
    return found;
  };
  CHECK(values("members") == std::vector<double>{0, 4, 3, 1, 0, 3});
  // 4 samples of 100 tokens a second, then 3.
  CHECK(values("tokens/s") == std::vector<double>{0, 400, 0, 300, 0, 300});
  // Experts on {0,1} and {2,3}: losing 3 leaves one copy; then on {0} and {1,2}: 0 and 1 leave
  // none.
  CHECK(values("least copies of an expert") == std::vector<double>{2, 1, 0, 1});
  CHECK(values("samples that count") ==
        std::vector<double>{0, 40, 80, 100, 115, 130, 115, 145, 175, 199});
}

TEST_CASE("without plans nobody knows who took part, and the job's track has it all") {
  const auto text = drawn(ds_run());
  CHECK(events_of(text, "X", "member").empty());
  CHECK(events_of(text, "X", "detection").size() == 1);
  CHECK(events_of(text, "i", "lost").size() == 1);
  CHECK(contains(text, R"("recovery":"restart","lost":1,"nodes":2,"state_complete":false)"));
}

TEST_CASE("times are exact to the nanosecond, and names cannot break out of their quotes") {
  Recorder r(false);
  r.add(RunStarted{"po\"licy", true, 1, 1, 1});
  r.add(NodesJoined{at(Duration(7'776'000'000'000'001)), nodes({0})});
  r.add(NodesLost{at(Duration(7'776'000'000'000'020)), nodes({0}), 0, "c\"\\\n"});
  r.add(RunEnded{at(Duration(7'776'000'000'000'300)), 0, 0, {}});
  const auto text =
      drawn(r.events, {.node_names = {"a\"},{"}, .domains = {{"d\"", {"a\"},{"}, {}}}});
  CHECK(contains(text, R"("ts":7776000000000.001)"));
  CHECK(contains(text, R"("ts":7776000000000.020)"));
  CHECK(events_of(text, "i", "lost")[0].find("args")->find("cause")->text == "c\"\\\n");
  CHECK(events_of(text, "M", "thread_name")[0].find("args")->find("name")->text == "po\"licy");
  CHECK(events_of(text, "M", "thread_name")[1].find("args")->find("name")->text == "a\"},{");
  CHECK(events_of(text, "M", "process_name")[1].find("args")->find("name")->text == "d\"");
}

TEST_CASE("nodes stand under their innermost domain") {
  const FailureDomain zone{"zone", {"b"}, {{"rack", {"a"}, {}}}};
  Recorder r(false);
  r.add(NodesJoined{second(0), nodes({0, 1, 2})});
  r.add(RunEnded{second(1), 0, 0, {}});
  const auto text = drawn(r.events, {.node_names = {"a", "b", "c"}, .domains = {zone}});
  std::vector<std::string> names;
  for (const auto& event : events_of(text, "M", "process_name")) {
    names.push_back(event.find("args")->find("name")->text);
  }
  CHECK(names == std::vector<std::string>{"job", "nodes", "zone", "zone / rack"});
}

TEST_CASE("a timeline is never longer than asked for, and counts what it dropped") {
  const auto whole = parse_json(drawn(lazarus_run()), "timeline");
  const auto count = whole.find("otherData")->find("events")->integer;
  for (const std::int64_t most : {std::int64_t{1}, std::int64_t{30}, count - 1, count, count + 1}) {
    const auto text = drawn(lazarus_run(), {.most_events = most});
    const auto cut = parse_json(text, "timeline");
    const auto* other = cut.find("otherData");
    CHECK(other->find("events")->integer == std::min(most, count));
    CHECK(other->find("dropped_events")->integer == count - std::min(most, count));
    // Slices of nodes go first.
    if (most == count - 1) CHECK(events_of(text, "X", "member").size() == 7);
  }
}

}  // namespace
