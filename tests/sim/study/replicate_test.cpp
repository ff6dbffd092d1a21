#include "sim/study/replicate.h"

#include "sim/base/error.h"
#include "tests/support/catch.h"

namespace bethany {
namespace {

const char* const kGenerated = R"({
  "model": "gpt-s", "training": {"until": {"time": "1h"}, "start": "warm"},
  "cluster": {"nodes": 8, "slots_per_gpu": 6},
  "trace": {"generator": "poisson", "nodes": 12, "mtbf": "4h", "mttr": "20min", "length": "2h"},
  "cost": {"model": "fixed", "step": "1s", "checkpoint": "5s", "detection": "15s",
           "process_start": "40s"}})";

Replications run(const JsonNode& tree, ReplicateOptions options) {
  const auto setup = make_setup(tree);
  return replicate(tree, setup, choose_policies(setup, {"lazarus", "ds"}), options);
}

/// What it is refused with.
std::string complaint(const JsonNode& tree, ReplicateOptions options) {
  try {
    run(tree, options);
  } catch (const InputError& error) {
    return error.what();
  }
  return "";
}

std::vector<std::string> digests(const Replications& replications) {
  std::vector<std::string> all;
  for (const auto& runs : replications.runs) {
    for (const auto& each : runs) all.push_back(each.summary.digest);
  }
  return all;
}

TEST_CASE("replications are draws of the scenario, whatever the number of threads") {
  const auto tree = parse_json(kGenerated, "test");
  const auto one = run(tree, {.count = 6, .threads = 1});
  CHECK(digests(one) == digests(run(tree, {.count = 6, .threads = 4})));
  REQUIRE(one.count() == 6);
  CHECK(one.runs[4][0].context.replication == 4);
  // Each is the scenario with its number: it can be replayed alone.
  auto fourth = tree;
  apply_set(fourth, "replication=4");
  CHECK(run(fourth, {}).runs[0][1].summary.digest == one.runs[4][1].summary.digest);
  CHECK(one.runs[0][0].summary.digest != one.runs[4][0].summary.digest);
  // Policies of a replication share its trace.
  CHECK(one.runs[3][0].context.trace.sha256 == one.runs[3][1].context.trace.sha256);
  CHECK(one.runs[3][0].context.trace.sha256 != one.runs[2][0].context.trace.sha256);
}

TEST_CASE("until-ci stops at the first look that is narrow enough, at most at the count") {
  const auto tree = parse_json(kGenerated, "test");
  const auto loose = run(tree, {.count = 60, .until_ci = 0.9, .threads = 2});
  CHECK(loose.count() == kCiBatch);
  const auto tight = run(tree, {.count = 25, .until_ci = 1e-6, .threads = 2});
  CHECK(tight.count() == 25);
  const auto some = run(tree, {.count = 200, .until_ci = 0.05, .threads = 2});
  CHECK(some.count() % kCiBatch == 0);
  CHECK(narrow_enough(some, compare_on_replications(some), 0.05));
}

TEST_CASE("what nothing is drawn in has no replications") {
  auto tree = parse_json(kGenerated, "test");
  apply_set(tree, "trace=none");
  apply_set(tree, "routing.generator=uniform");
  CHECK(complaint(tree, {.count = 3}).find("3 replications came out equal") != std::string::npos);
}

TEST_CASE("windows are cut from files") {
  const auto tree = parse_json(kGenerated, "test");
  CHECK(complaint(tree, {.windows = 3}).find("--replications") != std::string::npos);
}

}  // namespace
}  // namespace bethany
