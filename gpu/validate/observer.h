#pragma once

#include <functional>
#include <string>
#include <vector>

#include "gpu/validate/testbed.h"

namespace bethany {

/// Stands between the job and real machines, and notes each thing that they performed to its end,
/// beside what was predicted. Decides nothing.
class Observer final : public Machines {
 public:
  /// All outlive the observer. `peak`: FLOP/s of the roofline; 0 when not known.
  Observer(ObservableMachines& machines, const CaseInput& input, double peak);

  void plan(const std::function<void()>& work) override { machines_.plan(work); }
  std::optional<Duration> step(const StepWork& work) override;
  std::optional<Duration> stage(const StageWork& work) override;
  std::optional<Duration> write(const WriteWork& work) override;
  Duration detect(const Configuration& configuration, Duration predicted) override;
  void completed(const Configuration& configuration, PlanCause cause, std::int64_t step) override;
  void lose(std::span<const NodeId> nodes) override { machines_.lose(nodes); }
  void join(std::span<const NodeId> nodes) override { machines_.join(nodes); }

  std::vector<Observation> take() { return std::move(observations_); }

 private:
  Observation begin(std::string_view kind, Duration predicted, Duration measured);
  bool in_domain();
  double roofline(const StepWork& work) const;

  ObservableMachines& machines_;
  const CaseInput& input_;
  double peak_;
  std::vector<Observation> observations_;
  std::int64_t recovery_ = -1;
  std::int64_t disruptions_ = 0;
  bool recovering_ = false;
  bool change_in_domain_ = true;
  std::int64_t out_of_range_ = 0;
  std::int64_t last_step_ = 0;
};

/// Runs one case on the machines of the testbed. A run without a result has its reason in
/// `failure`. Throws MachineError when the machines fail.
CaseRun perform_case(const std::vector<Case>& cases, std::size_t index, int pass,
                     const CaseWorld& world, Testbed& testbed);

/// The seconds of a step in a network of 1/`slower` times the speed: every term between ranks
/// longer by that factor, latencies included.
double with_network(const CostBreakdown& step, double slower);

}  // namespace bethany
