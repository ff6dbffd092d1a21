#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/fetches.h"
#include "analysis/live_copies.h"
#include "sim/model/run_record.h"

namespace bethany {

struct NarratorOptions {
  std::vector<std::string> node_names;    // by NodeId, as in the trace
  std::optional<FetchRules> fetch_rules;  // to tell who sent what
};

/// Tells the facts of a run as lines of text, in the order they happened: `replay --events`.
/// Undisturbed stretches of steps and checkpoints become one line each, however they were grouped;
/// a disruption is told with what was lost, what was decided and why, stage by stage, and with what
/// it cost. Memory does not grow with the run.
class Narrator final : public RunSink {
 public:
  using TakeLine = std::function<void(std::string_view line)>;

  /// A node without a name is told by its number. A line comes without line end.
  Narrator(NarratorOptions options, TakeLine take_line);
  void take(const RunEvent& event) override;

 private:
  /// Steps and checkpoints one after the other.
  struct Stretch {
    SimTime from;
    SimTime to;
    int nodes = 0;
    std::int64_t steps = 0;
    std::int64_t samples = 0;
    Duration stepping{0};
    Duration writing{0};
    std::int64_t checkpoints = 0;
    std::int64_t covered = 0;  // by the last checkpoint
    Duration step_time{0};     // of the newest steps
  };
  /// Told after the stretch it falls into: steps up to a loss are reported after it.
  struct Held {
    SimTime time;
    std::vector<std::string> texts;
  };
  struct Speed {
    double tokens_per_s = 0;
    int nodes = 0;
  };
  /// From a loss until steps commit again; further losses belong to it.
  struct Interruption {
    SimTime since;
    SimTime worked_until;  // the last step committed then
    std::optional<Speed> before;
    Int128 blocked_node_ns = 0;
    std::int64_t steps_undone = 0;
    std::int64_t samples_undone = 0;
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
  void more(const std::string& text);
  void hold(SimTime time, std::vector<std::string> texts);
  void print(const Held& held);
  void extend(SimTime from, SimTime to, int nodes);
  void extend_by_steps(SimTime from, SimTime to, int nodes, Duration step_time,
                       double tokens_per_step);
  void end_stretch(SimTime before);
  void end_wait(SimTime time);
  void tell_end_of_interruption(SimTime time, const Speed& now);
  void tell_rollback(const RolledBack& fact);
  void tell_pending_rollback();
  void tell_fetches(const ConfigurationCompleted& fact);
  std::string fetch_text(const ToldFetch& fetch) const;
  std::vector<std::string> copies_texts(const CopiesLost& lost);
  std::string names_of(const std::vector<NodeId>& nodes) const;
  std::string name_of_node(NodeId node) const;

  NarratorOptions options_;
  TakeLine take_line_;
  bool recovers_in_place_ = false;
  std::int64_t tokens_per_sample_ = 0;
  std::optional<Stretch> stretch_;
  std::vector<Held> held_;
  std::size_t indent_ = 0;      // of what belongs to the last line
  bool speed_changed_ = false;  // since the stretch began
  std::optional<SimTime> waiting_since_;
  std::optional<Interruption> interruption_;
  std::optional<Speed> speed_;                 // of the last steps
  SimTime worked_until_;                       // the end of the last step that committed
  std::optional<RolledBack> rolled_back_;      // told after the decision it belongs to
  std::shared_ptr<const PlacementPlan> plan_;  // last completed
  std::map<NodeId, int> place_of_;             // of it, by machines that still hold their state
  LiveCopies copies_;
  std::int64_t experts_gone_ = 0;  // of it, that no machine holds any more
};

/// "00:51:00.0": hours, minutes, seconds and tenths, rounded; hours may have more figures.
std::string clock_text(SimTime time);

}  // namespace bethany
