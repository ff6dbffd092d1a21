// `bethany routing` as people and scripts use it.

#include "sim/base/json.h"
#include "tests/support/catch.h"
#include "tests/support/process.h"

namespace bethany::test {
namespace {

ProcessResult routing(std::vector<std::string> arguments, const std::string& input = "") {
  arguments.insert(arguments.begin(), "routing");
  return bethany_command(std::move(arguments), input);
}

void check_refused(const ProcessResult& result, int exit_code, const std::string& part) {
  CHECK(result.exit_code == exit_code);
  CHECK(result.out.empty());
  CHECK_THAT(result.err, Catch::Contains(part));
  CHECK(std::count(result.err.begin(), result.err.end(), '\n') == 1);
}

const std::string kCsv =
    "step,layer,expert,tokens\n0,0,0,1\n0,0,1,3\n0,1,0,2\n0,1,1,2\n10,0,0,3\n10,0,1,1\n10,1,0,4\n";

TEST_CASE("routing stats says how uneven a load is and how far it moves") {
  const auto json = routing({"stats", "-", "--format", "json"}, kCsv);
  REQUIRE(json.exit_code == 0);
  const auto answer = parse_json(json.out, "stats");
  CHECK(answer.find("schema")->text == "bethany/routing-stats/1");
  CHECK(answer.find("layers")->integer == 2);
  CHECK(answer.find("experts")->integer == 2);
  CHECK(answer.find("top_k")->kind == JsonNode::Kind::null);
  CHECK(answer.find("entries")->integer == 2);
  CHECK(answer.find("last_step")->integer == 10);
  const auto& layer = answer.find("by_layer")->items[1];
  CHECK(layer.find("layer")->integer == 1);
  CHECK(layer.find("skew")->real == 1.5);
  CHECK(layer.find("idle_experts")->real == 0.5);
  CHECK(answer.find("by_step")->items[0].find("top1")->real == 0.625);
  const auto& drift = answer.find("drift")->items;
  REQUIRE(drift.size() == 1);
  CHECK(drift[0].find("lag")->integer == 10);
  CHECK(drift[0].find("by_layer")->items[0].real == 0.5);

  CHECK(routing({"stats", "-", "--format", "csv"}, kCsv).out ==
        "layer,max/mean,top-1,top-4,top-8,Gini,balancedness,idle,drift 10\n"
        "0,1.500,0.750,1.000,1.000,0.250,0.667,0.0,0.500\n"
        "1,1.500,0.750,1.000,1.000,0.250,0.750,0.5,0.500\n"
        "all,1.500,0.750,1.000,1.000,0.250,0.708,0.2,0.500\n");
  CHECK_THAT(routing({"stats", "-", "--by", "step"}, kCsv).out, Catch::Contains("\n10 "));
}

TEST_CASE("routing convert writes what a scenario reads") {
  const TemporaryDirectory directory;
  const auto output = directory.path() + "/loads.jsonl";
  const auto converted =
      routing({"convert", "-", "--layers", "1", "--top-k", "2", "-o", output}, kCsv);
  CHECK(converted.exit_code == 0);
  CHECK_THAT(converted.err, Catch::Contains("1 layers of 2 experts, 2 entries"));
  CHECK(read_text(output) ==
        "{\"bethany_routing\":1,\"layers\":1,\"experts\":2,\"top_k\":2}\n"
        "{\"step\":0,\"loads\":[[1073741824,3221225472]]}\n"
        "{\"step\":10,\"loads\":[[3221225472,1073741824]]}\n");
  check_refused(routing({"convert", "-", "-o", output}, kCsv), 3, "exists already");
  check_refused(routing({"convert", output, "--top-k", "1"}), 3, "--top-k: 1, but");
  check_refused(routing({"convert", "-", "--top-k", "3"}, kCsv), 3, "--top-k: 3 of 2 experts");
  const auto silent = routing({"convert", "-"}, kCsv);
  CHECK_THAT(silent.err, Catch::Contains("1 is written (--top-k)"));
  CHECK_THAT(silent.out, Catch::StartsWith("{\"bethany_routing\":1,\"layers\":2,\"experts\":2,"));
}

TEST_CASE("routing generate draws the same for the same seed") {
  const auto draw = [](const std::string& seed) {
    return routing({"generate", "W1", "--layers", "2", "--experts", "8", "--top-k", "2", "--seed",
                    seed, "--set", "hot_share=0.5"});
  };
  REQUIRE(draw("1").exit_code == 0);
  CHECK(draw("1").out == draw("1").out);
  CHECK(draw("1").out != draw("2").out);
  CHECK(routing({"stats", "-"}, draw("1").out).exit_code == 0);
}

TEST_CASE("wrong input of routing is one line: 2 malformed, 3 wrong") {
  check_refused(routing({"stats", "/no/such/file"}), 3, "/no/such/file: there is no such file");
  check_refused(routing({"stats", "-"}, "hello\n"), 3,
                "standard input: the format is not recognised");
  check_refused(routing({"stats", "-"}, ""), 3, "standard input: the format is not recognised");
  check_refused(routing({"stats", "-"}, "step,layer,expert,tokens\n0,0,0,x\n"), 3,
                "standard input:2: 'x' is not a number of tokens");
  check_refused(routing({"stats", "-", "--importer", "load-cvs"}, kCsv), 3,
                "did you mean 'load-csv'?");
  check_refused(routing({"stats", "-", "--set", "rank=any"}, kCsv), 3, "unknown key 'rank'");
  check_refused(routing({"stats", "-", "--experts", "9"}, kCsv), 3,
                "'experts' is 9, but there are only 2");
  check_refused(routing({"stats", "-", "--experts", "0"}, kCsv), 2, "--experts");
  check_refused(routing({"generate", "zipf", "--layers", "1", "--experts", "4"}), 3,
                "unknown routing generator 'zipf'");
  check_refused(routing({"generate", "W4", "--layers", "1", "--experts", "4"}), 3,
                "W4 (source-ragged) cannot be said");
  check_refused(routing({"generate", "uniform", "--layers", "1", "--experts", "4", "--top-k", "5"}),
                3, "--top-k: 5 of 4 experts");
  check_refused(routing({"generate", "uniform", "--layers", "1"}), 2, "--experts");
  check_refused(routing({"stat"}), 2, "stat");
}

}  // namespace
}  // namespace bethany::test
