#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>

#include "gpu/elastic/crew.h"
#include "gpu/elastic/performed.h"
#include "sim/model/routing_load.h"
#include "sim/training/machines.h"

namespace bethany {

struct RealMachinesOptions {
  /// The job's clock: what the work took, or what was predicted. With the second a run is the same
  /// every time, and losses strike in the midst of work.
  bool measures = true;
  std::string folder;                   // for checkpoints; exists
  const RoutingLoad* forced = nullptr;  // laid on the gates; null: they choose
  std::int64_t accumulation = 1;
  bool tells_outputs = true;  // Order
  PerformedSink sink;         // may be empty
};

/// Machines whose ranks really train.
class RealMachines final : public Machines {
 public:
  /// `crew` outlives the machines.
  RealMachines(Crew& crew, RealMachinesOptions options);

  void plan(const std::function<void()>& work) override;
  std::optional<Duration> step(const StepWork& work) override;
  std::optional<Duration> stage(const StageWork& work) override;
  std::optional<Duration> write(const WriteWork& work) override;
  Duration detect(const Configuration& configuration, Duration predicted) override;
  void completed(const Configuration& configuration, PlanCause cause, std::int64_t step) override;
  void lose(std::span<const NodeId> nodes) override;
  void join(std::span<const NodeId> nodes) override;
  std::int64_t accumulation() const { return options_.accumulation; }

 private:
  struct Done {
    bool lost = false;
    double seconds = 0;
  };

  std::optional<Attack> attack(const std::optional<Threat>& threat, Duration predicted) const;
  /// What the work lasted on the job's clock; nothing when the loss came first.
  std::optional<Duration> time_of(const Done& done, Duration predicted,
                                  const std::optional<Threat>& threat) const;
  Done perform_stage(const StageWork& work, const std::optional<Attack>& attack);
  Done obey(const Order& order, const std::optional<Attack>& attack);
  /// The configuration without the machines that were lost since it completed, even if they came
  /// back: they hold nothing.
  Configuration survivors_of(const Configuration& before) const;
  void start_missing(const Configuration& configuration);
  void connect(const std::vector<RankPlace>& ranks);
  std::string checkpoint_folder(std::int64_t step) const;
  void report(const Performed& record) const;

  Crew& crew_;
  RealMachinesOptions options_;
  double planning_seconds_ = 0;
  std::optional<std::int64_t> checkpoint_;  // the step that the newest covers; older ones are gone
  std::vector<RankPlace> connected_;
  std::set<NodeId> lost_;  // since the last completed configuration
};

/// Σ over the phases of the slowest rank's seconds: how the simulator composes a step too.
double composed_seconds(const std::vector<std::vector<ReplyPhase>>& ranks);

}  // namespace bethany
