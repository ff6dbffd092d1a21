#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <deque>
#include <optional>
#include <utility>

#include "tests/property/naive_durations.h"
#include "tests/property/naive_job.h"
#include "tests/property/naive_state.h"

namespace bethany {
namespace {

enum class Doing { waiting, stepping, writing, detecting, staging };

/// A run that has not reached its samples after so many repetitions of its trace never will.
constexpr std::int64_t kMostRepetitions = 400;

/// Why nothing is in flight in the middle of an instant.
enum class Free { no, step_committed, write_ended, configured };

struct CommittedStep {
  Int128 node_ns = 0;
  std::int64_t samples = 0;
};

class NaiveJob {
 public:
  explicit NaiveJob(const JobInput& input);
  NaiveResult run();

 private:
  // The passing of time.
  SimTime next_instant() const;
  void book_until(SimTime next);
  void finish();

  // The four phases.
  void work_ends();
  void cluster_changes();
  void timers_end();
  void decide();

  // Phase 1.
  void members_lost();

  // Phase 3.
  void judge_candidates();
  void detection_over();
  void first_start();
  void recover();
  void reconfigure(PlanCause cause, const NodeSet& members, const std::array<Blocked, 3>& buckets);
  void restart();
  void step_boundary();
  void after_checkpoint(bool written);
  bool rebalance();
  void change_members(PlanCause cause);
  void begin_step();
  void begin(NaiveTarget target, const NodeSet& members, const std::vector<NaiveStage>& stages);
  void configured();

  int usable(int nodes) const;
  NodeSet held_back() const;
  NodeSet wanted() const;
  bool enough_nodes();
  NodeSet training_set() const;
  NodeSet members_to_go() const;
  NodeSet admissible_nodes() const;
  std::int64_t committed() const { return static_cast<std::int64_t>(steps_.size()); }
  int member_count() const { return static_cast<int>(members_.size()); }
  int ready_count() const { return static_cast<int>(wanted().size()); }
  Int128& blocked(Blocked bucket) {
    return result_.ledger.blocked[static_cast<std::size_t>(bucket)];
  }
  Int128& unavailable(Unavailable why) {
    return result_.ledger.unavailable[static_cast<std::size_t>(why)];
  }
  void tell(const std::string& what) {
    if (result_.story.size() >= 300) return;  // enough to see where two runs part
    result_.story.push_back(fmt::format("{}s: {}", to_seconds(now_), what));
  }

  const JobInput& in_;
  NaiveResult result_;
  NaiveCluster cluster_;
  NaiveState state_;
  int minimum_ = 1;
  std::optional<SimTime> horizon_;
  std::int64_t samples_wanted_ = 0;  // 0: no such end

  SimTime now_ = at(Duration(0));
  NodeSet members_;
  NodeSet left_out_;  // by a regroup: not admitted before a restart
  Doing doing_ = Doing::waiting;
  Free free_ = Free::no;
  SimTime busy_until_;
  Int128 in_flight_ = 0;  // node time of the step in flight
  std::deque<NaiveStage> stages_;
  NaiveTarget target_;  // of the stages
  bool detected_ = false;

  std::vector<CommittedStep> steps_;
  std::int64_t covered_ = 0;  // by the last usable checkpoint
  SimTime usable_since_;
  std::int64_t covers_ = 0;  // the write in flight
  std::int64_t last_plan_or_check_ = 0;

  bool candidates_ = false;
  std::optional<SimTime> gather_end_;
  bool gather_over_ = false;
  bool spares_count_ = false;  // for the start or recovery that begins in this instant
};

NaiveJob::NaiveJob(const JobInput& input)
    : in_(input), cluster_(input.scenario, input.trace, *input.policy.straggler), state_(input) {
  const int for_layout = in_.policy.allocation->minimum_nodes(state_.shape(0));
  minimum_ = std::max(in_.policy.minimum_nodes.value_or(1), for_layout);
  const bool too_few = in_.policy.minimum_nodes.value_or(for_layout) < for_layout;
  result_.infeasible = too_few || minimum_ > in_.scenario.cluster.nodes || !state_.fits_cluster();

  const Until& until = in_.scenario.until;
  if (until.time) horizon_ = at(*until.time);
  if (in_.scenario.at_end == AtEnd::stop) {
    horizon_ = horizon_ ? std::min(*horizon_, in_.trace.end) : in_.trace.end;
  }
  if (until.samples) samples_wanted_ = *until.samples;
  if (until.tokens) {
    const std::int64_t length = in_.scenario.training.sequence_length;
    samples_wanted_ = (*until.tokens + length - 1) / length;
  }
}

NaiveResult NaiveJob::run() {
  try {
    while (!result_.infeasible) {
      work_ends();
      const bool enough = samples_wanted_ > 0 && result_.samples >= samples_wanted_;
      if (enough || (horizon_ && now_ == *horizon_)) {
        finish();
        break;
      }
      cluster_changes();
      timers_end();
      decide();
      const SimTime next = next_instant();
      if (next == kNever || (!horizon_ && cluster_.repetitions() >= kMostRepetitions)) {
        result_.infeasible = true;
        break;
      }
      book_until(next);
      now_ = next;
    }
  } catch (const NaiveNoPlan&) {
    result_.infeasible = true;
  }
  return result_;
}

// ---- The passing of time

SimTime NaiveJob::next_instant() const {
  SimTime next = cluster_.next_instant(now_);
  if (horizon_) next = std::min(next, *horizon_);
  if (doing_ != Doing::waiting) next = std::min(next, busy_until_);
  if (gather_end_ && !gather_over_) next = std::min(next, *gather_end_);
  BETHANY_CHECK(next > now_, "the reference stands still");
  return next;
}

void NaiveJob::book_until(SimTime next) {
  const Int128 dt = (next - now_).count();
  const Int128 members = dt * member_count();
  if (doing_ == Doing::stepping) in_flight_ += members;
  if (doing_ == Doing::writing) blocked(Blocked::checkpoint) += members;
  if (doing_ == Doing::detecting) blocked(Blocked::detection) += members;
  if (doing_ == Doing::staging) blocked(stages_.front().bucket) += members;
  const int spares = static_cast<int>(held_back().size());
  const int outside = ready_count() - member_count();
  if (doing_ == Doing::waiting) {
    unavailable(Unavailable::waiting) += dt * (outside + spares);
  } else {
    const int admissible = static_cast<int>(admissible_nodes().size()) - member_count();
    unavailable(candidates_ ? Unavailable::waiting : Unavailable::stranded) += dt * admissible;
    unavailable(Unavailable::stranded) += dt * (outside - admissible);
    unavailable(Unavailable::spare) += dt * spares;
  }
  unavailable(Unavailable::starting) += dt * cluster_.starting();
  unavailable(Unavailable::absent) += dt * (in_.scenario.cluster.nodes - cluster_.alive());
}

void NaiveJob::finish() {
  Ledger& ledger = result_.ledger;
  ledger.step_in_flight += in_flight_;
  for (const CommittedStep& step : steps_) ledger.productive += step.node_ns;
  ledger.total = Int128{now_.time_since_epoch().count()} * in_.scenario.cluster.nodes;
  result_.horizon = now_;
  result_.steps_committed = committed();
  if (doing_ == Doing::detecting) result_.disruptions.back().lost = state_.lost();
}

// ---- Phase 0

void NaiveJob::work_ends() {
  free_ = Free::no;
  if (doing_ == Doing::waiting || doing_ == Doing::detecting || busy_until_ != now_) return;
  if (doing_ == Doing::stepping) {
    steps_.push_back({in_flight_, naive_samples_of_step(in_, member_count())});
    in_flight_ = 0;
    result_.samples += steps_.back().samples;
    free_ = Free::step_committed;
  } else if (doing_ == Doing::writing) {
    covered_ = covers_;
    usable_since_ = now_;
    tell(fmt::format("checkpoint of step {} usable", covered_));
    free_ = Free::write_ended;
  } else {
    stages_.pop_front();
    if (stages_.empty()) {
      configured();
      free_ = Free::configured;
    } else {
      busy_until_ = now_ + stages_.front().time;
    }
  }
}

// ---- Phase 1

void NaiveJob::cluster_changes() {
  bool member_lost = false;
  for (const NodeId node : cluster_.act(now_)) {
    member_lost = members_.erase(node) != 0 || member_lost;
    left_out_.erase(node);
    state_.lose(node);
  }
  if (member_lost) members_lost();
}

void NaiveJob::members_lost() {
  if (doing_ == Doing::detecting) {
    tell("a loss joins the disruption");
    return;
  }
  free_ = Free::no;
  stages_.clear();
  if (!state_.ever_completed()) {
    // A first start begins again in phase 3, as if the job had waited; or it does wait.
    tell("a member is lost during the first start");
    members_.clear();
    doing_ = Doing::waiting;
    return;
  }
  result_.ledger.step_in_flight += in_flight_;
  in_flight_ = 0;
  result_.disruptions.push_back({now_, Recovery::none, 0});
  doing_ = Doing::detecting;
  busy_until_ = now_ + in_.timer.detection();
  tell(fmt::format("disruption, {} members are left", member_count()));
}

// ---- Phase 2

void NaiveJob::timers_end() {
  if (doing_ == Doing::detecting && busy_until_ == now_) {
    detected_ = true;
    result_.disruptions.back().lost = state_.lost();
  }
  if (gather_end_ && *gather_end_ == now_) gather_over_ = true;
}

// ---- Phase 3

void NaiveJob::decide() {
  judge_candidates();
  if (detected_) {
    detection_over();
  } else if (doing_ == Doing::waiting && enough_nodes()) {
    state_.ever_completed() ? recover() : first_start();
  } else if (free_ == Free::step_committed) {
    step_boundary();
  } else if (free_ == Free::write_ended) {
    after_checkpoint(true);
  } else if (free_ == Free::configured) {
    begin_step();
  }
  free_ = Free::no;
  judge_candidates();
}

void NaiveJob::judge_candidates() {
  candidates_ = false;
  if (doing_ != Doing::waiting) {
    // Nodes that a regroup left out do not ask for a join.
    const bool newcomers = !without(without(wanted(), members_), left_out_).empty();
    const int with_all = static_cast<int>(admissible_nodes().size());
    candidates_ = newcomers && usable(with_all) > usable(member_count());
  }
  if (!candidates_) {
    gather_end_.reset();
    gather_over_ = false;
    return;
  }
  const std::optional<Duration> wait = in_.policy.membership->wait();
  if (!wait || gather_end_) return;
  gather_end_ = now_ + *wait;
  gather_over_ = *wait == Duration(0);
}

void NaiveJob::detection_over() {
  detected_ = false;
  if (enough_nodes()) {
    recover();
    return;
  }
  tell("waits");
  members_.clear();
  doing_ = Doing::waiting;
}

void NaiveJob::first_start() {
  const NodeSet members = training_set();
  const bool warm = in_.scenario.training.warm_start;
  const int n = static_cast<int>(members.size());
  begin(state_.plan_for(PlanCause::start, members, StateFrom::storage, committed()), members,
        warm ? std::vector<NaiveStage>{} : naive_restart_stages(in_, n, true));
}

void NaiveJob::recover() {
  // Whom a recovery without a restart may take.
  const NodeSet takes = in_.policy.on_loss->takes_idle_nodes() ? wanted() : NodeSet(members_);
  NodeSet holders = takes;  // and whoever else may send what it holds
  for (const NodeId node : held_back()) holders.insert(node);
  LossView view;
  view.state_complete = state_.complete_state(holders);
  view.nodes = static_cast<int>(takes.size());
  view.minimum_nodes = minimum_;
  NaiveDisruption& disruption = result_.disruptions.back();
  disruption.kind = in_.policy.on_loss->decide(view);
  tell(fmt::format("{} decided, lost {}", name_of(disruption.kind), disruption.lost));
  if (disruption.kind == Recovery::restart) {
    restart();
    return;
  }
  const bool regroups = disruption.kind == Recovery::regroup;
  const NodeSet kept = state_.survivors_of(takes);
  if (!in_.policy.on_loss->takes_idle_nodes()) {
    for (const NodeId node : takes) {
      if (kept.count(node) == 0) left_out_.insert(node);
    }
  }
  reconfigure(regroups ? PlanCause::regroup : PlanCause::in_place, kept,
              {Blocked::planning, Blocked::communicator, Blocked::transfer});
}

void NaiveJob::reconfigure(PlanCause cause, const NodeSet& members,
                           const std::array<Blocked, 3>& buckets) {
  const int n = static_cast<int>(members.size());
  const NaiveTarget target = state_.plan_for(cause, members, StateFrom::members, committed());
  begin(target, members, naive_reconfiguration_stages(in_, n, target.transfer, buckets));
}

void NaiveJob::restart() {
  left_out_.clear();
  while (committed() > covered_) {
    result_.ledger.rolled_back += steps_.back().node_ns;
    result_.samples -= steps_.back().samples;
    ++result_.steps_discarded;
    steps_.pop_back();
  }
  const NodeSet members = training_set();
  begin(state_.plan_for(PlanCause::restart, members, StateFrom::storage, committed()), members,
        naive_restart_stages(in_, static_cast<int>(members.size()), false));
}

void NaiveJob::step_boundary() {
  CheckpointView view;
  view.covered_step = covered_;
  view.usable_since = usable_since_;
  view.write_time = in_.timer.checkpoint_write(state_.sizes().checkpoint_bytes, member_count());
  const CheckpointDue due = in_.policy.checkpoint->next(view);
  if (committed() < due.step && now_ < due.time) {
    after_checkpoint(false);
    return;
  }
  covers_ = committed();
  if (view.write_time > Duration(0)) {
    doing_ = Doing::writing;
    busy_until_ = now_ + view.write_time;
    return;
  }
  covered_ = covers_;
  usable_since_ = now_;
  tell(fmt::format("checkpoint of step {} at once", covered_));
  after_checkpoint(true);
}

void NaiveJob::after_checkpoint(bool written) {
  const bool may_join = in_.policy.on_loss->recovers_in_place() || written;
  const NodeSet slow = members_to_go();
  if (may_join && !slow.empty()) {
    tell(fmt::format("{} slow members go", slow.size()));
    for (const NodeId node : slow) members_.erase(node);  // and are held back from now on
    change_members(PlanCause::evict);
  } else if (candidates_ && gather_over_ && may_join) {
    change_members(PlanCause::join);
  } else if (!rebalance()) {
    begin_step();
  }
}

/// Which of the members that were too slow for too long go: of the best team the policy is asked
/// for, that without the slowest so many of them.
NodeSet NaiveJob::members_to_go() const {
  const std::vector<NodeId> line = cluster_.overdue_of(members_);
  NodeSet left = members_;
  int count = static_cast<int>(admissible_nodes().size());
  const auto team = [&] {
    return Team{usable(count), naive_step_time(in_, member_count(), cluster_.slowest_of(left))};
  };
  std::vector<Team> teams = {team()};
  for (const NodeId node : line) {
    left.erase(node);
    if (--count < minimum_) break;
    teams.push_back(team());
  }
  const std::size_t number = in_.policy.straggler->dismiss(teams);
  return {line.begin(), line.begin() + static_cast<std::ptrdiff_t>(number)};
}

void NaiveJob::change_members(PlanCause cause) {
  const bool in_place = in_.policy.on_loss->recovers_in_place();
  const NodeSet members = in_place ? state_.survivors_of(admissible_nodes()) : training_set();
  if (in_.policy.on_loss->readmits_left_out()) left_out_.clear();
  const int n = static_cast<int>(members.size());
  tell(fmt::format("{}, now {} nodes", name_of(cause), n));
  if (in_place) {
    reconfigure(cause, members, {Blocked::join, Blocked::join, Blocked::join});
  } else {
    begin(state_.plan_for(cause, members, StateFrom::storage, committed()), members,
          naive_restart_stages(in_, n, false));
  }
}

/// Whether a rebalance began (and, if it takes no time, ended).
bool NaiveJob::rebalance() {
  const std::optional<std::int64_t> every = in_.policy.rebalance->every_steps();
  if (!every || committed() - last_plan_or_check_ < *every) return false;
  const NodeSet members = members_;
  const NaiveTarget target =
      state_.plan_for(PlanCause::rebalance, members, StateFrom::members, committed());
  if (state_.changes_nothing(target)) {
    last_plan_or_check_ = committed();
    return false;
  }
  tell("rebalance");
  begin(target, members, naive_rebalance_stages(in_, member_count(), target.transfer));
  return true;
}

void NaiveJob::begin_step() {
  doing_ = Doing::stepping;
  busy_until_ = now_ + naive_step_time(in_, member_count(), cluster_.slowest_of(members_));
}

void NaiveJob::begin(NaiveTarget target, const NodeSet& members,
                     const std::vector<NaiveStage>& stages) {
  BETHANY_CHECK(!members.empty(), "nobody trains");
  members_ = members;
  spares_count_ = false;
  target_ = std::move(target);
  // Rule 8: what takes all candidates ends their gathering; a regroup takes none.
  const bool takes_none =
      target_.cause == PlanCause::rebalance ||
      (target_.cause == PlanCause::regroup && !in_.policy.on_loss->takes_idle_nodes());
  if (!takes_none) {
    gather_end_.reset();
    gather_over_ = false;
  }
  stages_.clear();
  for (const NaiveStage& stage : stages) {
    if (stage.time > Duration(0)) stages_.push_back(stage);
  }
  if (stages_.empty()) {
    configured();
    begin_step();
    return;
  }
  doing_ = Doing::staging;
  busy_until_ = now_ + stages_.front().time;
}

void NaiveJob::configured() {
  if (!state_.ever_completed()) usable_since_ = now_;  // the checkpoint of step 0
  state_.complete(target_, members_);
  last_plan_or_check_ = committed();
  result_.configurations.push_back({now_, target_.cause, member_count()});
  tell(fmt::format("{} completed with {} nodes", name_of(target_.cause), member_count()));
}

int NaiveJob::usable(int nodes) const {
  return in_.policy.allocation->usable_nodes(state_.shape(nodes), nodes);
}

/// Spares: ready, too slow for too long, and no members.
NodeSet NaiveJob::held_back() const {
  if (spares_count_) return {};
  const std::vector<NodeId> overdue = cluster_.overdue_of(cluster_.ready());
  return without({overdue.begin(), overdue.end()}, members_);
}

/// The ready nodes but the spares.
NodeSet NaiveJob::wanted() const { return without(cluster_.ready(), held_back()); }

/// Whether a start or a recovery may begin. If it may with the spares only, it takes them all.
bool NaiveJob::enough_nodes() {
  if (ready_count() >= minimum_) return true;
  spares_count_ = static_cast<int>(cluster_.ready().size()) >= minimum_;
  if (spares_count_) tell("spares are needed");
  return spares_count_;
}

/// Whom a start, recovery, restart or join takes: of the wanted nodes the lowest ids.
NodeSet NaiveJob::training_set() const {
  const auto count = static_cast<std::size_t>(usable(ready_count()));
  NodeSet members;
  for (const NodeId node : wanted()) {
    if (members.size() < count) members.insert(node);
  }
  return members;
}

/// Members and the ready nodes that a join may take.
NodeSet NaiveJob::admissible_nodes() const {
  return in_.policy.on_loss->readmits_left_out() ? wanted() : without(wanted(), left_out_);
}

}  // namespace

NaiveResult naive_run(const JobInput& input) { return NaiveJob(input).run(); }

}  // namespace bethany
