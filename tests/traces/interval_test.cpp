#include "sim/base/error.h"
#include "sim/model/trace_file.h"
#include "tests/support/catch.h"
#include "tests/traces/importing.h"
#include "tests/traces/random_trace.h"
#include "traces/generate.h"
#include "traces/statistics.h"

using namespace bethany;
using test::seconds;
using test::world_at;

namespace {

Trace generated(const std::string& options, std::uint64_t seed = 1) {
  return generate_trace("interval", parse_json(options, "options"), seed);
}

std::string complaint(const std::string& options) {
  try {
    generated(options);
  } catch (const InputError& error) {
    return error.what();
  }
  return "";
}

/// All but the joins of the start: "300 lost node4; …".
std::string events_in_words(const Trace& trace) {
  const auto words = test::events_in_words(trace);
  const auto first = words.find("; ");
  return first == std::string::npos ? "" : words.substr(first + 2);
}

}  // namespace

TEST_CASE("interval: Lazarus' one node every five minutes until half are left") {
  const auto trace = generated(R"({"nodes":10,"every":"5min"})");
  CHECK(world_at(trace, seconds(0)).size() == 10);
  CHECK(world_at(trace, seconds(299)).size() == 10);
  REQUIRE(trace.events.size() == 6);
  for (std::size_t i = 1; i <= 5; ++i) {
    CHECK(trace.events[i].time == seconds(300 * static_cast<std::int64_t>(i)));
    CHECK(trace.events[i].kind == TraceEventKind::lost);
    CHECK(trace.events[i].node_count == 1);
  }
  CHECK(world_at(trace, trace.end).size() == 5);
  CHECK(trace.end == seconds(1800));
  CHECK(trace.source ==
        R"(bethany generator interval {"nodes":10,"every":"5min","first":"5min","bulk":1,)"
        R"("victims":"random","repair":"never","losses":5,"length":"30min"} seed 1)");
  const auto text = write_trace(trace);
  CHECK(write_trace(read_trace(text, "again")) == text);
}

TEST_CASE("interval: the seed decides the random victims, every node alike") {
  const std::string options = R"({"nodes":10,"every":"1s"})";
  CHECK(trace_digest(generated(options, 1)) == trace_digest(generated(options, 1)));
  CHECK(events_in_words(generated(options, 1)) != events_in_words(generated(options, 2)));
  std::map<std::string, int> left;
  for (std::uint64_t seed = 1; seed <= 400; ++seed) {
    const auto trace = generated(options, seed);
    for (const auto& [name, factor] : world_at(trace, trace.end)) ++left[name];
  }
  REQUIRE(left.size() == 10);
  // Each is left in half of the 400: 200 with a standard deviation of 10; four of them, fixed
  // seeds.
  for (const auto& [name, count] : left) CHECK(std::abs(count - 200) <= 40);
}

TEST_CASE("interval: victims by order and by list") {
  CHECK(events_in_words(generated(R"({"nodes":4,"every":"2s","first":"1s","victims":"first"})")) ==
        "1 lost node1; 3 lost node2");
  CHECK(events_in_words(generated(R"({"nodes":4,"every":"2s","victims":"last","losses":3})")) ==
        "2 lost node4; 4 lost node3; 6 lost node2");
  const auto listed = generated(
      R"({"nodes":12,"every":"2s","bulk":2,"victims":["node12","node3","node1","node2"]})");
  CHECK(events_in_words(listed) == "2 lost node12 node3; 4 lost node1 node2");
  CHECK(listed.end == seconds(6));
}

TEST_CASE("interval: bulks by list, from its start again") {
  const auto once = generated(R"({"nodes":9,"every":"1s","bulk":[1,3],"victims":"first"})");
  CHECK(events_in_words(once) == "1 lost node1; 2 lost node2 node3 node4");
  const auto again =
      generated(R"({"nodes":9,"every":"1s","bulk":[1,3],"losses":4,"victims":"first"})");
  CHECK(events_in_words(again) ==
        "1 lost node1; 2 lost node2 node3 node4; 3 lost node5; 4 lost node6 node7 node8");
  // Half of 9 is 4: two bulks of 2.
  CHECK(statistics_of(generated(R"({"nodes":9,"every":"1s","bulk":2})")).losses == 4);
}

TEST_CASE("interval: repaired nodes come back after a fixed time, not to be lost at that instant") {
  const std::string options = R"({"nodes":3,"every":"2s","victims":"first","repair":"4s",)";
  const auto trace = generated(options + R"("length":"9s"})");
  CHECK(events_in_words(trace) ==
        "2 lost node1; 4 lost node2; 6 lost node3; 6 join node1; 8 lost node1; 8 join node2");
  CHECK(trace.end == seconds(9));
  // Without a length the last one comes back, too.
  const auto whole = generated(options + R"("losses":2})");
  CHECK(events_in_words(whole) == "2 lost node1; 4 lost node2; 6 join node1; 8 join node2");
  CHECK(whole.end == seconds(10));
}

TEST_CASE("interval: options that cannot be are named") {
  CHECK(complaint("{}").find("missing key 'nodes'") != std::string::npos);
  CHECK(complaint(R"({"nodes":3})").find("missing key 'every'") != std::string::npos);
  CHECK(complaint(R"({"nodes":3,"every":"0s"})") != "");
  CHECK(complaint(R"({"nodes":3,"every":"1s","victims":"rnd"})").find("random") !=
        std::string::npos);
  CHECK(complaint(R"({"nodes":3,"every":"1s","victims":["node4"]})") ==
        "options:1: /victims: there is no node 'node4'; the nodes are node1..node3");
  CHECK(complaint(R"({"nodes":30,"every":"1s","victims":["node03"]})") != "");
  CHECK(complaint(R"({"nodes":30,"every":"1s","victims":["nod"]})") != "");
  CHECK(complaint(R"({"nodes":3,"every":"1s","victims":[]})") ==
        "options:1: /victims: the list is empty");
  CHECK(complaint(R"({"nodes":9,"every":"1s","bulk":2,"victims":["node1","node2","node3"]})") ==
        "options:1: /victims: 3 names, but 1 losses take 2 nodes");
  CHECK(complaint(R"({"nodes":9,"every":"1s","victims":["node1","node1"]})") ==
        "generator interval: victim 2, 'node1', is gone already");
  CHECK(complaint(R"({"nodes":3,"every":"1s","losses":4})") ==
        "options:1: /losses: 4 losses take 4 nodes and none comes back; there are 3");
  CHECK(complaint(R"({"nodes":3,"every":"1s","losses":3,"length":"3s"})") ==
        "options:1: /losses: only 2 come before the length 3s");
  CHECK(complaint(R"({"nodes":3,"every":"1s","repair":"1s"})").find("give 'losses' or 'length'") !=
        std::string::npos);
  CHECK(complaint(R"({"nodes":3,"every":"1us","repair":"1us","length":"1h"})") ==
        "options:1: /every: 3599999999 losses; at most 10000000 are drawn");
  CHECK(complaint(R"({"nodes":1,"every":"1s","repair":"5s","losses":2})") ==
        "generator interval: no node is left for loss 2");
  CHECK(complaint(R"({"nodes":3,"every":"1s","bulk":[]})") ==
        "options:1: /bulk: the list is empty");
  CHECK(complaint(R"({"nodes":3,"every":"300000d","losses":3})") != "");
}
