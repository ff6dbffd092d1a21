#include "sim/model/trace.h"

#include "sim/base/error.h"
#include "sim/model/trace_text.h"
#include "tests/support/catch.h"
#include "tests/traces/random_trace.h"

using namespace bethany;
using test::seconds;

namespace {

/// The complaint about what `act` does to a builder, or "" when there is none.
template <class Act>
std::string complaint(Act act) {
  TraceBuilder builder("t.jsonl");
  try {
    act(builder);
    builder.finish(seconds(0), seconds(1000));
  } catch (const InputError& error) {
    return error.what();
  }
  return "";
}

void add(TraceBuilder& builder, std::int64_t s, TraceEventKind kind,
         const std::vector<std::string>& names, int line = 7) {
  std::vector<NodeId> nodes;
  for (const auto& name : names) nodes.push_back(builder.node(name));
  builder.add(seconds(s), kind, nodes, line);
}

constexpr auto kJoin = TraceEventKind::join;
constexpr auto kLost = TraceEventKind::lost;

}  // namespace

TEST_CASE("a builder keeps events, nodes and causes in the order given") {
  TraceBuilder builder("t");
  const std::vector<NodeId> both = {builder.node("a"), builder.node("b")};
  builder.add(seconds(0), kJoin, both, 0);
  builder.add(seconds(5), kLost, {&both[1], 1}, 0, "power");
  builder.add(seconds(5), kJoin, {&both[1], 1}, 0);
  builder.add(seconds(9), kLost, {&both[0], 1}, 0, "power");
  const Trace trace = builder.finish(seconds(0), seconds(10));
  CHECK(trace.node_names == std::vector<std::string>{"a", "b"});
  CHECK(trace.causes == std::vector<std::string>{"", "power"});
  REQUIRE(trace.events.size() == 4);
  CHECK(trace.events[0].node_count == 2);
  CHECK(trace.events[3].cause == 1);
  CHECK(trace.nodes_of(trace.events[3])[0] == NodeId(0));
  CHECK(trace.end == seconds(10));
}

TEST_CASE("node ids follow the events, and names no event names are gone") {
  TraceBuilder builder("t");
  const NodeId unused = builder.node("unused");
  const NodeId late = builder.node("late");
  const NodeId early = builder.node("early");
  CHECK(unused == NodeId(0));
  builder.add(seconds(0), kJoin, {&early, 1}, 0);
  builder.add(seconds(1), kJoin, {&late, 1}, 0);
  const Trace trace = builder.finish(seconds(0), seconds(1));
  CHECK(trace.node_names == std::vector<std::string>{"early", "late"});
  CHECK(trace.event_nodes == std::vector<NodeId>{NodeId(0), NodeId(1)});
}

TEST_CASE("extend makes a bulk of rows and blames the row") {
  CHECK(complaint([](TraceBuilder& b) {
          add(b, 0, kJoin, {"a"});
          b.extend(b.node("a"), 9);
        }) == "t.jsonl:9: node 'a' is named twice by one event");
  TraceBuilder builder("t");
  add(builder, 0, kJoin, {"a"});
  builder.extend(builder.node("b"), 2);
  const Trace trace = builder.finish(seconds(0), seconds(0));
  REQUIRE(trace.events.size() == 1);
  CHECK(trace.nodes_of(trace.events[0]).size() == 2);
}

TEST_CASE("a builder refuses what no trace may say") {
  CHECK(complaint([](TraceBuilder& b) {
          add(b, 0, kJoin, {"a"});
          add(b, 1, kJoin, {"a"});
        }) == "t.jsonl:7: node 'a' joins although it is there already");
  CHECK(complaint([](TraceBuilder& b) { add(b, 0, kLost, {"a"}); }) ==
        "t.jsonl:7: node 'a' is lost although it is not there");
  CHECK(complaint([](TraceBuilder& b) { add(b, 0, TraceEventKind::notice, {"a"}, 0); }) ==
        "t.jsonl: node 'a' is announced as lost although it is not there");
  CHECK(complaint([](TraceBuilder& b) {
          add(b, 0, kJoin, {"a"});
          add(b, 1, TraceEventKind::normal, {"a"});
        }) == "t.jsonl:7: node 'a' becomes normal although it was not slow");
  CHECK(complaint([](TraceBuilder& b) {
          add(b, 5, kJoin, {"a"});
          add(b, 4, kLost, {"a"});
        }) == "t.jsonl:7: time goes back from 5000000000 ns to 4000000000 ns");
  CHECK(complaint([](TraceBuilder& b) { add(b, 0, kJoin, {}); }) ==
        "t.jsonl:7: 'join' names no node");
  CHECK(complaint([](TraceBuilder& b) { add(b, 0, kJoin, {""}); }) ==
        "t.jsonl:7: a node has an empty name");
  CHECK(complaint([](TraceBuilder& b) { add(b, 0, kJoin, {"a\nb"}); }) ==
        "t.jsonl:7: node 'a?b' has a control character");
  CHECK(complaint([](TraceBuilder& b) { add(b, 0, kJoin, {"a\xff"}); }) ==
        "t.jsonl:7: node 'a?' is not UTF-8 text");
  CHECK(complaint([](TraceBuilder& b) { add(b, 1001, kJoin, {"a"}); }).find("lies outside") !=
        std::string::npos);
  CHECK(complaint([](TraceBuilder& b) {
          add(b, 0, kJoin, {"a"});
          const NodeId a = b.node("a");
          b.add(seconds(1), TraceEventKind::slow, {&a, 1}, 3, "", kNever, 1.5);
        }) == "t.jsonl:3: factor 1.5 is not between 0 and 1");
  CHECK(complaint([](TraceBuilder& b) {
          add(b, 0, kJoin, {"a"});
          const NodeId a = b.node("a");
          b.add(seconds(2), TraceEventKind::notice, {&a, 1}, 3, "", seconds(1));
        }) == "t.jsonl:3: the deadline of a notice lies before it");
}

TEST_CASE("a loss ends slowness") {
  CHECK(complaint([](TraceBuilder& b) {
          add(b, 0, kJoin, {"a"});
          const NodeId a = b.node("a");
          b.add(seconds(1), TraceEventKind::slow, {&a, 1}, 0, "", kNever, 0.5);
          add(b, 2, kLost, {"a"});
          add(b, 2, kJoin, {"a"});
          add(b, 3, TraceEventKind::normal, {"a"});
        }) == "t.jsonl:7: node 'a' becomes normal although it was not slow");
}

TEST_CASE("many names of every length keep their ids apart") {
  TraceBuilder builder("t");
  std::vector<NodeId> ids;
  std::vector<std::string> names;
  for (int length = 1; length <= 40; ++length) {
    for (int i = 0; i < 500; ++i) {
      auto name = fmt::format("{:0>{}}", i, length);
      if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
    }
  }
  for (const auto& name : names) ids.push_back(builder.node(name));
  for (std::size_t i = 0; i < names.size(); ++i) {
    REQUIRE(ids[i].index() == i);
    REQUIRE(builder.node(names[i]) == ids[i]);
  }
}

TEST_CASE("the digest sees times, kinds, nodes and ends, not names") {
  const auto digest = [](std::int64_t time, TraceEventKind second, const char* name,
                         std::int64_t end) {
    TraceBuilder builder("t");
    add(builder, 0, kJoin, {name});
    add(builder, time, second, {name});
    return trace_digest(builder.finish(seconds(0), seconds(end)));
  };
  const auto base = digest(5, kLost, "a", 10);
  CHECK(base.size() == 16);
  CHECK(base == digest(5, kLost, "another", 10));
  CHECK(base != digest(6, kLost, "a", 10));
  CHECK(base != digest(5, TraceEventKind::notice, "a", 10));
  CHECK(base != digest(5, kLost, "a", 11));
}

TEST_CASE("messages show texts on one line, cut at a character") {
  CHECK(printable("a\tb\n") == "a?b?");
  CHECK(printable(std::string(100, 'x')) == std::string(80, 'x') + "...");
  std::string umlauts;
  for (int i = 0; i < 60; ++i) umlauts += "ü";
  CHECK(printable("x" + umlauts) == "x" + umlauts.substr(0, 78) + "...");
  CHECK(fault_of_trace_text(std::string(256, 'x')) == "is longer than 255 bytes");
  CHECK(fault_of_trace_text("zone-ü/7 b").empty());
}
