// Failure logs with repair. Numbers are those of the README of the public traces, which counts
// rows; where an import joins overlapping rows to one outage, the number after it comes from a
// separate script over the published file.
#include <map>
#include <set>

#include "sim/base/error.h"
#include "sim/base/statistics.h"
#include "sim/model/trace_file.h"
#include "tests/real_trace/public_trace.h"
#include "tests/support/catch.h"
#include "traces/statistics.h"

using namespace bethany;
using test::prints_as;
using test::real_trace;

namespace {

using Bulks = std::map<std::int64_t, std::int64_t>;

/// What the statistics of a trace do not say about its outages.
struct Outages {
  double first_loss_s = 0;
  double last_loss_s = 0;
  std::map<std::string, std::int64_t> by_cause;
  std::vector<double> loss_times_s;
  std::vector<double> repair_h;  // sorted
  std::int64_t zero_length = 0;
};

Outages outages_of(const Trace& trace) {
  Outages result;
  std::map<NodeId, SimTime> lost;
  for (const auto& event : trace.events) {
    for (const NodeId node : trace.nodes_of(event)) {
      if (event.kind == TraceEventKind::lost) {
        result.loss_times_s.push_back(to_seconds(event.time));
        const auto& cause = trace.causes[event.cause];
        ++result.by_cause[cause.substr(0, cause.find(':'))];
        lost[node] = event.time;
      } else if (lost.count(node) > 0) {
        const double hours = to_seconds(event.time - lost[node]) / 3600;
        if (hours == 0) ++result.zero_length;
        result.repair_h.push_back(hours);
      }
    }
  }
  result.first_loss_s = result.loss_times_s.front();
  result.last_loss_s = result.loss_times_s.back();
  std::sort(result.repair_h.begin(), result.repair_h.end());
  return result;
}

}  // namespace

TEST_CASE("real trace: InfiniteHBD's faults give the published numbers") {
  const auto trace = real_trace(*find_public_trace("infinitehbd"), R"({"fleet":400})");
  const auto s = statistics_of(trace);
  const auto outages = outages_of(trace);
  CHECK(s.nodes == 400);
  CHECK(trace.rows_merged == 2);
  CHECK(s.losses == 582);
  CHECK(s.repairs == 582);
  CHECK(s.down_times_censored == 0);
  CHECK(outages.zero_length == 14);
  std::set<std::string> failed;
  for (const auto& event : trace.events) {
    if (event.kind != TraceEventKind::lost) continue;
    for (const NodeId node : trace.nodes_of(event)) failed.insert(trace.node_names[node.index()]);
  }
  CHECK(failed.size() == 231);
  // 3.8955 and 348.9798 days, exactly.
  CHECK(trace.events[1].time == at(Duration(336'571'200'000'000)));
  CHECK(trace.end == at(Duration(30'151'854'720'000'000)));
  // The README's span begins with the first fault, the trace at 0.
  const double span_days = (s.end_s - outages.first_loss_s) / 86400;
  CHECK(prints_as(span_days, 345.084, 3));
  const auto faults = static_cast<double>(s.losses + trace.rows_merged);
  CHECK(prints_as(span_days * 24 / faults, 14.18, 2));
  CHECK(prints_as(400 * span_days / faults, 236.4, 1));
  CHECK(prints_as(faults / 400 / span_days * 365, 1.54, 2));
  // All down node time lies in that span.
  const double down_days = *s.down_mean * (s.end_s - s.start_s) / 86400;
  CHECK(prints_as(down_days / span_days, 9.36, 2));
  CHECK(prints_as(1 - down_days / span_days / 400, 0.97659, 5));
  CHECK(s.down_max == 35);
  CHECK(*s.alive_min == 365);
  // The README counts the repairs of 584 faults (mean 132.84 h, median 20.39 h).
  CHECK(prints_as(*s.down_time_mean_s / 3600, 133.2504, 4));
  CHECK(prints_as(*s.down_time_median_s / 3600, 20.4144, 4));
  CHECK(prints_as(outages.repair_h.back(), 3143, 0));
  // Of the two faults that went into another, one began alone and one with a second node: of the
  // README's 499 single starts and 20 of two, one single goes and one pair becomes a single.
  CHECK(s.bulk_sizes == Bulks{{1, 499}, {2, 19}, {3, 5}, {4, 2}, {6, 1}, {8, 2}});
  // One of the two was "Other", one "Hardware" (262 and 298 rows).
  CHECK(outages.by_cause == std::map<std::string, std::int64_t>{{"Hardware Failure", 297},
                                                                {"Other Failure", 261},
                                                                {"Software Failure", 24}});
  const auto text = write_trace(trace);
  CHECK(write_trace(read_trace(text, "again")) == text);
}

TEST_CASE("real trace: InfiniteHBD without its fleet has only nodes that failed") {
  const auto trace = real_trace(*find_public_trace("infinitehbd"));
  CHECK(statistics_of(trace).nodes == 231);
  CHECK_THROWS_AS(real_trace(*find_public_trace("infinitehbd"), R"({"fleet":230})"), InputError);
}

TEST_CASE("real trace: systems of Los Alamos give the published numbers") {
  struct Golden {
    int system;
    std::int64_t nodes;
    std::int64_t rows;
    std::int64_t merged;
    int span_days;
    double mtbf_h;
    double node_mtbf_days;
    double repair_mean_h;    // of outages; of rows 2.37, 2.99, 3.46, 8.99, 3.50 and 34.30
    double repair_median_h;  // of outages; of rows the same but for system 16, 0.72
    std::int64_t bulk_minutes;
    std::int64_t largest_bulk;
  };
  const std::vector<Golden> golden = {{2, 49, 7104, 63, 3151, 10.65, 22, 2.2761, 0.88, 209, 48},
                                      {18, 1024, 3997, 21, 1221, 7.33, 313, 2.9865, 0.97, 62, 6},
                                      {19, 1024, 3284, 13, 1056, 7.72, 329, 3.4627, 0.95, 42, 4},
                                      {16, 16, 2680, 126, 2058, 18.43, 12, 9.3282, 0.70, 111, 10},
                                      {20, 512, 2478, 17, 1358, 13.15, 281, 3.4550, 1.25, 60, 5},
                                      {8, 164, 475, 6, 1590, 80.34, 549, 34.5907, 5.60, 16, 4}};
  for (const auto& system : golden) {
    INFO("system " << system.system);
    const auto trace =
        real_trace(*find_public_trace("lanl"), fmt::format(R"({{"system":{}}})", system.system));
    const auto s = statistics_of(trace);
    const auto outages = outages_of(trace);
    CHECK(s.nodes == system.nodes);
    CHECK(trace.rows_merged == system.merged);
    const std::int64_t rows = s.losses + trace.rows_merged;
    CHECK(rows == system.rows);
    const auto span_days =
        static_cast<int>((outages.last_loss_s - outages.first_loss_s) / 86400 + 1e-9);
    CHECK(span_days == system.span_days);
    CHECK(prints_as(span_days * 24.0 / static_cast<double>(rows), system.mtbf_h, 2));
    CHECK(prints_as(static_cast<double>(span_days * system.nodes) / static_cast<double>(rows),
                    system.node_mtbf_days, 0));
    CHECK(prints_as(*s.down_time_mean_s / 3600, system.repair_mean_h, 4));
    CHECK(prints_as(*s.down_time_median_s / 3600, system.repair_median_h, 2));
    std::int64_t bulk_minutes = 0;
    for (const auto& [size, count] : s.bulk_sizes) {
      if (size > 1) bulk_minutes += count;
    }
    CHECK(bulk_minutes == system.bulk_minutes);
    CHECK(s.bulk_sizes.rbegin()->first == system.largest_bulk);
    const auto text = write_trace(trace);
    CHECK(write_trace(read_trace(text, "again")) == text);
  }
}

TEST_CASE("real trace: Los Alamos' bulks, causes and systems") {
  const auto& lanl = *find_public_trace("lanl");
  const auto trace = real_trace(lanl, R"({"system":19})");
  // Joined rows never stood in a bulk here, so bulks above 1 are those of the README.
  CHECK(statistics_of(trace).bulk_sizes == Bulks{{1, 3181}, {2, 37}, {3, 4}, {4, 1}});
  const auto causes = outages_of(trace).by_cause;
  CHECK(causes.at("Hardware") > 2500);
  CHECK(causes.at("Hardware") <= 2551);
  CHECK(trace.source == "imported as lanl-csv, system 19, from 10/18/2002 0:00 local time");
  CHECK(trace.events[1].time == at(std::chrono::hours(16)));
  try {
    real_trace(lanl);
    FAIL("several systems were accepted");
  } catch (const InputError& error) {
    const std::string message = error.what();
    CHECK(message.find("2 (49 nodes), 3 (128 nodes)") != std::string::npos);
    CHECK(message.find("17 (nodes not said)") != std::string::npos);
  }
  // System 17 does not say which node failed.
  CHECK_THROWS_AS(real_trace(lanl, R"({"system":17})"), InputError);
  // Every other one is read.
  std::int64_t rows = 0;
  for (int system = 2; system <= 24; ++system) {
    if (system == 17) continue;
    const auto one = real_trace(lanl, fmt::format(R"({{"system":{}}})", system));
    rows += statistics_of(one).losses + one.rows_merged;
  }
  CHECK(rows == 23'739 - 126);
}
