#include "traces/statistics.h"

#include "sim/model/trace_file.h"
#include "tests/support/catch.h"
#include "tests/traces/random_trace.h"
#include "traces/catalogue.h"

using namespace bethany;
using test::seconds;

namespace {

/// Builds from rows "second kind node…".
Trace trace_of(const std::vector<std::tuple<int, TraceEventKind, std::vector<std::string>>>& rows,
               int end) {
  TraceBuilder builder("t");
  for (const auto& [time, kind, names] : rows) {
    std::vector<NodeId> nodes;
    for (const auto& name : names) nodes.push_back(builder.node(name));
    builder.add(seconds(time), kind, nodes, 0);
  }
  return builder.finish(seconds(0), seconds(end));
}

constexpr auto kJoin = TraceEventKind::join;
constexpr auto kLost = TraceEventKind::lost;

}  // namespace

TEST_CASE("statistics by hand") {
  // Alive: 3 from 100, 1 from 1000, 2 from 1900 to 3700; the trace goes on to 5000.
  const auto trace = trace_of({{100, kJoin, {"a", "b", "c"}},
                               {1000, kLost, {"a"}},
                               {1000, kLost, {"b"}},
                               {1900, kJoin, {"b"}},
                               {2800, kJoin, {"z"}},
                               {2800, kLost, {"z"}},
                               {3700, kLost, {"c"}}},
                              5000);
  const auto s = statistics_of(trace);
  CHECK(s.nodes == 4);
  CHECK(s.events == 9);
  CHECK(s.joins == 5);
  CHECK(s.losses == 4);
  CHECK(s.loss_instants == 3);
  CHECK(s.start_s == 0);
  CHECK(s.end_s == 5000);
  CHECK(*s.alive_mean == Approx((900 * 3 + 900 * 1 + 1800 * 2) / 3600.0));
  CHECK(*s.alive_min == 1);
  CHECK(*s.alive_max == 3);
  CHECK(s.bulk_sizes == std::map<std::int64_t, std::int64_t>{{1, 2}, {2, 1}});
  CHECK(*s.losses_per_hour == Approx(4));
  CHECK(*s.node_hours_per_loss == Approx((900 * 3 + 900 * 1 + 1800 * 2) / 3600.0 / 4));
  CHECK(*s.lifetime_mean_s == Approx((900 + 900 + 0 + 3600) / 4.0));
  CHECK(*s.lifetime_median_s == Approx(900));
  CHECK(s.lifetimes_censored == 1);
  // Three nodes are known from 100 to 2800, four (z) from then to 3700.
  CHECK(*s.availability == Approx((900 * 3 + 900 * 1 + 1800 * 2) / (2700 * 3 + 900 * 4.0)));
  // Down: a and b from 1000, a alone from 1900, a and z from 2800, with c at 3700.
  CHECK(*s.down_mean == Approx((900 * 2 + 900 * 1 + 900 * 2) / 3600.0));
  CHECK(*s.down_max == 3);
  CHECK(s.repairs == 1);
  CHECK(*s.down_time_mean_s == Approx(900));
  CHECK(*s.down_time_median_s == Approx(900));
  CHECK(s.down_times_censored == 3);
}

TEST_CASE("statistics without events or losses are null, never NaN") {
  const auto empty = to_json(statistics_of(trace_of({}, 10)));
  CHECK(
      to_line(empty) ==
      R"({"schema":"bethany/trace-stats/1","version":")" BETHANY_VERSION
      R"(","nodes":0,"events":0,"joins":0,"losses":0,"loss_instants":0,"start_s":0.0,"end_s":10.0,"alive_mean":null,"alive_min":null,"alive_max":null,"bulk_sizes":{},"losses_per_hour":null,"node_hours_per_loss":null,"lifetime_mean_s":null,"lifetime_median_s":null,"lifetimes_censored":0,"availability":null,"down_mean":null,"down_max":null,"repairs":0,"down_time_mean_s":null,"down_time_median_s":null,"down_times_censored":0})");
  const auto still = statistics_of(trace_of({{0, kJoin, {"a", "b"}}}, 10));
  CHECK(*still.alive_mean == 2);
  CHECK_FALSE(still.losses_per_hour.has_value());
  CHECK_FALSE(still.node_hours_per_loss.has_value());
  CHECK(still.lifetimes_censored == 2);
  CHECK_FALSE(still.availability.has_value());
  CHECK(still.down_max == 0);
}

TEST_CASE("node-level counts include notices and slowness, alive does not") {
  TraceBuilder builder("t");
  const NodeId a = builder.node("a");
  builder.add(seconds(0), kJoin, {&a, 1}, 0);
  builder.add(seconds(1), TraceEventKind::slow, {&a, 1}, 0, "", kNever, 0.5);
  builder.add(seconds(2), TraceEventKind::notice, {&a, 1}, 0);
  const auto s = statistics_of(builder.finish(seconds(0), seconds(2)));
  CHECK(s.events == 3);
  CHECK(*s.alive_mean == 1);
}

TEST_CASE("the catalogue is in name order, complete and without an address") {
  std::string_view before;
  for (const auto& trace : public_traces()) {
    CHECK(before < trace.name);
    before = trace.name;
    CHECK(trace.commit.size() == 40);
    CHECK(trace.sha256.size() == 64);
    CHECK(trace.repository.find('/') != std::string_view::npos);
    CHECK(trace.path.find("://") == std::string_view::npos);
    CHECK(trace_importers().find(trace.importer) != nullptr);
    CHECK_FALSE(trace.licence.empty());
    CHECK(find_public_trace(trace.name) == &trace);
  }
  CHECK(public_traces().size() == 10);
  CHECK(find_public_trace("no-such-trace") == nullptr);
}
