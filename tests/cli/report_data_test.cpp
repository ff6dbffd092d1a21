// The directories that the program writes are what the report reads.
#include "analysis/report/report_data.h"

#include <filesystem>

#include "analysis/report/json_values.h"
#include "tests/support/catch.h"
#include "tests/support/process.h"

namespace bethany::test {
namespace {

const std::string kSample = std::string(BETHANY_SOURCE_DIR) + "/traces/samples/quickstart.json";

TEST_CASE("what compare -o writes is read, a policy without a run too") {
  const TemporaryDirectory directory;
  const auto place = directory.path() + "/out";
  const auto made = bethany_command(
      {"compare", kSample, "--policies", "lazarus,ds:allocation.ep_size=7,ideal", "-o", place});
  REQUIRE(made.exit_code == 0);
  const ReportData data = read_report_data(place);
  CHECK(data.scenario.find("bethany_scenario") != nullptr);
  REQUIRE(data.kept.size() == 2);
  CHECK(data.kept[0].policy == "lazarus");
  CHECK_FALSE(data.kept[0].is_bound);
  CHECK(data.kept[1].policy == "ideal");
  CHECK(data.kept[1].is_bound);
  const auto& policies = data.comparison.find("policies")->items;
  REQUIRE(policies.size() == 3);
  CHECK_FALSE(flag_at(policies[1], {"feasible"}));
  CHECK_FALSE(text_at(policies[1], {"reason"}).empty());
}

TEST_CASE("what replay -o writes is read") {
  const TemporaryDirectory directory;
  const auto place = directory.path() + "/out";
  REQUIRE(bethany_command({"replay", kSample, "--policy", "ds", "-o", place}).exit_code == 0);
  const ReportData data = read_report_data(place);
  REQUIRE(data.kept.size() == 1);
  const auto& run = data.comparison.find("runs")->items.at(0);
  const auto& policy = data.comparison.find("policies")->items.at(0);
  for (const auto* name : {"samples", "ettr", "goodput_tokens_per_s"}) {
    CHECK(number_at(policy, {"metrics", name, "mean"}) == number_at(run, {name}));
  }
}

}  // namespace
}  // namespace bethany::test
