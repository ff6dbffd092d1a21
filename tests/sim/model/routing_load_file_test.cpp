#include "sim/model/routing_load_file.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>

#include "sim/base/error.h"
#include "sim/base/files.h"
#include "sim/model/routing_source.h"
#include "tests/support/catch.h"

namespace bethany {
namespace {

constexpr char kHeader[] = "{\"bethany_routing\":1,\"layers\":2,\"experts\":2,\"top_k\":1}\n";

RoutingLoad parsed(const std::string& lines) { return parse_routing_load(kHeader + lines, "f"); }

std::string complaint(const std::string& text) {
  try {
    parse_routing_load(text, "loads.jsonl");
  } catch (const InputError& error) {
    return error.what();
  }
  return "no complaint";
}

std::string line_complaint(const std::string& lines) { return complaint(kHeader + lines); }

std::int64_t share(const RoutingLoad& load, std::int64_t step, int layer, int expert) {
  return load.shares_at(step).row(layer)[static_cast<std::size_t>(expert)];
}

TEST_CASE("a routing load file is read") {
  const auto load = parsed(
      "{\"step\":0,\"loads\":[[1,3],[2,2]]}\n"
      "{\"loads\":[[0,1],[0.5,1.5]],\"step\":100}\n");
  CHECK(load.top_k() == 1);
  CHECK(load.entries().size() == 2);
  CHECK(share(load, 99, 0, 0) == kLoadTotal / 4);
  CHECK(share(load, 99, 1, 1) == kLoadTotal / 2);
  CHECK(share(load, 100, 0, 0) == 0);
  CHECK(share(load, 100, 1, 0) == kLoadTotal / 4);
}

TEST_CASE("loads may have fractions, be tiny or huge, and lines may end in CR LF") {
  const auto load = parsed("{\"step\":0,\"loads\":[[1e-300,3e-300],[1e300,1]]}\r\n\r\n");
  CHECK(share(load, 0, 0, 1) == kLoadTotal / 4 * 3);
  CHECK(share(load, 0, 1, 0) == kLoadTotal);
}

TEST_CASE("the text of a routing load reads back to the same shares") {
  const auto load =
      parsed("{\"step\":0,\"loads\":[[1,3],[1,2]]}\n{\"step\":7,\"loads\":[[0.1,0.2],[5,0]]}\n");
  const auto text = routing_load_text(load);
  const auto again = parse_routing_load(text, "again");
  CHECK(routing_load_text(again) == text);
  REQUIRE(again.entries().size() == 2);
  for (std::size_t i = 0; i < 2; ++i) {
    CHECK(again.entries()[i].step == load.entries()[i].step);
    CHECK(again.entries()[i].shares == load.entries()[i].shares);
  }
}

TEST_CASE("a wrong header of a routing load is refused, with its line") {
  CHECK(complaint("") == "loads.jsonl:0: expected the header {\"bethany_routing\":1, ...}");
  CHECK_THAT(complaint("[1]\n"), Catch::Contains("loads.jsonl:1: expected an object"));
  CHECK_THAT(complaint("{\"bethany_routing\":2,\"width\":1}\n"),
             Catch::Contains("loads.jsonl:1: /bethany_routing: version 2 is unknown"));
  CHECK_THAT(complaint("{\"bethany_routing\":1,\"layers\":1,\"experts\":2}\n"),
             Catch::Contains("missing key 'top_k'"));
  CHECK_THAT(complaint("{\"bethany_routing\":1,\"layers\":1,\"expert\":2,\"top_k\":1}\n"),
             Catch::Contains("unknown key 'expert'; did you mean 'experts'?"));
  CHECK_THAT(complaint("{\"bethany_routing\":1,\"layers\":0,\"experts\":2,\"top_k\":1}\n"),
             Catch::Contains("/layers: 0 is outside 1..10000"));
  CHECK_THAT(complaint("{\"bethany_routing\":1,\"layers\":1.5,\"experts\":2,\"top_k\":1}\n"),
             Catch::Contains("/layers: expected a whole number"));
  CHECK_THAT(complaint("{\"bethany_routing\":1,\"layers\":1,\"experts\":2,\"top_k\":3}\n"),
             Catch::Contains("/top_k: 3 is outside 1..2"));
  CHECK_THAT(complaint(kHeader), Catch::Contains("there is no line with loads"));
}

TEST_CASE("a wrong line of a routing load is refused, with its line") {
  const std::string first = "{\"step\":0,\"loads\":[[1,3],[2,2]]}\n";
  CHECK_THAT(line_complaint("{\"step\":5,\"loads\":[[1,3],[2,2]]}"),
             Catch::Contains("loads.jsonl:2: /step: the first entry must be of step 0"));
  CHECK_THAT(line_complaint(first + first),
             Catch::Contains("loads.jsonl:3: /step: 0 after 0; steps must rise"));
  CHECK_THAT(line_complaint("{\"step\":0,\"loads\":[[1,3]]}"),
             Catch::Contains("/loads: 1 values, the header says 2"));
  CHECK_THAT(line_complaint("{\"step\":0,\"loads\":[[1,3],[2,2,2]]}"),
             Catch::Contains("/loads/1: 3 values, the header says 2"));
  CHECK_THAT(line_complaint("{\"step\":0,\"loads\":[[1,3],[2,-2]]}"),
             Catch::Contains("/loads/1/1: -2 is negative"));
  CHECK_THAT(line_complaint("{\"step\":0,\"loads\":[[1,3],[0,0.0]]}"),
             Catch::Contains("/loads/1: no expert has any load"));
  CHECK_THAT(line_complaint("{\"step\":0,\"loads\":[[1,\"3\"],[2,2]]}"),
             Catch::Contains("/loads/0/1: expected a number"));
  CHECK_THAT(line_complaint("{\"step\":0,\"loads\":[[1,9223372036854775808],[2,2]]}"),
             Catch::Contains("/loads/0/1: expected a number below 2^62"));
  CHECK_THAT(line_complaint("{\"step\":0,\"loads\":[[1,4611686018427387904],[2,2]]}"),
             Catch::Contains("/loads/0: the loads sum to 2^62 or more"));
  CHECK_THAT(line_complaint("{\"step\":0,\"loads\":[[1,3],[2,2]],\"step\":1}"),
             Catch::Contains("duplicate key 'step'"));
  CHECK_THAT(line_complaint("{\"step\":0,\"loads\":[[1,3],[2,2]"),
             Catch::Contains("loads.jsonl:2: not JSON"));
  CHECK_THAT(line_complaint("\n" + first), Catch::Contains("loads.jsonl:2: an empty line"));
  CHECK_THAT(line_complaint(first + "7\n"), Catch::Contains("loads.jsonl:3: expected an object"));
}

std::unique_ptr<RoutingGenerator> source(const std::string& json) {
  const auto node = parse_json(json, "s.json");
  ObjectReader reader(node, "/routing");
  return read_routing_source(reader);
}

TEST_CASE("the routing of a scenario is a generator or a file") {
  const RngStreams streams(1, 0);
  const RoutingShape shape{.layers = 2, .experts = 4, .top_k = 1};
  CHECK(source("{}")->generate(shape, streams).entries().size() == 51);  // zipf-drift
  CHECK(source("{\"generator\":\"uniform\"}")->generate(shape, streams).entries().size() == 1);
  CHECK_THROWS_WITH(source("{\"generator\":\"unifrom\"}"),
                    Catch::Contains("did you mean 'uniform'?"));
  CHECK_THROWS_WITH(source("{\"generator\":\"uniform\",\"exponent\":1}"),
                    Catch::Contains("s.json:1: /routing/exponent: unknown key 'exponent'"));
  CHECK_THROWS_WITH(source("{\"generator\":\"uniform\",\"file\":\"x\"}"),
                    Catch::Contains("give either 'file' or 'generator'"));
}

TEST_CASE("a routing load file must fit the model") {
  const auto path =
      (std::filesystem::temp_directory_path() / "bethany-routing-test.jsonl").string();
  write_output(path, std::string(kHeader) + "{\"step\":0,\"loads\":[[1,3],[2,2]]}\n", true);
  const auto from_file = source("{\"file\":\"" + path + "\"}");
  const RngStreams streams(1, 0);
  CHECK(from_file->generate({.layers = 2, .experts = 2, .top_k = 1}, streams).layers() == 2);
  CHECK_THROWS_WITH(from_file->generate({.layers = 12, .experts = 2, .top_k = 1}, streams),
                    "s.json:1: the routing load has 2 MoE layers, the model 12");
  CHECK_THROWS_WITH(from_file->generate({.layers = 2, .experts = 3, .top_k = 1}, streams),
                    "s.json:1: the routing load has 2 experts, the model 3");
  std::remove(path.c_str());
}

/// Mean over layers of half the summed differences: 0 for equal shares, 1 for disjoint ones.
double distance(const RoutingLoad& load, std::int64_t step_a, std::int64_t step_b) {
  const auto& a = load.shares_at(step_a).values;
  const auto& b = load.shares_at(step_b).values;
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += std::abs(static_cast<double>(a[i] - b[i]));
  return sum / 2 / static_cast<double>(kLoadTotal) / load.layers();
}

TEST_CASE("zipf-drift moves fast at first, then hardly, then stands still") {
  const auto load = source("{}")->generate({.layers = 24, .experts = 32, .top_k = 2}, {1, 0});
  // Of the public log the generator follows (sim/model/README.md): 0.29, 0.10 and 0.03.
  CHECK(distance(load, 100, 200) > 0.15);
  CHECK(distance(load, 100, 200) < 0.35);
  CHECK(distance(load, 500, 600) > 0.05);
  CHECK(distance(load, 500, 600) < 0.15);
  CHECK(distance(load, 1000, 1100) < 0.05);
  CHECK(load.next_change(4900) == 5000);
  CHECK(load.next_change(5000) == INT64_MAX);
}

TEST_CASE("zipf-drift has the shares of its exponent, at most 1/top_k each") {
  const auto steep = source("{\"exponent\":10,\"until_step\":0}")
                         ->generate({.layers = 8, .experts = 16, .top_k = 4}, {1, 0});
  for (int layer = 0; layer < 8; ++layer) {
    const auto row = steep.shares_at(0).row(layer);
    CHECK(*std::max_element(row.begin(), row.end()) <= kLoadTotal / 4 + 1);
  }
  const auto flat = source("{\"exponent\":0,\"until_step\":0}")
                        ->generate({.layers = 1, .experts = 4, .top_k = 1}, {1, 0});
  for (int expert = 0; expert < 4; ++expert) CHECK(share(flat, 0, 0, expert) == kLoadTotal / 4);
  const auto all =
      source("{\"until_step\":0}")->generate({.layers = 1, .experts = 2, .top_k = 2}, {1, 0});
  CHECK(share(all, 0, 0, 0) == kLoadTotal / 2);
}

TEST_CASE("zipf-drift draws each layer from its own stream") {
  const auto generator = source("{}");
  const auto two = generator->generate({.layers = 2, .experts = 8, .top_k = 1}, {7, 0});
  const auto three = generator->generate({.layers = 3, .experts = 8, .top_k = 1}, {7, 0});
  const auto other = generator->generate({.layers = 2, .experts = 8, .top_k = 1}, {7, 1});
  bool layers_differ = false;
  bool replications_differ = false;
  for (int expert = 0; expert < 8; ++expert) {
    CHECK(share(two, 300, 1, expert) == share(three, 300, 1, expert));
    layers_differ = layers_differ || share(two, 300, 0, expert) != share(two, 300, 1, expert);
    replications_differ =
        replications_differ || share(two, 300, 0, expert) != share(other, 300, 0, expert);
  }
  CHECK(layers_differ);
  CHECK(replications_differ);
}

TEST_CASE("zipf-drift without drift stands still, and refuses endless lists") {
  const auto still = source("{\"drift\":0,\"until_step\":300}")
                         ->generate({.layers = 2, .experts = 8, .top_k = 1}, {1, 0});
  CHECK(distance(still, 0, 300) == 0);
  CHECK_THROWS_WITH(source("{\"every\":1,\"until_step\":100000}"),
                    Catch::Contains("are more than 100000 entries"));
  CHECK_THROWS_AS(source("{\"every\":1,\"until_step\":99999}")
                      ->generate({.layers = 100, .experts = 256, .top_k = 1}, {1, 0}),
                  InputError);
}

}  // namespace
}  // namespace bethany
