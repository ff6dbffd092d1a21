// Which choices the published ratios depend on (reproduction.md §4): each change of the GPT-L runs
// of testbed A moves them as reported there. Directions only: factors are one prototype's.
#include <cstdlib>
#include <numeric>

#include "sim/study/reproduce/experiment.h"
#include "sim/study/reproduce/lazarus_testbed_a.h"
#include "tests/support/catch.h"

namespace bethany {
namespace {

struct Ratios {
  double ds = 0;
  double ds_ft = 0;
};

/// Mean samples of Lazarus over those of DS and DS(FT), with settings laid over the scenario.
Ratios with(const std::vector<std::string>& changes) {
  ReproduceOptions options;
  options.draws = 4;
  options.traces = std::getenv("BETHANY_TRACES");
  Reproduction into;
  Lab lab(options, into);
  DrawnScenario scenario{.name = "changed",
                         .text = kTestbedA,
                         .settings = {"model=gpt-l", "training.until.time=30min",
                                      R"(trace={"generator":"interval","nodes":10,"every":"5min",)"
                                      R"("losses":5,"length":"30min"})",
                                      lab.published_loads(16).value()},
                         .policies = {"lazarus", "ds", "ds-ft"}};
  scenario.settings.insert(scenario.settings.end(), changes.begin(), changes.end());
  const auto runs = lab.run(scenario);
  const auto mean = [](const std::vector<double>& values) {
    return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
  };
  return {mean(ratios(runs, "lazarus", "ds", samples_of)),
          mean(ratios(runs, "lazarus", "ds-ft", samples_of))};
}

TEST_CASE("real trace: the published ratios of GPT-L move with each choice as reported") {
  const auto base = with({});
  const auto padding = [](const char* options) {
    return with({std::string(R"(policies.ds.dispatch={"kind":"ep-group",)") + options + "}",
                 std::string(R"(policies.ds-ft.dispatch={"kind":"ep-group",)") + options + "}"});
  };
  const auto none = padding(R"("pad_tokens":false,"pad_compute":false)");
  const auto tokens_only = padding(R"("pad_compute":false)");
  const auto compute_only = padding(R"("pad_tokens":false)");
  CHECK(none.ds < tokens_only.ds);
  CHECK(tokens_only.ds < base.ds);
  CHECK(compute_only.ds < base.ds);
  CHECK(none.ds_ft < base.ds_ft);

  const auto uniform = with({R"(routing={"generator":"uniform"})"});
  CHECK(uniform.ds < base.ds);
  CHECK(uniform.ds_ft < base.ds_ft);

  CHECK(with({"policies.lazarus.placement=compact"}).ds < 0.85 * base.ds);
  CHECK(with({"cluster.storage.write=1GB/s"}).ds < 0.85 * base.ds);
  CHECK(with({"training.precision.gradient_bytes=4"}).ds < base.ds);
  CHECK(with({"cost.restart.process_start=100s"}).ds > base.ds);
  CHECK(with({R"(policies.lazarus.rebalance={"kind":"steps","every":50})"}).ds < base.ds);
  CHECK(with({"policies.ds-ft.on_loss=restart"}).ds_ft > 1.3 * base.ds_ft);
  CHECK(with({"policies.ds-ft.on_loss.reuse_idle=true"}).ds_ft <= base.ds_ft);
}

}  // namespace
}  // namespace bethany
