// What README.md shows is what the program prints.
#include <cstdlib>

#include "tests/support/catch.h"
#include "tests/support/process.h"

namespace bethany::test {
namespace {

const std::string kRoot = BETHANY_SOURCE_DIR;

/// The first code block behind a marker comment.
std::string shown_after(const std::string& marker) {
  const auto readme = read_text(kRoot + "/README.md");
  const std::string fence = "```text\n";
  const auto place = readme.find("<!-- " + marker + " -->");
  REQUIRE(place != std::string::npos);
  const auto begin = readme.find(fence, place) + fence.size();
  return readme.substr(begin, readme.find("```", begin) - begin);
}

TEST_CASE("README shows what the quickstart prints") {
  const auto result = bethany_command(
      {"compare", kRoot + "/traces/samples/quickstart.json", "--replications", "20"});
  CHECK(result.exit_code == 0);
  CHECK(result.out == shown_after("quickstart"));
}

TEST_CASE("real trace: README shows what the scenario of the design gives on p3") {
  const std::string traces = std::getenv("BETHANY_TRACES");
  const auto result =
      bethany_command({"compare", kRoot + "/traces/samples/lazarus-p3.json", "--set",
                       "trace.file=" + traces + "/bamboo/traces/p3-trace.csv", "--policies",
                       "lazarus,ds,lazarus:placement=spread,ideal"});
  CHECK(result.exit_code == 0);
  CHECK(result.out == shown_after("p3"));
}

TEST_CASE("README shows the frontier of the loads it names") {
  const std::string loads = "60,80,90,100,110,130,150,160,180,200,230,260,400,800,1500,4000";
  CHECK(read_text(kRoot + "/README.md").find("--loads " + loads + " --objective frontier") !=
        std::string::npos);
  const auto result = bethany_command(
      {"place", "--nodes", "10", "--slots", "6", "--loads", loads, "--objective", "frontier"});
  CHECK(result.exit_code == 0);
  CHECK(result.out == shown_after("frontier"));
}

TEST_CASE("real trace: README shows what planners give on all of p3") {
  const std::string traces = std::getenv("BETHANY_TRACES");
  const auto result = bethany_command(
      {"compare", kRoot + "/traces/samples/lazarus-p3.json", "--set",
       "trace.file=" + traces + "/bamboo/traces/p3-trace.csv", "--set", "training.until.time=11.4h",
       "--policies",
       "lazarus,lazarus+,core-4,lazarus:placement=mro+,lazarus:placement=repair,ideal"});
  CHECK(result.exit_code == 0);
  CHECK(result.out == shown_after("p3-whole"));
}

}  // namespace
}  // namespace bethany::test
