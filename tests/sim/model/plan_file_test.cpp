#include "sim/model/plan_file.h"

#include "sim/base/error.h"
#include "tests/support/catch.h"

namespace bethany {
namespace {

const std::string kPlan = R"({
  "bethany_plan": 1,
  "nodes": 3,
  "gpus_per_node": 2,
  "slots_per_node": 4,
  "experts": 4,
  "layers": [
    {
      "replicas": [3, 2, 2, 3],
      "plan": [[0, 1, 2, 3], [3, 0], [0, 1, 2, 3]],
      "gpu_plan": [[[0, 3], [1, 2]], [[], [0, 3]], [[0, 1], [2, 3]]]
    },
    {
      "replicas": [3, 1, 1, 1],
      "plan": [[0, 0, 0], [1, 2], [3]]
    }
  ],
  "domains": [
    {"name": "rack-1", "nodes": [1, 0], "domains": [{"name": "shelf", "nodes": [0]}]},
    {"name": "rack-2", "nodes": [2]}
  ]
})";

/// kPlan with one piece of text replaced.
std::string with(const std::string& from, const std::string& to) {
  auto text = kPlan;
  const auto at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

std::string message(const std::string& text) {
  try {
    parse_plan(text, "p.json");
  } catch (const InputError& error) {
    return error.what();
  }
  return "accepted";
}

TEST_CASE("a plan file is read slot by slot") {
  const auto file = parse_plan(kPlan, "p.json");
  CHECK(file.plan.nodes == 3);
  CHECK(file.plan.slots_per_gpu() == 2);
  REQUIRE(file.plan.layers.size() == 2);
  CHECK(file.plan.layers[0].replicas == std::vector<std::int32_t>{3, 2, 2, 3});
  CHECK(file.plan.layers[0].expert_of_slot ==
        std::vector<std::int32_t>{0, 3, 1, 2, kVacant, kVacant, 0, 3, 0, 1, 2, 3});
  // Dealt, as there is no gpu_plan.
  CHECK(file.plan.layers[1].expert_of_slot == std::vector<std::int32_t>{0, 0, 0, kVacant, 1,
                                                                        kVacant, 2, kVacant, 3,
                                                                        kVacant, kVacant, kVacant});
  REQUIRE(file.domains.size() == 2);
  CHECK(file.domains[0].name == "rack-1");
  CHECK(file.domains[0].nodes == std::vector<std::int32_t>{0, 1});
  CHECK(file.domains[0].domains[0].name == "shelf");
}

TEST_CASE("a written plan is read back the same") {
  const auto file = parse_plan(kPlan, "p.json");
  const auto again = parse_plan(to_text(plan_json(file)), "again.json");
  CHECK(again.plan == file.plan);
  CHECK(again.domains == file.domains);
}

TEST_CASE("GPUs per node default to one, domains to none") {
  const auto file = parse_plan(
      R"({"bethany_plan":1,"nodes":1,"slots_per_node":1,"experts":1,
          "layers":[{"replicas":[1],"plan":[[0]]}]})",
      "p.json");
  CHECK(file.plan.gpus_per_node == 1);
  CHECK(file.domains.empty());
}

TEST_CASE("the output of place is a plan, one layer at the top or several below") {
  const std::string head =
      R"({"schema":"bethany/place/1","version":"1.2.3","nodes":2,"slots_per_node":1,
          "gpus_per_node":1,"experts":2,"fault_threshold":2,"fault_threshold_effective":1,)";
  const auto one = parse_plan(head + R"("replicas":[1,1],"plan":[[0],[1]],"gpu_plan":[[[0]],[[1]]],
                "max_over_mean_load":1.0})",
                              "p.json");
  CHECK(one.plan.layers.size() == 1);
  const auto two =
      parse_plan(head + R"("layers":[{"replicas":[1,1],"plan":[[0],[1]],"max_over_mean_load":null},
                          {"replicas":[1,1],"plan":[[1],[0]],"max_over_mean_load":1.5}]})",
                 "p.json");
  CHECK(two.plan.layers[1].expert_of_slot == std::vector<std::int32_t>{1, 0});
  CHECK(message(R"({"schema":"bethany/recover/1"})").find("'bethany/recover/1' is not a plan") !=
        std::string::npos);
}

TEST_CASE("what is wrong with a plan is named with line and path") {
  CHECK(message(with("\"bethany_plan\": 1", "\"bethany_plan\": 2")) ==
        "p.json:2: /bethany_plan: version 2 is not known; this reads 1");
  CHECK(message(with("\"experts\": 4", "\"expert\": 4")) == "p.json:1: /: missing key 'experts'");
  CHECK(message(with("\"gpu_plan\"", "\"gpu_plans\"")) ==
        "p.json:11: /layers/0/gpu_plans: unknown key 'gpu_plans'; did you mean 'gpu_plan'?");
  CHECK(message(with("[3, 0], [0, 1", "[4, 0], [0, 1")) ==
        "p.json:10: /layers/0/plan/1: expected experts in 0..3, found 4");
  CHECK(message(with("[3, 0], [0, 1", "[3, 0.5], [0, 1")) ==
        "p.json:10: /layers/0/plan/1: expected experts in 0..3, found 0.5");
  CHECK(message(with("[3, 0], [0, 1, 2, 3]]", "[3, 0]]")) ==
        "p.json:10: /layers/0/plan: 2 entries for 3 nodes");
  CHECK(message(with("[[0, 1, 2, 3], [3", "[[0, 1, 2, 3, 3], [3")) ==
        "p.json:10: /layers/0/plan/0: 5 experts in 4 slots");
  CHECK(message(with("\"replicas\": [3, 2, 2, 3]", "\"replicas\": [3, 2, 3, 2]")) ==
        "p.json:9: /layers/0/replicas: 3 replicas of expert 2, but `plan` has 2");
  CHECK(message(with("\"replicas\": [3, 2, 2, 3]", "\"replicas\": [3, 2, 2]")) ==
        "p.json:9: /layers/0/replicas: 3 entries for 4 experts");
  CHECK(message(with("[[], [0, 3]]", "[[], [0, 2]]")) ==
        "p.json:11: /layers/0/gpu_plan/1: the GPUs of node 1 do not hold what `plan` says");
  CHECK(message(with("[[], [0, 3]]", "[[0, 3]]")) ==
        "p.json:11: /layers/0/gpu_plan/1: 1 entries for 2 GPUs");
  CHECK(message(with("[[0, 3], [1, 2]]", "[[0, 3, 1], [2]]")) ==
        "p.json:11: /layers/0/gpu_plan/0/0: 3 experts in 2 slots");
  CHECK(message(with("\"slots_per_node\": 4", "\"slots_per_node\": 5")) ==
        "p.json:4: /gpus_per_node: 2 GPUs cannot share 5 slots equally");
  CHECK(message(with("\"nodes\": [2]", "\"nodes\": [3]")) ==
        "p.json:20: /domains/1/nodes: expected whole numbers in 0..2, found 3");
  CHECK(message(with("\"nodes\": [1, 0]", "\"nodes\": [1, 1]")) ==
        "p.json:19: /domains/0/nodes: a node stands there twice");
  CHECK(message(with("\"rack-2\"", "\"shelf\"")) ==
        "p.json:20: /domains/1/name: 'shelf' names two domains");
}

std::string domains_message(const std::string& text, int nodes) {
  try {
    read_domains(parse_json(text, "d.json"), nodes);
  } catch (const InputError& error) {
    return error.what();
  }
  return "accepted";
}

TEST_CASE("domains are read from an array or from a plan file of as many nodes") {
  const auto alone = read_domains(parse_json(R"([{"name":"a","nodes":[1,0]},
      {"name":"b","domains":[{"name":"c","nodes":[3]},{"name":"d","nodes":[2]}]}])",
                                             "d.json"),
                                  4);
  REQUIRE(alone.size() == 2);
  CHECK(alone[1].nodes.empty());
  CHECK(nodes_of(alone[1]) == std::vector<std::int32_t>{2, 3});
  CHECK(read_domains(parse_json(kPlan, "p.json"), 3) == parse_plan(kPlan, "p.json").domains);
  CHECK(domains_message(kPlan, 4) == "d.json:1: /nodes: 3 nodes for a plan of 4");
}

TEST_CASE("what is wrong with domains is named with line and path") {
  CHECK(domains_message("[]", 4) == "d.json:1: /: no domains");
  CHECK(domains_message("3", 4) ==
        "d.json:1: /: expected an array of domains, found a whole number");
  CHECK(domains_message("[\n7]", 4).find("d.json:2: /0: ") == 0);
  CHECK(domains_message(R"([{"name":"a","nodes":[4]}])", 4) ==
        "d.json:1: /0/nodes: expected whole numbers in 0..3, found 4");
  CHECK(domains_message(R"([{"name":"a","nodes":[1]},
                            {"name":"b","domains":[{"name":"c","nodes":[1]}]}])",
                        4) == "d.json:2: /1: node 1 is in the domains 'a' and 'b'");
}

TEST_CASE("a plan that would not fit into memory is refused before it is made") {
  CHECK(message(R"({"bethany_plan":1,"nodes":1000000,"slots_per_node":1000000,"experts":1,
                    "layers":[{"replicas":[1],"plan":[[0]]}]})")
            .find("1000000000000 slots are more than 268435456") != std::string::npos);
  CHECK(message(R"({"bethany_plan":1,"nodes":1,"slots_per_node":1,"experts":1,"layers":[]})")
            .find("expected at least one layer") != std::string::npos);
}

}  // namespace
}  // namespace bethany
