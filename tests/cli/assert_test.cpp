// `--assert`: a bound that is missed ends with 5, after the result.
#include "tests/support/catch.h"
#include "tests/support/process.h"
#include "tests/support/refused.h"

namespace bethany::test {
namespace {

/// Steps of 2 s on 4 nodes for 300 s; a node is lost after 60 s.
struct Files {
  Files() {
    directory.write("trace.csv", "0,add,a\n0,add,b\n0,add,c\n0,add,d\n60000,remove,b\n");
    scenario = directory.write("scenario.json", R"({
      "model": "gpt-s",
      "training": { "until": { "time": "300s" }, "start": "warm" },
      "cluster": { "nodes": 4, "slots_per_gpu": 6 },
      "trace": { "file": "trace.csv" }, "routing": { "generator": "uniform" },
      "cost": { "model": "fixed", "step": "2s", "checkpoint": "1s", "detection": "3s" }
    })");
  }
  TemporaryDirectory directory;
  std::string scenario;
};

TEST_CASE(
    "a missed assertion ends with 5, says the value, and the result is printed all the same") {
  const Files files;
  const std::vector<std::string> plain = {"replay", files.scenario, "--format", "json"};
  const auto with = [&](std::vector<std::string> words, const std::vector<std::string>& more) {
    words.insert(words.end(), more.begin(), more.end());
    return bethany_command(words);
  };
  const auto before = with(plain, {});
  REQUIRE(before.exit_code == 0);
  CHECK(with(plain, {"--assert", "ettr>=0.5", "--assert", "disruptions<=1"}).exit_code == 0);
  const auto missed = with(plain, {"--assert", "ettr > 0.999", "--assert", "cost_usd<1"});
  CHECK(missed.exit_code == 5);
  CHECK(missed.out == before.out);
  CHECK(contains(missed.err, "assertion missed: lazarus: ettr is 0."));
  CHECK(contains(missed.err, "wanted > 0.999"));

  const auto compared = with({"compare", files.scenario, "--policies", "lazarus,ds"},
                             {"--assert", "lazarus: ettr>=0.9", "--assert", "goodput_ratio>1"});
  CHECK(compared.exit_code == 5);
  CHECK(contains(compared.err, "assertion missed: ds: goodput_ratio is "));
  CHECK_FALSE(contains(compared.err, "lazarus:"));
  CHECK(contains(compared.out, "lazarus"));
}

TEST_CASE("an assertion that cannot be read is refused before anything runs") {
  const Files files;
  const auto refuse = [&](const std::string& text, const std::string& part) {
    check_refused(bethany_command({"compare", files.scenario, "--assert", text}), 3, part);
  };
  refuse("etr>=0.9", "did you mean 'ettr'?");
  refuse("ettr~0.9", "expected [POLICY:] METRIC OP NUMBER");
  refuse("lazzarus: ettr>0", "did you mean 'lazarus'?");
  check_refused(bethany_command({"replay", files.scenario, "--assert", "goodput_ratio>1"}), 3,
                "needs a second policy");
}

}  // namespace
}  // namespace bethany::test
