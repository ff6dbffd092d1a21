// analysis/lazarus.md is what `bethany reproduce lazarus --md` prints.
#include "tests/support/catch.h"
#include "tests/support/process.h"

namespace bethany::test {
namespace {

TEST_CASE("real trace: analysis/lazarus.md is what reproduce prints") {
  const auto result = bethany_command({"reproduce", "lazarus", "--md"});
  CHECK(result.exit_code == 0);
  const auto page = read_text(std::string(BETHANY_SOURCE_DIR) + "/analysis/lazarus.md");
  const auto table = page.find("| id |");
  REQUIRE(table != std::string::npos);
  CHECK(page.substr(table) == result.out);
  // README quotes the errors by role.
  const auto readme = read_text(std::string(BETHANY_SOURCE_DIR) + "/README.md");
  for (const std::string role : {"predicted: ", "selected: ", "fitted: "}) {
    const auto begin = result.out.find("\n" + role) + 1;
    REQUIRE(begin > 0);
    CHECK(readme.find(result.out.substr(begin, result.out.find('\n', begin) - begin)) !=
          std::string::npos);
  }
}

}  // namespace
}  // namespace bethany::test
