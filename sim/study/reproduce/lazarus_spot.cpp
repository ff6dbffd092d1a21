// Lazarus (arXiv 2407.04656), section 6.4: 80 minutes of Bamboo's p3 trace capped to ten nodes. The
// paper names neither the window nor the capping rule; minutes 0-80 are the best candidate
// (reproduction.md §6), and the rows are printed under two rules.
#include <fmt/format.h>

#include "sim/study/reproduce/experiment.h"
#include "sim/study/reproduce/lazarus_testbed_a.h"

namespace bethany {
namespace {

constexpr char kSource[] = "Lazarus v2, section 6.4";

struct Rule {
  const char* name;
  const char* words;
  const char* trace;  // keys of the trace object
};
constexpr Rule kRules[] = {
    {"scale", "floor(n·10/32) nodes", R"("cap":{"rule":"scale"})"},
    {"odd", "odd-numbered instances",
     R"("keep":{"every":2,"first":1},"join_order":"random","cap":{"rule":"members"})"},
};

constexpr char kRuleNote[] = "window and capping rule are not published: read both rules";

struct Published {
  double against_ds;
  double against_ds_ft;
  double ds_less_than_ds_ft;
};

class Spot final : public Experiment {
 public:
  std::string paper() const override { return "lazarus"; }

  void run(Lab& lab) const override {
    for (const auto& model : kTestbedAModels) {
      const std::string name = model.name;
      if (name == "gpt-m") continue;
      const auto loads = lab.published_loads(model.experts);
      const auto trace = lab.public_file("bamboo/traces/p3-trace.csv");
      for (const auto& rule : kRules) {
        DrawnRuns runs;
        if (loads && trace) {
          runs = lab.run({.name = fmt::format("spot/{}/{}", rule.name, name),
                          .text = kTestbedA,
                          .settings = {fmt::format("model={}", name), "training.until.time=80min",
                                       fmt::format(R"(trace={{"file":{},{}}})",
                                                   to_line(JsonNode::of(*trace)), rule.trace),
                                       *loads, "policies.lazarus.checkpoint.kind=steps",
                                       "policies.lazarus.checkpoint.every=250"},
                          .policies = {"lazarus", "ds", "ds-ft"},
                          .keep_events = true});
        }
        add_rows(lab, model, rule, runs,
                 name == "gpt-s" ? Published{2.3, 1.2, 0.51} : Published{3.4, 1.8, 0.48});
        add_statements(lab, model, rule, runs);
      }
    }
  }

 private:
  static void add_rows(Lab& lab, const TestbedModel& model, const Rule& rule, const DrawnRuns& runs,
                       const Published& published) {
    auto& rows = lab.result().rows;
    const auto add = [&](const char* what, std::string quantity, const char* unit,
                         std::optional<double> value, std::vector<double> draws, RowRole role,
                         const char* note) {
      rows.push_back(
          {.id = fmt::format("spot/{}/{}/{}", rule.name, model.name, what),
           .quantity = fmt::format("{}, 80 min of p3, {}: {}", model.title, rule.words, quantity),
           .unit = unit,
           .published = value,
           .draws = std::move(draws),
           .role = role,
           .source = kSource,
           .note = note});
    };
    const bool odd = std::string(rule.name) == "odd";
    add("ds", "samples of Lazarus / DS", "ratio", published.against_ds,
        ratios(runs, "lazarus", "ds", samples_of), RowRole::selected, kRuleNote);
    add("ds-ft", "samples of Lazarus / DS(FT)", "ratio", published.against_ds_ft,
        ratios(runs, "lazarus", "ds-ft", samples_of), RowRole::selected, kRuleNote);
    auto less = ratios(runs, "ds", "ds-ft", samples_of);
    for (double& ratio : less) ratio = 1 - ratio;
    add("ds-less", "share by which DS trains less than DS(FT)", "share",
        published.ds_less_than_ds_ft, std::move(less), RowRole::predicted,
        "follows from the two ratios above only if all three are one run; the published three do "
        "not agree with one another (1.2 / 2.3 and 1.8 / 3.4 make 48 % and 47 %)");
    if (std::string(model.name) != "gpt-l") return;
    add("restarts", "restarts of Lazarus", "restarts", 1,
        values(
            runs, "lazarus",
            [](const DrawnRun& run) { return static_cast<double>(run.summary.recovery.restart); }),
        RowRole::predicted,
        odd ? "one outcome of a draw: four of ten lost at minute 34 are recovered with probability "
              "0.61"
            : "this rule never takes four nodes at once");
    add("ds-ft-restart", "share of time DS(FT) spends in restarts", "share", 0.27,
        values(runs, "ds-ft",
               [](const DrawnRun& run) {
                 return blocked_share_of_time(run, {Blocked::restart, Blocked::load});
               }),
        RowRole::predicted, "the published share may include work that was repeated");
  }

  static void add_statements(Lab& lab, const TestbedModel& model, const Rule& rule,
                             const DrawnRuns& runs) {
    const auto add = [&](const char* what, const char* words, auto holds) {
      ReproducedStatement statement{
          .id = fmt::format("spot/{}/{}/{}", rule.name, model.name, what),
          .statement = fmt::format("{}, p3, {}: {}", model.title, rule.words, words),
          .source = kSource};
      for (std::size_t draw = 0; draw < runs.draws.size(); ++draw) {
        statement.held += holds(draw) ? 1 : 0;
        ++statement.draws;
      }
      lab.result().statements.push_back(std::move(statement));
    };
    add("order", "Lazarus trains more than DS(FT), DS(FT) more than DS", [&](std::size_t draw) {
      const double ds_ft = samples_of(runs.at(draw, "ds-ft"));
      return samples_of(runs.at(draw, "lazarus")) > ds_ft &&
             ds_ft > samples_of(runs.at(draw, "ds"));
    });
    add("lazarus-overhead", "Lazarus spends less than 10 % of its time reconfiguring",
        [&](std::size_t draw) {
          return blocked_share_of_time(
                     runs.at(draw, "lazarus"),
                     {Blocked::detection, Blocked::planning, Blocked::communicator,
                      Blocked::transfer, Blocked::join, Blocked::rebalance}) < 0.10;
        });
    add("ds-overhead", "DS spends more than half of its time in checkpoints and restarts",
        [&](std::size_t draw) {
          return blocked_share_of_time(runs.at(draw, "ds"),
                                       {Blocked::checkpoint, Blocked::detection, Blocked::restart,
                                        Blocked::load}) > 0.50;
        });
  }
};

const bool registered = experiments().add({
    .name = "spot",
    .summary = "Lazarus, 80 minutes of the p3 spot trace under two capping rules",
    .make = [](ObjectReader&) -> std::unique_ptr<Experiment> { return std::make_unique<Spot>(); },
});

}  // namespace
}  // namespace bethany
