// Phase 3 of an instant: the training job decides.
#include <algorithm>
#include <limits>

#include "sim/training/job_state.h"

namespace bethany {

void Job::handle(const Decide&) {
  const SimTime now = simulator_.now();
  decision_requested_ = false;
  books_.advance(now);
  if (cursor_.repetitions() > repetitions_seen_) unroll_rounds(now);
  if (state_ == State::waiting) try_to_begin(now);
  if (state_ == State::detecting && detection_over_) {
    detection_over_ = false;
    try_to_begin(now);
  }
  if (failure_) return;
  update_candidates(now);
  const bool slower_or_faster = std::exchange(speed_changed_, false);
  if (state_ == State::training && work_.kind != Work::Kind::none) {
    if (slower_or_faster || (wants_other_members() && input_.policy.on_loss->recovers_in_place())) {
      shorten_steps();
    } else if (wants_other_members()) {
      unroll_rounds(now);  // the next write ends with a restart that changes the members
    }
  }
  while (state_ == State::training && work_.kind == Work::Kind::none && !failure_) {
    go_on_training(now);
  }
  if (failure_) return;
  update_candidates(now);
  const bool waits = state_ == State::waiting;
  if (waits && !wait_announced_) {
    sink_.take(WaitBegan{now, roster_.ready() + roster_.spares(), planner_.minimum_nodes()});
  }
  wait_announced_ = waits;
  check_for_cycle(now);
}

// ---------------------------------------------------------------------------------------------
// Starts, recoveries, joins.

/// Makes the nodes that a change goes on with the members, as far as a plan can use them.
void Job::take_nodes(Takes takes) {
  const bool left_out_too = takes == Takes::all_ready || input_.policy.on_loss->readmits_left_out();
  if (takes != Takes::survivors && left_out_too) roster_.take_all_ready();
  if (takes != Takes::survivors && !left_out_too) roster_.take_admissible();
  const int usable = planner_.usable_nodes(roster_.members());
  if (usable == roster_.members()) return;
  const auto members = roster_.member_list();
  if (takes == Takes::all_ready) {
    roster_.release(std::span(members).subspan(static_cast<std::size_t>(usable)));
    return;
  }
  const auto kept = machines_to_keep(
      {.plan = current_.plan.get(), .place_of = roster_.places_of(members)}, usable);
  std::vector<NodeId> others;
  auto next = kept.begin();
  for (std::size_t i = 0; i < members.size(); ++i) {
    if (next != kept.end() && static_cast<std::size_t>(*next) == i) {
      ++next;
    } else {
      others.push_back(members[i]);
    }
  }
  if (takes == Takes::survivors) {
    roster_.leave_out(others);
  } else {
    roster_.release(others);
  }
}

/// A start, or the recovery of a disruption, with all ready nodes but the spares; or the job waits.
void Job::try_to_begin(SimTime now) {
  // A slow node is better than none.
  const int all = roster_.ready() + roster_.spares();
  if (roster_.ready() < planner_.minimum_nodes() && all >= planner_.minimum_nodes()) {
    roster_.recall_spares();
  }
  if (roster_.ready() < planner_.minimum_nodes()) {
    if (state_ != State::waiting) roster_.dismiss();
    state_ = State::waiting;
    return;
  }
  if (started_) {
    begin_recovery(now);
  } else {
    begin_first_start();
  }
}

void Job::begin_first_start() {
  take_nodes(Takes::all_ready);
  if (!configure(false)) return;
  state_ = State::starting;
  begin_change(PlanCause::start, input_.scenario.training.warm_start ? std::vector<PlannedStage>{}
                                                                     : restart_stages(true));
}

void Job::begin_recovery(SimTime now) {
  const OnLoss& on_loss = *input_.policy.on_loss;
  const bool idle_too = on_loss.takes_idle_nodes();
  bool complete = false;
  if (current_.plan) {
    Holdings holdings{.plan = current_.plan.get(), .place_of = {}};
    holdings.place_of =
        roster_.places_of(idle_too ? current_.machine_of_place : roster_.member_list());
    for (const int place : roster_.places_of_spares()) holdings.place_of.push_back(place);
    complete = state_is_complete(holdings);
  }
  const auto recovery = on_loss.decide({.state_complete = complete,
                                        .nodes = idle_too ? roster_.ready() : roster_.members(),
                                        .minimum_nodes = planner_.minimum_nodes()});
  const bool restarts = recovery == Recovery::restart;
  take_nodes(restarts ? Takes::all_ready : idle_too ? Takes::admissible : Takes::survivors);
  if (restarts) {
    const std::int64_t from_step = books_.committed();
    const auto undone = books_.roll_back();
    if (undone.steps > 0) {
      sink_.take(RolledBack{.time = now,
                            .from_step = from_step,
                            .to_step = books_.committed(),
                            .samples = undone.samples,
                            .wall_time = undone.wall_time,
                            .node_ns = undone.node_ns});
    }
  }
  if (!configure(!restarts)) return;
  if (disruption_open_) {
    sink_.take(RecoveryDecided{.time = now,
                               .disruption = disruptions_++,
                               .recovery = recovery,
                               .lost = lost_when_detected_,
                               .nodes = roster_.members(),
                               .state_complete = complete});
    disruption_open_ = false;
  }
  state_ = State::changing;
  if (restarts) {
    begin_change(PlanCause::restart, restart_stages(false));
  } else {
    begin_change(recovery == Recovery::regroup ? PlanCause::regroup : PlanCause::in_place,
                 reconfiguration_stages({}));
  }
}

/// Members that are overdue go, candidates come.
void Job::begin_join(bool by_restart) {
  const auto cause = leaving_.empty() ? PlanCause::join : PlanCause::evict;
  roster_.release(leaving_);
  take_nodes(by_restart ? Takes::all_ready : Takes::admissible);
  if (!configure(!by_restart)) return;
  state_ = State::changing;
  begin_change(cause, by_restart ? restart_stages(false) : reconfiguration_stages(Blocked::join));
}

/// False when every machine would keep what it has, GPU by GPU.
bool Job::begin_rebalance() {
  plan_checked_at_ = books_.committed();
  if (!configure(true)) return true;
  if (pending_.transfer.experts_moved == 0 && same_placement(pending_, current_)) return false;
  state_ = State::changing;
  begin_change(PlanCause::rebalance, reconfiguration_stages(Blocked::rebalance));
  return true;
}

/// Makes the pending configuration of the members. False, with the failure set, without a plan.
bool Job::configure(bool keeps_state) {
  if (!planner_.makes_plans()) {
    pending_ = planner_.without_plan(roster_.members());
    return true;
  }
  const auto machines = roster_.member_list();
  std::vector<int> places;
  if (keeps_state) {
    places = roster_.places_of(machines);
    // Members that were dismissed since then still send what they hold.
    for (const int place : roster_.places_of_spares()) places.push_back(place);
  }
  std::variant<Configuration, Infeasible> made;
  const auto make = [&] {
    made = planner_.make(machines, books_.committed(), keeps_state ? current_.plan.get() : nullptr,
                         places);
  };
  if (input_.machines != nullptr) {
    input_.machines->plan(make);
  } else {
    make();
  }
  if (const auto* infeasible = std::get_if<Infeasible>(&made)) {
    failure_ = infeasible->reason;
    simulator_.stop();
    return false;
  }
  pending_ = std::get<Configuration>(std::move(made));
  return true;
}

std::vector<Job::PlannedStage> Job::reconfiguration_stages(std::optional<Blocked> bucket) const {
  const int nodes = roster_.members();
  const auto& timer = input_.timer;
  const bool rebalances = bucket == Blocked::rebalance;
  return {{Stage::planning, bucket.value_or(Blocked::planning), timer.planning(nodes)},
          {Stage::communicator, bucket.value_or(Blocked::communicator),
           rebalances ? timer.rebalance_communicator(nodes) : timer.communicator(nodes)},
          {Stage::transfer, bucket.value_or(Blocked::transfer), timer.transfer(pending_.transfer)}};
}

std::vector<Job::PlannedStage> Job::restart_stages(bool first) const {
  const auto& timer = input_.timer;
  const Blocked bucket = first ? Blocked::start : Blocked::restart;
  std::vector<PlannedStage> stages = {
      {Stage::reschedule, bucket, timer.reschedule()},
      {Stage::process_start, bucket, timer.process_start()},
      {Stage::group_init, bucket, timer.group_init(roster_.members())}};
  if (!first) stages.push_back({Stage::load, Blocked::load, planner_.load(pending_)});
  return stages;
}

void Job::begin_change(PlanCause cause, std::vector<PlannedStage> stages) {
  pending_cause_ = cause;
  boundary_ = Boundary::none;
  stages_ = std::move(stages);
  std::reverse(stages_.begin(), stages_.end());
  begin_next_stage();
}

void Job::begin_next_stage() {
  while (input_.machines == nullptr && !stages_.empty() && stages_.back().time == Duration(0)) {
    stages_.pop_back();
  }
  if (stages_.empty()) {
    complete_change();
    return;
  }
  const PlannedStage next = stages_.back();
  stages_.pop_back();
  const SimTime now = simulator_.now();
  const Work work{.kind = Work::Kind::stage,
                  .from = now,
                  .to = now + next.time,
                  .stage = next.stage,
                  .bucket = next.bucket};
  if (input_.machines == nullptr) {
    begin_work(work);
    return;
  }
  const auto loss = threat();
  std::optional<Duration> took;
  // A loss of this very instant cuts the stage before it begins.
  if (!loss || loss->after > Duration(0)) {
    took = input_.machines->stage({.stage = next.stage,
                                   .cause = pending_cause_,
                                   .before = current_,
                                   .after = pending_,
                                   .step = books_.committed(),
                                   .first_sample = books_.samples(),
                                   .predicted = next.time,
                                   .threat = loss});
  }
  begin_performed(work, took, loss);
}

void Job::complete_change() {
  const SimTime now = simulator_.now();
  current_ = std::exchange(pending_, Configuration{});
  roster_.complete(current_);
  lost_since_completed_ = 0;
  plan_checked_at_ = books_.committed();
  state_ = State::training;
  boundary_ = Boundary::none;
  sink_.take(ConfigurationCompleted{.time = now,
                                    .cause = pending_cause_,
                                    .nodes = current_.nodes,
                                    .plan = current_.plan,
                                    .machine_of_place = current_.machine_of_place,
                                    .transfer = current_.transfer});
  if (input_.machines != nullptr) {
    input_.machines->completed(current_, pending_cause_, books_.committed());
  }
  if (!started_) {
    started_ = true;
    checkpoint_usable(now);  // step 0 is a free checkpoint
  }
}

/// Before a plan's limits.
int Job::nodes_after_join() const {
  return input_.policy.on_loss->readmits_left_out() ? roster_.ready()
                                                    : roster_.members() + roster_.admissible();
}

/// The overdue members that the policy wants to go on without. Never so many that fewer than the
/// minimum are left. Requires: the job trains.
std::vector<NodeId> Job::members_to_dismiss() {
  if (!speeds_.any_overdue()) return {};
  std::vector<std::pair<double, NodeId>> overdue;
  std::vector<SlowPlace> others;
  for (const auto& [node, slow] : speeds_.slow()) {
    if (!roster_.is_member(node)) continue;
    if (slow.overdue) {
      overdue.emplace_back(slow.speed, node);
    } else {
      others.push_back({roster_.place_of(node), slow.speed});
    }
  }
  if (overdue.empty()) return {};
  std::sort(overdue.begin(), overdue.end());  // the slowest first
  std::vector<NodeId> line;
  std::vector<SlowPlace> slow;
  for (const auto& [speed, node] : overdue) {
    line.push_back(node);
    slow.push_back({roster_.place_of(node), speed});
  }
  slow.insert(slow.end(), others.begin(), others.end());
  std::vector<Team> teams;
  for (int go = 0; go <= static_cast<int>(line.size()); ++go) {
    const int left = nodes_after_join() - go;
    if (go > 0 && left < planner_.minimum_nodes()) break;
    teams.push_back(
        {planner_.usable_nodes(left),
         planner_.step_time(current_, books_.committed(), {slow.begin() + go, slow.end()})});
  }
  const std::size_t go = input_.policy.straggler->dismiss(teams);
  BETHANY_CHECK(go < teams.size(), "{} of {} overdue members are dismissed", go, line.size());
  line.resize(go);
  return line;
}

std::vector<SlowPlace> Job::slow_members() const {
  std::vector<SlowPlace> members;
  for (const auto& [node, slow] : speeds_.slow()) {
    if (roster_.is_member(node)) members.push_back({roster_.place_of(node), slow.speed});
  }
  return members;
}

/// Judges the ready non-members (rule 8) and slow members, keeps the gather timer, and tells the
/// books.
void Job::update_candidates(SimTime now) {
  const bool waits = state_ == State::waiting;
  const bool candidates = !waits && roster_.admissible() > 0 &&
                          planner_.usable_nodes(nodes_after_join()) > roster_.members();
  if (candidates && wait_) {
    if (!gathering_ && !gathered_) {
      if (*wait_ == Duration(0)) {
        gathered_ = true;
      } else {
        gathering_ = true;
        gather_over_at_ = now + *wait_;
        gather_handle_ = simulator_.schedule(gather_over_at_, kTimersEnd, GatherOver{});
      }
    }
  } else {
    if (gathering_) simulator_.cancel(gather_handle_);
    gathering_ = false;
    gathered_ = false;
  }
  using PoolWaits = Roster::PoolWaits;
  const bool all_return = input_.policy.on_loss->readmits_left_out();
  books_.set_counts(roster_.counts(waits                      ? PoolWaits::all_and_spares
                                   : candidates && all_return ? PoolWaits::all
                                   : candidates               ? PoolWaits::admissible
                                                              : PoolWaits::none));
  leaving_ = state_ == State::training ? members_to_dismiss() : std::vector<NodeId>{};
}

// ---------------------------------------------------------------------------------------------
// Step boundaries.

/// Nothing is in flight: what rule 6 says comes next.
void Job::go_on_training(SimTime now) {
  const Boundary boundary = std::exchange(boundary_, Boundary::none);
  if (boundary == Boundary::step_end && checkpoint_is_due(now)) {
    begin_write(now);
    return;
  }
  if (boundary != Boundary::none) {
    if (join_is_due(boundary == Boundary::write_end)) {
      begin_join(!input_.policy.on_loss->recovers_in_place());
      update_candidates(now);
      return;
    }
    if (rebalance_is_due() && begin_rebalance()) {
      update_candidates(now);
      return;
    }
  }
  begin_steps(now);
}

CheckpointDue Job::checkpoint_due() const {
  return input_.policy.checkpoint->next({.covered_step = books_.covered(),
                                         .usable_since = usable_since_,
                                         .write_time = planner_.checkpoint_write(current_.nodes)});
}

bool Job::checkpoint_is_due(SimTime now) const {
  const auto due = checkpoint_due();
  return books_.committed() >= due.step || now >= due.time;
}

void Job::begin_write(SimTime now) {
  const Duration time = planner_.checkpoint_write(current_.nodes);
  const Work work{.kind = Work::Kind::write,
                  .from = now,
                  .to = now + time,
                  .stage = Stage::checkpoint_write,
                  .bucket = Blocked::checkpoint};
  if (input_.machines != nullptr) {
    const auto loss = threat();
    begin_performed(work,
                    input_.machines->write({.configuration = current_,
                                            .step = books_.committed(),
                                            .bytes = state_sizes(input_.scenario).checkpoint_bytes,
                                            .predicted = time,
                                            .threat = loss}),
                    loss);
    return;
  }
  if (time == Duration(0)) {
    checkpoint_usable(now);
    boundary_ = Boundary::write_end;
    return;
  }
  begin_work(work);
}

bool Job::join_is_due(bool after_write) const {
  return wants_other_members() && (after_write || input_.policy.on_loss->recovers_in_place());
}

bool Job::rebalance_is_due() {
  const auto every = input_.policy.rebalance->every_steps();
  if (!every) return false;
  const std::int64_t passed = books_.committed() - plan_checked_at_;
  if (passed < *every) return false;
  // Checks whose outcome is known are only counted.
  if (!input_.step_by_step && planner_.same_plan(plan_checked_at_, books_.committed())) {
    plan_checked_at_ += passed / *every * *every;
    return false;
  }
  return true;
}

std::int64_t Job::steps_until_rebalance() const {
  const auto every = input_.policy.rebalance->every_steps();
  constexpr auto kNone = std::numeric_limits<std::int64_t>::max();
  if (!every) return kNone;
  const std::int64_t counter = books_.committed();
  const std::int64_t next = plan_checked_at_ + *every;
  // With a load that stands still, the next check that matters is the first after its next change.
  if (planner_.same_plan(plan_checked_at_, next)) {
    const std::int64_t change = input_.routing.next_change(plan_checked_at_);
    if (change == kNone) return kNone;
    const std::int64_t checks = (change - plan_checked_at_) / *every + 1;
    return plan_checked_at_ + checks * *every - counter;
  }
  return next - counter;
}

std::int64_t Job::steps_until_checkpoint(SimTime now, Duration step_time) const {
  const auto due = checkpoint_due();
  constexpr auto kNone = std::numeric_limits<std::int64_t>::max();
  std::int64_t steps = due.step == kNone ? kNone : due.step - books_.committed();
  if (due.time != kNever) {
    const Duration left = due.time - now;
    steps = std::min<std::int64_t>(steps, (left + step_time - Duration(1)) / step_time);
  }
  return std::max<std::int64_t>(steps, 1);  // the next boundary is one step away
}

/// One step on the real machines.
void Job::perform_step() {
  const std::int64_t counter = books_.committed();
  auto predicted = planner_.step_cost(current_, counter, slow_members());
  const Work work{.kind = Work::Kind::steps,
                  .from = simulator_.now(),
                  .to = simulator_.now(),
                  .count = 1,
                  .step_time = predicted.total};
  const auto loss = threat();
  begin_performed(work,
                  input_.machines->step({.configuration = current_,
                                         .step = counter,
                                         .first_sample = books_.samples(),
                                         .samples_of_rank = planner_.samples_of_rank(),
                                         .traffic = planner_.traffic(),
                                         .predicted = std::move(predicted),
                                         .threat = loss}),
                  loss);
}

void Job::begin_steps(SimTime now) {
  if (input_.machines != nullptr) {
    perform_step();
    return;
  }
  const Duration step_time = planner_.step_time(current_, books_.committed(), slow_members());
  const std::int64_t counter = books_.committed();
  // Nothing but these ends a row of equal steps from within; losses and joins cut it from outside.
  std::int64_t limit = input_.routing.next_change(counter);
  if (limit != std::numeric_limits<std::int64_t>::max()) limit -= counter;
  limit = std::min(limit, steps_until_rebalance());
  std::int64_t wanted = std::numeric_limits<std::int64_t>::max();
  if (samples_wanted_) {
    const std::int64_t per_step = planner_.samples_per_step(current_.nodes);
    wanted = (*samples_wanted_ - books_.samples() + per_step - 1) / per_step;
  }
  const Duration left = (horizon_ == kNever ? at(kLongest) : horizon_) - now;
  const std::int64_t until_checkpoint = steps_until_checkpoint(now, step_time);
  const bool one_by_one =
      input_.step_by_step || (wants_other_members() && input_.policy.on_loss->recovers_in_place());
  // A write of 0 ns ends in phase 3, after the losses of its instant: it is no part of a round.
  const Duration write = planner_.checkpoint_write(current_.nodes);
  const bool fresh = counter == books_.covered() && now == usable_since_ && write > Duration(0);
  // Rounds that do not end before the horizon are none; a very slow one would overflow.
  const bool fits = until_checkpoint <= left / step_time;
  if (!one_by_one && !wants_other_members() && fresh && fits &&
      until_checkpoint < std::min(limit, wanted)) {
    // The write after the last step wanted does not happen.
    std::int64_t rounds = std::min(limit, wanted - 1) / until_checkpoint;
    // Rounds beyond the horizon are never looked at.
    const Duration round_time = step_time * until_checkpoint + write;
    rounds = std::min<std::int64_t>(rounds, left / round_time + 1);
    if (rounds > 1) {
      begin_work({.kind = Work::Kind::rounds,
                  .from = now,
                  .to = now + round_time * rounds,
                  .count = rounds,
                  .step_time = step_time,
                  .steps = until_checkpoint,
                  .write_time = write});
      return;
    }
  }
  std::int64_t count = std::min({limit, wanted, until_checkpoint});
  count = std::min<std::int64_t>(count, left / step_time + 1);
  if (one_by_one) count = 1;
  begin_work({.kind = Work::Kind::steps,
              .from = now,
              .to = now + step_time * count,
              .count = count,
              .step_time = step_time});
}

}  // namespace bethany
