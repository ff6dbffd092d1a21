#include "sim/study/setup.h"

#include <fmt/format.h>

#include "sim/base/error.h"
#include "sim/study/replay.h"
#include "tests/support/catch.h"
#include "tests/support/process.h"

namespace bethany {
namespace {

/// A small scenario with a piece of text in place of its trace and `until`.
std::string scenario(const std::string& trace, const std::string& training = "") {
  return fmt::format(R"({{"model": "gpt-s", "training": {{{}}},
      "cluster": {{"nodes": 6, "slots_per_gpu": 6}}, "trace": {},
      "cost": {{"model": "fixed", "step": "3s", "checkpoint": "10s", "detection": "15s",
                "planning": "1s", "communicator": "10s", "process_start": "50s"}}}})",
                     training, trace);
}

std::string complaint(const std::string& text) {
  try {
    make_setup(parse_json(text, "s.json"));
  } catch (const InputError& error) {
    return error.what();
  }
  return "";
}

constexpr char kSpot[] = R"({"generator": "spot", "nodes": 12, "length": "6h"})";

TEST_CASE(
    "a routing file is read once for all scenarios of a cache, and drawn loads by their seed") {
  const test::TemporaryDirectory directory;
  std::string loads = R"({"bethany_routing":1,"layers":12,"experts":8,"top_k":1})";
  loads += "\n{\"step\":0,\"loads\":[";
  for (int layer = 0; layer < 12; ++layer) {
    loads += std::string(layer == 0 ? "" : ",") + "[1,2,3,4,5,6,7,8]";
  }
  const auto file = directory.write("loads.jsonl", loads + "]}\n");
  const auto tree = [&](int seed, const std::string& routing) {
    auto node = parse_json(scenario("\"none\"", R"("until": {"time": "1h"})"), "s.json");
    node.member("routing") = parse_json(routing, "s.json");
    node.member("seed") = JsonNode::of(std::int64_t{seed});
    return node;
  };
  const auto from_file = fmt::format(R"({{"file": "{}"}})", file);
  InputCache cache;
  const auto first = make_setup(tree(1, from_file), &cache);
  const auto second = make_setup(tree(2, from_file), &cache);
  CHECK(first.routing == second.routing);
  CHECK(to_line(*first.effective.find("routing")) == to_line(*second.effective.find("routing")));
  CHECK(to_line(*first.effective.find("routing")) ==
        to_line(*make_setup(tree(1, from_file)).effective.find("routing")));
  const std::string drawn = R"({"generator": "zipf-drift"})";
  CHECK(make_setup(tree(1, drawn), &cache).routing != make_setup(tree(2, drawn), &cache).routing);
  CHECK(make_setup(tree(1, drawn), &cache).routing == make_setup(tree(1, drawn), &cache).routing);
}

TEST_CASE("what ends a run must be said once") {
  CHECK(complaint(scenario(kSpot)).empty());
  CHECK(complaint(scenario(R"("none")")).find("needs training.until") != std::string::npos);
  CHECK(complaint(scenario(R"("none")", R"("until": {"time": "1h"})")).empty());
  CHECK(complaint(scenario(R"("none")", R"("until": {"time": "1h", "samples": 5})"))
            .find("one of time, samples and tokens") != std::string::npos);
  CHECK(complaint(scenario(R"({"generator": "spot", "at_end": "hold"})")).find("at_end") !=
        std::string::npos);
  CHECK(complaint(scenario(R"({"generator": "spot", "at_end": "repeat"})")).find("at_end") !=
        std::string::npos);
}

TEST_CASE("a trace is a file or a generator") {
  CHECK(complaint(scenario("{}")).find("either a file or a generator") != std::string::npos);
  CHECK(complaint(scenario(R"({"file": "a", "generator": "spot"})")).find("either") !=
        std::string::npos);
  CHECK(complaint(scenario(R"("nothing")")).find("\"none\"") != std::string::npos);
  CHECK(complaint(scenario(R"({"generator": "spot", "lenght": "6h"})")).find("'length'") !=
        std::string::npos);
}

TEST_CASE("the effective scenario is complete, and again a scenario with the same results") {
  const auto first = make_setup(parse_json(scenario(kSpot), "s.json"));
  const auto second = make_setup(parse_json(to_text(first.effective), "effective.json"));
  CHECK(to_text(second.effective) == to_text(first.effective));
  CHECK(trace_digest(*second.trace) == trace_digest(*first.trace));
  const auto policies = choose_policies(first, {});
  const auto a = compare(first, policies, 1);
  const auto b = compare(second, policies, 2);
  REQUIRE(a.size() == 2);
  for (std::size_t i = 0; i < a.size(); ++i) CHECK(a[i].digest == b[i].digest);
}

TEST_CASE("nodes default to the trace's peak") {
  const auto text = R"({"model": "gpt-s", "cluster": {"slots_per_gpu": 6},
      "trace": {"generator": "poisson", "nodes": 7, "mtbf": "10h", "length": "1h"}})";
  CHECK(make_setup(parse_json(text, "s.json")).scenario.cluster.nodes == 7);
}

TEST_CASE("ideal is never below a policy it is the bound of") {
  for (int seed = 1; seed <= 25; ++seed) {
    INFO("seed " << seed);
    auto tree = parse_json(scenario(kSpot), "s.json");
    tree.member("seed") = JsonNode::of(static_cast<std::int64_t>(seed));
    const auto setup = make_setup(tree);
    const auto runs = compare(
        setup, choose_policies(setup, {"lazarus", "ds", "lazarus:placement=compact", "ideal"}), 2);
    REQUIRE(runs.size() == 4);
    CHECK(runs[3].is_bound);
    for (const auto& run : runs) {
      if (run.feasible) CHECK(run.samples <= runs[3].samples);
    }
  }
}

TEST_CASE("a policy is named once") {
  const auto setup = make_setup(parse_json(scenario(kSpot), "s.json"));
  CHECK_THROWS_AS(choose_policies(setup, {"ds", "ds"}), InputError);
}

}  // namespace
}  // namespace bethany
