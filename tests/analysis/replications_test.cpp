#include "analysis/replications.h"

#include "analysis/compare_text.h"
#include "tests/analysis/streams.h"
#include "tests/support/catch.h"

using namespace bethany;
using namespace bethany::streams;

namespace {

/// 100 s on 10 nodes, half of the node time productive.
RunResult run_of(std::string policy, std::int64_t tokens, bool bound = false) {
  RunResult run;
  run.summary.policy = std::move(policy);
  run.summary.is_bound = bound;
  run.summary.horizon = seconds(100);
  run.summary.tokens_per_sample = 1;
  run.summary.samples = tokens;
  run.summary.ledger.total = 1000 * kNodeSecond;
  run.summary.ledger.productive = 500 * kNodeSecond;
  return run;
}

/// Policies a, b and a bound, on traces that treat a and b alike.
Replications three(const std::vector<std::int64_t>& a, const std::vector<std::int64_t>& b) {
  Replications replications;
  replications.drawn = "draws of nothing";
  for (std::size_t i = 0; i < a.size(); ++i) {
    replications.runs.push_back(
        {run_of("a", a[i]), run_of("b", b[i]), run_of("bound", 4000, true)});
  }
  return replications;
}

TEST_CASE("a paired ratio is that of the means, and its interval that of the pairs") {
  // By hand: pairs (100, 200), (110, 230), (120, 230), (130, 260): means 115 and 230 tokens/s /
  // 100.
  const auto replications = three({100, 110, 120, 130}, {200, 230, 230, 260});
  const auto comparisons = compare_on_replications(replications);
  REQUIRE(comparisons.size() == 2);
  const auto& b = comparisons[0];
  CHECK(b.policy == "b");
  CHECK(b.baseline == "a");
  CHECK(*b.goodput_ratio == Approx(2));
  CHECK(b.replications == 4);
  CHECK(b.method == "paired t");
  CHECK(b.wins == 4);
  CHECK(*b.difference_tokens_per_s == Approx(1.15));
  // Differences 1.0, 1.2, 1.1, 1.3: deviation 0.1291, t(3) = 3.18245, so ±0.2054.
  CHECK(b.difference_interval->low == Approx(1.15 - 0.2054).epsilon(1e-3));
  CHECK(b.difference_interval->high == Approx(1.15 + 0.2054).epsilon(1e-3));
  // Fieller: var a 0.016667, var b 0.06, cov 0.03, t²/n = 2.53198, so r² · 1.28030 - 2 r · 2.56904
  // + 5.13808 = 0.
  CHECK(b.interval->low == Approx(1.89158).epsilon(1e-5));
  CHECK(b.interval->high == Approx(2.12160).epsilon(1e-5));
  CHECK_FALSE(b.bootstrap.has_value());  // 4 pairs
  CHECK(b.verdict == Verdict::better);
  // The adverse tenths: 103 and 209.
  CHECK(*b.p10_ratio == Approx(209.0 / 103));
}

TEST_CASE("an interval that spans 1 names no winner, and one trace claims nothing beyond it") {
  const auto unclear = three({100, 110, 120, 130}, {110, 100, 130, 120});
  CHECK(compare_on_replications(unclear)[0].verdict == Verdict::no_clear_winner);
  const auto once = three({100}, {110});
  CHECK(compare_on_replications(once)[0].verdict == Verdict::single_trace);
  CHECK_FALSE(compare_on_replications(once)[0].interval.has_value());
  const auto nothing = compare_on_replications(three({0, 0, 0}, {1, 2, 3}))[0];
  CHECK_FALSE(nothing.goodput_ratio.has_value());
  CHECK_FALSE(nothing.verdict.has_value());
  CHECK(nothing.difference_interval->low > -0.01);
}

TEST_CASE("a policy without a run in one replication has none, and the reason names it") {
  auto replications = three({100, 110}, {120, 130});
  replications.runs[1][1].summary = infeasible_run("b", "too few nodes");
  const auto pool = pooled_runs(replications);
  CHECK_FALSE(pool[1].feasible);
  CHECK(pool[1].reason == "replication 1: too few nodes");
  const auto comparisons = compare_on_replications(replications);
  CHECK_FALSE(comparisons[0].goodput_ratio.has_value());
  CHECK_FALSE(comparisons[0].verdict.has_value());
  CHECK(ranking_of(replications).by_mean == std::vector<std::string>{"a"});
}

TEST_CASE("policies are ranked by mean and by the adverse tenth, bounds left out") {
  // b has the larger mean and the worse bad days.
  const auto ranking = ranking_of(three({100, 100, 100}, {50, 200, 200}));
  CHECK(ranking.by_mean == std::vector<std::string>{"b", "a"});
  CHECK(ranking.by_p10 == std::vector<std::string>{"a", "b"});
  CHECK(ranking_of(three({1}, {2})).by_p10.empty());
}

TEST_CASE("the stopping rule looks at every policy and at no bound") {
  const auto narrow = three({100, 101, 102}, {200, 202, 204});
  CHECK(narrow_enough(narrow, compare_on_replications(narrow), 0.001));
  const auto wide = three({100, 150, 200}, {200, 150, 100});
  CHECK_FALSE(narrow_enough(wide, compare_on_replications(wide), 0.1));
}

TEST_CASE("a pool adds up what its runs counted") {
  SummaryFold lazarus;
  feed(lazarus_run(), lazarus);
  SummaryFold ds;
  feed(ds_run(), ds);
  const std::vector<RunSummary> runs = {lazarus.summary(), ds.summary()};
  const auto sum = pooled(runs);
  CHECK(sum.samples == runs[0].samples + runs[1].samples);
  CHECK(sum.horizon == runs[0].horizon + runs[1].horizon);
  CHECK(sum.ledger.sum() == sum.ledger.total);
  CHECK(sum.recovery.disruptions == 3);
  CHECK(sum.recovery.restart == 2);
  // One of the three decided disruptions was predicted with its P, the restarts of ds with 0.
  CHECK(*sum.recovery.predicted == Approx((2 * *runs[0].recovery.predicted + 0) / 3));
  CHECK(sum.recovery.guaranteed_losses_min == 0);
}

TEST_CASE("the table of replications has means, intervals, wins and the ranking") {
  const auto replications = three({100, 110, 120, 130}, {200, 230, 230, 260});
  const auto text =
      compare_text(replications, compare_on_replications(replications), TableFormat::text, false);
  CHECK(text.find("vs a [95 %]") != std::string::npos);
  CHECK(text.find("2.000 [1.8") != std::string::npos);
  CHECK(text.find("4/4") != std::string::npos);
  CHECK(text.find("ranking by mean tokens/s: b > a; by P10") != std::string::npos);
  CHECK(text.find("4 replications: draws of nothing, the same for every policy.") !=
        std::string::npos);
  const auto csv =
      compare_text(replications, compare_on_replications(replications), TableFormat::csv, false);
  CHECK(std::count(csv.begin(), csv.end(), '\n') == 1 + 4 * 3);
}

}  // namespace
