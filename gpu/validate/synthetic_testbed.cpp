// Machines that take what the cost model says, by a known bias and seeded noise: the whole way from
// cases to claims can be tested exactly.
#include <cmath>

#include "gpu/validate/synthetic_bias.h"
#include "gpu/validate/testbed.h"
#include "sim/base/object_reader.h"
#include "sim/base/random.h"

namespace bethany {
namespace {

/// How a term is dealt out over phases of the stack.
struct Share {
  std::string_view term;
  std::string_view phase;
  double share = 1;
};

constexpr Share kShares[] = {
    {"dense", "attention_forward", 1.0 / 3},   {"dense", "attention_backward", 2.0 / 3},
    {"expert", "expert_forward", 1.0 / 3},     {"expert", "expert_backward", 2.0 / 3},
    {"all_to_all", "dispatch", 0.5},           {"all_to_all", "collect", 0.5},
    {"count_exchange", "counts", 1},           {"all_reduce_dense", "reduce_dense", 1},
    {"all_reduce_expert", "reduce_expert", 1}, {"optimizer", "optimizer", 1},
};

class SyntheticMachines final : public ObservableMachines {
 public:
  SyntheticMachines(const CaseInput& input, int pass)
      : rng_(RngStreams(input.scenario.seed, static_cast<std::uint64_t>(pass))
                 .stream("synthetic machines " + input.policy.name + input.scenario.name)) {}

  void plan(const std::function<void()>& work) override { work(); }
  std::optional<Duration> step(const StepWork& work) override {
    std::vector<PhaseTime> made;
    double seconds = 0;
    for (const auto& term : work.predicted.terms) {
      bool dealt = false;
      for (const auto& [name, phase, share] : kShares) {
        if (name != term.name) continue;
        made.push_back({phase, -1, share * to_seconds(term.time) / kBias.of(term.name) * noise()});
        seconds += made.back().seconds;
        dealt = true;
      }
      if (!dealt) seconds += to_seconds(term.time);
    }
    const auto took = unless_lost(seconds, work.threat);
    if (took) {
      phases_ = {std::move(made)};
      performed_ = dispatch_digest(*work.configuration.plan, work.traffic);
    }
    return took;
  }
  std::optional<Duration> stage(const StageWork& work) override {
    return unless_lost(biased(name_of(work.stage), work.predicted), work.threat);
  }
  std::optional<Duration> write(const WriteWork& work) override {
    return unless_lost(biased("checkpoint_write", work.predicted), work.threat);
  }
  Duration detect(const Configuration&, Duration predicted) override {
    return round_to_duration(biased("detection", predicted));
  }
  void completed(const Configuration&, PlanCause, std::int64_t) override {}
  void lose(std::span<const NodeId>) override {}
  void join(std::span<const NodeId>) override {}

  std::span<const std::vector<PhaseTime>> phases() const override { return phases_; }
  std::string performed() const override { return performed_; }
  std::optional<MemoryObservation> memory() const override {
    return MemoryObservation{kBias.of("memory") * 1e6, 1e6};
  }

 private:
  static constexpr SyntheticBias kBias{};

  double noise() { return std::exp(kBias.noise * rng_.normal()); }
  double biased(std::string_view what, Duration predicted) {
    return to_seconds(predicted) / kBias.of(what) * noise();
  }
  static std::optional<Duration> unless_lost(double seconds, const std::optional<Threat>& threat) {
    const Duration took = round_to_duration(seconds);
    if (threat && threat->after < took) return {};
    return took;
  }

  Rng rng_;
  std::vector<std::vector<PhaseTime>> phases_;
  std::string performed_;
};

class Synthetic final : public Testbed {
 public:
  explicit Synthetic(ObjectReader& options) { options.choice("mode", {"synthetic"}, "synthetic"); }

  Mode mode() const override { return Mode::synthetic; }
  std::vector<std::pair<std::string, std::string>> facts() const override {
    return {{"device", "synthetic: the cost model, a known bias, seeded noise"}};
  }
  std::unique_ptr<ObservableMachines> machines(const CaseInput& input, const CaseWorld&,
                                               int pass) override {
    return std::make_unique<SyntheticMachines>(input, pass);
  }
  std::optional<JsonNode> own_cost() const override {
    return parse_json(R"({"model": "analytic",
        "dense": {"flop_rate": "10GFLOPS"},
        "expert": {"flop_rate": "8GFLOPS", "per_layer": "20us"},
        "all_to_all": {"latency": "20us",
          "bandwidth_inside": "2GB/s", "bandwidth_outside": "2GB/s"},
        "count_exchange": {"latency": "10us"},
        "all_reduce": {"latency": "30us",
          "dense_bandwidth_inside": "2GB/s", "dense_bandwidth_outside": "2GB/s",
          "expert_bandwidth_inside": "2GB/s", "expert_bandwidth_outside": "2GB/s"},
        "optimizer": {"bytes_per_parameter": "28B", "bandwidth": "8GB/s"},
        "fixed": {"per_step": "0s", "per_micro_batch": "0s"},
        "detection": "20ms", "planning": "1ms",
        "communicator": {"base": "4ms", "per_node": "200us"},
        "rebalance_communicator": {"base": "4ms", "per_node": "200us"},
        "migration": {"bandwidth": "1GB/s"},
        "restart": {"reschedule": "5ms", "process_start": "30ms",
          "group_init": {"base": "10ms", "per_node": "1ms"}}})",
                      "synthetic cost");
  }
};

const bool registered = testbeds().add({
    .name = "synthetic",
    .summary = "the cost model itself, a known bias and seeded noise; for tests",
    .make = [](ObjectReader& options) -> std::unique_ptr<Testbed> {
      return std::make_unique<Synthetic>(options);
    },
});

}  // namespace
}  // namespace bethany
