// `--progress`, `--quiet` and `--dry-run`.
#include <algorithm>

#include "sim/base/json.h"
#include "tests/support/catch.h"
#include "tests/support/process.h"
#include "tests/support/refused.h"

namespace bethany::test {
namespace {

/// A trace that is drawn, so that there are replications; 400 slots warn of the memory.
constexpr char kScenario[] = R"({
  "model": "gpt-s",
  "training": { "until": { "time": "2h" } },
  "cluster": { "nodes": 8, "slots_per_gpu": 400, "memory_check": "warn" },
  "trace": { "generator": "spot", "nodes": 8 }, "routing": { "generator": "uniform" },
  "cost": { "model": "fixed", "step": "2s", "checkpoint": "1s", "detection": "3s" }
})";

std::vector<JsonNode> lines_of(const std::string& text) {
  std::vector<JsonNode> lines;
  std::size_t from = 0;
  while (from < text.size()) {
    const auto to = text.find('\n', from);
    REQUIRE(to != std::string::npos);
    lines.push_back(parse_json(text.substr(from, to - from), "line"));
    from = to + 1;
  }
  return lines;
}

TEST_CASE("progress is told as JSON Lines on request, the last with all that ended") {
  const TemporaryDirectory directory;
  const auto scenario = directory.write("scenario.json", kScenario);
  const std::vector<std::string> words = {"compare",        scenario, "--policies", "lazarus,ds",
                                          "--replications", "5",      "--quiet"};
  auto with = words;
  with.insert(with.end(), {"--progress", "jsonl"});
  const auto plain = bethany_command(words);
  const auto told = bethany_command(with);
  CHECK(plain.exit_code == 0);
  CHECK(plain.err.empty());
  CHECK(told.out == plain.out);
  const auto lines = lines_of(told.err);
  REQUIRE(!lines.empty());
  std::int64_t before = 0;
  for (const auto& line : lines) {
    CHECK(line.find("of")->integer == 10);
    CHECK(line.find("done")->integer >= before);
    CHECK(line.find("elapsed_s")->real >= 0);
    before = line.find("done")->integer;
  }
  CHECK(before == 10);
  CHECK(bethany_command({"replay", scenario, "--progress", "always"}).exit_code == 2);
}

TEST_CASE("quiet leaves out warnings, but neither errors nor missed assertions") {
  const TemporaryDirectory directory;
  const auto scenario = directory.write("scenario.json", kScenario);
  CHECK(contains(bethany_command({"replay", scenario}).err, "warning: memory"));
  CHECK(bethany_command({"replay", scenario, "--quiet"}).err.empty());
  const auto missed = bethany_command({"replay", scenario, "--quiet", "--assert", "ettr>1"});
  CHECK(missed.exit_code == 5);
  CHECK(contains(missed.err, "assertion missed"));
  check_refused(bethany_command({"replay", scenario, "--quiet", "--policy", "x"}), 3, "'x'");
}

TEST_CASE("a dry run counts the runs and runs one") {
  const TemporaryDirectory directory;
  const auto scenario = directory.write("scenario.json", kScenario);
  const auto out = directory.path() + "/out";
  const std::vector<std::string> words = {
      "compare",   scenario, "--policies", "lazarus,ds,ds-ft", "--replications", "100",
      "--dry-run", "-o",     out,          "--quiet"};
  const auto text = bethany_command(words);
  CHECK(text.exit_code == 0);
  CHECK(contains(text.out, "100 replications x 3 policies = 300 runs\n'lazarus' took "));
  auto as_json = words;
  as_json.insert(as_json.end(), {"--format", "json", "-j", "4"});
  const auto answer = parse_json(bethany_command(as_json).out, "answer");
  CHECK(answer.find("runs")->integer == 300);
  CHECK(answer.find("threads")->integer == 4);
  const double first = answer.find("first_s")->real;
  CHECK(answer.find("estimated_s")->real == Approx(first * 300 / 4));
}

}  // namespace
}  // namespace bethany::test
