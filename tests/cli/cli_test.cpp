// The command line as scripts see it: exit codes, where text goes, and what wrong input leaves.
#include <filesystem>

#include "tests/support/catch.h"
#include "tests/support/process.h"
#include "tests/support/refused.h"

namespace bethany::test {
namespace {

constexpr char kScenario[] = R"({
  "bethany_scenario": 1,
  "model": "gpt-s",
  "training": { "until": { "time": "300s" }, "start": "warm" },
  "cluster": { "nodes": 4, "slots_per_gpu": 6 },
  "trace": { "file": "trace.csv", "importer": "event-csv" },
  "routing": { "generator": "uniform" },
  "cost": { "model": "fixed", "step": "2s", "checkpoint": "1s", "detection": "3s" }
})";
constexpr char kTrace[] = "0,add,a\n0,add,b\n0,add,c\n0,add,d\n60000,remove,b\n";

/// The scenario and its trace in a directory of their own.
struct Files {
  Files() { directory.write("trace.csv", kTrace); }
  std::string with(const std::string& text) const { return directory.write("scenario.json", text); }
  TemporaryDirectory directory;
};

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const auto place = text.find(from);
  REQUIRE(place != std::string::npos);
  return text.replace(place, from.size(), to);
}

TEST_CASE("replay and compare print data on stdout and nothing else there") {
  const Files files;
  const auto scenario = files.with(kScenario);
  const auto replay = bethany_command({"replay", scenario, "--policy", "ds", "--format", "json"});
  CHECK(replay.exit_code == 0);
  CHECK(contains(replay.out, R"("schema": "bethany/replay/1")"));
  CHECK(contains(replay.out, R"("ledger_node_s")"));
  CHECK(replay.err.empty());
  const auto compare = bethany_command({"compare", scenario});
  CHECK(compare.exit_code == 0);
  CHECK(contains(compare.out, "lazarus"));
  CHECK(contains(compare.out, "One trace: no interval"));
  CHECK(compare.err.empty());
}

TEST_CASE("a command line that is malformed ends with 2") {
  const Files files;
  const auto scenario = files.with(kScenario);
  CHECK(bethany_command({}).exit_code == 2);
  check_refused(bethany_command({"replai", scenario}), 2, "did you mean 'replay'?");
  check_refused(bethany_command({"trace", "stat", scenario}), 2, "did you mean 'stats'?");
  check_refused(bethany_command({"trace", "fetch", scenario}), 2, "fetch: is not built yet");
  CHECK(bethany_command({"replay"}).exit_code == 2);
  CHECK(bethany_command({"replay", scenario, "--format", "xml"}).exit_code == 2);
  CHECK(bethany_command({"compare", scenario, "--set", "policies.x.preset=ds"}).exit_code == 2);
  CHECK(bethany_command({"place", "--nodes", "3", "--slots", "2"}).exit_code == 2);
}

TEST_CASE("wrong values name file, line, path and the nearest key, and end with 3") {
  const Files files;
  const auto refuse = [&](const std::string& from, const std::string& to, const std::string& part) {
    const auto path = files.with(replaced(kScenario, from, to));
    check_refused(bethany_command({"check", path}), 3, part);
  };
  refuse("\"nodes\": 4", "\"nodse\": 4",
         "scenario.json:5: /cluster/nodse: unknown key 'nodse'; did you mean 'nodes'?");
  refuse("\"nodes\": 4", "\"nodes\": 0", "scenario.json:5: /cluster/nodes: 0 is outside");
  refuse("\"nodes\": 4", "\"nodes\": 4.5", "expected a whole number");
  refuse("\"nodes\": 4", "\"nodes\": 4, \"nodes\": 5", "duplicate key 'nodes'");
  refuse("\"2s\"", "2", "expected a quantity with its unit");
  refuse("\"2s\"", "\"0s\"", "/cost/step");
  refuse("gpt-s", "gpt-x", "did you mean 'gpt-");
  refuse("\"uniform\"", "\"unifrom\"", "did you mean 'uniform'?");
  refuse("trace.csv", "absent.csv", "absent.csv");
  refuse("\"bethany_scenario\": 1", "\"bethany_scenario\": 2", "/bethany_scenario");
  refuse("{\n", "", "not JSON");
}

TEST_CASE("a --set value is named as such") {
  const Files files;
  const auto scenario = files.with(kScenario);
  check_refused(bethany_command({"check", scenario, "--set", "cluster.nodes=0"}), 3,
                "--set cluster.nodes=0: /cluster/nodes: 0 is outside");
  check_refused(bethany_command({"check", scenario, "--set", "clutser.nodes=1"}), 3,
                "did you mean 'cluster'?");
  check_refused(bethany_command({"replay", scenario, "--policy", "lazzarus"}), 3,
                "did you mean 'lazarus'?");
  CHECK(bethany_command({"check", scenario, "--set", "training.until.time=81.2s"}).exit_code == 0);
}

TEST_CASE("more slots than the memory holds are refused with the sum, or warned of on request") {
  const Files files;
  const auto many = replaced(kScenario, "\"slots_per_gpu\": 6", "\"slots_per_gpu\": 60");
  check_refused(bethany_command({"check", files.with(many)}), 3, "dense part");
  const auto warned =
      replaced(many, "\"slots_per_gpu\": 60", "\"slots_per_gpu\": 60, \"memory_check\": \"warn\"");
  const auto result = bethany_command({"check", files.with(warned)});
  CHECK(result.exit_code == 0);
  CHECK(contains(result.err, "warning: memory does not suffice"));
}

TEST_CASE("parts that do not fit together are refused with the reason") {
  const Files files;
  const auto scenario = files.with(kScenario);
  check_refused(bethany_command({"replay", scenario, "--policy", "ds:on_loss=in-place"}), 3,
                "any-node-count");
  CHECK(bethany_command({"replay", scenario, "--policy", "lazarus:on_loss=restart"}).exit_code ==
        0);
  CHECK(bethany_command({"replay", scenario, "--policy", "lazarus:placement=spread"}).exit_code ==
        0);
}

TEST_CASE("what is well formed but has no run ends with 4, a policy without one is a row") {
  const Files files;
  const auto scenario =
      files.with(replaced(kScenario, "\"slots_per_gpu\": 6", "\"slots_per_gpu\": 1"));
  check_refused(bethany_command({"replay", scenario, "--policy", "lazarus"}), 4, "needs 8 nodes");
  const auto roomy = files.with(kScenario);
  const auto mixed =
      bethany_command({"compare", roomy, "--policies", "lazarus,lazarus:minimum_nodes=9"});
  CHECK(mixed.exit_code == 0);
  CHECK(contains(mixed.out, "needs 9 nodes"));
  const auto never = files.with(replaced(kScenario, "\"time\": \"300s\"", "\"samples\": 1000000"));
  CHECK(bethany_command({"replay", never, "--policy", "lazarus:minimum_nodes=4"}).exit_code == 4);
}

TEST_CASE("hostile traces end with 3, one line, and leave no output") {
  const Files files;
  const auto scenario = files.with(kScenario);
  const auto out = files.directory.path() + "/out";
  const auto refuse = [&](const std::string& trace, const std::string& part) {
    files.directory.write("trace.csv", trace);
    check_refused(bethany_command({"replay", scenario, "-o", out}), 3, part);
    CHECK_FALSE(std::filesystem::exists(out));
  };
  refuse("", "trace.csv");
  refuse("0,add,a\n0,add", "trace.csv:2");
  refuse(std::string("0,add,a\n\0\x01\x02\xff", 12), "trace.csv:2");
  refuse("0,add,a\n0,add,a\n", "trace.csv:2");
  refuse("0,remove,a\n", "trace.csv:1");
  refuse("5,add,a\n4,add,b\n", "trace.csv:2");
  refuse("99999999999999999999999,add,a\n", "trace.csv:1");
  refuse("0,ad,a\n", "did you mean 'add'?");
  refuse("0,add," + std::string(5'000'000, 'x') + "\n0,zzz,b\n", "trace.csv:");
  refuse("\x1f\x8b\x08 not gzip", "gzip");
}

TEST_CASE("a run record is written whole, not over an older one unless forced") {
  const Files files;
  const auto scenario = files.with(kScenario);
  const auto out = files.directory.path() + "/out";
  CHECK(bethany_command({"replay", scenario, "--policy", "ds", "-o", out}).exit_code == 0);
  const auto summary = read_text(out + "/summary.json");
  CHECK(contains(summary, "bethany/replay/1"));
  CHECK(contains(read_text(out + "/events.jsonl"), "\"run_ended\""));
  // The scenario in the record is complete, and gives the same digest.
  const auto again =
      bethany_command({"replay", out + "/scenario.json", "--policy", "ds", "--format", "json"});
  CHECK(again.out == summary);
  check_refused(bethany_command({"replay", scenario, "-o", out}), 3, "--force");
  CHECK(bethany_command({"replay", scenario, "-o", out, "--force"}).exit_code == 0);
  CHECK(bethany_command({"replay", scenario, "-o", "/proc/none/out"}).exit_code == 1);
}

TEST_CASE("check --format json prints a scenario with the same results") {
  const Files files;
  const auto scenario = files.with(kScenario);
  const auto effective = bethany_command({"check", scenario, "--format", "json"});
  REQUIRE(effective.exit_code == 0);
  const TemporaryDirectory elsewhere;
  const auto copy = elsewhere.write("copy.json", effective.out);
  CHECK(bethany_command({"check", copy, "--format", "json"}).out == effective.out);
  const std::vector<std::string> tail = {"--policies", "lazarus,ds", "--format", "json"};
  auto first = std::vector<std::string>{"compare", scenario};
  auto second = std::vector<std::string>{"compare", copy};
  first.insert(first.end(), tail.begin(), tail.end());
  second.insert(second.end(), tail.begin(), tail.end());
  CHECK(bethany_command(first).out == bethany_command(second).out);
}

TEST_CASE("trace, list, place, recover and model answer") {
  const Files files;
  const auto trace = files.directory.path() + "/trace.csv";
  CHECK(contains(bethany_command({"trace", "stats", trace, "--format", "json"}).out,
                 "\"losses\": 1"));
  const auto converted = bethany_command({"trace", "convert", trace});
  CHECK(contains(converted.out, "{\"bethany_trace\":1"));
  const auto path = files.directory.write("t.jsonl", converted.out);
  CHECK(bethany_command({"trace", "check", path}).exit_code == 0);
  CHECK(bethany_command({"trace", "stats", "-"}, kTrace).exit_code == 0);
  const auto one = bethany_command({"trace", "generate", "spot", "--seed", "3"});
  CHECK(one.exit_code == 0);
  CHECK(one.out == bethany_command({"trace", "generate", "spot", "--seed", "3"}).out);
  CHECK(one.out != bethany_command({"trace", "generate", "spot", "--seed", "4"}).out);
  check_refused(bethany_command({"trace", "generate", "sopt"}), 3, "did you mean 'spot'?");
  const std::string log = BETHANY_SOURCE_DIR "/tests/golden/importers/lanl-csv/input";
  CHECK(contains(bethany_command({"trace", "stats", log, "--set", "system=8"}).out, "repairs"));
  check_refused(bethany_command({"trace", "stats", log, "--set", "sytem=8"}), 3,
                "did you mean 'system'?");
  check_refused(bethany_command({"trace", "generate", "rsc1", "--set", "replace.medain=1d"}), 3,
                "did you mean 'median'?");
  CHECK(contains(bethany_command({"list", "placement"}).out, "mro"));
  check_refused(bethany_command({"list", "placements"}), 3, "did you mean 'placement'?");
  const auto plan = files.directory.path() + "/plan.json";
  const auto placed = bethany_command({"place", "--nodes", "10", "--slots", "6", "--loads",
                                       "1,1,2,4,8,16,32,64", "-o", plan, "--format", "json"});
  CHECK(placed.exit_code == 0);
  CHECK(contains(placed.out, "[2, 2, 2, 2, 3, 7, 14, 28]"));
  const auto recovered =
      bethany_command({"recover", "--plan", plan, "--failed", "2", "--format", "json"});
  CHECK(contains(recovered.out, "0.9777"));
  check_refused(bethany_command({"recover", "--plan", plan, "--failed", "11"}), 3, "");
  const auto rates = files.directory.write("rates.json", "[0.1,0.1,0,0,0,0,0,0,0,1]");
  CHECK(contains(bethany_command({"recover", "--plan", plan, "--rates", rates}).out, "0.99"));
  const auto refuse_rates = [&](const std::string& text, const std::string& part) {
    const auto wrong = files.directory.write("wrong.json", text);
    check_refused(bethany_command({"recover", "--plan", plan, "--rates", wrong}), 3, part);
  };
  refuse_rates("[0.1]", "wrong.json:1: /: expected an array of 10 loss probabilities");
  refuse_rates("[0,0,0,0,0,0,0,0,0,\n1.5]", "wrong.json:2: /9: expected a probability in 0..1");
  refuse_rates("[0,0,0,0,0,0,0,0,0,NaN]", "wrong.json:1");
  const auto domains = files.directory.write("domains.json", R"([{"name":"r1","nodes":[0,1]}])");
  const auto whole = bethany_command({"recover", "--plan", plan, "--domains", domains});
  CHECK(contains(whole.err, "any 0 whole domains are survived; a smallest fatal set is r1"));
  const auto bulk = bethany_command({"recover", "--plan", plan, "--bulk", trace});
  CHECK(contains(bulk.err, "given a loss as the trace has them: P(recover) 1 (exact)"));
  CHECK(bethany_command({"recover", "--plan", plan, "--rates", rates, "--failed", "1"}).exit_code ==
        2);
  check_refused(bethany_command({"place", "--nodes", "2", "--slots", "1", "--loads", "1,2,3"}), 4,
                "");
  CHECK(
      contains(bethany_command({"model", "show", "gpt-l", "--format", "json"}).out, "1713456128"));
}

}  // namespace
}  // namespace bethany::test
