#include "analysis/run_summary.h"

#include "analysis/answers.h"
#include "analysis/metric.h"
#include "tests/analysis/streams.h"
#include "tests/support/catch.h"

using namespace bethany;
using namespace bethany::streams;

namespace {

RunSummary summary_of(const std::vector<RunEvent>& events, SummaryOptions options = {}) {
  SummaryFold fold(std::move(options));
  feed(events, fold);
  REQUIRE(fold.ended());
  return fold.summary();
}

std::string digest_after(std::vector<RunEvent> events,
                         const std::function<void(std::vector<RunEvent>&)>& change) {
  change(events);
  return summary_of(events).digest;
}

template <class Fact>
Fact& first(std::vector<RunEvent>& events) {
  for (auto& event : events) {
    if (auto* fact = std::get_if<Fact>(&event)) return *fact;
  }
  throw std::runtime_error("no such fact");
}

}  // namespace

TEST_CASE("the summary of a run holds what its facts add up to") {
  // The numbers are those of the comment above lazarus_run().
  const RunSummary run = summary_of(lazarus_run());
  CHECK(run.policy == "lazarus");
  CHECK(run.feasible);
  CHECK(run.horizon == seconds(100));
  CHECK(run.samples == 199);
  CHECK(run.samples_discarded == 15);
  CHECK(run.tokens() == 19'900);
  CHECK(run.steps_committed == 58);
  CHECK(run.steps_discarded == 5);
  CHECK(run.kept_step_time == seconds(58));
  CHECK(run.discarded_step_time == seconds(5));
  CHECK(run.ledger.productive == 199 * kNodeSecond);
  CHECK(run.digest.size() == 16);
}

TEST_CASE("rates, shares and cost follow their formulas") {
  const RunSummary run = summary_of(lazarus_run(), {.usd_per_node_hour = 36, .recovery_cache = {}});
  CHECK(metric_value("goodput_tokens_per_s", run) == Approx(199.0));     // 19900 / 100
  CHECK(metric_value("throughput_tokens_per_s", run) == Approx(214.0));  // 21400 / 100
  CHECK(metric_value("step_throughput_tokens_per_s", run) == Approx(21'400.0 / 63));
  CHECK(metric_value("ettr", run) == Approx(0.58));
  CHECK(metric_value("productive_node_share", run) == Approx(199.0 / 400));
  CHECK(metric_value("blocked_share", run) == Approx(69.5 / 400));
  CHECK(metric_value("discarded_share", run) == Approx(17.0 / 400));
  CHECK(metric_value("unavailable_share", run) == Approx(114.5 / 400));
  CHECK(metric_value("tokens_per_productive_node_s", run) == Approx(100.0));
  // Paid: 400 - 102.5 absent = 297.5 node-s at 0.01 USD each.
  CHECK(metric_value("cost_usd", run) == Approx(2.975));
  CHECK(metric_value("usd_per_million_tokens", run) == Approx(2.975 / 0.0199));
  CHECK_FALSE(metric_value("cost_usd", summary_of(lazarus_run())).has_value());
}

TEST_CASE("recoveries are counted, with an exact interval") {
  const RecoverySummary recovery = summary_of(lazarus_run()).recovery;
  CHECK(recovery.disruptions == 2);
  CHECK(recovery.in_place == 1);
  CHECK(recovery.restart == 1);
  CHECK(recovery.regroup == 0);
  CHECK(recovery.none == 0);
  CHECK(recovery.observed() == Approx(0.5));
  // Clopper–Pearson of 1 in 2: 1 - sqrt(1 - 0.025) and sqrt(1 - 0.025).
  CHECK(recovery.observed_interval()->low == Approx(1 - std::sqrt(0.975)));
  CHECK(recovery.observed_interval()->high == Approx(std::sqrt(0.975)));
}

TEST_CASE("predicted recovery is the mean over disruptions of P under the plan in force") {
  // One of 4 nodes: P = 1. Two of 3 nodes: P = 0.
  CHECK(summary_of(lazarus_run()).recovery.predicted == Approx(0.5));
}

TEST_CASE("recovery by losses is weighted by the time trained under each plan") {
  // 4 nodes: 22 + 5 + 0.5 s. 3 nodes: 11 s before and 30 s after the restart.
  const double four = 27.5;
  const double three = 41;
  const auto by_losses = summary_of(lazarus_run()).recovery.by_losses;
  REQUIRE(by_losses.has_value());
  CHECK((*by_losses)[0] == Approx((four + three * 2 / 3) / (four + three)));
  CHECK((*by_losses)[1] == Approx(four * 2 / 3 / (four + three)));
  for (std::size_t k = 3; k <= 8; ++k) CHECK((*by_losses)[k - 1] == 0);
  CHECK(summary_of(lazarus_run()).recovery.guaranteed_losses_min == 0);
}

TEST_CASE("a policy that can only restart recovers with probability 0 by construction") {
  const RecoverySummary recovery = summary_of(ds_run()).recovery;
  CHECK(recovery.predicted == 0.0);
  CHECK(recovery.by_losses == std::array<double, 8>{});
  CHECK(recovery.guaranteed_losses_min == 0);
  CHECK(recovery.note.find("by construction") != std::string::npos);
  CHECK(recovery.note.find("given uniform victims") == 0);
}

TEST_CASE("equal steps in one go and one by one give equal summaries and digests") {
  for (const auto& [rounds, steps] :
       {std::pair(lazarus_run(false), lazarus_run(true)), std::pair(ds_run(false), ds_run(true))}) {
    REQUIRE(rounds.size() < steps.size());
    const RunSummary a = summary_of(rounds);
    const RunSummary b = summary_of(steps);
    CHECK(a.digest == b.digest);
    CHECK(to_text(replay_answer({a, {}})) == to_text(replay_answer({b, {}})));
  }
}

TEST_CASE("the digest sees every decision and configuration, and nothing else but totals") {
  const auto run = lazarus_run();
  const std::string before = summary_of(run).digest;
  CHECK(digest_after(run, [](auto&) {}) == before);
  CHECK(digest_after(run, [](auto& e) { first<RecoveryDecided>(e).lost = 2; }) != before);
  CHECK(digest_after(run, [](auto& e) { first<RecoveryDecided>(e).time = second(30); }) != before);
  CHECK(digest_after(run, [](auto& e) {
          first<RecoveryDecided>(e).recovery = Recovery::regroup;
        }) != before);
  CHECK(digest_after(run, [](auto& e) {
          first<ConfigurationCompleted>(e).plan = plan({0, 1, 0, 1}, 2);
        }) != before);
  CHECK(digest_after(run, [](auto& e) {
          first<ConfigurationCompleted>(e).machine_of_place = nodes({1, 0, 2, 3});
        }) != before);
  CHECK(digest_after(run, [](auto& e) {
          first<ConfigurationCompleted>(e).transfer.total_bytes = 1;
        }) != before);
  CHECK(digest_after(run, [](auto& e) {
          auto& ledger = std::get<RunEnded>(e.back()).ledger;
          ledger.productive -= 1;
          ledger.rolled_back += 1;
        }) != before);
  // A policy's name is no output: the same strategy under another name has the same digest.
  CHECK(digest_after(run, [](auto& e) { first<RunStarted>(e).policy = "other"; }) == before);
}

TEST_CASE("the digest is pinned") {
  // A change here changes every stored digest: say why in the commit.
  CHECK(summary_of(lazarus_run()).digest == "fd533875f072800a");
  CHECK(summary_of(ds_run()).digest == "ab32a0ac29ca11ed");
}

TEST_CASE("a disruption that is not decided by the horizon counts as none") {
  auto run = ds_run();
  // The restart is decided, but a further disruption is open at the end, told or not.
  run.insert(run.end() - 1, DisruptionBegan{second(100), 1});
  CHECK(summary_of(run).recovery.none == 1);
  run.insert(run.end() - 1, RecoveryDecided{second(100), 1, Recovery::none, 1, 1, false});
  const RecoverySummary recovery = summary_of(run).recovery;
  CHECK(recovery.none == 1);
  CHECK(recovery.disruptions == 2);
  CHECK(recovery.decided() == 1);
}

TEST_CASE("without disruptions there is nothing to observe or predict") {
  const std::vector<RunEvent> run = {
      RunStarted{"lazarus", true, 4, 1, 100},
      ConfigurationCompleted{second(0), PlanCause::start, 4, four_nodes(), nodes({0, 1, 2, 3}), {}},
      RunEnded{}};
  const RecoverySummary recovery = summary_of(run).recovery;
  CHECK_FALSE(recovery.observed().has_value());
  CHECK_FALSE(recovery.observed_interval().has_value());
  CHECK_FALSE(recovery.predicted.has_value());
  CHECK_FALSE(recovery.by_losses.has_value());  // nothing was trained
  CHECK(recovery.guaranteed_losses_min == 1);
}

TEST_CASE("a run of length 0 has a summary without rates") {
  const RunSummary run = summary_of(empty_run());
  CHECK(run.tokens() == 0);
  CHECK_FALSE(metric_value("goodput_tokens_per_s", run).has_value());
  CHECK_FALSE(metric_value("ettr", run).has_value());
  CHECK(metric_value("tokens", run) == 0.0);
}

TEST_CASE("a policy without a run has no numbers") {
  const RunSummary run = infeasible_run("ds", "16 experts need 3 nodes");
  CHECK_FALSE(run.feasible);
  for (const auto& name : metrics().names()) CHECK_FALSE(metric_value(name, run).has_value());
}
