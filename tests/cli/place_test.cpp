// `bethany place` as people and scripts use it.

#include "sim/base/json.h"
#include "tests/support/catch.h"
#include "tests/support/process.h"
#include "tests/support/refused.h"

namespace bethany::test {
namespace {

ProcessResult place(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "place");
  return bethany_command(std::move(arguments));
}

/// Ten nodes of six slots, with these options besides.
ProcessResult ten_nodes(std::vector<std::string> arguments) {
  for (const auto* argument : {"1,1,2,4,8,16,32,64", "--loads", "6", "--slots", "10", "--nodes"}) {
    arguments.insert(arguments.begin(), argument);
  }
  return place(std::move(arguments));
}

TEST_CASE("wrong input of place is one line: 2 malformed, 3 wrong, 4 no plan") {
  const TemporaryDirectory directory;
  const auto with_loads = [](const std::string& loads) {
    return place({"--nodes", "2", "--slots", "2", "--loads", loads});
  };
  check_refused(with_loads("1,2,3,4,5"), 4, "5 experts");
  check_refused(with_loads("1,-2"), 3, "--loads: '-2'");
  check_refused(with_loads("nan,2"), 3, "--loads: 'nan'");
  check_refused(with_loads("1.5,2"), 3, "--loads: '1.5'");
  check_refused(with_loads("0,0"), 3, "no load");
  const auto fractional = directory.write("loads.json", "[[1, 2.5]]");
  check_refused(place({"--nodes", "2", "--slots", "2", "--loads-file", fractional}), 3,
                "loads.json:1");
  check_refused(ten_nodes({"--fault-threshold", "0"}), 3, "fault threshold: 0");
  check_refused(place({"--nodes", "0", "--slots", "2", "--loads", "1"}), 3, "nodes: 0");
  check_refused(place({"--slots", "2", "--loads", "1"}), 2, "--nodes");
  check_refused(ten_nodes({"--expert-groups", "3"}), 3, "3 expert groups");
  check_refused(ten_nodes({"--lost", "3"}), 2, "--previous");
  check_refused(ten_nodes({"--view", "heatmap", "--format", "json"}), 2, "heatmap");
}

TEST_CASE("place comes from a previous plan with the least migration") {
  const TemporaryDirectory directory;
  const auto json = ten_nodes({"--format", "json"});
  REQUIRE(json.exit_code == 0);
  const auto previous = directory.write("previous.json", json.out);
  const auto same = ten_nodes({"--previous", previous, "--format", "json"});
  REQUIRE(same.exit_code == 0);
  auto answer = parse_json(same.out, "same");
  const auto before = parse_json(json.out, "json");
  CHECK(to_line(*answer.find("plan")) == to_line(*before.find("plan")));
  const auto* change = answer.find("reconfiguration");
  REQUIRE(change != nullptr);
  CHECK(to_line(*change) ==
        R"({"experts_moved":0,"least_possible":true,"dense_copies":0,"bytes":null,)"
        R"("busiest_port_bytes":null,"seconds":null,"previous_node":[0,1,2,3,4,5,6,7,8,9]})");
  // Its own answer is a plan to come from, too.
  const auto again = directory.write("again.json", same.out);
  CHECK(ten_nodes({"--previous", again}).exit_code == 0);

  const auto moved =
      place({"--nodes", "10", "--slots", "6", "--loads", "64,1,2,4,8,16,32,1", "--previous",
             previous, "--lost", "4", "--model", "gpt-l", "--bandwidth", "100Gbps"});
  CHECK(moved.exit_code == 0);
  CHECK(contains(moved.err, "expert states move (the least possible), 1 nodes fetch the dense"));
  CHECK(contains(moved.err, "node 4 is new"));
  CHECK(contains(moved.err, " s; "));
}

TEST_CASE("a previous plan that does not fit, or is no plan, ends with 3; lost state with 4") {
  const TemporaryDirectory directory;
  const auto json = ten_nodes({"--format", "json"});
  const auto previous = directory.write("previous.json", json.out);
  check_refused(place({"--nodes", "10", "--slots", "6", "--loads", "1,2", "--previous", previous}),
                3, "1 layers of 8 experts");
  check_refused(ten_nodes({"--previous", previous, "--lost", "10"}), 3, "nodes 0..9");
  check_refused(ten_nodes({"--previous", previous, "--lost", "0,1"}), 4, "checkpoint");
  check_refused(ten_nodes({"--previous", previous, "--expert-bytes", "64"}), 3, "64MiB");
  check_refused(ten_nodes({"--previous", previous, "--model", "gpt-xl"}), 3, "gpt-l");
  check_refused(
      place({"--nodes", "9", "--slots", "6", "--loads", "1,2,3,4,5,6,7,8", "--previous", previous}),
      3, "say which are lost");
  const auto broken = directory.write(
      "broken.json",
      R"({"bethany_plan":1,"nodes":1,"gpus_per_node":1,"slots_per_node":1,"experts":1,)"
      R"("layers":[{"replicas":[2],"plan":[[0]]}]})");
  check_refused(ten_nodes({"--previous", broken}), 3, "broken.json:1");
}

TEST_CASE("domains are read from a file and kept in the plan") {
  const TemporaryDirectory directory;
  const auto domains = directory.write(
      "domains.json", R"([{"name":"a","nodes":[0,1,2,3,4]},{"name":"b","nodes":[5,6,7,8,9]}])");
  const auto plan = directory.path() + "/plan.json";
  CHECK(ten_nodes({"--domains", domains, "-o", plan}).exit_code == 0);
  CHECK(contains(read_text(plan), "\"domains\""));
  const auto outside =
      directory.write("outside.json", R"([{"name":"a","nodes":[0,1]},{"name":"b","nodes":[10]}])");
  check_refused(ten_nodes({"--domains", outside}), 3, "outside.json:1");
}

TEST_CASE("an objective chooses the parts, the frontier shows several plans") {
  const auto table = ten_nodes({"--objective", "frontier"});
  CHECK(table.exit_code == 0);
  CHECK(contains(table.out, "core"));
  const auto json = ten_nodes({"--objective", "frontier", "--model", "gpt-l", "--format", "json"});
  REQUIRE(json.exit_code == 0);
  const auto answer = parse_json(json.out, "frontier");
  const auto& plans = answer.find("plans")->items;
  REQUIRE(plans.size() > 1);
  for (const auto& plan : plans) {
    for (const auto* key : {"replicas", "plan", "max_over_mean_load", "recovery",
                            "gradient_bytes_per_node", "off_node_share"}) {
      INFO(key);
      CHECK(plan.find(key) != nullptr);
    }
  }
  const auto recovery = ten_nodes({"--objective", "recovery", "--format", "json"});
  REQUIRE(recovery.exit_code == 0);
  CHECK(to_line(*parse_json(recovery.out, "recovery").find("dispatch")) == R"("min-makespan")");
  const auto core = ten_nodes({"--placement", "core", "--format", "json"});
  REQUIRE(core.exit_code == 0);
  CHECK(to_line(*parse_json(core.out, "core").find("allocation")) == R"("core")");
  check_refused(ten_nodes({"--objective", "speed"}), 3, "unknown objective 'speed'");
  check_refused(
      place({"--nodes", "3", "--slots", "2", "--replicas", "2,2,2", "--objective", "balance"}), 3,
      "chooses the replicas");
  check_refused(ten_nodes({"--objective", "frontier", "-o", "plan.json"}), 2, "several");
}

TEST_CASE("with rates the unreliable nodes do not share a group") {
  const TemporaryDirectory directory;
  // Groups of two and eight nodes: the two that hold the coldest experts are the ones that matter.
  const auto rates =
      directory.write("rates.json", "[0.2,0.2,0.01,0.01,0.01,0.01,0.01,0.01,0.01,0.01]");
  const auto json = ten_nodes({"--rates", rates, "--format", "json"});
  REQUIRE(json.exit_code == 0);
  const auto answer = parse_json(json.out, "place");
  const auto* recovery = answer.find("recovery_by_rates");
  REQUIRE(recovery != nullptr);
  CHECK(recovery->find("loss_unordered")->real == Approx(0.04));
  CHECK(recovery->find("loss")->real == Approx(0.0001).epsilon(1e-3));
  const auto plan = directory.write("plan.json", json.out);
  const auto recovered = bethany_command({"recover", "--plan", plan, "--rates", rates});
  CHECK(contains(recovered.out, "0.9999"));
  check_refused(ten_nodes({"--rates", directory.write("short.json", "[0.1]")}), 3,
                "expected an array of 10 loss probabilities");
  check_refused(ten_nodes({"--rates", rates, "--previous", plan}), 3, "excludes rates");
  check_refused(ten_nodes({"--rates", rates, "--objective", "frontier"}), 3, "no rates");
}

TEST_CASE("the objective goodput takes model, costs and failures from a scenario") {
  const std::string scenario = std::string(BETHANY_SOURCE_DIR) + "/traces/samples/quickstart.json";
  const std::vector<std::string> goodput = {"--objective", "goodput", "--scenario", scenario};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), goodput.begin(), goodput.end());
    return place(more);
  };
  const auto json = with({"--format", "json"});
  REQUIRE(json.exit_code == 0);
  const auto answer = parse_json(json.out, "goodput");
  CHECK(answer.find("nodes")->integer == 10);
  CHECK(answer.find("slots_per_node")->integer == 6);
  CHECK(answer.find("disruptions_per_hour")->real > 0);
  double before = 1e300;
  for (const auto& plan : answer.find("plans")->items) {
    const double tokens = plan.find("goodput")->find("tokens_per_s")->real;
    CHECK(tokens > 0);
    CHECK(tokens <= before);
    before = tokens;
  }
  CHECK(answer.find("plans")->items.size() > 3);

  check_refused(place({"--objective", "goodput"}), 2, "--scenario");
  check_refused(ten_nodes({"--scenario", scenario}), 2, "--scenario");
  check_refused(with({"--loads", "1,2,3"}), 3, "1 layers x 3 experts");
  check_refused(with({"--policy", "lazarsu"}), 3, "did you mean 'lazarus'?");
  check_refused(with({"--policy", "ideal"}), 3, "no plans");
  check_refused(with({"--policy", "lazarus:checkpoint=none"}), 3, "no checkpoints");
  check_refused(with({"--nodes", "2", "--slots", "2"}), 4, "16 experts");
}

TEST_CASE("the heat map shows experts down and nodes across") {
  const auto small = ten_nodes({"--view", "heatmap"});
  CHECK(small.exit_code == 0);
  CHECK(small.out ==
        "node            0\n"
        "e7 x28            ####@@@@\n"
        "e6 x14            ++++--++\n"
        "e5 x7           -- -----\n"
        "e4 x3           ---\n"
        "e3 x2           ::\n"
        "e2 x2           ..\n"
        "e0 x2           ..\n"
        "e1 x2           ..\n"
        "load            **@@@@@@@@  max/mean 1.101\n"
        "\n"
        "shade: load of an expert's replicas on a node beside the heaviest, .:-=+*#%@\n");
}

TEST_CASE("the heat map stays readable on many nodes, with many experts and layers") {
  const TemporaryDirectory directory;
  std::string loads = "[[1";
  for (int e = 1; e < 100; ++e) loads += "," + std::to_string(e);
  loads += "],[100";
  for (int e = 1; e < 100; ++e) loads += "," + std::to_string(100 - e);
  loads += "]]";
  const auto file = directory.write("loads.json", loads);
  const auto map = place({"--nodes", "150", "--slots", "8", "--gpus-per-node", "4", "--loads-file",
                          file, "--view", "heatmap"});
  CHECK(map.exit_code == 0);
  CHECK(contains(map.out, "layer 1\n"));
  CHECK(contains(map.out, "node/3"));
  CHECK(contains(map.out, "busiest GPU"));
  std::size_t longest = 0;
  std::size_t lines = 0;
  for (std::size_t at = 0; at < map.out.size(); ++lines) {
    const auto end = map.out.find('\n', at);
    longest = std::max(longest, end - at);
    at = end + 1;
  }
  CHECK(longest <= 100);
  CHECK(lines <= 2 * 36 + 3);
}

}  // namespace
}  // namespace bethany::test
