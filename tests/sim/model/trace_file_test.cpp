#include "sim/model/trace_file.h"

#include <rapidcheck.h>

#include "sim/base/error.h"
#include "tests/support/catch.h"
#include "tests/traces/random_trace.h"

using namespace bethany;
using test::seconds;

namespace {

const std::string kHeader = R"({"bethany_trace":1,"start_ns":0,"end_ns":100})"
                            "\n";

std::string complaint(const std::string& bytes) {
  try {
    read_trace(bytes, "t.jsonl");
  } catch (const InputError& error) {
    return error.what();
  }
  return "";
}

std::string event_complaint(const std::string& line) {
  return complaint(kHeader +
                   R"({"t_ns":1,"event":"join","nodes":["a"]})"
                   "\n" +
                   line + "\n");
}

/// What reading gives: the trace in its canonical text and its digest, or the complaint.
std::string outcome(const std::string& bytes) {
  try {
    const Trace trace = read_trace(bytes, "t.jsonl");
    return trace_digest(trace) + write_trace(trace);
  } catch (const InputError& error) {
    return error.what();
  }
}

/// The same JSON in another layout, which only the full parser reads.
std::string spaced(const std::string& bytes) {
  std::string out;
  bool line_start = true;
  for (const char c : bytes) {
    out += c;
    if (line_start && c == '{') out += ' ';
    line_start = c == '\n';
  }
  return out;
}

}  // namespace

TEST_CASE("a trace is written as the contract says") {
  TraceBuilder builder("t");
  builder.header().name = "x";
  builder.header().rows_merged = 3;
  const NodeId a = builder.node("a");
  builder.add(seconds(0), TraceEventKind::join, {&a, 1}, 0);
  builder.add(seconds(1), TraceEventKind::slow, {&a, 1}, 0, "ecc", kNever, 0.25);
  builder.add(seconds(2), TraceEventKind::notice, {&a, 1}, 0, "", seconds(4));
  builder.add(seconds(4), TraceEventKind::lost, {&a, 1}, 0, "spot");
  CHECK(write_trace(builder.finish(seconds(0), seconds(5))) ==
        R"({"bethany_trace":1,"name":"x","start_ns":0,"end_ns":5000000000,"nodes":1,"rows_merged":3}
{"t_ns":0,"event":"join","nodes":["a"]}
{"t_ns":1000000000,"event":"slow","nodes":["a"],"cause":"ecc","factor":0.25}
{"t_ns":2000000000,"event":"notice","nodes":["a"],"deadline_ns":4000000000}
{"t_ns":4000000000,"event":"lost","nodes":["a"],"cause":"spot"}
)");
}

TEST_CASE("what is written is read back equal") {
  CHECK(rc::check([](std::uint64_t seed) {
    const Trace trace = test::random_trace(seed);
    const auto bytes = write_trace(trace);
    const Trace again = read_trace(bytes, "t.jsonl");
    RC_ASSERT(write_trace(again) == bytes);
    RC_ASSERT(trace_digest(again) == trace_digest(trace));
    RC_ASSERT(again.name == trace.name);
    RC_ASSERT(again.source == trace.source);
    RC_ASSERT(again.node_names == trace.node_names);
    RC_ASSERT(again.causes == trace.causes);
    RC_ASSERT(again.rows_repaired == trace.rows_repaired);
  }));
}

TEST_CASE("the usual layout and any other are read alike, also when they are damaged") {
  CHECK(rc::check([](std::uint64_t seed) {
    auto bytes = write_trace(test::random_trace(seed));
    RC_ASSERT(outcome(bytes) == outcome(spaced(bytes)));
    auto rng = RngStreams(seed, 1).stream("test/damage");
    for (int i = 0; i < 20; ++i) {
      auto damaged = bytes;
      const auto place = static_cast<std::size_t>(rng.below(damaged.size()));
      const char values[] = {'"', '\\', '0', '9', '}', ',', '\n', ' ', 'a', '\x01', '\xff', '-'};
      const char value = values[rng.below(sizeof values)];
      switch (rng.below(3)) {
        case 0:
          damaged[place] = value;
          break;
        case 1:
          damaged.insert(place, 1, value);
          break;
        default:
          damaged.erase(place, 1 + rng.below(9));
          break;
      }
      RC_ASSERT(outcome(damaged) == outcome(spaced(damaged)));
    }
  }));
}

TEST_CASE("a file that is cut anywhere is read up to a line's end or refused") {
  const auto bytes = write_trace(test::random_trace(5));
  REQUIRE(std::count(bytes.begin(), bytes.end(), '\n') > 5);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const auto message = complaint(bytes.substr(0, size));
    // A cut behind a whole line shows only when a name is missing then.
    if (size + 1 < bytes.size() && bytes[size - (size > 0 ? 1 : 0)] != '\n' &&
        bytes[size] != '\n') {
      CHECK(message != "");
    }
    CHECK(message.find('\n') == std::string::npos);
  }
}

TEST_CASE("empty, binary and foreign files are refused in one line") {
  CHECK(complaint("") == "t.jsonl: the file is empty");
  CHECK(complaint("\n\n").find("not a Bethany trace") != std::string::npos);
  CHECK(complaint("0,add,node1\n") ==
        "t.jsonl:1: not a Bethany trace: the first line has no key 'bethany_trace'");
  CHECK(complaint(std::string("\x7f"
                              "ELF\0\0\xff\xfe",
                              8)) == "t.jsonl:1: not UTF-8 text; a Bethany trace is JSON Lines");
  CHECK(complaint(kHeader + "{\"t_ns\":1,\"event\":\"join\",\"nodes\":[\"\xff\"]}\n") ==
        "t.jsonl:2: not UTF-8 text; a Bethany trace is JSON Lines");
  CHECK(complaint(kHeader + std::string(1, '\0') + "\n").find("t.jsonl:2: not JSON") == 0);
  CHECK(complaint(kHeader + std::string(100'000, '[')).find("t.jsonl:2: ") == 0);
  CHECK(complaint(kHeader + "[1]\n") == "t.jsonl:2: expected a JSON object");
  CHECK(complaint(kHeader + "\n{}\n") == "t.jsonl:2: an empty line");
  CHECK(complaint(kHeader + "{\"t_ns\":1,\"ev") ==
        "t.jsonl:2: not complete JSON; is the file cut off here?");
}

TEST_CASE("lines may end with CRLF, the last without an end, a mark may stand in front") {
  CHECK(complaint("\xef\xbb\xbf" + kHeader) == "");
  CHECK(complaint(kHeader + "{\"t_ns\":1,\"event\":\"join\",\"nodes\":[\"a\"]}\r\n\r\n") == "");
  CHECK(complaint(kHeader + R"({"t_ns":1,"event":"join","nodes":["a"]})") == "");
  CHECK(complaint(kHeader + "\n \n") == "");
}

TEST_CASE("the header is checked") {
  CHECK(complaint(R"({"bethany_trace":2,"steps":4})") ==
        "t.jsonl:1: trace version 2 is not known; this program reads version 1");
  CHECK(complaint(R"({"bethany_trace":"1"})") ==
        "t.jsonl:1: bethany_trace: expected a whole number, found \"1\"");
  CHECK(complaint(R"({"bethany_trace":1,"start_ns":0})") == "t.jsonl:1: missing key 'end_ns'");
  CHECK(complaint(R"({"bethany_trace":1,"start_n":0})") ==
        "t.jsonl:1: unknown key 'start_n'; did you mean 'start_ns'?");
  CHECK(complaint(R"({"bethany_trace":1,"start_ns":0,"end_ns":1,"start_ns":0})") ==
        "t.jsonl:1: duplicate key 'start_ns'");
  CHECK(complaint(R"({"bethany_trace":1,"start_ns":5,"end_ns":1})") ==
        "t.jsonl:1: end_ns 1 is before start_ns 5");
  CHECK(complaint(R"({"bethany_trace":1,"start_ns":-5,"end_ns":1})") ==
        "t.jsonl:1: start_ns: -5 is outside 0..3153600000000000000");
  CHECK(complaint(R"({"bethany_trace":1,"start_ns":1.5,"end_ns":1})") ==
        "t.jsonl:1: start_ns: expected a whole number, found 1.5");
  CHECK(complaint(R"({"bethany_trace":1,"name":7,"start_ns":1,"end_ns":1})") ==
        "t.jsonl:1: name: expected a text, found 7");
  CHECK(complaint(R"({"bethany_trace":1,"start_ns":0,"end_ns":1,"nodes":2})"
                  "\n"
                  R"({"t_ns":1,"event":"join","nodes":["a"]})") ==
        "t.jsonl: the header says 2 nodes, but the events name 1; is the file cut off?");
}

TEST_CASE("every line is checked") {
  CHECK(event_complaint(R"({"t_ns":2,"event":"lose","nodes":["a"]})") ==
        "t.jsonl:3: unknown event 'lose'; did you mean 'lost'?");
  CHECK(event_complaint(R"({"t_ns":2,"event":"lost"})") == "t.jsonl:3: missing key 'nodes'");
  CHECK(event_complaint(R"({"t_ns":2,"event":"lost","node":["a"]})") ==
        "t.jsonl:3: unknown key 'node'; did you mean 'nodes'?");
  CHECK(event_complaint(R"({"t_ns":2,"t_ns":2,"event":"lost","nodes":["a"]})") ==
        "t.jsonl:3: duplicate key 't_ns'");
  CHECK(event_complaint(R"({"t_ns":2,"event":"lost","nodes":"a"})") ==
        "t.jsonl:3: nodes: expected an array of names, found \"a\"");
  CHECK(event_complaint(R"({"t_ns":2,"event":"lost","nodes":[1]})") ==
        "t.jsonl:3: nodes: expected a text, found 1");
  CHECK(event_complaint(R"({"t_ns":2,"event":"lost","nodes":[]})") ==
        "t.jsonl:3: 'lost' names no node");
  CHECK(event_complaint(R"({"t_ns":2,"event":"lost","nodes":["b"]})") ==
        "t.jsonl:3: node 'b' is lost although it is not there");
  CHECK(event_complaint(R"({"t_ns":0,"event":"lost","nodes":["a"]})") ==
        "t.jsonl:3: time goes back from 1 ns to 0 ns");
  CHECK(event_complaint(R"({"t_ns":101,"event":"lost","nodes":["a"]})") ==
        "t.jsonl:3: t_ns 101 lies outside the trace, 0..100");
  CHECK(event_complaint(R"({"t_ns":01,"event":"lost","nodes":["a"]})").find("not JSON") !=
        std::string::npos);
  CHECK(event_complaint(R"({"t_ns":99999999999999999999,"event":"lost","nodes":["a"]})") != "");
  CHECK(event_complaint(R"({"t_ns":2,"event":"slow","nodes":["a"]})") ==
        "t.jsonl:3: missing key 'factor'");
  CHECK(event_complaint(R"({"t_ns":2,"event":"slow","nodes":["a"],"factor":1})") ==
        "t.jsonl:3: factor 1 is not between 0 and 1");
  CHECK(event_complaint(R"({"t_ns":2,"event":"lost","nodes":["a"],"factor":1})") ==
        "t.jsonl:3: 'lost' has a factor; only slow has one");
  CHECK(event_complaint(R"({"t_ns":2,"event":"lost","nodes":["a"],"deadline_ns":9})") ==
        "t.jsonl:3: 'lost' has a deadline; only a notice has one");
  CHECK(event_complaint(R"({"t_ns":2,"event":"notice","nodes":["a"],"deadline_ns":1})") ==
        "t.jsonl:3: the deadline of a notice lies before it");
  CHECK(event_complaint(R"({"t_ns":2,"event":"lost","nodes":["a\nb"]})") ==
        "t.jsonl:3: node 'a?b' has a control character");
  CHECK(event_complaint(kHeader.substr(0, kHeader.size() - 1)) ==
        "t.jsonl:3: a second header; were two traces joined into one file?");
}

TEST_CASE("what is wrong further up is said first") {
  const std::string bad = R"({"t_ns":3,"event":"lost","nodes":["b"]})"
                          "\n";
  CHECK(event_complaint(bad + "{\"t_ns\":4,\"oops") ==
        "t.jsonl:3: node 'b' is lost although it is not there");
  CHECK(event_complaint(bad + "\n{}") == "t.jsonl:3: node 'b' is lost although it is not there");
}

TEST_CASE("keys may come in any order and be escaped") {
  CHECK(event_complaint(R"({"nodes":["\u0061"],"ev\u0065nt":"lost","t_ns":2})") == "");
}

TEST_CASE("the canonical format is recognised by its header") {
  CHECK(looks_like_trace(kHeader));
  CHECK(looks_like_trace("\xef\xbb\xbf{\"name\":\"x\",\"bethany_trace\":1}"));
  CHECK_FALSE(looks_like_trace("{\"bethany_routing\":1}\n{\"bethany_trace\":1}"));
  CHECK_FALSE(looks_like_trace("0,add,\"bethany_trace\""));
  CHECK_FALSE(looks_like_trace(""));
}
