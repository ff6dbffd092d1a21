#include "sim/placement/answers.h"

#include <cmath>
#include "sim/model/plan_file.h"

#include "tests/sim/placement/naive.h"

namespace bethany {
namespace {

using naive::Counts;
using naive::Loads;

PlaceRequest request() {
  PlaceRequest at;
  at.nodes = 10;
  at.slots_per_node = 6;
  at.loads = naive::one_layer({1, 1, 2, 4, 8, 16, 32, 64});
  return at;
}

JsonNode placed(const PlaceRequest& at) {
  const auto answer = answer_place(at);
  REQUIRE(std::holds_alternative<PlaceAnswer>(answer));
  return place_json(std::get<PlaceAnswer>(answer));
}

std::vector<std::string> keys(const JsonNode& node) {
  std::vector<std::string> names;
  for (const auto& member : node.members) names.push_back(member.key);
  return names;
}

TEST_CASE("place prints one layer at the top level") {
  const auto json = placed(request());
  CHECK(keys(json) == std::vector<std::string>{"schema",
                                               "version",
                                               "nodes",
                                               "slots_per_node",
                                               "gpus_per_node",
                                               "experts",
                                               "allocation",
                                               "placement",
                                               "dispatch",
                                               "seed",
                                               "fault_threshold",
                                               "fault_threshold_effective",
                                               "replicas",
                                               "plan",
                                               "gpu_plan",
                                               "max_over_mean_load",
                                               "optimal",
                                               "off_node_share",
                                               "gradient_traffic",
                                               "gradient_bytes_per_node"});
  CHECK(json.find("schema")->text == "bethany/place/1");
  CHECK(json.find("version")->text == BETHANY_VERSION);
  CHECK(to_line(*json.find("replicas")) == "[2,2,2,2,3,7,14,28]");
  CHECK(json.find("plan")->items.size() == 10);
  CHECK(to_line(json.find("plan")->items[0]) == "[0,1,2,3,4,5]");
  CHECK(to_line(json.find("gpu_plan")->items[0]) == "[[0,1,2,3,4,5]]");
  // By hand: an even split; nodes 0 and 1 hold one replica of each of the six coldest experts.
  const auto plan = std::get<PlaceAnswer>(answer_place(request())).plan;
  double largest = 0;
  const auto loads = request().loads;
  for (int n = 0; n < 10; ++n) {
    double load = 0;
    for (const auto e : plan.node_slots(0, n)) {
      load += static_cast<double>(loads.values[static_cast<std::size_t>(e)]) /
              plan.layers[0].replicas[static_cast<std::size_t>(e)];
    }
    largest = std::max(largest, load);
  }
  CHECK(json.find("max_over_mean_load")->real == Approx(largest / 12.8).epsilon(1e-9));
}

TEST_CASE("place prints several layers under layers") {
  auto at = request();
  at.loads = LoadMatrix(2, 8);
  std::fill(at.loads.values.begin(), at.loads.values.end(), 1);
  const auto json = placed(at);
  CHECK(json.find("replicas") == nullptr);
  REQUIRE(json.find("layers") != nullptr);
  REQUIRE(json.find("layers")->items.size() == 2);
  CHECK(keys(json.find("layers")->items[1]) ==
        std::vector<std::string>{"replicas", "plan", "gpu_plan", "max_over_mean_load", "optimal",
                                 "off_node_share", "gradient_traffic", "gradient_bytes_per_node"});
  CHECK(to_line(*json.find("layers")->items[1].find("replicas")) == "[7,7,7,7,8,8,8,8]");
}

TEST_CASE("given replicas have no fault threshold, and without loads no balance") {
  auto at = request();
  at.loads = {};
  at.nodes = 3;
  at.slots_per_node = 2;
  at.replicas = {{2, 2, 2}};
  const auto json = placed(at);
  for (const auto* key :
       {"allocation", "fault_threshold", "fault_threshold_effective", "max_over_mean_load"}) {
    CHECK(json.find(key)->kind == JsonNode::Kind::null);
  }
  CHECK(to_line(*json.find("plan")) == "[[0,1],[0,1],[2,2]]");
  at.loads = naive::one_layer({1, 1, 2});
  CHECK(placed(at).find("max_over_mean_load")->real == Approx(1.5));
}

TEST_CASE("what place prints is read back as the same plan") {
  auto at = request();
  at.gpus_per_node = 2;
  for (const int layers : {1, 3}) {
    at.loads = LoadMatrix(layers, 8);
    for (std::size_t i = 0; i < at.loads.values.size(); ++i) {
      at.loads.values[i] = static_cast<std::int64_t>(i * i % 11);
    }
    const auto answer = std::get<PlaceAnswer>(answer_place(at));
    const auto file = parse_plan(to_text(place_json(answer)), "plan.json");
    CHECK(file.plan == answer.plan);
  }
}

TEST_CASE("every placement and dispatch can be asked for by name") {
  auto at = request();
  for (const auto& name : placements().names()) {
    if (name == "ep-groups") continue;
    at.placement = name;
    for (const auto& dispatch : {"even", "lazarus"}) {
      at.dispatch = dispatch;
      CHECK(placed(at).find("max_over_mean_load")->real >= 1.0);
    }
  }
  at.allocation = "ep";
  at.placement = "ep-groups";
  at.dispatch = "ep-group";
  CHECK(placed(at).find("max_over_mean_load")->real == 1.0);
}

TEST_CASE("place is infeasible where no plan exists") {
  auto at = request();
  at.nodes = 1;
  CHECK(std::get<Infeasible>(answer_place(at)).reason ==
        "1 nodes of 6 slots hold 6 replicas; 8 experts need one each");
  at = request();
  at.replicas = {Counts(8, 8)};
  CHECK(std::get<Infeasible>(answer_place(at)).reason ==
        "64 replicas do not fit 10 nodes of 6 slots (60 in all)");
}

TEST_CASE("place refuses wrong values") {
  const auto message = [](const PlaceRequest& at) {
    try {
      answer_place(at);
    } catch (const InputError& error) {
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  auto at = request();
  at.placement = "spred";
  CHECK(message(at) == "unknown placement 'spred'; did you mean 'spread'?");
  at = request();
  at.fault_threshold = 0;
  CHECK(message(at) == "fault threshold: 0 is outside 1..1000000");
  at = request();
  at.gpus_per_node = 4;
  CHECK(message(at) == "6 slots cannot be shared equally by 4 GPUs per node");
  at = request();
  at.nodes = 0;
  CHECK(message(at) == "nodes: 0 is outside 1..1000000");
  at = request();
  at.loads.values[3] = -4;
  CHECK(message(at) == "loads: layer 0: -4 is negative");
  at.loads = LoadMatrix(2, 8);
  CHECK(message(at) == "loads: layer 0 has no load");
  at = request();
  at.replicas = {Counts(8, 2), Counts(8, 2)};
  CHECK(message(at) == "loads of 1 layers x 8 experts, replicas of 2 x 8");
  at.loads = {};
  at.replicas = {Counts(8, 2), Counts(7, 2)};
  CHECK(message(at) == "replicas: 8 experts in one layer, 7 in another");
  at.replicas = {{1, 0}};
  CHECK(message(at) == "replicas: 0 is outside 1..2147483647");
  at.replicas = {};
  CHECK(message(at) == "neither loads nor replicas are given");
}

TEST_CASE("recover prints the curve, the witness and whether the slots suffice") {
  RecoverRequest at;
  at.plan = std::get<PlaceAnswer>(answer_place(request())).plan;
  at.failed_first = 1;
  at.failed_last = 10;
  const auto json = recover_json(std::get<RecoverAnswer>(answer_recover(at)));
  CHECK(keys(json) ==
        std::vector<std::string>{"schema", "version", "guaranteed_losses", "witness", "results"});
  CHECK(json.find("schema")->text == "bethany/recover/1");
  CHECK(json.find("guaranteed_losses")->integer == 1);
  CHECK(to_line(*json.find("witness")) == "[0,1]");
  const auto& results = json.find("results")->items;
  REQUIRE(results.size() == 10);
  CHECK(to_line(results[0]) ==
        R"({"failed":1,"probability":1.0,"capacity":true,"method":"exact","low":1.0,"high":1.0,)"
        R"("samples":null,"loss":0.0,"loss_low":0.0,"loss_high":0.0})");
  CHECK(results[1].find("probability")->real == 44.0 / 45);
  CHECK(results[8].find("capacity")->boolean == false);  // one node of 6 slots for 8 experts
  CHECK(results[9].find("probability")->real == 0.0);
  CHECK(results[7].find("capacity")->boolean);
}

TEST_CASE("as many slots as experts are capacity enough") {
  RecoverRequest at;
  at.plan = naive::plan("spread", 3, 2, {3, 3});
  at.failed_first = at.failed_last = 2;
  const auto json = recover_json(std::get<RecoverAnswer>(answer_recover(at)));
  CHECK(json.find("results")->items[0].find("capacity")->boolean);
}

TEST_CASE("recover answers for each layer when asked") {
  auto place = request();
  place.loads = LoadMatrix(2, 8);
  for (std::size_t i = 0; i < 16; ++i) {
    place.loads.values[i] = i < 8 ? 1 : std::int64_t{1} << (i - 8);
  }
  RecoverRequest at;
  at.plan = std::get<PlaceAnswer>(answer_place(place)).plan;
  at.failed_first = at.failed_last = 2;
  at.per_layer = true;
  const auto json = recover_json(std::get<RecoverAnswer>(answer_recover(at)));
  const auto& layers = json.find("layers")->items;
  REQUIRE(layers.size() == 2);
  CHECK(layers[0].find("results")->items[0].find("probability")->real == 1.0);
  CHECK(layers[1].find("results")->items[0].find("probability")->real == 44.0 / 45);
  CHECK(json.find("results")->items[0].find("probability")->real == 44.0 / 45);
}

TEST_CASE("recover refuses more losses than nodes, and rates that are none") {
  RecoverRequest at;
  at.plan = std::get<PlaceAnswer>(answer_place(request())).plan;
  at.failed_last = 11;
  CHECK_THROWS_WITH(answer_recover(at), "failed: 11 is outside 1..10");
  at.failed_first = 3;
  at.failed_last = 2;
  CHECK_THROWS_AS(answer_recover(at), InputError);
  at.failed_last = 3;
  at.rates.assign(9, 0.1);
  CHECK_THROWS_WITH(answer_recover(at), "rates: 9 for 10 nodes");
  at.rates.assign(10, 0.1);
  at.rates[3] = std::nan("");
  CHECK_THROWS_WITH(answer_recover(at), "rates: nan of node 3 is outside 0..1");
  at.rates[3] = 1.5;
  CHECK_THROWS_WITH(answer_recover(at), "rates: 1.5 of node 3 is outside 0..1");
  at.rates.clear();
  at.samples = 0;
  CHECK_THROWS_AS(answer_recover(at), InputError);
}

/// Three layers of three replicas at random places: too much overlap for any exact method.
RecoverRequest tangled() {
  auto place = request();
  place.nodes = 400;
  place.slots_per_node = 3;
  place.placement = "random";
  place.replicas = {Counts(400, 3)};
  place.loads = {};
  RecoverRequest at;
  at.plan = std::get<PlaceAnswer>(answer_place(place)).plan;
  at.failed_first = at.failed_last = 100;
  at.samples = 20'000;
  at.exact_work = 1 << 18;
  return at;
}

TEST_CASE("what cannot be exact is sampled, or refused when exact is asked for") {
  auto at = tangled();
  at.method = RecoverMethod::exact;
  const auto reason = std::get<Infeasible>(answer_recover(at)).reason;
  CHECK(reason.find("the exact recovery probability is not affordable: ") == 0);
  CHECK(reason.find("span 400 nodes") != std::string::npos);
  at.method = RecoverMethod::monte_carlo;
  const auto sampled = std::get<RecoverAnswer>(answer_recover(at)).joint.results.front();
  CHECK(sampled.method == "monte-carlo");
  CHECK(sampled.samples == 20'000);
  CHECK(sampled.low <= sampled.probability);
  CHECK(sampled.high >= sampled.probability);
  CHECK(sampled.high < sampled.low + 0.02);
  // Fewer losses than the smallest set has hosts need no sample.
  at.failed_first = at.failed_last = 0;
  CHECK(std::get<RecoverAnswer>(answer_recover(at)).joint.results.front().method == "exact");
}

TEST_CASE("sampled answers hold the exact ones, whatever the method") {
  RecoverRequest at;
  at.plan = naive::plan("spread", 12, 3, Counts(12, 3));
  at.failed_last = 12;
  const auto exact = std::get<RecoverAnswer>(answer_recover(at));
  for (const auto method : {RecoverMethod::monte_carlo, RecoverMethod::importance_sampling}) {
    at.method = method;
    at.samples = 50'000;
    const auto sampled = std::get<RecoverAnswer>(answer_recover(at));
    CHECK(sampled.joint.guaranteed_losses == exact.joint.guaranteed_losses);
    for (std::size_t i = 0; i < 12; ++i) {
      const auto& result = sampled.joint.results[i];
      CHECK(result.low <= exact.joint.results[i].probability + 1e-12);
      CHECK(result.high >= exact.joint.results[i].probability - 1e-12);
      CHECK(result.samples.has_value() == (i >= 2));
    }
  }
}

TEST_CASE("rates give one result, domains an object of their own, bulks a mean") {
  RecoverRequest at;
  at.plan = naive::plan("spread", 4, 2, {4, 2, 2});
  const auto sets = minimal_host_sets(at.plan);
  at.rates = {0.5, 0.25, 0.125, 0};
  at.importance = true;
  at.bulk_sizes = {{1, 3}, {2, 1}, {9, 1}};
  const auto node = [](std::string name, std::vector<std::int32_t> nodes) {
    return PlanDomain{std::move(name), std::move(nodes), {}};
  };
  at.domains = {node("a", {sets[0][0]}), node("b", {sets[0][1]})};
  const auto answer = std::get<RecoverAnswer>(answer_recover(at));
  const auto json = recover_json(answer);
  CHECK(keys(json) == std::vector<std::string>{"schema", "version", "guaranteed_losses", "witness",
                                               "results", "bulk", "domains"});
  const auto& results = json.find("results")->items;
  REQUIRE(results.size() == 1);
  CHECK(keys(results[0]) == std::vector<std::string>{"probability", "method", "low", "high",
                                                     "samples", "loss", "loss_low", "loss_high",
                                                     "importance"});
  CHECK(results[0].find("importance")->items.size() == 4);
  // Losing both domains loses the set, losing one of them does not.
  const auto& domains = *json.find("domains");
  CHECK(domains.find("guaranteed_losses")->integer == 1);
  CHECK(to_line(*domains.find("witness")) == R"(["a","b"])");
  CHECK(domains.find("results")->items[0].find("probability")->real == 1.0);
  CHECK(domains.find("results")->items[1].find("probability")->real == 0.0);
  // 3/5 P(1) + 1/5 P(2) + 1/5 P(4): all nodes at most.
  at.rates.clear();
  at.failed_last = 4;
  at.bulk_sizes.clear();
  const auto by_losses = std::get<RecoverAnswer>(answer_recover(at)).joint.results;
  CHECK(answer.bulk->probability ==
        Approx(0.6 * by_losses[0].probability + 0.2 * by_losses[1].probability));
}

}  // namespace
}  // namespace bethany
