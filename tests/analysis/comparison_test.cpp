#include "analysis/comparison.h"

#include "analysis/metric.h"
#include "sim/base/error.h"
#include "tests/analysis/streams.h"
#include "tests/support/catch.h"

using namespace bethany;
using namespace bethany::streams;

namespace {

/// 100 s on 10 nodes: tokens, productive node-s; the rest is put where the test wants it.
RunSummary run_of(std::string policy, std::int64_t tokens, double productive_node_s) {
  RunSummary run;
  run.policy = std::move(policy);
  run.horizon = seconds(100);
  run.tokens_per_sample = 1;
  run.samples = tokens;
  run.ledger.total = 1000 * kNodeSecond;
  run.ledger.productive = static_cast<Int128>(productive_node_s * 1e9);
  return run;
}

RunSummary real_run(const std::vector<RunEvent>& events) {
  SummaryFold fold;
  feed(events, fold);
  return fold.summary();
}

std::string sentence(const std::vector<RunSummary>& runs, std::string_view baseline = "") {
  return verdict_sentence(runs, compare_on_one_trace(runs, baseline));
}

}  // namespace

TEST_CASE("on one trace there is a ratio to the baseline and no interval") {
  const std::vector<RunSummary> runs = {real_run(ds_run()), real_run(lazarus_run())};
  const auto comparisons = compare_on_one_trace(runs);
  REQUIRE(comparisons.size() == 1);
  CHECK(comparisons[0].policy == "lazarus");
  CHECK(comparisons[0].baseline == "ds");
  CHECK(comparisons[0].goodput_ratio == Approx(199.0 / 152));
  CHECK_FALSE(comparisons[0].interval.has_value());
  CHECK(comparisons[0].replications == 1);
  CHECK(comparisons[0].method == "single trace");
  CHECK(comparisons[0].verdict == Verdict::single_trace);
}

TEST_CASE("the baseline is the first feasible policy unless told") {
  const std::vector<RunSummary> runs = {infeasible_run("tutel", "no group"), run_of("a", 10, 500),
                                        run_of("b", 20, 500)};
  auto comparisons = compare_on_one_trace(runs);
  REQUIRE(comparisons.size() == 2);
  CHECK(comparisons[0].policy == "tutel");
  CHECK(comparisons[0].baseline == "a");
  CHECK_FALSE(comparisons[0].goodput_ratio.has_value());
  CHECK_FALSE(comparisons[0].verdict.has_value());
  CHECK(comparisons[1].goodput_ratio == 2.0);
  comparisons = compare_on_one_trace(runs, "b");
  CHECK(comparisons[1].policy == "a");
  CHECK(comparisons[1].goodput_ratio == 0.5);
  CHECK_THROWS_AS(compare_on_one_trace(runs, "c"), InputError);
}

TEST_CASE("a baseline without tokens gives no ratio") {
  const std::vector<RunSummary> runs = {run_of("a", 0, 500), run_of("b", 20, 500)};
  CHECK_FALSE(compare_on_one_trace(runs)[0].goodput_ratio.has_value());
}

TEST_CASE("an interval above 1 is better, below 1 worse, otherwise there is no clear winner") {
  CHECK(verdict_of({1.01, 1.4}) == Verdict::better);
  CHECK(verdict_of({0.5, 0.99}) == Verdict::worse);
  CHECK(verdict_of({0.99, 1.4}) == Verdict::no_clear_winner);
  CHECK(verdict_of({1.0, 1.4}) == Verdict::no_clear_winner);
  CHECK(name_of(Verdict::no_clear_winner) == "no clear winner");
  CHECK(name_of(Verdict::single_trace) == "single trace");
}

TEST_CASE("the verdict names the largest differences of the ledger") {
  auto lazarus = run_of("lazarus", 190, 950);
  put(lazarus.ledger, Blocked::detection, 50);
  auto ds = run_of("ds", 100, 500);
  put(ds.ledger, Blocked::restart, 150);
  put(ds.ledger, Blocked::load, 150);
  ds.ledger.rolled_back = 200 * kNodeSecond;
  CHECK(sentence({lazarus, ds}) ==
        "On this trace lazarus commits 1.9 times the tokens of ds; the difference is mostly time "
        "blocked in restarts and work rolled back. One trace: no interval.");
  // The same when ds is the baseline.
  CHECK(sentence({ds, lazarus}) == sentence({lazarus, ds}));
}

TEST_CASE("the verdict of the hand-made runs") {
  // Of 400 node-s ds has 69.5 stranded against 0, 60 in restarts against 30; steps are equally
  // fast.
  CHECK(sentence({real_run(lazarus_run()), real_run(ds_run())}) ==
        "On this trace lazarus commits 1.3 times the tokens of ds; the difference is mostly nodes "
        "that fill no group. One trace: no interval.");
}

TEST_CASE("faster steps are a reason of their own") {
  auto fast = run_of("fast", 300, 900);
  put(fast.ledger, Blocked::restart, 100);
  auto slow = run_of("slow", 150, 900);
  put(slow.ledger, Blocked::restart, 100);
  CHECK(difference_in_words(fast, slow) == "faster steps");
  // ln(300/150) = ln(900/600) + ln(0.333/0.25): .405 from restarts, .288 from speed.
  slow = run_of("slow", 150, 600);
  put(slow.ledger, Blocked::restart, 400);
  CHECK(difference_in_words(fast, slow) == "time blocked in restarts and faster steps");
  // Less productive, and all the same ahead.
  slow = run_of("slow", 150, 950);
  put(slow.ledger, Blocked::restart, 50);
  CHECK(difference_in_words(fast, slow) == "faster steps");
}

TEST_CASE("small, large and no differences are said plainly") {
  CHECK(sentence({run_of("a", 1032, 500), run_of("b", 1000, 500)}) ==
        "On this trace a commits 3.2 % more tokens than b; the difference is mostly faster steps. "
        "One trace: no interval.");
  CHECK(sentence({run_of("a", 12'345, 500), run_of("b", 1000, 500)}) ==
        "On this trace a commits 12 times the tokens of b; the difference is mostly faster steps. "
        "One trace: no interval.");
  CHECK(sentence({run_of("a", 1000, 500), run_of("b", 1001, 500)}) ==
        "On this trace b and a train equally fast (ratio 1.001). One trace: no interval.");
  CHECK(sentence({run_of("a", 1000, 500), run_of("b", 1000, 500)}) ==
        "On this trace a and b train equally fast (ratio 1). One trace: no interval.");
  CHECK(sentence({run_of("a", 0, 0), run_of("b", 7, 500)}) ==
        "On this trace b commits tokens and a none. One trace: no interval.");
  CHECK(sentence({run_of("a", 0, 0), run_of("b", 0, 0)}) ==
        "On this trace no policy commits a token. One trace: no interval.");
}

TEST_CASE("with several policies the best is set against the baseline and the next best") {
  CHECK(
      sentence({run_of("ds", 100, 500), run_of("lazarus", 180, 500), run_of("best", 200, 500)}) ==
      "On this trace best commits 2 times the tokens of ds (1.11 times those of lazarus, the next "
      "best); the difference is mostly faster steps. One trace: no interval.");
}

TEST_CASE("runs of unequal length are compared by speed") {
  auto quick = run_of("quick", 100, 500);
  quick.horizon = seconds(50);
  CHECK(sentence({quick, run_of("slow", 100, 500)}) ==
        "On this trace quick trains 2 times as fast as slow. One trace: no interval.");
}

TEST_CASE("too few runs to compare are named") {
  CHECK(sentence({infeasible_run("ds", "x")}) == "No policy has a run in this scenario.");
  CHECK(sentence({infeasible_run("ds", "x"), run_of("a", 1, 1)}) ==
        "Only a has a run in this scenario.");
}

TEST_CASE("intervals of replications are told, turned over when the baseline leads") {
  const std::vector<RunSummary> runs = {run_of("a", 200, 500), run_of("b", 100, 500)};
  auto comparisons = compare_on_one_trace(runs);
  comparisons[0].interval = Interval{0.4, 0.8};
  comparisons[0].replications = 20;
  comparisons[0].method = "paired t on log ratios";
  CHECK(verdict_sentence(runs, comparisons) ==
        "On these traces a commits 2 times the tokens of b; the difference is mostly faster steps. "
        "20 replications: ratio 2 [1.25, 2.5], paired t on log ratios.");
  comparisons[0].interval = Interval{0.4, 1.25};
  CHECK(verdict_sentence(runs, comparisons).find(": no clear winner.") != std::string::npos);
}
