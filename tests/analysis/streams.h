#pragma once

// Hand-made fact streams whose every number is computed here, by hand.

#include <memory>
#include <utility>
#include <vector>

#include "sim/model/run_record.h"

namespace bethany::streams {

using std::chrono::milliseconds;
using std::chrono::seconds;

inline SimTime second(double s) { return at(Duration(static_cast<std::int64_t>(s * 1e9))); }

inline std::vector<NodeId> nodes(std::vector<int> ids) {
  std::vector<NodeId> result;
  for (const int id : ids) result.push_back(NodeId(id));
  return result;
}

/// One layer, one slot a node: slots[n] is the expert of node n.
inline std::shared_ptr<const PlacementPlan> plan(std::vector<std::int32_t> slots, int experts) {
  PlacementPlan made;
  made.nodes = static_cast<int>(slots.size());
  made.slots_per_node = 1;
  made.experts = experts;
  LayerPlan layer;
  layer.replicas.resize(static_cast<std::size_t>(experts));
  for (const auto expert : slots) ++layer.replicas[static_cast<std::size_t>(expert)];
  layer.expert_of_slot = std::move(slots);
  made.layers.push_back(std::move(layer));
  return std::make_shared<const PlacementPlan>(std::move(made));
}

constexpr Int128 kNodeSecond = 1'000'000'000;

inline void put(Ledger& ledger, Blocked bucket, double node_s) {
  ledger.blocked[static_cast<std::size_t>(bucket)] = static_cast<Int128>(node_s * 1e9);
}
inline void put(Ledger& ledger, Unavailable bucket, double node_s) {
  ledger.unavailable[static_cast<std::size_t>(bucket)] = static_cast<Int128>(node_s * 1e9);
}

/// Writes rounds as one fact, or as single steps, writes and usable checkpoints.
class Recorder {
 public:
  explicit Recorder(bool step_by_step) : step_by_step_(step_by_step) {}

  void add(RunEvent event) { events.push_back(std::move(event)); }

  /// `count` steps of 1 s, a sample by node and step.
  void steps(double from, std::int64_t count, int node_count) {
    const SimTime start = second(from);
    const std::int64_t each = step_by_step_ ? 1 : count;
    for (std::int64_t done = 0; done < count; done += each) {
      add(StepsCommitted{.from = start + seconds(done),
                         .to = start + seconds(done + each),
                         .first_step = counter,
                         .count = each,
                         .nodes = node_count,
                         .samples = each * node_count,
                         .step_time = seconds(1)});
      counter += each;
    }
  }

  void write(double from, int node_count) {
    add(StageEnded{second(from), second(from) + seconds(1), Stage::checkpoint_write,
                   Blocked::checkpoint, node_count, true});
    add(CheckpointUsable{second(from) + seconds(1), counter});
  }

  /// Rounds of ten steps of 1 s and a write of 1 s.
  void rounds(double from, std::int64_t count, int node_count) {
    if (step_by_step_) {
      for (std::int64_t i = 0; i < count; ++i) {
        const double begin = from + 11 * static_cast<double>(i);
        steps(begin, 10, node_count);
        write(begin + 10, node_count);
      }
      return;
    }
    add(RoundsCommitted{.from = second(from),
                        .to = second(from) + seconds(11 * count),
                        .first_step = counter,
                        .rounds = count,
                        .steps = 10,
                        .nodes = node_count,
                        .samples = 10 * count * node_count,
                        .step_time = seconds(1),
                        .write_time = seconds(1)});
    counter += 10 * count;
  }

  void stage(double from, double to, Stage stage, Blocked bucket, int node_count,
             bool completed = true) {
    add(StageEnded{second(from), second(to), stage, bucket, node_count, completed});
  }

  std::vector<RunEvent> events;
  std::int64_t counter = 0;

 private:
  bool step_by_step_;
};

/// Plan of 4 nodes, experts on {0,1} and {2,3}: P(1) = 1, P(2) = 1 - 2/6 = 2/3, P(3) = P(4) = 0.
inline std::shared_ptr<const PlacementPlan> four_nodes() { return plan({0, 0, 1, 1}, 2); }
/// Plan of 3 nodes, experts on {0} and {1,2}: P(1) = 2/3, P(2) = P(3) = 0 (one node holds one
/// expert only).
inline std::shared_ptr<const PlacementPlan> three_nodes() { return plan({0, 1, 1}, 2); }

/// A policy that recovers in place: 100 s, 4 nodes, steps of 1 s with a sample of 100 tokens by
/// node, a checkpoint of 1 s every 10 steps.
///
///   0 - 22     4 nodes: 2 rounds                      productive 80, checkpoint 8
///   22 - 27    5 steps                                productive 20
///   27.5       node 3 is lost                         step in flight 0.5 × 4 = 2
///   27.5- 30.5 detection on 3                         detection 9, absent 3
///   30.5- 34   planning .5, communicator 2, transfer 1   1.5, 6, 3; absent 3.5
///   34 - 45    5 steps, write, 5 steps on 3           productive 15, checkpoint 3, undone 15;
///                                                     absent 11
///   45         nodes 0, 1 are lost; 45 - 48 detection on 1: 3; absent 9
///   48 - 60    waits for 2 nodes with 1               waiting 12, absent 36
///   60         nodes 3, 4 come: restart on 3, 5 steps (35 to 30) are rolled back: 15 samples
///   60 - 70    process start 5, load 5                restart 15, load 15, absent 10
///   70 - 92    2 rounds on 3                          productive 60, checkpoint 6, absent 22
///   92 - 100   8 steps on 3                           productive 24, absent 8
///
/// productive 199, blocked 17 + 12 + 1.5 + 6 + 3 + 15 + 15 = 69.5, discarded 15 + 2 = 17,
/// unavailable 12 + 102.5 = 114.5: 400 in all. Samples 80 + 20 + 15 + 60 + 24 = 199 and 15 rolled
/// back; steps 20 + 5 + 5 + 20 + 8 = 58 and 5 rolled back, all of 1 s.
inline std::vector<RunEvent> lazarus_run(bool step_by_step = false) {
  Recorder r(step_by_step);
  r.add(RunStarted{"lazarus", true, 4, 1, 100});
  r.add(NodesJoined{second(0), nodes({0, 1, 2, 3})});
  r.add(ConfigurationCompleted{
      second(0), PlanCause::start, 4, four_nodes(), nodes({0, 1, 2, 3}), {}});
  r.add(CheckpointUsable{second(0), 0});
  r.rounds(0, 2, 4);
  // As the job does: what is lost comes first, then the steps that had committed by then.
  r.add(NodesLost{second(27.5), nodes({3}), 1, "reclaimed"});
  r.steps(22, 5, 4);
  r.add(StepDiscarded{second(27), second(27.5), 4});
  r.add(DisruptionBegan{second(27.5), 0});
  r.stage(27.5, 30.5, Stage::detection, Blocked::detection, 3);
  r.add(RecoveryDecided{second(30.5), 0, Recovery::in_place, 1, 3, true});
  r.stage(30.5, 31, Stage::planning, Blocked::planning, 3);
  r.stage(31, 33, Stage::communicator, Blocked::communicator, 3);
  r.stage(33, 34, Stage::transfer, Blocked::transfer, 3);
  r.add(ConfigurationCompleted{second(34),
                               PlanCause::in_place,
                               3,
                               three_nodes(),
                               nodes({0, 1, 2}),
                               {.experts_moved = 1,
                                .dense_copies = 0,
                                .total_bytes = 3'220'000'000,
                                .busiest_port_bytes = 3'220'000'000}});
  r.steps(34, 5, 3);
  r.write(39, 3);
  r.steps(40, 5, 3);
  r.add(NodesLost{second(45), nodes({0, 1}), 2, ""});
  r.add(DisruptionBegan{second(45), 1});
  r.stage(45, 48, Stage::detection, Blocked::detection, 1);
  r.add(WaitBegan{second(48), 1, 2});
  r.add(NodesJoined{second(60), nodes({3, 4})});
  r.add(RolledBack{second(60), 35, 30, 15, seconds(5), 15 * kNodeSecond});
  r.counter = 30;
  r.add(RecoveryDecided{second(60), 1, Recovery::restart, 2, 3, false});
  r.stage(60, 65, Stage::process_start, Blocked::restart, 3);
  r.stage(65, 70, Stage::load, Blocked::load, 3);
  r.add(ConfigurationCompleted{
      second(70), PlanCause::restart, 3, three_nodes(), nodes({2, 3, 4}), {}});
  r.rounds(70, 2, 3);
  r.steps(92, 8, 3);
  RunEnded end{second(100), 58, 199, {}};
  end.ledger.total = 400 * kNodeSecond;
  end.ledger.productive = 199 * kNodeSecond;
  put(end.ledger, Blocked::checkpoint, 17);
  put(end.ledger, Blocked::detection, 12);
  put(end.ledger, Blocked::planning, 1.5);
  put(end.ledger, Blocked::communicator, 6);
  put(end.ledger, Blocked::transfer, 3);
  put(end.ledger, Blocked::restart, 15);
  put(end.ledger, Blocked::load, 15);
  end.ledger.rolled_back = 15 * kNodeSecond;
  end.ledger.step_in_flight = 2 * kNodeSecond;
  put(end.ledger, Unavailable::waiting, 12);
  put(end.ledger, Unavailable::absent, 102.5);
  r.add(end);
  return std::move(r.events);
}

/// A policy that can only restart, in groups of 2, without plans, on the first loss of the above:
///
///   0 – 27.5   as above                               productive 80, checkpoint 8, flight 2
///   27.5– 30.5 detection on 3                         detection 9
///   30.5       restart on 2; 5 steps, 20 samples      rolled back 20; from here 1 node stranded
///   30.5– 60.5 process start 20, load 10              restart 40, load 20
///   60.5– 93.5 3 rounds on 2                          productive 60, checkpoint 6
///   93.5– 99.5 6 steps                                productive 12
///   99.5– 100  a step in flight                       1
///   absent 27.5 – 100: 72.5; stranded 30.5 – 100: 69.5.
///
/// 152 + 14 + 9 + 40 + 20 + 20 + 3 + 72.5 + 69.5 = 400. Samples 80 + 60 + 12 = 152; steps 56.
inline std::vector<RunEvent> ds_run(bool step_by_step = false) {
  Recorder r(step_by_step);
  r.add(RunStarted{"ds", false, 4, 1, 100});
  r.add(NodesJoined{second(0), nodes({0, 1, 2, 3})});
  r.add(ConfigurationCompleted{second(0), PlanCause::start, 4, nullptr, {}, {}});
  r.add(CheckpointUsable{second(0), 0});
  r.rounds(0, 2, 4);
  r.add(NodesLost{second(27.5), nodes({3}), 1, "reclaimed"});
  r.steps(22, 5, 4);
  r.add(StepDiscarded{second(27), second(27.5), 4});
  r.add(DisruptionBegan{second(27.5), 0});
  r.stage(27.5, 30.5, Stage::detection, Blocked::detection, 3);
  r.add(RolledBack{second(30.5), 25, 20, 20, seconds(5), 20 * kNodeSecond});
  r.counter = 20;
  r.add(RecoveryDecided{second(30.5), 0, Recovery::restart, 1, 2, false});
  r.stage(30.5, 50.5, Stage::process_start, Blocked::restart, 2);
  r.stage(50.5, 60.5, Stage::load, Blocked::load, 2);
  r.add(ConfigurationCompleted{second(60.5), PlanCause::restart, 2, nullptr, {}, {}});
  r.rounds(60.5, 3, 2);
  r.steps(93.5, 6, 2);
  r.add(StepDiscarded{second(99.5), second(100), 2});
  RunEnded end{second(100), 56, 152, {}};
  end.ledger.total = 400 * kNodeSecond;
  end.ledger.productive = 152 * kNodeSecond;
  put(end.ledger, Blocked::checkpoint, 14);
  put(end.ledger, Blocked::detection, 9);
  put(end.ledger, Blocked::restart, 40);
  put(end.ledger, Blocked::load, 20);
  end.ledger.rolled_back = 20 * kNodeSecond;
  end.ledger.step_in_flight = 3 * kNodeSecond;
  put(end.ledger, Unavailable::stranded, 69.5);
  put(end.ledger, Unavailable::absent, 72.5);
  r.add(end);
  return std::move(r.events);
}

/// A run of length 0.
inline std::vector<RunEvent> empty_run() {
  return {RunStarted{"empty", true, 0, 1, 100}, RunEnded{}};
}

inline void feed(const std::vector<RunEvent>& events, RunSink& sink) {
  for (const auto& event : events) sink.take(event);
}

}  // namespace bethany::streams
