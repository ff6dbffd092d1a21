// Equal inputs give equal results: twice, on any number of threads, from another compiler at
// another optimisation level.
#include <cstdlib>

#include "tests/support/catch.h"
#include "tests/support/process.h"

namespace bethany::test {
namespace {

constexpr char kPolicies[] = "lazarus,ds,lazarus:placement=spread,lazarus:placement=random,ideal";

const std::string kSample = std::string(BETHANY_SOURCE_DIR) + "/traces/samples/quickstart.json";

std::vector<std::string> compare_arguments(const std::string& threads) {
  return {"compare", kSample, "--policies", kPolicies, "-j", threads, "--format", "json"};
}

TEST_CASE("the sample comparison is the same twice and on any number of threads") {
  const auto first = bethany_command(compare_arguments("1"));
  REQUIRE(first.exit_code == 0);
  CHECK(first.out.find("\"digest\"") != std::string::npos);
  CHECK(bethany_command(compare_arguments("1")).out == first.out);
  CHECK(bethany_command(compare_arguments("2")).out == first.out);
  CHECK(bethany_command(compare_arguments("8")).out == first.out);
}

TEST_CASE("another seed gives another result") {
  auto other = compare_arguments("2");
  other.insert(other.end(), {"--seed", "2"});
  CHECK(bethany_command(other).out != bethany_command(compare_arguments("2")).out);
}

// BETHANY_OTHER_BINARY names the program as another compiler built it (test.sh: clang, optimised).
TEST_CASE("another compiler and optimisation level give the same result") {
  const char* other = std::getenv("BETHANY_OTHER_BINARY");
  if (other == nullptr) {
    WARN("BETHANY_OTHER_BINARY is not set: nothing to compare with");
    return;
  }
  auto arguments = compare_arguments("2");
  const auto ours = bethany_command(arguments);
  arguments.insert(arguments.begin(), other);
  const auto theirs = run_process(arguments);
  REQUIRE(theirs.exit_code == 0);
  CHECK(theirs.out == ours.out);
}

}  // namespace
}  // namespace bethany::test
