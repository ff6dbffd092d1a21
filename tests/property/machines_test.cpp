#include <algorithm>

#include "sim/training/machines.h"
#include "tests/property/job_case.h"
#include "tests/property/job_facts.h"
#include "tests/support/catch.h"

namespace bethany {
namespace {

/// Machines that do nothing and take exactly as long as the cost model says.
class Punctual final : public Machines {
 public:
  explicit Punctual(const Trace& trace) : alive_(trace.node_names.size()) {}

  void plan(const std::function<void()>& work) override { work(); }
  std::optional<Duration> step(const StepWork& work) override {
    ++performed;
    return unless_lost(work.predicted.total, work.threat);
  }
  std::optional<Duration> stage(const StageWork& work) override {
    ++performed;
    return unless_lost(work.predicted, work.threat);
  }
  std::optional<Duration> write(const WriteWork& work) override {
    return unless_lost(work.predicted, work.threat);
  }
  Duration detect(const Configuration&, Duration predicted) override { return predicted; }
  void completed(const Configuration&, PlanCause, std::int64_t) override { ++completions; }
  void lose(std::span<const NodeId> nodes) override {
    for (const auto node : nodes) alive_[node.index()] = false;
  }
  void join(std::span<const NodeId> nodes) override {
    for (const auto node : nodes) alive_[node.index()] = true;
  }

  int performed = 0;
  int completions = 0;

 private:
  std::optional<Duration> unless_lost(Duration predicted, const std::optional<Threat>& threat) {
    if (!threat) return predicted;
    // What is threatened is there, and its loss lies ahead.
    CHECK(threat->after > Duration(0));
    CHECK(!threat->nodes.empty());
    for (const auto node : threat->nodes) CHECK(alive_[node.index()]);
    if (threat->after < predicted) return {};
    return predicted;
  }

  std::vector<bool> alive_;
};

/// Real work takes time: a stage of 0 ms is left out by the job, but not by machines.
JobCase without_zeros(JobCase job) {
  for (auto* time : {&job.checkpoint_ms, &job.detection_ms, &job.planning_ms, &job.communicator_ms,
                     &job.transfer_ms, &job.reschedule_ms, &job.process_start_ms,
                     &job.group_init_ms, &job.load_ms, &job.rebalance_communicator_ms}) {
    *time = std::max<std::int64_t>(*time, 1);
  }
  // Beyond its end a repeated trace is not foreseen.
  if (job.at_end == AtEnd::repeat) job.at_end = AtEnd::stop;
  return job;
}

}  // namespace

TEST_CASE("property: machines as punctual as the cost model give the run that is simulated") {
  std::int64_t steps = 0;
  for (std::uint64_t number = 0; number < 2000; ++number) {
    const JobCase job = without_zeros(random_job(20261126, number));
    const BuiltJob built(job);
    const JobFacts simulated = facts_of(built.input(true));
    if (simulated.result.infeasible) continue;
    Punctual machines(built.trace());
    JobInput input = built.input(true);
    input.machines = &machines;
    const JobFacts performed = facts_of(input);
    const auto found = differences(simulated.result, performed.result);
    if (!found.empty()) {
      INFO(text_of(job));
      FAIL(found);
    }
    CHECK(fold_differences(performed).empty());
    steps += machines.performed;
  }
  CHECK(steps > 20000);
}

}  // namespace bethany
