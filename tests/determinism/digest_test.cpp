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

/// Traces and routing loads that draw on every distribution.
std::vector<std::vector<std::string>> generate_arguments() {
  const auto loads = [](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"routing", "generate"});
    arguments.insert(arguments.end(), {"--layers", "8", "--experts", "32", "--top-k", "2"});
    return arguments;
  };
  return {loads({"dirichlet", "--set", "concentration=0.1", "--set", "every=500"}),
          loads({"zipf-drift", "--set", "cutoff=3.5", "--set", "uniform_steps=10"}),
          loads({"W7"}),
          {"trace", "generate", "failures", "--set", "nodes=300", "--set", "length=90d", "--set",
           "mtbf=10d", "--set", "distribution=weibull", "--set",
           R"(repair={"fast":{"median":"5min","sigma":0.5},"slow":{"median":"1d","mean":"2d"}})",
           "--set", "slow.mtbf=5d"},
          {"trace", "generate", "failures", "--set", "nodes=300", "--set", "length=90d", "--set",
           "mtbf=10d", "--set", "distribution=lognormal", "--set", "repair.reboot.median=30min"},
          {"trace", "generate", "rsc1", "--set", "length=30d"},
          {"trace", "generate", "bamboo", "--set", "p=0.2"},
          {"trace", "generate", "spot"}};
}

// BETHANY_OTHER_BINARY names the program as another compiler built it (test.sh: clang, at -O0).
TEST_CASE("another compiler and optimisation level give the same result") {
  const char* other = std::getenv("BETHANY_OTHER_BINARY");
  if (other == nullptr) {
    WARN("BETHANY_OTHER_BINARY is not set: nothing to compare with");
    return;
  }
  auto commands = generate_arguments();
  commands.push_back(compare_arguments("2"));
  for (auto& arguments : commands) {
    const auto ours = bethany_command(arguments);
    REQUIRE(ours.exit_code == 0);
    arguments.insert(arguments.begin(), other);
    const auto theirs = run_process(arguments);
    REQUIRE(theirs.exit_code == 0);
    CHECK(theirs.out == ours.out);
  }
}

}  // namespace
}  // namespace bethany::test
