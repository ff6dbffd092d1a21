// `compare` on replications as scripts see it.
#include <filesystem>

#include "tests/support/catch.h"
#include "tests/support/process.h"
#include "tests/support/refused.h"

namespace bethany::test {
namespace {

constexpr char kScenario[] = R"({
  "model": "gpt-s",
  "training": { "until": { "time": "20s" }, "start": "warm" },
  "cluster": { "nodes": 4, "slots_per_gpu": 6 },
  "trace": { "file": "trace.csv" },
  "routing": { "generator": "uniform" },
  "cost": { "model": "fixed", "step": "2s", "checkpoint": "1s", "detection": "3s" }
})";
constexpr char kTrace[] =
    "0,add,a\n0,add,b\n0,add,c\n0,add,d\n11000,remove,b\n21000,add,b\n"
    "34000,remove,c\n60000,remove,d\n";

struct Files {
  Files() {
    directory.write("trace.csv", kTrace);
    scenario = directory.write("scenario.json", kScenario);
  }
  TemporaryDirectory directory;
  std::string scenario;
};

TEST_CASE("windows of a trace file are replications, as many as fit") {
  const Files files;
  const auto three = bethany_command({"compare", files.scenario, "--windows", "3"});
  CHECK(three.exit_code == 0);
  CHECK(contains(three.out, "3 replications: windows of 20s of trace.csv"));
  CHECK(contains(three.out, "paired t"));
  check_refused(bethany_command({"compare", files.scenario, "--windows", "4"}), 3,
                "only 3 of 20s fit into trace.csv");
  check_refused(
      bethany_command({"compare", files.scenario, "--windows", "3", "--replications", "4"}), 2,
      "--windows");
  check_refused(bethany_command({"compare", files.scenario, "--until-ci", "2x"}), 2,
                "--until-ci 2x: expected a share");
}

TEST_CASE("a kept comparison says how to make it again, and does") {
  const Files files;
  const auto kept = files.directory.path() + "/kept";
  const std::vector<std::string> wanted = {"--policies", "lazarus,ds", "--windows", "3"};
  std::vector<std::string> words = {"compare", files.scenario, "-o", kept, "--format", "json"};
  words.insert(words.end(), wanted.begin(), wanted.end());
  const auto first = bethany_command(words);
  REQUIRE(first.exit_code == 0);
  const auto comparison = read_text(kept + "/comparison.json");
  CHECK(contains(comparison, R"("command": "bethany compare scenario.json --policies lazarus,ds)"
                             R"( --windows 3")"));
  words = {"compare", kept + "/scenario.json", "--format", "json"};
  words.insert(words.end(), wanted.begin(), wanted.end());
  CHECK(bethany_command(words).out == first.out);
  CHECK(std::filesystem::exists(kept + "/00-lazarus/events.jsonl"));
}

}  // namespace
}  // namespace bethany::test
