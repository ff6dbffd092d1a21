// Lazarus (arXiv 2407.04656) on its testbed B: 16 nodes of one A10G, 10 Gb/s TCP, 20 micro-batches
// a step, a loss every 5 minutes until 8 nodes are left, against Tutel (papers.md §1.6-1.7).
#include <fmt/format.h>

#include <algorithm>

#include "sim/study/replay.h"
#include "sim/study/reproduce/experiment.h"

namespace bethany {
namespace {

constexpr char kTestbedB[] = R"({
  "bethany_scenario": 1,
  "training": {
    "sequence_length": 1024,
    "batch": {"mode": "per_gpu", "sequences": 4, "accumulation": 20},
    "start": "warm", "until": {"time": "45min"}
  },
  "cluster": {
    "nodes": 16, "node_type": "a10g-10g", "slots_per_gpu": 6,
    "storage": {"read": "10GB/s", "write": "3GB/s"}
  },
  "cost": {"profile": "a10g-10g", "restart_read": "once"},
  // Checkpoints every 50 and 250 micro-batches: 2.5 and 12.5 steps, at the first boundary after.
  "policies": {"lazarus": {"checkpoint": "none"}, "tutel": {"checkpoint": {"every": 3}},
               "tutel-ft": {"checkpoint": {"every": 13}}}
})";

constexpr char kSource[] = "Lazarus v2, comparison with Tutel on A10G";
constexpr int kNodes = 16;
constexpr int kLosses = 8;

struct PublishedB {
  const char* model;
  const char* title;
  int experts;
  double against_tutel;
  double against_tutel_ft;
  double against_tutel_ft_idle;  // when losses only hit nodes that Tutel had dropped
};
constexpr PublishedB kPublished[] = {{"gpt-s", "GPT-S", 8, 2.1, 1.8, 1.4},
                                     {"gpt-l", "GPT-L", 16, 4.0, 3.9, 2.6}};

/// The members of the last configuration, by name.
class LastMembers final : public RunSink {
 public:
  explicit LastMembers(const Trace& trace) : trace_(trace) {}
  void take(const RunEvent& event) override {
    const auto* made = std::get_if<ConfigurationCompleted>(&event);
    if (made == nullptr) return;
    names_.clear();
    for (const NodeId node : made->machine_of_place) {
      names_.push_back(trace_.node_names[node.index()]);
    }
  }
  bool contains(const std::string& name) const {
    return std::find(names_.begin(), names_.end(), name) != names_.end();
  }

 private:
  const Trace& trace_;
  std::vector<std::string> names_;
};

class TestbedB final : public Experiment {
 public:
  std::string paper() const override { return "lazarus"; }

  void run(Lab& lab) const override {
    for (const auto& model : kPublished) {
      const auto loads = lab.published_loads(model.experts);
      DrawnRuns any;
      std::vector<double> idle;
      if (loads) {
        any = lab.run({.name = fmt::format("b/{}", model.model),
                       .text = kTestbedB,
                       .settings = {fmt::format("model={}", model.model),
                                    trace_setting(R"("random")", kLosses), *loads},
                       .policies = {"lazarus", "tutel", "tutel-ft"}});
        idle = idle_losses(lab, model, *loads);
      }
      add_rows(lab, model, any, idle);
    }
  }

 private:
  static std::string trace_setting(const std::string& victims, int losses) {
    return fmt::format(
        R"(trace={{"generator":"interval","nodes":{},"every":"5min","losses":{},"victims":{},)"
        R"("length":"45min"}})",
        kNodes, losses, victims);
  }

  /// Lazarus / Tutel(FT) when each loss hits a node that Tutel(FT) does not use, if there is one.
  static std::vector<double> idle_losses(Lab& lab, const PublishedB& model,
                                         const std::string& loads) {
    std::vector<double> ratios;
    for (int draw = 1; draw <= lab.options().draws; ++draw) {
      DrawnScenario scenario{.name = fmt::format("b/{}/dropped", model.model),
                             .text = kTestbedB,
                             .settings = {fmt::format("model={}", model.model), "", loads},
                             .policies = {"lazarus", "tutel-ft"}};
      auto rng = RngStreams(static_cast<std::uint64_t>(draw), 0).stream("reproduce/dropped");
      std::vector<std::string> victims;
      double tutel = 0;
      while (true) {
        scenario.settings[1] = trace_setting(as_json(victims), static_cast<int>(victims.size()));
        if (victims.empty()) scenario.settings[1] = "trace=none";
        const auto setup = lab.setup_of(scenario, draw);
        LastMembers members(*setup.trace);
        const auto summary =
            replay(setup, build_policy(choose_policies(setup, {"tutel-ft"})[0]), {&members});
        if (victims.size() == kLosses) {
          tutel = static_cast<double>(summary.samples);
          const auto lazarus = replay(setup, build_policy(choose_policies(setup, {"lazarus"})[0]));
          ratios.push_back(static_cast<double>(lazarus.samples) / tutel);
          break;
        }
        victims.push_back(next_victim(victims, members, rng));
      }
    }
    return ratios;
  }

  static std::string as_json(const std::vector<std::string>& names) {
    std::vector<JsonNode> items;
    for (const auto& name : names) items.push_back(JsonNode::of(name));
    return to_line(JsonNode::array_of(std::move(items)));
  }

  static std::string next_victim(const std::vector<std::string>& gone, const LastMembers& members,
                                 Rng& rng) {
    std::vector<std::string> alive;
    for (int number = 1; number <= kNodes; ++number) {
      auto name = fmt::format("node{}", number);
      if (std::find(gone.begin(), gone.end(), name) == gone.end()) alive.push_back(name);
    }
    std::vector<std::string> idle;
    for (const auto& name : alive) {
      if (!members.contains(name)) idle.push_back(name);
    }
    const auto& among = idle.empty() ? alive : idle;
    return among[rng.below(among.size())];
  }

  static void add_rows(Lab& lab, const PublishedB& model, const DrawnRuns& runs,
                       std::vector<double> idle) {
    const auto add = [&](const char* what, const char* words, double published,
                         std::vector<double> draws, const char* note = "") {
      lab.result().rows.push_back(
          {.id = fmt::format("b/{}/{}", model.model, what),
           .quantity = fmt::format("{}, 16 A10G, a loss every 5 min: samples of Lazarus / {}",
                                   model.title, words),
           .unit = "ratio",
           .published = published,
           .draws = std::move(draws),
           .role = RowRole::selected,
           .source = kSource,
           .note = note});
    };
    add("tutel", "Tutel", model.against_tutel, ratios(runs, "lazarus", "tutel", samples_of),
        "checkpoints every 3 steps; 50 micro-batches of 20 a step are 2.5");
    add("tutel-ft", "Tutel(FT)", model.against_tutel_ft,
        ratios(runs, "lazarus", "tutel-ft", samples_of));
    add("tutel-ft-dropped", "Tutel(FT), losses hit nodes it had dropped",
        model.against_tutel_ft_idle, std::move(idle));
    ReproducedStatement order{.id = fmt::format("b/{}/order", model.model),
                              .statement = fmt::format("{}, 16 A10G: Lazarus trains more than "
                                                       "Tutel(FT) and Tutel",
                                                       model.title),
                              .source = kSource};
    for (std::size_t draw = 0; draw < runs.draws.size(); ++draw) {
      const double lazarus = samples_of(runs.at(draw, "lazarus"));
      order.held += lazarus > samples_of(runs.at(draw, "tutel-ft")) &&
                            lazarus > samples_of(runs.at(draw, "tutel"))
                        ? 1
                        : 0;
      ++order.draws;
    }
    lab.result().statements.push_back(std::move(order));
  }
};

const bool registered = experiments().add({
    .name = "b",
    .summary = "Lazarus, testbed B: against Tutel",
    .make = [](ObjectReader&) -> std::unique_ptr<Experiment> {
      return std::make_unique<TestbedB>();
    },
});

}  // namespace
}  // namespace bethany
