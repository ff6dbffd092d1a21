#include "sim/training/job.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>

#include "sim/engine/simulator.h"
#include "sim/training/job_state.h"

namespace bethany {

Job::Job(const JobInput& input, RunSink& sink)
    : input_(input),
      sink_(sink),
      planner_(input),
      cursor_(input.trace, input.scenario.at_end),
      roster_(input.trace.node_names.size()),
      speeds_(*input.policy.straggler),
      books_(input.scenario.cluster.nodes) {
  const auto& until = input.scenario.until;
  if (until.time) horizon_ = at(*until.time);
  if (input.scenario.at_end == AtEnd::stop) horizon_ = std::min(horizon_, input.trace.end);
  if (until.samples) samples_wanted_ = *until.samples;
  if (until.tokens) {
    const std::int64_t length = input.scenario.training.sequence_length;
    samples_wanted_ = *until.tokens / length + (*until.tokens % length != 0 ? 1 : 0);
  }
  wait_ = input.policy.membership->wait();
}

RunOutcome Job::run() {
  if (auto reason = planner_.infeasible()) return {std::move(reason)};
  const auto& policy = input_.policy;
  sink_.take(RunStarted{.policy = policy.name,
                        .recovers_in_place = policy.on_loss->recovers_in_place(),
                        .target_nodes = input_.scenario.cluster.nodes,
                        .gpus_per_node = input_.scenario.cluster.node_type.gpus,
                        .tokens_per_sample = input_.scenario.training.sequence_length});
  schedule_trace();
  request_decision(SimTime());
  // Without a bound in time, 100 years stand for never.
  const SimTime bound = horizon_ == kNever ? at(kLongest) : horizon_;
  simulator_.run_until(bound, kWorkEnds, [this](const EventKey&, JobEvent&& event) {
    std::visit([this](auto&& e) { handle(e); }, std::move(event));
  });
  if (failure_) return {std::move(failure_)};
  if (samples_wanted_ && !reached_) {
    if (horizon_ == kNever) return {never_finishes()};
  }
  finish(reached_ ? simulator_.now() : bound);
  return {};
}

std::string Job::never_finishes() const {
  const std::string state =
      state_ == State::waiting
          ? fmt::format("it waits for {} nodes with {} ready and nothing left in the trace",
                        planner_.minimum_nodes(), roster_.ready() + roster_.spares())
          : std::string("losses undo the work before it is checkpointed");
  return fmt::format("never finishes: {} of {} samples are done and {}", books_.samples(),
                     *samples_wanted_, state);
}

// ---------------------------------------------------------------------------------------------
// Phases 0 to 2: what happens to the job.

void Job::handle(const WorkEnded&) {
  const SimTime now = simulator_.now();
  const Work ended = std::exchange(work_, Work{});
  if (ended.kind == Work::Kind::steps) {
    commit_steps(ended.from, ended.count, ended.step_time);
    boundary_ = Boundary::step_end;
  } else if (ended.kind == Work::Kind::rounds) {
    commit_rounds(ended.from, ended.count, ended);
    boundary_ = Boundary::write_end;
  } else if (ended.kind == Work::Kind::write) {
    end_stage(ended, now, true);
    checkpoint_usable(now);
    boundary_ = Boundary::write_end;
  } else {
    end_stage(ended, now, true);
    begin_next_stage();
  }
  if (samples_wanted_ && books_.samples() >= *samples_wanted_) {
    reached_ = true;
    simulator_.stop();
    return;
  }
  request_decision(now);
}

void Job::handle(const TraceSpeaks&) {
  const SimTime now = simulator_.now();
  books_.advance(now);
  const auto& instant = cursor_.take();
  Loss loss;
  for (const auto node : instant.lost) {
    const auto lost = roster_.lose(node);
    loss.members += lost.member ? 1 : 0;
    loss.configured += lost.configured ? 1 : 0;
    speeds_.forget(node);
  }
  if (!instant.lost.empty()) {
    sink_.take(NodesLost{now, instant.lost, loss.members, instant.cause});
  }
  std::vector<std::pair<NodeId, std::uint32_t>> starting;
  const Duration delay = input_.scenario.cluster.startup_delay;
  const Duration takes = now == SimTime() ? Duration(0) : delay;
  for (const auto node : instant.joined) {
    const auto incarnation = roster_.join(node, now, takes);
    if (takes > Duration(0)) starting.emplace_back(node, incarnation);
  }
  if (!instant.joined.empty()) sink_.take(NodesJoined{now, instant.joined});
  if (input_.machines != nullptr) {
    if (!instant.lost.empty()) input_.machines->lose(instant.lost);
    if (!instant.joined.empty()) input_.machines->join(instant.joined);
  }
  change_speeds(instant);
  if (!starting.empty()) {
    simulator_.schedule(now + delay, kTraceSpeaks, NodesReady{std::move(starting)});
  }
  lost_since_completed_ += loss.configured;
  if (loss.members > 0) lose_members(loss);
  BETHANY_CHECK(roster_.live() <= input_.scenario.cluster.nodes,
                "{} nodes are alive in a cluster of {}", roster_.live(),
                input_.scenario.cluster.nodes);
  schedule_trace();
  request_decision(now);
}

void Job::change_speeds(const TraceInstant& instant) {
  const SimTime now = instant.time;
  std::map<double, std::vector<NodeId>> nodes_at;
  for (const auto& [node, speed] : instant.speeds) {
    const auto ends = speeds_.set(node, speed, now);
    if (ends) simulator_.schedule(*ends, kTimersEnd, PatienceOver{node, now});
    roster_.hold_back(node, speeds_.overdue(node));
    speed_changed_ = speed_changed_ || roster_.is_member(node);
    nodes_at[speed].push_back(node);
  }
  for (auto& [speed, nodes] : nodes_at) sink_.take(SpeedChanged{now, std::move(nodes), speed});
}

void Job::handle(const NodesReady& ready) {
  books_.advance(simulator_.now());
  for (const auto& [node, incarnation] : ready.nodes) roster_.become_ready(node, incarnation);
  request_decision(simulator_.now());
}

void Job::handle(const DetectionOver&) {
  book_detection(simulator_.now(), roster_.members(), true);
  detection_over_ = true;
  lost_when_detected_ = lost_since_completed_;
  request_decision(simulator_.now());
}

void Job::handle(const GatherOver&) {
  gathering_ = false;
  gathered_ = true;
  request_decision(simulator_.now());
}

void Job::handle(const PatienceOver& over) {
  if (!speeds_.end_patience(over.node, over.since)) return;
  books_.advance(simulator_.now());
  roster_.hold_back(over.node, true);
  request_decision(simulator_.now());
}

void Job::schedule_trace() {
  const SimTime next = cursor_.next_time();
  // Events at or after the horizon are not applied.
  if (next < horizon_) simulator_.schedule(next, kTraceSpeaks, TraceSpeaks{});
}

void Job::request_decision(SimTime now) {
  if (decision_requested_) return;
  decision_requested_ = true;
  simulator_.schedule(now, kJobDecides, Decide{});
}

/// At the start of a repetition: a state that was there before will come again for ever, as nothing
/// else is left to happen. Compared with the state after 1, 2, 4, 8, … repetitions (Brent's rule:
/// finds every cycle with one state kept).
void Job::check_for_cycle(SimTime now) {
  const std::int64_t repetition = cursor_.repetitions();
  if (repetition == repetitions_seen_ || !samples_wanted_) return;
  repetitions_seen_ = repetition;
  const std::uint64_t state = state_digest(now);
  const std::int64_t reached = books_.committed() + steps_done_in_flight(now);
  if (reached > best_step_) {
    best_step_ = reached;
    repetition_of_best_ = repetition;
  }
  // A policy that draws random numbers never comes to the same state twice: patience decides.
  constexpr std::int64_t kPatience = 1000;
  if ((repetition > 1 && state == anchor_) || repetition - repetition_of_best_ >= kPatience) {
    failure_ = never_finishes();
    simulator_.stop();
  }
  if ((repetition & (repetition - 1)) == 0) anchor_ = state;
}

/// Everything the future of the run depends on, times relative to `now`. Requires: no rounds in
/// flight.
std::uint64_t Job::state_digest(SimTime now) const {
  Digest digest;
  const auto add = [&](auto value) { digest.add(static_cast<std::int64_t>(value)); };
  const auto add_configuration = [&](const Configuration& configuration) {
    add(configuration.nodes);
    for (const auto node : configuration.machine_of_place) add(node.value);
    if (!configuration.plan) return;
    for (const auto& layer : configuration.plan->layers) {
      digest.add(std::span<const std::int32_t>(layer.expert_of_slot));
    }
  };
  add(state_);
  add(work_.kind);
  add(work_.stage);
  if (work_.kind == Work::Kind::steps) {
    add(((now - work_.from) % work_.step_time).count());
    add(work_.step_time.count());  // it may have begun at another speed
  } else if (work_.kind != Work::Kind::none) {
    add((work_.to - now).count());
  }
  for (const auto& stage : stages_) add(stage.time.count());
  add(books_.committed() + steps_done_in_flight(now));
  add(books_.covered());
  add(books_.samples() + steps_done_in_flight(now) * planner_.samples_per_step(roster_.members()));
  add(books_.committed() - plan_checked_at_);
  add(started_);
  if (started_) {
    const auto due = checkpoint_due();
    add(due.step);
    add(due.time == kNever ? -1 : std::max(Duration(0), due.time - now).count());
  }
  if (state_ == State::detecting) add((detecting_since_ - now).count());
  add(gathered_);
  add(gathering_ ? (gather_over_at_ - now).count() : -1);
  add(planner_.random_decisions());
  add_configuration(current_);
  add_configuration(pending_);
  roster_.add_to(digest, now);
  speeds_.add_to(digest, now);
  return digest.value();
}

void Job::lose_members(const Loss& loss) {
  const SimTime now = simulator_.now();
  const int before = roster_.members() + loss.members;
  switch (state_) {
    case State::waiting:
      BETHANY_CHECK(false, "a waiting job has members");
      break;
    case State::starting:
      cut_work(before);
      state_ = State::waiting;  // decided again in phase 3 of this instant
      roster_.dismiss();
      break;
    case State::detecting:
      book_detection(now, before, false);
      break;
    case State::training:
    case State::changing:
      cut_work(before);
      state_ = State::detecting;
      detecting_since_ = now;
      detection_over_ = false;
      disruption_open_ = true;
      sink_.take(DisruptionBegan{now, disruptions_});
      simulator_.schedule(now + detection_time(), kTimersEnd, DetectionOver{});
      break;
  }
}

Duration Job::detection_time() {
  const Duration predicted = input_.timer.detection();
  return input_.machines == nullptr ? predicted : input_.machines->detect(current_, predicted);
}

// ---------------------------------------------------------------------------------------------
// Work in flight.

void Job::begin_work(Work work) {
  BETHANY_CHECK(work_.kind == Work::Kind::none, "two things at once");
  work_ = work;
  work_.handle = simulator_.schedule(work.to, kWorkEnds, WorkEnded{});
}

std::optional<Threat> Job::threat() const {
  const auto [when, nodes] =
      cursor_.next_loss([this](NodeId node) { return roster_.is_member(node); });
  if (when >= horizon_) return {};
  return Threat{.after = when - simulator_.now(), .nodes = nodes};
}

void Job::begin_performed(Work work, const std::optional<Duration>& took,
                          const std::optional<Threat>& threat) {
  BETHANY_CHECK(took || threat, "nothing threatens the work that was not done");
  // A nanosecond after the loss: that the work would have gone on is all that matters.
  Duration time = took ? std::max(*took, Duration(1)) : threat->after + Duration(1);
  if (took && threat) time = std::min(time, threat->after);
  work.to = work.from + time;
  if (work.kind == Work::Kind::steps) work.step_time = time;
  begin_work(work);
}

/// Turns whole rounds in flight into what stepping one by one would be doing at `now`.
void Job::unroll_rounds(SimTime now) {
  if (work_.kind != Work::Kind::rounds) return;
  const Work rounds = std::exchange(work_, Work{});
  simulator_.cancel(rounds.handle);
  const Duration steps_time = rounds.step_time * rounds.steps;
  const Duration round_time = steps_time + rounds.write_time;
  const std::int64_t whole = (now - rounds.from) / round_time;
  if (whole > 0) commit_rounds(rounds.from, whole, rounds);
  const SimTime from = rounds.from + round_time * whole;
  const Duration passed = now - from;
  if (passed == Duration(0)) {
    boundary_ = Boundary::write_end;
  } else if (passed == steps_time) {
    commit_steps(from, rounds.steps, rounds.step_time);
    boundary_ = Boundary::step_end;
  } else if (passed < steps_time) {
    begin_work({.kind = Work::Kind::steps,
                .from = from,
                .to = from + steps_time,
                .count = rounds.steps,
                .step_time = rounds.step_time});
  } else {
    commit_steps(from, rounds.steps, rounds.step_time);
    begin_work({.kind = Work::Kind::write,
                .from = from + steps_time,
                .to = from + round_time,
                .stage = Stage::checkpoint_write,
                .bucket = Blocked::checkpoint});
  }
}

/// Steps in flight that have ended by `now`.
std::int64_t Job::steps_done_in_flight(SimTime now) const {
  const Duration passed = now - work_.from;
  if (work_.kind == Work::Kind::steps) return passed / work_.step_time;
  if (work_.kind != Work::Kind::rounds) return 0;
  const Duration round_time = work_.step_time * work_.steps + work_.write_time;
  const std::int64_t in_round = passed % round_time / work_.step_time;
  return passed / round_time * work_.steps + std::min(in_round, work_.steps);
}

/// Ends what is in flight at this instant on `nodes` members: whole steps commit.
void Job::cut_work(int nodes) {
  const SimTime now = simulator_.now();
  acting_nodes_ = nodes;
  unroll_rounds(now);
  const Work cut = std::exchange(work_, Work{});
  if (cut.kind != Work::Kind::none) simulator_.cancel(cut.handle);
  if (cut.kind == Work::Kind::steps) {
    const std::int64_t whole = (now - cut.from) / cut.step_time;
    if (whole > 0) commit_steps(cut.from, whole, cut.step_time);
    const SimTime from = cut.from + cut.step_time * whole;
    if (from < now) {
      books_.book_step_in_flight(nodes, now - from);
      sink_.take(StepDiscarded{from, now, nodes});
    }
  } else if (cut.kind == Work::Kind::write || cut.kind == Work::Kind::stage) {
    end_stage(cut, now, false);
  }
  acting_nodes_ = -1;
  boundary_ = Boundary::none;
  stages_.clear();
}

/// Ends steps in flight at the first step boundary from this instant on.
void Job::shorten_steps() {
  const SimTime now = simulator_.now();
  unroll_rounds(now);
  if (work_.kind != Work::Kind::steps) return;
  const Duration passed = now - work_.from;
  const std::int64_t whole = (passed + work_.step_time - Duration(1)) / work_.step_time;
  if (whole >= work_.count) return;
  Work shorter = std::exchange(work_, Work{});
  simulator_.cancel(shorter.handle);
  if (passed == shorter.step_time * whole) {
    commit_steps(shorter.from, whole, shorter.step_time);
    boundary_ = Boundary::step_end;
    return;
  }
  shorter.count = whole;
  shorter.to = shorter.from + shorter.step_time * whole;
  begin_work(shorter);
}

void Job::commit_steps(SimTime from, std::int64_t count, Duration step_time) {
  const int nodes = acting_nodes();
  const std::int64_t samples = count * planner_.samples_per_step(nodes);
  sink_.take(StepsCommitted{.from = from,
                            .to = from + step_time * count,
                            .first_step = books_.committed(),
                            .count = count,
                            .nodes = nodes,
                            .samples = samples,
                            .step_time = step_time});
  books_.commit_steps(count, step_time, nodes, samples);
}

void Job::commit_rounds(SimTime from, std::int64_t rounds, const Work& work) {
  const int nodes = acting_nodes();
  const std::int64_t steps = rounds * work.steps;
  const std::int64_t samples = steps * planner_.samples_per_step(nodes);
  const SimTime to = from + (work.step_time * work.steps + work.write_time) * rounds;
  sink_.take(RoundsCommitted{.from = from,
                             .to = to,
                             .first_step = books_.committed(),
                             .rounds = rounds,
                             .steps = work.steps,
                             .nodes = nodes,
                             .samples = samples,
                             .step_time = work.step_time,
                             .write_time = work.write_time});
  books_.commit_steps(steps, work.step_time, nodes, samples);
  books_.book_blocked(Blocked::checkpoint, nodes, work.write_time * rounds);
  books_.checkpoint_usable();
  usable_since_ = to;
}

void Job::end_stage(const Work& stage, SimTime now, bool completed) {
  if (now == stage.from) return;
  const int nodes = acting_nodes();
  books_.book_blocked(stage.bucket, nodes, now - stage.from);
  sink_.take(StageEnded{stage.from, now, stage.stage, stage.bucket, nodes, completed});
}

void Job::book_detection(SimTime now, int nodes, bool completed) {
  const Work detection{.kind = Work::Kind::stage,
                       .from = detecting_since_,
                       .stage = Stage::detection,
                       .bucket = Blocked::detection};
  acting_nodes_ = nodes;
  end_stage(detection, now, completed);
  acting_nodes_ = -1;
  detecting_since_ = now;
}

void Job::checkpoint_usable(SimTime now) {
  books_.checkpoint_usable();
  usable_since_ = now;
  sink_.take(CheckpointUsable{now, books_.committed()});
}

void Job::finish(SimTime horizon) {
  if (state_ == State::detecting) {
    book_detection(horizon, roster_.members(), false);
  } else {
    cut_work(roster_.members());  // what is in flight ends as it does at a loss
  }
  if (disruption_open_) {
    sink_.take(RecoveryDecided{
        .time = horizon,
        .disruption = disruptions_,
        .recovery = Recovery::none,
        .lost = state_ == State::detecting ? lost_since_completed_ : lost_when_detected_,
        .nodes = roster_.members()});
  }
  const Ledger& ledger = books_.close(horizon);
  sink_.take(RunEnded{.horizon = horizon,
                      .steps_committed = books_.committed(),
                      .samples = books_.samples(),
                      .ledger = ledger});
}

RunOutcome run(const JobInput& input, RunSink& sink) { return Job(input, sink).run(); }

}  // namespace bethany
