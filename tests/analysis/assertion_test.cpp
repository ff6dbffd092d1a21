#include "analysis/assertion.h"

#include "sim/base/error.h"
#include "tests/support/catch.h"
#include "tests/support/refused.h"

using namespace bethany;
using bethany::test::contains;

namespace {

/// 100 s, of which `kept` seconds were kept steps of one token each.
RunResult run_of(std::string policy, int kept, bool bound = false) {
  RunResult run;
  run.summary.policy = std::move(policy);
  run.summary.is_bound = bound;
  run.summary.horizon = std::chrono::seconds(100);
  run.summary.kept_step_time = std::chrono::seconds(kept);
  run.summary.tokens_per_sample = 1;
  run.summary.samples = kept;
  return run;
}

Replications once() {
  return {.runs = {{run_of("a", 50), run_of("b:x=y", 90), run_of("top", 100, true)}}};
}

std::vector<std::string> missed_of(const char* text, const Replications& replications) {
  return missed(parse_assertion(text), replications, compare_on_replications(replications));
}

/// What reading it, and looking for its policy among `policies`, is refused with.
std::string complaint(const char* text, const std::vector<std::string>& policies = {"a", "b"}) {
  try {
    check_assertion(parse_assertion(text), policies);
  } catch (const InputError& error) {
    return error.what();
  }
  return "";
}

TEST_CASE("an assertion is read whatever its spaces") {
  const auto plain = parse_assertion("ettr>=0.9");
  CHECK(plain.policy.empty());
  CHECK(plain.metric == "ettr");
  CHECK(plain.order == Assertion::Order::at_least);
  CHECK(plain.bound == 0.9);
  CHECK(plain.statistic == Assertion::Statistic::mean);
  const auto full =
      parse_assertion("  lazarus:placement=mro+ :  p10( goodput_tokens_per_s ) < 1e6 ");
  CHECK(full.policy == "lazarus:placement=mro+");
  CHECK(full.metric == "goodput_tokens_per_s");
  CHECK(full.statistic == Assertion::Statistic::p10);
  CHECK(full.order == Assertion::Order::below);
  CHECK(full.bound == 1e6);
  CHECK(parse_assertion("low(goodput_ratio)>1").order == Assertion::Order::above);
  CHECK(parse_assertion("disruptions<=-2").bound == -2);
}

TEST_CASE("what is no assertion is refused, with the nearest name") {
  const auto refuse = [](const char* text, const char* part) {
    INFO(text);
    CHECK(contains(complaint(text), part));
  };
  refuse("ettr", "expected [POLICY:] METRIC OP NUMBER");
  refuse("", "expected [POLICY:]");
  refuse(": ettr>1", "expected [POLICY:]");
  refuse("ettr=0.9", "expected [POLICY:]");
  refuse("ettr>=", "expected a number after >=");
  refuse("ettr>=0.9x", "expected a number");
  refuse("ettr>nan", "expected a number");
  refuse("ettr<inf", "expected a number");
  refuse("etr>=0.9", "did you mean 'ettr'?");
  refuse(">=0.9", "unknown metric ''");
  refuse("p11(ettr)>1", "did you mean 'p10'?");
  refuse("p10(ettr>1", "expected STATISTIC(METRIC)");
  refuse("p50(goodput_ratio)>1", "there are mean, low, high and p10");
  CHECK(contains(complaint("lazzarus: ettr>0", {"lazarus", "ds"}), "did you mean 'lazarus'?"));
  CHECK(contains(complaint("goodput_ratio>1", {"lazarus"}), "needs a second policy"));
  CHECK(complaint("ettr>1", {"lazarus"}).empty());
}

TEST_CASE("every policy but bounds is held to an assertion, or the one it names") {
  CHECK(missed_of("ettr>=0.5", once()).empty());
  CHECK(missed_of("ettr>0.5", once()) == std::vector<std::string>{"a: ettr is 0.5, wanted > 0.5"});
  CHECK(missed_of("ettr<=0.5", once()) ==
        std::vector<std::string>{"b:x=y: ettr is 0.9, wanted <= 0.5"});
  CHECK(missed_of("ettr<0.5", once()).size() == 2);
  CHECK(missed_of("b:x=y: ettr>=0.9", once()).empty());
  CHECK(missed_of("top: ettr<1", once()) == std::vector<std::string>{"top: ettr is 1, wanted < 1"});
  CHECK(missed_of("goodput_ratio>=1.8", once()).empty());
  CHECK(missed_of("goodput_ratio>1.8", once()) ==
        std::vector<std::string>{"b:x=y: goodput_ratio is 1.8, wanted > 1.8"});
}

TEST_CASE("what is undefined is missed, and said to be unknown") {
  CHECK(missed_of("a: cost_usd<1", once()) ==
        std::vector<std::string>{"a: cost_usd is UNKNOWN, wanted < 1"});
  CHECK(missed_of("a: goodput_ratio>0", once()).size() == 1);  // it is the baseline
  CHECK(missed_of("low(ettr)>0", once()).size() == 2);         // one trace has no interval
  auto one_left = once();
  one_left.runs[0][0].summary = infeasible_run("a", "too few nodes");
  CHECK(missed_of("ettr>0.6", one_left).empty());
  CHECK(missed_of("a: ettr>=0", one_left) ==
        std::vector<std::string>{"a: ettr is UNKNOWN, wanted >= 0"});
  one_left.runs[0][2].summary.is_bound = false;
  one_left.runs[0].resize(2);
  CHECK(missed_of("goodput_ratio>0", one_left).size() == 1);
  // A policy that has a run in one draw and none in another is not let off.
  auto twice = once();
  twice.runs.push_back(one_left.runs[0]);
  twice.runs[1].push_back(run_of("top", 100, true));
  CHECK(missed_of("ettr>0", twice) == std::vector<std::string>{"a: ettr is UNKNOWN, wanted > 0"});
}

TEST_CASE("statistics are those over the replications") {
  Replications runs;
  for (const int kept : {10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110}) {
    runs.runs.push_back({run_of("a", 50), run_of("b", kept)});
  }
  CHECK(missed_of("b: ettr>=0.6", runs).empty());  // the mean
  CHECK(missed_of("b: ettr>0.61", runs).size() == 1);
  CHECK(missed_of("b: p10(ettr)>=0.2", runs).empty());
  CHECK(missed_of("b: p10(ettr)>0.21", runs).size() == 1);
  CHECK(missed_of("b: p90(ettr)>=1", runs).empty());
  CHECK(missed_of("b: p50(ettr)<=0.6", runs).empty());
  CHECK(missed_of("b: low(ettr)<0.6", runs).empty());
  CHECK(missed_of("b: high(ettr)>0.6", runs).empty());
  CHECK(missed_of("low(goodput_ratio)>1", runs).size() == 1);
  CHECK(missed_of("high(goodput_ratio)>1", runs).empty());
  CHECK(missed_of("p10(goodput_ratio)<0.5", runs).empty());
}

}  // namespace
