// analysis/lazarus.md is what `bethany reproduce lazarus --md` prints.
#include <cstdlib>

#include "tests/support/catch.h"
#include "tests/support/process.h"

namespace bethany::test {
namespace {

TEST_CASE("real trace: analysis/lazarus.md is what reproduce prints") {
  // By the program of another compiler, when test.sh built one: it is optimised, and must agree.
  const char* other = std::getenv("BETHANY_OTHER_BINARY");
  const bool has_other = other != nullptr && *other != '\0';
  const auto result = has_other ? run_process({other, "reproduce", "lazarus", "--md"})
                                : bethany_command({"reproduce", "lazarus", "--md"});
  CHECK(result.exit_code == 0);
  const auto page = read_text(std::string(BETHANY_SOURCE_DIR) + "/analysis/lazarus.md");
  const auto table = page.find("| id |");
  REQUIRE(table != std::string::npos);
  CHECK(page.substr(table) == result.out);
}

}  // namespace
}  // namespace bethany::test
