// The published numbers of papers.md §1.2 and placement.md §5.3, from the routing of the SmartMoE
// artifact that the Lazarus paper used: $BETHANY_TRACES/smartmoe-GPL3/moe_trace.

#include "tests/real_trace/smartmoe.h"

namespace bethany {
namespace {

using namespace smartmoe;

void check_curve(const Planned& at, const std::vector<double>& published) {
  const auto curve = recovery_curve(at.plan, static_cast<int>(published.size()));
  REQUIRE(curve.has_value());
  for (std::size_t k = 1; k <= published.size(); ++k) {
    CHECK(curve->probability[k] == Approx(published[k - 1]).margin(6e-4));
  }
}

TEST_CASE("real trace: joint recovery of 12 aligned layers is what the notes computed") {
  // papers.md §1.2, placement.md §5.3.
  for (const int iteration : {101, 201, 1001, 4001}) {
    check_curve(planned(iteration, 16, "mro"), {1, .933, .800, .614, .405, .210});
    check_curve(planned(iteration, 12, "mro"), {1, .956, .867, .738, .579, .405});
  }
  check_curve(planned(1001, 8, "mro"), {1, .978, .933, .867, .774, .643});
  check_curve(planned(201, 16, "spread"), {1, .889, .667, .381, .127, 0});
  check_curve(planned(201, 16, "compact"), {.4, .089, 0});
  // reproduction.md §7.5.
  check_curve(planned(201, 16, "mro", Busiest::in_training), {1, .933, .800, .614, .405});
  check_curve(planned(201, 8, "mro", Busiest::in_training), {1, .978, .933, .867, .774});
}

TEST_CASE("real trace: the imbalance of mro and spread under an even split") {
  // placement.md §5.3; where leftover replicas go is not published, so MRO is met to 0.005.
  struct Row {
    int experts;
    std::string placement;
    std::vector<double> at;  // iterations 101, 201, 1001, 4001
    double margin;
  };
  const std::vector<Row> rows = {{16, "mro", {1.603, 1.479, 1.340, 1.390}, .005},
                                 {12, "mro", {1.329, 1.251, 1.175, 1.215}, .005},
                                 {8, "mro", {1.115, 1.072, 1.097, 1.084}, .005},
                                 {16, "spread", {1.114, 1.099, 1.091, 1.083}, .0006},
                                 {12, "spread", {1.124, 1.075, 1.072, 1.075}, .0006},
                                 {8, "spread", {1.089, 1.067, 1.037, 1.057}, .0006}};
  const std::vector<int> iterations = {101, 201, 1001, 4001};
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < iterations.size(); ++i) {
      INFO(row.placement << " of " << row.experts << " at " << iterations[i]);
      const auto at = planned(iterations[i], row.experts, row.placement);
      CHECK(mean_imbalance(at, "even") == Approx(row.at[i]).margin(row.margin));
      // Every replica computes the same under both, so the balance is the same.
      CHECK(mean_imbalance(at, "lazarus") == Approx(mean_imbalance(at, "even")).epsilon(1e-6));
    }
  }
}

TEST_CASE("real trace: the max/mean compute of Lazarus and of padded EP in reproduction.md 7.3") {
  struct Row {
    int experts;
    double lazarus;
    int ep_nodes;
    double ep;  // rows computed per row routed
  };
  for (const auto& row :
       {Row{12, 1.29, 10, 5.10}, Row{16, 1.52, 8, 6.47}, Row{8, 1.12, 10, 3.85}}) {
    CHECK(mean_imbalance(planned(201, row.experts, "mro", Busiest::in_training), "lazarus") ==
          Approx(row.lazarus).margin(.01));
    const auto at = planned(201, row.experts, "ep-groups", Busiest::in_training, row.ep_nodes);
    const std::vector<std::int64_t> rows(static_cast<std::size_t>(row.ep_nodes), 4096);
    const auto rule = part(dispatches(), "ep-group");
    double ratio = 0;
    for (int l = 0; l < kLayers; ++l) {
      const auto traffic = rule->dispatch(at.shape, at.plan.layers[static_cast<std::size_t>(l)],
                                          rows, at.loads.row(l));
      ratio += static_cast<double>(traffic.computed.front()) / 4096 / kLayers;
    }
    CHECK(ratio == Approx(row.ep).margin(.006));
  }
}

}  // namespace
}  // namespace bethany
