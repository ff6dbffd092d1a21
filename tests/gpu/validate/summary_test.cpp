// What a validation says of observations that are put together here.
#include <algorithm>
#include <cmath>

#include "gpu/validate/observer.h"
#include "gpu/validate/report.h"
#include "gpu/validate/summary.h"
#include "sim/base/random.h"
#include "tests/support/catch.h"

namespace bethany::test {
namespace {

Observation step(std::int64_t number, double predicted, double measured) {
  Observation made;
  made.kind = "step";
  made.step = number;
  made.predicted = predicted;
  made.measured = measured;
  made.terms = {{"dense", predicted, measured}};
  made.others = OtherPredictions{predicted, predicted, predicted / 2};
  made.decided = made.performed = "0123456789abcdef";
  return made;
}

Observation stage(const std::string& kind, std::int64_t recovery, double predicted,
                  double measured) {
  Observation made;
  made.kind = kind;
  made.recovery = recovery;
  made.predicted = predicted;
  made.measured = measured;
  return made;
}

ValidationContext two_policies() {
  ValidationContext context;
  context.backend = "none";
  context.mode = Mode::cluster;
  context.cases = {{"fast", "zipf", 4, "none", 1}, {"slow", "zipf", 4, "none", 1}};
  return context;
}

CaseRun run_of(std::size_t index, int pass, std::vector<Observation> observations) {
  CaseRun run;
  run.index = index;
  run.pass = pass;
  run.samples = 10;
  run.observations = std::move(observations);
  return run;
}

const ErrorRow* row(const std::vector<ErrorRow>& rows, const std::string& name, bool in_domain) {
  const auto found = std::find_if(rows.begin(), rows.end(), [&](const ErrorRow& each) {
    return each.name == name && each.in_domain == in_domain;
  });
  return found == rows.end() ? nullptr : &*found;
}

const BoundResult& bound(const Validation& validation, const std::string& name) {
  const auto found = std::find_if(validation.bounds.begin(), validation.bounds.end(),
                                  [&](const BoundResult& each) { return each.name == name; });
  REQUIRE(found != validation.bounds.end());
  return *found;
}

/// Steps of 1 s and 2 s, predicted exactly; pass B takes 1 % more.
std::vector<CaseRun> exact_runs() {
  std::vector<CaseRun> runs;
  for (const int pass : {0, 1}) {
    const double more = pass == 0 ? 1 : 1.01;
    runs.push_back(run_of(0, pass, {step(0, 1, more), step(1, 1, more)}));
    runs.push_back(run_of(1, pass, {step(0, 2, 2 * more), step(1, 2, 2 * more)}));
  }
  return runs;
}

TEST_CASE("errors, noise, order and skill of runs that are nearly exact") {
  const auto v = evaluate(two_policies(), {}, exact_runs(), false);
  CHECK(v.planned == 4);
  CHECK(v.attempted == 4);
  REQUIRE(v.steps.size() == 1);
  CHECK(v.steps[0].error.points == 8);
  CHECK(v.steps[0].error.worst == Approx(0.01 / 1.01));
  CHECK(v.step_noise.value() == Approx(0.01 / 1.005));
  CHECK(v.steps.at(0).noise == v.step_noise);
  CHECK(v.noise_floor.value() == Approx(0.01 / 1.005));
  CHECK(v.ranking.pairs_apart == 1);
  CHECK(v.ranking.pairs_right == 1);
  CHECK(v.ranking.tau.value() == Approx(1));
  CHECK(v.ranking.regret_worst.value() == 0);
  // The mean step of the setting is 1.5075 s: errors 50 % and 25 %, so their median is far above.
  CHECK(v.skill_mean.value() > 0.9);
  CHECK(v.skill_roofline.value() > 0.9);
  REQUIRE(v.policies.size() == 2);
  CHECK(v.policies[0].predicted == Approx(4));
  CHECK(v.policies[0].measured == Approx(4.02));
  CHECK_FALSE(v.policies[0].interval);
  CHECK(v.digests_compared == 8);
  CHECK(v.digests_different == 0);
  CHECK(v.passed());
}

TEST_CASE("points outside the profile's domain stand apart, and recoveries sum their stages") {
  auto outside = step(0, 1, 2);
  outside.in_domain = false;
  std::vector<CaseRun> runs{
      run_of(0, 0,
             {step(0, 1, 1), outside, stage("detection", 0, 1, 2), stage("transfer", 0, 3, 3),
              stage("detection", 1, 1, 1), stage("planning", -1, 5, 1)})};
  const auto v = evaluate(two_policies(), {}, runs, false);
  REQUIRE(row(v.steps, "step", false) != nullptr);
  CHECK(row(v.steps, "step", false)->error.median == Approx(0.5));
  CHECK(row(v.steps, "step", true)->error.median == Approx(0));
  CHECK(row(v.terms, "dense", false)->error.points == 1);
  CHECK(v.out_of_domain == 1);
  REQUIRE(v.recoveries.size() == 1);
  CHECK(v.recoveries[0].error.points == 2);           // not the planning of a join
  CHECK(v.recoveries[0].error.worst == Approx(0.2));  // 4 predicted, 5 measured
  CHECK(row(v.stages, "planning", true)->error.worst == Approx(4));
}

TEST_CASE("a step that followed another plan fails, whatever the times") {
  auto runs = exact_runs();
  runs[0].observations[1].performed = "fedcba9876543210";
  const auto v = evaluate(two_policies(), {}, runs, false);
  CHECK(v.digests_different == 1);
  CHECK(bound(v, "decided_performed").missed());
  CHECK_FALSE(v.passed());
}

TEST_CASE("failed runs are counted and named, and no score is made of them") {
  auto runs = exact_runs();
  runs[1].failure = "no plan";
  runs[1].samples = 0;
  runs[1].observations.clear();
  const auto v = evaluate(two_policies(), {}, runs, false);
  REQUIRE(v.failed.size() == 1);
  CHECK(v.failed[0].name == "slow, zipf on 4 nodes, failures none, seed 1, pass A");
  CHECK(v.failed[0].reason == "no plan");
  CHECK(v.ranking.pairs == 1);  // pass B of it is there
  CHECK(v.verdict().find("1 runs failed") != std::string::npos);
}

TEST_CASE("bounds are missed by a bad point, and modes demand what they can show") {
  std::vector<CaseRun> runs = exact_runs();
  for (auto& run : runs) {
    for (auto& each : run.observations) {
      each.predicted *= 1.2;
      each.terms[0].predicted *= 1.2;
    }
    run.memory = MemoryObservation{103, 100};
  }
  auto context = two_policies();
  const auto v = evaluate(context, {}, runs, false);
  CHECK(bound(v, "compute_in_domain").missed());
  CHECK(bound(v, "step_median").missed());
  CHECK(bound(v, "step_p90").missed());
  CHECK(bound(v, "memory").missed());
  CHECK_FALSE(bound(v, "ranking").missed());
  CHECK_FALSE(bound(v, "recovery").value);  // nothing was lost
  CHECK_FALSE(v.passed());
  context.mode = Mode::threads;
  const auto threads = evaluate(context, {}, runs, false);
  REQUIRE(threads.bounds.size() == 2);
  CHECK(threads.bounds[0].name == "decided_performed");
  CHECK(threads.bounds[1].missed());
  CHECK_FALSE(evaluate(context, {}, {}, true).passed());  // nothing was measured
}

TEST_CASE("every mode says what it shows and what it does not") {
  for (const auto& name : mode_names()) {
    const auto mode = mode_named(name);
    CHECK(name_of(mode) == name);
    CHECK_FALSE(claims_of(mode).may.empty());
    CHECK_FALSE(claims_of(mode).may_not.empty());
  }
}

TEST_CASE("the pilot sizes samples by the steps before the first disturbance") {
  std::vector<CaseRun> pilot{run_of(0, 0,
                                    {step(0, 1, 1), step(1, 2, 4), step(2, 1, 3),
                                     stage("detection", 0, 1, 1), step(3, 1, 1000)})};
  const auto found = evaluate_pilot(pilot, 60, 400);
  CHECK(found.steps_seen == 3);
  // Of 2 and 3, the first step apart: 1.4826 · 0.5 / 2.5.
  CHECK(found.variation == Approx(0.29652));
  CHECK(found.samples_wanted == 136);  // (1.96 · 0.29652 / 0.05)² = 135.1
  CHECK(found.steps == 136);
  CHECK(evaluate_pilot(pilot, 60, 100).steps == 100);
}

TEST_CASE("intervals come from the pilot, by kind, and only where it has enough") {
  std::vector<Observation> many;
  for (int i = 1; i <= 39; ++i) many.push_back(step(i, 1, 1 + i / 100.0));
  many.push_back(stage("transfer", 0, 1, 1));
  const std::vector<CaseRun> pilot{run_of(0, 0, many)};
  auto outside = step(1, 10, 10);
  outside.in_domain = false;
  std::vector<CaseRun> runs{
      run_of(0, 0, {step(0, 10, 12), outside, stage("transfer", 0, 1, 1), step(2, 10, 20)})};
  add_intervals(pilot, runs);
  const auto& first = runs[0].observations[0];
  REQUIRE(first.interval);
  CHECK(first.interval->low == Approx(10.1));
  CHECK(first.interval->high == Approx(13.9));
  CHECK_FALSE(runs[0].observations[1].interval);
  CHECK_FALSE(runs[0].observations[2].interval);
  const auto v = evaluate(two_policies(), {}, runs, false);
  CHECK(v.coverage.points == 2);
  CHECK(v.coverage.inside == 1);
}

TEST_CASE("phases of ranks are summed by term, the slowest rank of each") {
  Observation made;
  const CostBreakdown predicted{.total = Duration(3'000'000'000),
                                .terms = {{"dense", Duration(1'000'000'000)},
                                          {"expert", Duration(2'000'000'000)},
                                          {"fixed", Duration(0)}}};
  const std::vector<std::vector<PhaseTime>> ranks{
      {{"attention_forward", 0, 1.0}, {"expert_forward", 0, 2.0}, {"expert_forward", 1, 5.0}},
      {{"attention_forward", 0, 1.5}, {"expert_forward", 0, 1.0}, {"expert_forward", 1, 6.0}}};
  fill_parts(made, predicted, ranks);
  REQUIRE(made.phases.size() == 2);
  CHECK(made.phases[1].measured == Approx(8));  // 2 of the first, 6 of the second
  REQUIRE(made.terms.size() == 2);
  CHECK(made.terms[0].measured == Approx(1.5));
  CHECK(made.terms[1].predicted == Approx(2));
  CHECK(made.terms[1].measured == Approx(8));
  CHECK_FALSE(made.phases[0].waited);
}

TEST_CASE("a phase in which the host hardly waits for its device is launch-bound") {
  auto first = step(0, 1, 1);
  const std::vector<std::vector<PhaseTime>> ranks{
      {{"gate", 0, 1.0, 0.9}, {"expert_forward", 0, 4.0, 3.0}, {"counts", 0, 0.1}},
      {{"gate", 0, 2.0, 0.1}, {"expert_forward", 0, 2.0, 2.0}, {"counts", 0, 0.2}}};
  fill_parts(first, {}, ranks);
  auto second = step(1, 1, 1);
  fill_parts(second, {}, ranks);
  REQUIRE(first.phases.size() == 3);
  CHECK(first.phases[0].waited == 0.1);  // of the slowest rank
  CHECK(first.phases[1].waited == 3.0);
  CHECK_FALSE(first.phases[2].waited);
  const auto v =
      evaluate(two_policies(), {}, std::vector<CaseRun>{run_of(0, 0, {first, second})}, false);
  REQUIRE(v.phases.size() == 3);
  CHECK(v.phases[0].waited == Approx(0.1));
  CHECK(v.phases[0].launch_bound());
  CHECK_FALSE(v.phases[1].launch_bound());
  CHECK_FALSE(v.phases[2].launch_bound());
  const auto text = validation_text(v);
  CHECK(text.find("launch-bound, the device waits for the host: gate\n") != std::string::npos);
  CHECK(text.find("75.0 %\n") != std::string::npos);
  const JsonNode json = validation_json(v);
  const auto& expert = json.find("measured_phases")->items.at(1);
  CHECK(expert.find("waited_s")->real == 3);
  CHECK(expert.find("launch_bound")->kind == JsonNode::Kind::boolean);
  CHECK_FALSE(expert.find("launch_bound")->boolean);
}

TEST_CASE("half the network doubles what is between ranks and nothing else") {
  const CostBreakdown cost{.total = Duration(6'000'000'000),
                           .terms = {{"dense", Duration(1'000'000'000)},
                                     {"all_to_all", Duration(2'000'000'000)},
                                     {"all_reduce_expert", Duration(3'000'000'000)}}};
  CHECK(with_network(cost, 2) == Approx(11));
  CHECK(with_network(cost, 0.5) == Approx(3.5));
}

TEST_CASE("the text stays short whatever came out") {
  auto context = two_policies();
  std::vector<CaseRun> runs;
  for (std::size_t i = 0; i < 400; ++i) {
    const std::string name = "policy-with-a-long-name-" + std::string(200, 'x') + std::to_string(i);
    context.cases.push_back({name, "zipf", 4, "none", 1});
    context.facts.emplace_back("fact " + std::to_string(i), std::string(500, 'y'));
    auto run = run_of(context.cases.size() - 1, 0, {step(0, 1, 1), stage("s" + name, 0, 1, 2)});
    if (i % 2 == 0) run.failure = std::string(1000, 'z');
    runs.push_back(std::move(run));
  }
  const auto v = evaluate(context, {}, runs, false);
  CHECK(v.failed.size() == 200);
  CHECK(validation_text(v).size() < 12'000);
  CHECK(to_text(validation_json(v)).find("policy-with-a-long-name") != std::string::npos);
}

}  // namespace
}  // namespace bethany::test
