#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sim/model/run_record.h"

namespace bethany {

/// Tells the facts of a run as lines of text, in the order they happened: `replay --events`.
/// Undisturbed stretches of steps and checkpoints become one line each, however they were grouped.
/// Memory does not grow with the run.
class Narrator final : public RunSink {
 public:
  using TakeLine = std::function<void(std::string_view line)>;

  /// `node_names` by NodeId, as in the trace; a node without a name is told by its number. A line
  /// comes without line end.
  Narrator(std::vector<std::string> node_names, TakeLine take_line);
  void take(const RunEvent& event) override;

 private:
  /// Steps and checkpoints one after the other.
  struct Stretch {
    SimTime from;
    SimTime to;
    int nodes = 0;
    std::int64_t steps = 0;
    std::int64_t samples = 0;
    Duration writing{0};
    std::int64_t checkpoints = 0;
    std::int64_t covered = 0;  // by the last checkpoint
    Duration step_time{0};     // of the newest steps
  };

  void tell(const RunStarted& fact);
  void tell(const NodesJoined& fact);
  void tell(const NodesLost& fact);
  void tell(const SpeedChanged& fact);
  void tell(const WaitBegan& fact);
  void tell(const StepsCommitted& fact);
  void tell(const RoundsCommitted& fact);
  void tell(const StepDiscarded& fact);
  void tell(const StageEnded& fact);
  void tell(const CheckpointUsable& fact);
  void tell(const DisruptionBegan& fact);
  void tell(const RecoveryDecided& fact);
  void tell(const RolledBack& fact);
  void tell(const ConfigurationCompleted& fact);
  void tell(const RunEnded& fact);

  void line(SimTime time, const std::string& text);
  /// A line that is told after the stretch it falls into: steps up to a loss are reported after it.
  void hold(SimTime time, const std::string& text);
  void extend(SimTime from, SimTime to, int nodes);
  void extend_by_steps(SimTime from, SimTime to, int nodes, Duration step_time);
  void end_stretch();
  void end_wait(SimTime time);
  void tell_fetches(const ConfigurationCompleted& fact);
  std::string names_of(const std::vector<NodeId>& nodes) const;
  std::string name_of_node(NodeId node) const;

  std::vector<std::string> node_names_;
  TakeLine take_line_;
  bool recovers_in_place_ = false;
  std::optional<Stretch> stretch_;
  std::vector<std::string> held_;
  bool speed_changed_ = false;  // since the stretch began
  std::optional<SimTime> waiting_since_;
  std::optional<SimTime> disrupted_since_;     // first loss that has not been recovered from
  std::shared_ptr<const PlacementPlan> plan_;  // last completed
  std::map<NodeId, int> place_of_;             // of it, by machines that still hold their state
};

/// "00:51:00.0": hours, minutes, seconds and tenths, rounded; hours may have more figures.
std::string clock_text(SimTime time);

}  // namespace bethany
