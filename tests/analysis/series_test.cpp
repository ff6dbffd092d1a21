#include <cmath>
#include <numeric>

#include "analysis/report/run_series.h"
#include "analysis/run_summary.h"
#include "tests/analysis/result_directory.h"
#include "tests/support/catch.h"

using namespace bethany;
using namespace bethany::streams;
using namespace bethany::test;

namespace {

Course course_of(const Stream& events, std::size_t most, Duration horizon = seconds(100)) {
  CourseFold fold(time_bins(horizon, most));
  feed(events, fold);
  return fold.course();
}

Disruptions disruptions_of(const Stream& events) {
  DisruptionFold fold;
  feed(events, fold);
  return fold.disruptions();
}

std::vector<double> node_seconds(const std::vector<Int128>& values) {
  std::vector<double> result;
  for (const auto value : values) result.push_back(to_seconds(value));
  return result;
}

template <class Value>
Value sum(const std::vector<Value>& values) {
  return std::accumulate(values.begin(), values.end(), Value{0});
}

}  // namespace

TEST_CASE("bins have lengths that people read") {
  const auto width = [](Duration horizon, std::size_t most) {
    const auto bins = time_bins(horizon, most);
    CHECK(bins.count <= most);
    CHECK(bins.begin(bins.count) >= at(horizon));
    CHECK(bins.begin(bins.count - 1) < at(horizon));
    return bins.width;
  };
  CHECK(width(seconds(100), 10) == seconds(10));
  CHECK(width(seconds(101), 10) == seconds(15));
  CHECK(width(std::chrono::hours(12), 2000) == seconds(30));
  CHECK(width(std::chrono::hours(24 * 90), 2000) == std::chrono::hours(2));
  CHECK(width(kLongest, 2000) == std::chrono::hours(24 * 20));
  CHECK(width(Duration(7), 2000) == Duration(1));
  CHECK(width(seconds(3), 10) == milliseconds(500));
  CHECK(time_bins(Duration(0), 10).count == 0);
}

TEST_CASE("samples, members and machines fall into the bins in which they were") {
  for (const bool step_by_step : {false, true}) {
    // By hand from the comment above lazarus_run(): a sample by node and second of stepping.
    const Course line = course_of(lazarus_run(step_by_step), 10);
    CHECK(line.committed == std::vector<std::int64_t>{40, 36, 24, 15, 15, 0, 0, 30, 27, 27});
    CHECK(line.undone == std::vector<std::int64_t>{0, 0, 0, 0, 0, 0, 15, 0, 0, 0});
    CHECK(node_seconds(line.member_ns) ==
          std::vector<double>{40, 40, 37.5, 30, 18, 0, 30, 30, 30, 30});
    CHECK(node_seconds(line.live_ns) ==
          std::vector<double>{40, 40, 37.5, 30, 20, 10, 30, 30, 30, 30});
    CHECK(line.net_at_edges() ==
          std::vector<std::int64_t>{0, 40, 76, 100, 115, 130, 130, 115, 145, 172, 199});
    REQUIRE(line.losses.size() == 2);
    CHECK(line.losses[0].time == second(27.5));
    CHECK(line.losses[0].cause == "reclaimed");
    CHECK(line.losses[1].nodes == 2);
    REQUIRE(line.joins.size() == 1);
    CHECK(line.joins[0].nodes == 2);
    REQUIRE(line.drops.size() == 1);
    CHECK(line.drops[0].time == second(60));
    CHECK(line.drops[0].before == 130);
    CHECK(line.drops[0].after == 115);
  }
}

TEST_CASE("a bin takes whole samples only, and none is lost between bins") {
  // 3 samples over 1 s in bins of 0.2 s: complete at 1/3, 2/3 and 1 s.
  Recorder r(false);
  r.add(StepsCommitted{.from = second(0),
                       .to = second(1),
                       .count = 1,
                       .nodes = 1,
                       .samples = 3,
                       .step_time = seconds(1)});
  const Course line = course_of(r.events, 5, seconds(1));
  CHECK(line.committed == std::vector<std::int64_t>{0, 1, 0, 1, 1});
}

TEST_CASE("instants beyond what is kept are counted, those at one instant are one") {
  Recorder r(false);
  const int more = static_cast<int>(Course::kMostKept) + 7;
  for (int i = 1; i <= more; ++i) {
    r.add(NodesJoined{second(i), nodes({1, 2})});
    r.add(NodesLost{second(i), nodes({1}), 0, "x"});
    r.add(NodesLost{second(i), nodes({2}), 0, "y"});
    r.add(RolledBack{second(i), 0, 0, 0, Duration(0), 0});
  }
  const Course line = course_of(r.events, 10, seconds(more));
  CHECK(line.losses.size() == Course::kMostKept);
  CHECK(line.losses.back().nodes == 2);
  CHECK(line.losses_left_out == 7);
  CHECK(line.joins_left_out == 7);
  CHECK(line.drops_left_out == 7);
}

TEST_CASE("recoveries last from the first loss to the next step") {
  const Disruptions found = disruptions_of(lazarus_run());
  const auto& in_place = found.by_outcome[static_cast<std::size_t>(Recovery::in_place)];
  CHECK(in_place.time_ns.counts() == std::map<Int128, std::int64_t>{{6'500'000'000, 1}});
  CHECK(in_place.stages[static_cast<std::size_t>(Stage::detection)] == seconds(3));
  CHECK(in_place.stages[static_cast<std::size_t>(Stage::communicator)] == seconds(2));
  CHECK(in_place.waiting == Duration(0));
  const auto& restart = found.by_outcome[static_cast<std::size_t>(Recovery::restart)];
  CHECK(restart.time_ns.counts() == std::map<Int128, std::int64_t>{{25'000'000'000, 1}});
  CHECK(restart.waiting == seconds(12));
  CHECK(restart.stages[static_cast<std::size_t>(Stage::load)] == seconds(5));
  CHECK(found.recoveries() == 2);
  CHECK(found.unfinished == 0);
  CHECK(found.time_ns().sum() == Int128{31'500'000'000});
}

TEST_CASE(
    "a loss met while recovering belongs to the recovery under way, under its last decision") {
  Recorder r(false);
  r.steps(0, 10, 4);
  r.add(StepDiscarded{second(10), second(10.5), 4});
  r.add(DisruptionBegan{second(10.5), 0});
  r.stage(10.5, 13.5, Stage::detection, Blocked::detection, 3);
  r.add(RecoveryDecided{second(13.5), 0, Recovery::in_place, 1, 3, true});
  r.stage(13.5, 14, Stage::communicator, Blocked::communicator, 3, false);
  r.add(DisruptionBegan{second(14), 1});
  r.stage(14, 17, Stage::detection, Blocked::detection, 2);
  r.add(RolledBack{second(17), 10, 0, 40, seconds(10), 40 * kNodeSecond});
  r.counter = 0;
  r.add(RecoveryDecided{second(17), 1, Recovery::restart, 2, 2, false});
  r.steps(20, 1, 2);
  r.add(StepDiscarded{second(21), second(22), 2});
  r.add(RunEnded{second(22), 1, 2, {}});
  const Disruptions found = disruptions_of(r.events);
  CHECK(found.recoveries() == 1);
  const auto& restart = found.by_outcome[static_cast<std::size_t>(Recovery::restart)];
  CHECK(restart.time_ns.counts() == std::map<Int128, std::int64_t>{{9'500'000'000, 1}});
  CHECK(restart.stages[static_cast<std::size_t>(Stage::detection)] == seconds(6));
  CHECK(restart.waiting == seconds(3));
  // Two disruptions: the step in flight, and what was rolled back for the second.
  CHECK(found.lost_node_ns.counts() ==
        std::map<Int128, std::int64_t>{{2 * kNodeSecond, 1}, {40 * kNodeSecond, 1}});
  CHECK(found.lost_samples.counts() == std::map<Int128, std::int64_t>{{0, 1}, {40, 1}});
  CHECK(found.other_node_ns == 2 * kNodeSecond);  // in flight at the end
}

TEST_CASE("the sums of all series are the totals of the summary") {
  for (const auto& events : {lazarus_run(), lazarus_run(true), ds_run(), ds_run(true)}) {
    const RunSummary summary = result_of(events).summary;
    for (const std::size_t most : {1U, 7U, 10U, 333U, 2000U}) {
      const Course line = course_of(events, most);
      CHECK(sum(line.committed) == summary.samples + summary.samples_discarded);
      CHECK(sum(line.undone) == summary.samples_discarded);
      CHECK(line.net_at_edges().back() == summary.samples);
      Int128 members =
          summary.ledger.productive + summary.ledger.rolled_back + summary.ledger.step_in_flight;
      for (const auto part : summary.ledger.blocked) members += part;
      CHECK(sum(line.member_ns) == members);
      const auto absent = static_cast<std::size_t>(Unavailable::absent);
      CHECK(sum(line.live_ns) == summary.ledger.total - summary.ledger.unavailable[absent]);
    }
    const Disruptions found = disruptions_of(events);
    CHECK(found.lost_node_ns.count() == summary.recovery.disruptions);
    CHECK(found.lost_node_ns.sum() + found.other_node_ns ==
          summary.ledger.rolled_back + summary.ledger.step_in_flight);
    CHECK(found.lost_samples.sum() + found.other_samples == summary.samples_discarded);
    CHECK(found.step_time_ns.count() == summary.steps_committed + summary.steps_discarded);
    CHECK(found.step_time_ns.sum() ==
          (summary.kept_step_time + summary.discarded_step_time).count());
  }
}

TEST_CASE("the change of plan that moved most is kept, with who was lost") {
  PlanChangeFold fold;
  feed(lazarus_run(), fold);
  REQUIRE(fold.change().has_value());
  CHECK(fold.change()->time == second(34));
  CHECK(*fold.change()->before == *four_nodes());
  CHECK(*fold.change()->after == *three_nodes());
  CHECK(fold.change()->lost == std::set<NodeId>{NodeId(3)});
  PlanChangeFold none;
  feed(ds_run(), none);
  CHECK_FALSE(none.change().has_value());
}

TEST_CASE("values are counted exactly until there are too many, then to 9 bits upwards") {
  CountedValues few;
  few.add(5, 3);
  few.add(7);
  CHECK(few.quantile(0.75) == 5);
  CHECK(few.quantile(0.76) == 7);
  CHECK(few.quantile(0) == 5);
  CHECK(few.sum() == 22);
  CountedValues many;
  const std::int64_t all = 3 * static_cast<std::int64_t>(CountedValues::kExactValues);
  for (std::int64_t i = 1; i <= all; ++i) many.add(Int128{i} * 1'000'003);
  CHECK_FALSE(many.exact());
  CHECK(many.counts().size() <= CountedValues::kExactValues);
  CHECK(many.count() == all);
  CHECK(many.sum() == Int128{all} * (all + 1) / 2 * 1'000'003);
  for (const double share : {0.1, 0.5, 0.9, 1.0}) {
    const double exact = std::ceil(share * static_cast<double>(all)) * 1'000'003;
    CHECK(static_cast<double>(many.quantile(share)) >= exact);
    CHECK(static_cast<double>(many.quantile(share)) <= exact * 1.004);
  }
}
