#pragma once

#include <concepts>
#include <string_view>
#include <type_traits>

#include "sim/model/run_record.h"

namespace bethany {

/// The names of every fact and of its fields in `events.jsonl`, said once for writer and reader:
/// `record_fields(io, fact)` calls `io(key, member)` for each field in the order written.

template <class Given, class Fact>
concept FactOf = std::same_as<std::remove_const_t<Given>, Fact>;

inline std::string_view record_name(const RunStarted&) { return "run_started"; }
inline std::string_view record_name(const NodesJoined&) { return "nodes_joined"; }
inline std::string_view record_name(const NodesLost&) { return "nodes_lost"; }
inline std::string_view record_name(const SpeedChanged&) { return "speed_changed"; }
inline std::string_view record_name(const WaitBegan&) { return "wait_began"; }
inline std::string_view record_name(const StepsCommitted&) { return "steps_committed"; }
inline std::string_view record_name(const RoundsCommitted&) { return "rounds_committed"; }
inline std::string_view record_name(const StepDiscarded&) { return "step_discarded"; }
inline std::string_view record_name(const StageEnded&) { return "stage_ended"; }
inline std::string_view record_name(const CheckpointUsable&) { return "checkpoint_usable"; }
inline std::string_view record_name(const DisruptionBegan&) { return "disruption_began"; }
inline std::string_view record_name(const RecoveryDecided&) { return "recovery_decided"; }
inline std::string_view record_name(const RolledBack&) { return "rolled_back"; }
inline std::string_view record_name(const ConfigurationCompleted&) {
  return "configuration_completed";
}
inline std::string_view record_name(const RunEnded&) { return "run_ended"; }

template <class Io>
void record_fields(Io& io, FactOf<RunStarted> auto& fact) {
  io("policy", fact.policy);
  io("recovers_in_place", fact.recovers_in_place);
  io("target_nodes", fact.target_nodes);
  io("gpus_per_node", fact.gpus_per_node);
  io("tokens_per_sample", fact.tokens_per_sample);
}

template <class Io>
void record_fields(Io& io, FactOf<NodesJoined> auto& fact) {
  io("t_ns", fact.time);
  io("nodes", fact.nodes);
}

template <class Io>
void record_fields(Io& io, FactOf<NodesLost> auto& fact) {
  io("t_ns", fact.time);
  io("nodes", fact.nodes);
  io("members", fact.members);
  io("cause", fact.cause);
}

template <class Io>
void record_fields(Io& io, FactOf<SpeedChanged> auto& fact) {
  io("t_ns", fact.time);
  io("nodes", fact.nodes);
  io("speed", fact.speed);
}

template <class Io>
void record_fields(Io& io, FactOf<WaitBegan> auto& fact) {
  io("t_ns", fact.time);
  io("ready", fact.ready);
  io("needed", fact.needed);
}

template <class Io>
void record_fields(Io& io, FactOf<StepsCommitted> auto& fact) {
  io("from_ns", fact.from);
  io("to_ns", fact.to);
  io("first_step", fact.first_step);
  io("count", fact.count);
  io("nodes", fact.nodes);
  io("samples", fact.samples);
  io("step_time_ns", fact.step_time);
}

template <class Io>
void record_fields(Io& io, FactOf<RoundsCommitted> auto& fact) {
  io("from_ns", fact.from);
  io("to_ns", fact.to);
  io("first_step", fact.first_step);
  io("rounds", fact.rounds);
  io("steps", fact.steps);
  io("nodes", fact.nodes);
  io("samples", fact.samples);
  io("step_time_ns", fact.step_time);
  io("write_time_ns", fact.write_time);
}

template <class Io>
void record_fields(Io& io, FactOf<StepDiscarded> auto& fact) {
  io("from_ns", fact.from);
  io("to_ns", fact.to);
  io("nodes", fact.nodes);
}

template <class Io>
void record_fields(Io& io, FactOf<StageEnded> auto& fact) {
  io("from_ns", fact.from);
  io("to_ns", fact.to);
  io("stage", fact.stage);
  io("bucket", fact.bucket);
  io("nodes", fact.nodes);
  io("completed", fact.completed);
}

template <class Io>
void record_fields(Io& io, FactOf<CheckpointUsable> auto& fact) {
  io("t_ns", fact.time);
  io("step", fact.step);
}

template <class Io>
void record_fields(Io& io, FactOf<DisruptionBegan> auto& fact) {
  io("t_ns", fact.time);
  io("disruption", fact.disruption);
}

template <class Io>
void record_fields(Io& io, FactOf<RecoveryDecided> auto& fact) {
  io("t_ns", fact.time);
  io("disruption", fact.disruption);
  io("recovery", fact.recovery);
  io("lost", fact.lost);
  io("nodes", fact.nodes);
  io("state_complete", fact.state_complete);
}

template <class Io>
void record_fields(Io& io, FactOf<RolledBack> auto& fact) {
  io("t_ns", fact.time);
  io("from_step", fact.from_step);
  io("to_step", fact.to_step);
  io("samples", fact.samples);
  io("wall_time_ns", fact.wall_time);
  io("node_ns", fact.node_ns);
}

template <class Io>
void record_fields(Io& io, FactOf<ConfigurationCompleted> auto& fact) {
  io("t_ns", fact.time);
  io("cause", fact.cause);
  io("nodes", fact.nodes);
  io("plan", fact.plan);
  io("machine_of_place", fact.machine_of_place);
  io("transfer", fact.transfer);
}

template <class Io>
void record_fields(Io& io, FactOf<RunEnded> auto& fact) {
  io("horizon_ns", fact.horizon);
  io("steps_committed", fact.steps_committed);
  io("samples", fact.samples);
  io("ledger", fact.ledger);
}

/// Objects inside facts.
template <class Io>
void record_fields(Io& io, FactOf<TransferSummary> auto& summary) {
  io("experts_moved", summary.experts_moved);
  io("dense_copies", summary.dense_copies);
  io("total_bytes", summary.total_bytes);
  io("busiest_port_bytes", summary.busiest_port_bytes);
}

}  // namespace bethany
