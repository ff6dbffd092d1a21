#include "gpu/validate/observer.h"

#include <algorithm>
#include <array>

#include "sim/base/error.h"
#include "sim/base/quantities.h"
#include "sim/training/job.h"

namespace bethany {
namespace {

constexpr std::array<std::string_view, 5> kNetworkTerms{
    "tensor_parallel", "all_to_all", "count_exchange", "all_reduce_dense", "all_reduce_expert"};
constexpr double kPasses = 3;  // forward 1, backward 2

/// The committed samples of a run.
struct SamplesSink final : RunSink {
  std::int64_t samples = 0;
  void take(const RunEvent& event) override {
    if (const auto* ended = std::get_if<RunEnded>(&event)) samples = ended->samples;
  }
};

/// The highest rate that the cost model reaches in a product: what the effective `cost` says.
double peak_of(const JsonNode& cost) {
  double peak = 0;
  for (const auto* part : {"dense", "expert"}) {
    const auto* group = cost.find(part);
    const auto* rate = group == nullptr ? nullptr : group->find("flop_rate");
    if (rate == nullptr) continue;
    if (const auto flops = parse_flop_rate(rate->text)) peak = std::max(peak, flops->flops);
  }
  return peak;
}

}  // namespace

double with_network(const CostBreakdown& step, double slower) {
  double seconds = 0;
  for (const auto& term : step.terms) {
    const bool network =
        std::find(kNetworkTerms.begin(), kNetworkTerms.end(), term.name) != kNetworkTerms.end();
    seconds += to_seconds(term.time) * (network ? slower : 1);
  }
  return seconds;
}

Observer::Observer(ObservableMachines& machines, const CaseInput& input, double peak)
    : machines_(machines), input_(input), peak_(peak) {}

/// Whether nothing out of the profile's range was asked since the last thing was done.
bool Observer::in_domain() {
  const auto now = input_.cost.timer->out_of_range_queries();
  const bool inside = now == out_of_range_;
  out_of_range_ = now;
  return inside;
}

Observation Observer::begin(std::string_view kind, Duration predicted, Duration measured) {
  Observation made;
  made.kind = kind;
  made.step = last_step_;
  made.recovery = recovering_ ? recovery_ : -1;
  made.predicted = to_seconds(predicted);
  made.measured = to_seconds(measured);
  made.in_domain = in_domain();
  // Everything but a step costs what it costs in any network, unless its kind says otherwise.
  made.others = OtherPredictions{made.predicted, made.predicted, made.predicted};
  return made;
}

double Observer::roofline(const StepWork& work) const {
  if (!(peak_ > 0) || work.samples_of_rank.empty()) return 0;
  const auto& model = input_.scenario.model;
  const auto length = input_.scenario.training.sequence_length;
  const auto samples = *std::max_element(work.samples_of_rank.begin(), work.samples_of_rank.end());
  double flop = static_cast<double>(samples * length) * model.dense_flop_per_token(length);
  for (const auto& layer : work.traffic) {
    const auto rows = *std::max_element(layer.computed.begin(), layer.computed.end());
    flop += static_cast<double>(rows) * model.expert_flop_per_token();
  }
  return flop * kPasses * static_cast<double>(input_.scenario.training.batch.accumulation) / peak_;
}

std::optional<Duration> Observer::step(const StepWork& work) {
  last_step_ = work.step;
  const auto took = machines_.step(work);
  if (!took) return took;
  auto made = begin("step", work.predicted.total, *took);
  change_in_domain_ = true;
  made.others = OtherPredictions{with_network(work.predicted, 2), with_network(work.predicted, 0.5),
                                 roofline(work)};
  fill_parts(made, work.predicted, machines_.phases());
  made.performed = machines_.performed();
  if (!made.performed.empty() && work.configuration.plan != nullptr) {
    made.decided = dispatch_digest(*work.configuration.plan, work.traffic);
  }
  observations_.push_back(std::move(made));
  return took;
}

std::optional<Duration> Observer::stage(const StageWork& work) {
  last_step_ = work.step;
  const auto took = machines_.stage(work);
  if (!took || !machines_.performs(work.stage, work.step)) return took;
  auto made = begin(name_of(work.stage), work.predicted, *took);
  // All stages of a change are asked for at its beginning.
  change_in_domain_ = change_in_domain_ && made.in_domain;
  made.in_domain = change_in_domain_;
  if (work.stage == Stage::transfer) {
    made.others = OtherPredictions{2 * made.predicted, made.predicted / 2, made.predicted};
  }
  observations_.push_back(std::move(made));
  return took;
}

std::optional<Duration> Observer::write(const WriteWork& work) {
  last_step_ = work.step;
  const auto took = machines_.write(work);
  if (took) observations_.push_back(begin(name_of(Stage::checkpoint_write), work.predicted, *took));
  return took;
}

Duration Observer::detect(const Configuration& configuration, Duration predicted) {
  recovery_ = disruptions_++;
  recovering_ = true;
  const auto took = machines_.detect(configuration, predicted);
  if (machines_.performs(Stage::detection, last_step_)) {
    observations_.push_back(begin(name_of(Stage::detection), predicted, took));
  }
  return took;
}

void Observer::completed(const Configuration& configuration, PlanCause cause, std::int64_t step) {
  recovering_ = false;
  machines_.completed(configuration, cause, step);
}

CaseRun perform_case(const std::vector<Case>& cases, std::size_t index, int pass,
                     const CaseWorld& world, Testbed& testbed) {
  CaseRun result;
  result.index = index;
  result.pass = pass;
  const auto input = make_case_input(cases[index], world);
  const auto machines = testbed.machines(input, world, pass);
  Observer observer(*machines, input, peak_of(input.effective_cost));
  SamplesSink sink;
  const auto outcome = run({.scenario = input.scenario,
                            .policy = input.policy,
                            .trace = input.trace,
                            .routing = input.routing,
                            .timer = *input.cost.timer,
                            .streams = RngStreams(input.scenario.seed, 0),
                            .machines = &observer},
                           sink);
  result.failure = outcome.infeasible.value_or("");
  result.samples = sink.samples;
  result.observations = observer.take();
  result.memory = machines->memory();
  return result;
}

}  // namespace bethany
