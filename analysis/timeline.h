#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/live_copies.h"
#include "sim/model/cluster.h"
#include "sim/model/run_record.h"

namespace bethany {

struct TimelineOptions {
  std::vector<std::string> node_names;  // by NodeId, as in the trace
  std::vector<FailureDomain> domains;   // may be empty
  std::int64_t most_events = 200'000;   // names of tracks aside
};

/// Writes the facts of a run as Chrome trace JSON, which Perfetto and chrome://tracing show
/// ("bethany/timeline/1"; tracks, categories and counters: analysis/README.md). Slices nest
/// perfectly; times are microseconds with three places, exact. What passes `most_events` is dropped
/// and counted: slices of nodes first, then the job's. Memory grows with `most_events` only.
class Timeline final : public RunSink {
 public:
  explicit Timeline(TimelineOptions options);
  void take(const RunEvent& event) override;
  /// Requires: the run has ended.
  std::string text() const;

 private:
  /// A slice of the job's track, and of every node that took part.
  struct Phase {
    SimTime from;
    SimTime to;
    int nodes = 0;
    std::string_view name;
    std::string category;
    std::string arguments;  // members of a JSON object
  };
  struct Member {
    SimTime since;
    SimTime until = kNever;  // lost then
  };
  struct Stretch {
    SimTime from;
    SimTime to;
    int nodes = 0;
    std::int64_t first_step = 0;
    std::int64_t steps = 0;
    std::int64_t samples = 0;
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
  void tell(const CheckpointUsable&) {}  // the write that made it is there
  void tell(const DisruptionBegan& fact);
  void tell(const RecoveryDecided& fact);
  void tell(const RolledBack& fact);
  void tell(const ConfigurationCompleted& fact);
  void tell(const RunEnded& fact);

  void end_stretch();
  void end_wait(SimTime time);
  void end_members(SimTime time);
  void steps(const Stretch& stretch);
  void phase(const Phase& phase);
  void phase_of_members(const Phase& phase);
  void phases_of_a_change();
  void speed(SimTime time, double tokens_per_s);
  void least_copies(SimTime time);

  bool room(const std::vector<std::string>& events);
  void slice(std::vector<std::string>& events, std::string_view track, const Phase& phase);
  void member_slice(NodeId node, SimTime from, SimTime to);
  void instant(std::string_view track, SimTime time, std::string_view name,
               std::string_view category, const std::string& arguments, char scope);
  void counter(SimTime time, std::string_view name, const std::string& value);
  std::string track_of(NodeId node);
  std::string name_of(NodeId node) const;

  TimelineOptions options_;
  std::string policy_;
  std::int64_t tokens_per_sample_ = 0;
  std::map<std::string, int> pid_of_domain_;
  std::map<std::string, std::string> domain_of_name_;
  std::map<NodeId, std::string> tracks_;  // those that have events
  std::map<NodeId, Member> members_;
  std::vector<Phase> change_;  // stages whose members the next configuration tells
  std::optional<Stretch> stretch_;
  std::optional<SimTime> waiting_since_;
  LiveCopies copies_;
  std::int64_t samples_ = 0;
  std::map<std::string, std::string, std::less<>> counters_;  // last values
  std::vector<std::string> job_events_;
  std::vector<std::string> node_events_;
  std::int64_t dropped_ = 0;
  bool ended_ = false;
};

}  // namespace bethany
