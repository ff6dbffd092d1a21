#include "tests/support/catch.h"
#include "tests/support/process.h"
#include "tests/support/refused.h"

namespace bethany::test {
namespace {

TEST_CASE("cli: reproduce prints rows, statements and what is missing") {
  const auto json = bethany_command({"reproduce", "lazarus", "--only", "ablation", "--draws", "2",
                                     "--traces", "nowhere", "--format", "json"});
  CHECK(json.exit_code == 0);
  CHECK(json.err.empty());
  for (const char* part :
       {R"("schema": "bethany/reproduce/1")", R"("paper": "lazarus")", R"("id": "ablation/4-to-1")",
        R"("published": null)", R"("role": "predicted")", R"("statements": [)",
        R"("missing_inputs": [])"}) {
    INFO(part);
    CHECK(json.out.find(part) != std::string::npos);
  }
  const auto missing =
      bethany_command({"reproduce", "lazarus", "--only", "table2", "--traces", "nowhere"});
  CHECK(missing.exit_code == 0);
  CHECK(missing.out.find("missing: smartmoe-GPL3/moe_trace") != std::string::npos);
  const auto page = bethany_command({"reproduce", "lazarus", "--only", "ablation", "--md"});
  CHECK(page.out.find("| id | quantity |") != std::string::npos);
}

TEST_CASE("cli: reproduce writes scenarios that compare takes") {
  const TemporaryDirectory directory;
  const auto made = bethany_command({"reproduce", "lazarus", "--only", "ablation", "--draws", "1",
                                     "-o", directory.path() + "/scenarios"});
  CHECK(made.exit_code == 0);
  const auto run = bethany_command({"compare", directory.path() + "/scenarios/ablation-4.json",
                                    "--policies", "lazarus,ds", "--format", "csv"});
  CHECK(run.exit_code == 0);
  CHECK(run.out.find("lazarus") != std::string::npos);
}

TEST_CASE("cli: reproduce refuses what it does not know, and misses a bound with 5") {
  check_refused(bethany_command({"reproduce", "lazaru"}), 3, "did you mean 'lazarus'?");
  check_refused(bethany_command({"reproduce", "lazarus", "--only", "abltion"}), 3,
                "did you mean 'ablation'?");
  CHECK(bethany_command({"reproduce"}).exit_code == 2);
  CHECK(bethany_command({"reproduce", "lazarus", "--draws", "0"}).exit_code == 2);
  const auto missed = bethany_command(
      {"reproduce", "lazarus", "--only", "deepseek", "--draws", "1", "--assert-within", "0.0001"});
  CHECK(missed.exit_code == 5);
  CHECK(missed.err.find("deepseek/512/0.01/ds is off by") != std::string::npos);
}

}  // namespace
}  // namespace bethany::test
