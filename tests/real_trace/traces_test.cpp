// Every number here stands in the README of the public traces, computed there by a separate script.
#include <algorithm>

#include "sim/model/trace_file.h"
#include "tests/real_trace/public_trace.h"
#include "tests/support/catch.h"
#include "traces/replay_options.h"
#include "traces/statistics.h"

using namespace bethany;
using test::prints_as;
using test::real_trace;

namespace {

using Bulks = std::map<std::int64_t, std::int64_t>;

struct Golden {
  const char* name;
  std::int64_t adds;
  std::int64_t removes;
  std::int64_t nodes;
  double span_h;
  double alive_mean;
  std::int64_t alive_min;
  std::int64_t alive_max;
  double removes_per_h;
  std::int64_t instants;
  double instants_per_h;
  Bulks bulks;
  double lifetime_mean_min;
  double lifetime_median_min;
  double node_h_per_removal;
  double start_of_events_s = 0;
};

const std::vector<Golden> kGolden = {
    {"bamboo-g4dn",
     79,
     74,
     79,
     10.633,
     12.76,
     1,
     24,
     6.96,
     48,
     4.51,
     {{1, 31}, {2, 12}, {3, 2}, {4, 2}, {5, 1}},
     98.97,
     61.0,
     1.83,
     480},
    {"bamboo-p3",
     177,
     167,
     177,
     11.367,
     24.03,
     10,
     32,
     14.69,
     79,
     6.95,
     {{1, 39}, {2, 13}, {3, 15}, {4, 7}, {5, 1}, {6, 4}},
     87.72,
     59.0,
     1.64},
    {"parcae-p3",
     177,
     167,
     177,
     11.367,
     24.03,
     10,
     32,
     14.69,
     79,
     6.95,
     {{1, 39}, {2, 13}, {3, 15}, {4, 7}, {5, 1}, {6, 4}},
     87.72,
     59.0,
     1.64},
    {"oobleck-5m",
     30,
     15,
     30,
     1.245,
     23.0,
     15,
     30,
     12.05,
     15,
     12.05,
     {{1, 15}},
     39.84,
     39.84,
     1.91},
    {"oobleck-10m", 30, 15, 30, 2.505, 23.0, 15, 30, 5.99, 15, 5.99, {{1, 15}}, 80.16, 80.16, 3.84},
    {"oobleck-1h", 30, 15, 30, 15.0, 23.0, 15, 30, 1.0, 15, 1.0, {{1, 15}}, 480.0, 480.0, 23.0},
    {"oobleck-3h", 30, 15, 30, 45.0, 23.0, 15, 30, 0.33, 15, 0.33, {{1, 15}}, 1440.0, 1440.0, 69.0},
    {"oobleck-p3-scaled",
     157,
     142,
     157,
     11.367,
     24.13,
     15,
     30,
     12.49,
     85,
     7.48,
     {{1, 50}, {2, 21}, {3, 9}, {4, 2}, {5, 3}},
     97.35,
     62.0,
     1.93}};

Trace p3() { return real_trace(*find_public_trace("bamboo-p3")); }

std::int64_t alive_at(const Trace& trace, std::int64_t minute) {
  std::int64_t alive = 0;
  for (const auto& event : trace.events) {
    if (event.time > at(std::chrono::minutes(minute))) break;
    const auto count = static_cast<std::int64_t>(event.node_count);
    if (event.kind == TraceEventKind::join) alive += count;
    if (event.kind == TraceEventKind::lost) alive -= count;
  }
  return alive;
}

Trace capped(const Trace& trace, CapRule rule, int nodes, std::uint64_t seed = 1) {
  ReplayOptions options;
  options.rule = rule;
  options.cap_nodes = nodes;
  options.cap_seed = seed;
  return apply(trace, options, RngStreams(seed, 0));
}

}  // namespace

TEST_CASE("real trace: every event-csv file gives the published numbers") {
  REQUIRE(kGolden.size() == static_cast<std::size_t>(std::count_if(
                                public_traces().begin(), public_traces().end(),
                                [](const auto& t) { return t.importer == "event-csv"; })));
  for (const auto& golden : kGolden) {
    INFO(golden.name);
    const auto* known = find_public_trace(golden.name);
    REQUIRE(known != nullptr);
    const Trace trace = real_trace(*known);
    CHECK(trace.source_sha256 == known->sha256);
    CHECK(trace.source == "imported as event-csv");
    CHECK(trace.rows_dropped + trace.rows_merged + trace.rows_repaired == 0);
    const auto s = statistics_of(trace);
    CHECK(s.events == golden.adds + golden.removes);
    CHECK(s.joins == golden.adds);
    CHECK(s.losses == golden.removes);
    CHECK(s.nodes == golden.nodes);
    CHECK(s.start_s == 0);
    const double first_s = to_seconds(trace.events.front().time);
    CHECK(first_s == golden.start_of_events_s);
    const double span_h = (s.end_s - first_s) / 3600;
    CHECK(prints_as(span_h, golden.span_h, 3));
    CHECK(prints_as(*s.alive_mean, golden.alive_mean, 2));
    CHECK(s.alive_min == golden.alive_min);
    CHECK(s.alive_max == golden.alive_max);
    CHECK(prints_as(*s.losses_per_hour, golden.removes_per_h, 2));
    CHECK(s.loss_instants == golden.instants);
    CHECK(prints_as(static_cast<double>(s.loss_instants) / span_h, golden.instants_per_h, 2));
    CHECK(s.bulk_sizes == golden.bulks);
    CHECK(prints_as(*s.lifetime_mean_s / 60, golden.lifetime_mean_min, 2));
    CHECK(prints_as(*s.lifetime_median_s / 60, golden.lifetime_median_min, 2));
    CHECK(prints_as(*s.node_hours_per_loss, golden.node_h_per_removal, 2));
    CHECK(s.lifetimes_censored == golden.adds - golden.removes);
    const auto text = write_trace(trace);
    CHECK(write_trace(read_trace(text, "again")) == text);
  }
}

TEST_CASE("real trace: CRLF or LF makes no difference") {
  CHECK(trace_digest(p3()) == trace_digest(real_trace(*find_public_trace("parcae-p3"))));
}

TEST_CASE("real trace: scale_p3 has instants with both, and a node that was never there") {
  const Trace trace = real_trace(*find_public_trace("oobleck-p3-scaled"));
  const auto before = statistics_of(trace);
  const Trace netted = apply(trace, {}, RngStreams(1, 0));
  const auto after = statistics_of(netted);
  CHECK(before.joins - after.joins == 1);
  CHECK(before.losses - after.losses == 1);
  CHECK(before.nodes - after.nodes == 1);
  CHECK(*after.alive_mean == *before.alive_mean);
}

TEST_CASE("real trace: without a cap p3 is replayed as it is") {
  const Trace trace = p3();
  CHECK(trace_digest(apply(trace, {}, RngStreams(1, 0))) == trace_digest(trace));
  CHECK(trace_digest(capped(trace, CapRule::members, 32)) == trace_digest(trace));
  CHECK(trace_digest(capped(trace, CapRule::hot_surplus, 32)) == trace_digest(trace));
  CHECK(trace_digest(capped(trace, CapRule::scale, 32)) == trace_digest(trace));
}

TEST_CASE("real trace: p3 capped to 10 by each rule") {
  const Trace trace = p3();
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const Trace members = capped(trace, CapRule::members, 10, seed);
    CHECK(alive_at(members, 0) == 10);
    CHECK(*statistics_of(members).alive_max == 10);
    // At minute 34 the first four are lost; nobody joins before minute 43.
    CHECK(alive_at(members, 42) >= 6);
    CHECK(alive_at(members, 42) == alive_at(members, 34));
    const Trace hot = capped(trace, CapRule::hot_surplus, 10, seed);
    // p3 never has fewer than 10.
    CHECK(*statistics_of(hot).alive_min == 10);
    CHECK(statistics_of(hot).losses > 20);
  }
  const auto level = statistics_of(capped(trace, CapRule::level, 10));
  CHECK(level.joins == 10);
  CHECK(level.losses == 0);
  // Scale: 18 alive at first, 32 from minute 25, 28 from 34, 32 from 43, 26 from 51, 15 from 59.
  const Trace scale = capped(trace, CapRule::scale, 10);
  const std::map<std::int64_t, std::int64_t> expected = {{0, 5},   {24, 9}, {25, 10}, {34, 8},
                                                         {43, 10}, {51, 8}, {59, 4}};
  for (const auto& [minute, count] : expected) CHECK(alive_at(scale, minute) == count);
}

TEST_CASE("real trace: a window of p3 begins with who is there") {
  ReplayOptions options;
  options.from = std::chrono::minutes(59);
  const Trace window = apply(p3(), options, RngStreams(1, 0));
  CHECK(alive_at(window, 0) == 15);
  CHECK(alive_at(window, 2) == 21);
  CHECK(window.end == at(std::chrono::minutes(682 - 59)));
}
