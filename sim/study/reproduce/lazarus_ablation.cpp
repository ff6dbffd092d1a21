// Lazarus (arXiv 2407.04656), the ablation: one MoE layer of eight experts on ten
// nodes, one expert x times as hot as the even share.
#include <fmt/format.h>

#include "sim/study/reproduce/experiment.h"
#include "sim/study/reproduce/lazarus_testbed_a.h"

namespace bethany {
namespace {

constexpr int kHottest = 4;

/// The layer without attention and embedding: routing, experts and their gradients only.
constexpr char kModel[] =
    R"(model={"name":"one MoE layer","layers":1,"hidden":1024,"experts":8,)"
    R"("expert_parameters":8388608,"dense_parameters":8192,"attention_flop_per_context":0})";

class Ablation final : public Experiment {
 public:
  std::string paper() const override { return "lazarus"; }

  void run(Lab& lab) const override {
    std::vector<double> lazarus;  // step times by heat
    std::vector<double> ds;
    for (int heat = 1; heat <= kHottest; ++heat) {
      // The hottest has heat/8 of the tokens, the others share the rest.
      std::string loads = std::to_string(7 * heat);
      for (int other = 0; other < 7; ++other) loads += fmt::format(",{}", 8 - heat);
      const auto runs = lab.run(
          {.name = fmt::format("ablation/{}", heat),
           .text = kTestbedA,
           .settings = {kModel, "trace=none", "training.until.samples=40000",
                        "cost.fixed.per_step=0s", "policies.ds.checkpoint=none",
                        fmt::format(R"(routing={{"generator":"constant","loads":[{}]}})", loads)},
           .policies = {"lazarus", "ds"},
           .draws = 1,
           .keep_events = true});
      lazarus.push_back(last_step_time(runs.at(0, "lazarus")));
      ds.push_back(last_step_time(runs.at(0, "ds")));
      lab.result().rows.push_back(
          {.id = fmt::format("ablation/{}-to-1", heat),
           .quantity = fmt::format("one layer, hottest expert at {} times the even share: "
                                   "throughput of Lazarus / DS",
                                   heat),
           .unit = "ratio",
           .published = {},
           .draws = {ds.back() / lazarus.back()},
           .role = RowRole::predicted,
           .source = "Lazarus v2, ablation of skew: a figure, no values in the text",
           .note = heat == 1
                       ? "\"slightly slower\" is published; here the gradients of 6 slots are "
                         "reduced against 4"
                       : ""});
    }
    const auto add = [&](const char* what, const char* words, bool holds, std::string note) {
      lab.result().statements.push_back({.id = fmt::format("ablation/{}", what),
                                         .statement = words,
                                         .held = holds ? 1 : 0,
                                         .draws = 1,
                                         .source = "Lazarus v2, ablation of skew",
                                         .note = std::move(note)});
    };
    const auto ms = [](const std::vector<double>& times) {
      std::string text;
      for (const double time : times) text += fmt::format(" {:.1f}", 1e3 * time);
      return text;
    };
    add("lazarus-flat", "one layer, 1:1 to 4:1: the throughput of Lazarus stays within 15 %",
        lazarus.back() < 1.15 * lazarus.front() && lazarus.back() > lazarus.front() / 1.15,
        "steps of Lazarus, ms:" + ms(lazarus) + "; of DS:" + ms(ds));
    bool drops = true;
    for (std::size_t i = 1; i < ds.size(); ++i) drops = drops && ds[i] > 1.1 * ds[i - 1];
    add("ds-drops", "one layer, 1:1 to 4:1: DS loses over 10 % of its throughput at each step",
        drops, "");
    add("slower-at-1", "one layer, 1:1: Lazarus is slower than DS", lazarus[0] > ds[0], "");
    add("faster-at-4", "one layer, 4:1: Lazarus is faster than DS", lazarus.back() < ds.back(), "");
  }

 private:
  static double last_step_time(const DrawnRun& run) {
    double seconds = 0;
    for (const auto& event : run.events) {
      if (const auto* steps = std::get_if<StepsCommitted>(&event)) {
        seconds = to_seconds(steps->step_time);
      }
    }
    return seconds;
  }
};

const bool registered = experiments().add({
    .name = "ablation",
    .summary = "Lazarus, one layer with one hot expert",
    .make = [](ObjectReader&) -> std::unique_ptr<Experiment> {
      return std::make_unique<Ablation>();
    },
});

}  // namespace
}  // namespace bethany
