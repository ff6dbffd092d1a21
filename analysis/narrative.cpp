#include "analysis/narrative.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "analysis/number_text.h"
#include "analysis/table.h"
#include "sim/base/quantities.h"
#include "sim/base/text.h"

namespace bethany {
namespace {

constexpr std::size_t kNamesShown = 8;    // of the nodes of one line
constexpr std::size_t kLinesHeld = 1000;  // of one stretch, before it is told in parts

std::string nodes_text(int nodes) { return fmt::format("{} node{}", nodes, nodes == 1 ? "" : "s"); }

std::string states_text(std::int64_t states) {
  return fmt::format("{} expert state{}", grouped(states), states == 1 ? "" : "s");
}

std::string stage_text(Stage stage) {
  switch (stage) {
    case Stage::checkpoint_write:
      return "checkpoint write";
    case Stage::process_start:
      return "start of processes";
    case Stage::group_init:
      return "start of process groups";
    case Stage::load:
      return "loading of the checkpoint";
    default:
      return std::string(name_of(stage));
  }
}

std::string cause_text(PlanCause cause) {
  switch (cause) {
    case PlanCause::start:
      return "start";
    case PlanCause::in_place:
      return "recovery in place";
    case PlanCause::regroup:
      return "recovery by regrouping";
    case PlanCause::restart:
      return "restart";
    case PlanCause::join:
      return "join";
    case PlanCause::rebalance:
      return "rebalance";
    case PlanCause::evict:
      return "eviction of slow nodes";
  }
  return "?";
}

/// What was decided and why. What is left of the state is known only of a plan.
std::string decision_text(const RecoveryDecided& fact, bool planned, bool recovers_in_place) {
  if (fact.recovery == Recovery::none) return "has not decided by the end";
  std::string text = fact.recovery == Recovery::in_place  ? "goes on in place"
                     : fact.recovery == Recovery::regroup ? "regroups"
                                                          : "restarts";
  text += fmt::format(" on {}: {} of the last configuration lost", nodes_text(fact.nodes),
                      nodes_text(fact.lost));
  if (planned) {
    text += fact.state_complete ? ", every expert keeps a live replica"
                                : ", some expert has no live replica left";
  }
  if (!recovers_in_place) text += ", and the policy can only restart";
  return text;
}

/// The experts a place of a plan holds, as (layer, expert).
std::set<std::pair<int, int>> experts_of(const PlacementPlan& plan, int place) {
  std::set<std::pair<int, int>> experts;
  for (int layer = 0; layer < static_cast<int>(plan.layers.size()); ++layer) {
    for (const auto expert : plan.node_slots(layer, place)) {
      if (expert != kVacant) experts.emplace(layer, expert);
    }
  }
  return experts;
}

/// What a machine had to fetch.
struct Fetch {
  NodeId node;
  std::int64_t experts = 0;
  bool dense = false;
};

std::int64_t missing(const std::set<std::pair<int, int>>& wanted,
                     const std::set<std::pair<int, int>>& held) {
  return static_cast<std::int64_t>(std::count_if(
      wanted.begin(), wanted.end(), [&](const auto& expert) { return held.count(expert) == 0; }));
}

}  // namespace

std::string clock_text(SimTime time) {
  const std::int64_t tenths = (time.time_since_epoch().count() + 50'000'000) / 100'000'000;
  const std::int64_t seconds = tenths / 10;
  return fmt::format("{:02}:{:02}:{:02}.{}", seconds / 3600, seconds / 60 % 60, seconds % 60,
                     tenths % 10);
}

Narrator::Narrator(std::vector<std::string> node_names, TakeLine take_line)
    : node_names_(std::move(node_names)), take_line_(std::move(take_line)) {}

void Narrator::take(const RunEvent& event) {
  std::visit([this](const auto& fact) { tell(fact); }, event);
}

void Narrator::line(SimTime time, const std::string& text) {
  end_stretch();
  take_line_(clock_text(time) + "  " + text);
}

void Narrator::hold(SimTime time, const std::string& text) {
  held_.push_back(clock_text(time) + "  " + text);
  if (held_.size() > kLinesHeld) end_stretch();
}

void Narrator::end_stretch() {
  if (stretch_) {
    const Stretch& run = *stretch_;
    std::string text = fmt::format("{}  {} steps, {} samples in {} on {}", clock_text(run.from),
                                   grouped(run.steps), grouped(run.samples),
                                   rounded_text(run.to - run.from), nodes_text(run.nodes));
    if (run.checkpoints > 0) {
      text += fmt::format("; {} checkpoint{}, {} of writing, the last covers step {}",
                          grouped(run.checkpoints), run.checkpoints == 1 ? "" : "s",
                          rounded_text(run.writing), grouped(run.covered));
    }
    stretch_.reset();
    take_line_(text);
  }
  for (const auto& held : std::exchange(held_, {})) take_line_(held);
  speed_changed_ = false;
}

void Narrator::extend(SimTime from, SimTime to, int nodes) {
  end_wait(from);
  if (stretch_ && stretch_->nodes != nodes) end_stretch();
  if (!stretch_) {
    stretch_ = Stretch();
    stretch_->from = from;
    stretch_->nodes = nodes;
  }
  stretch_->to = to;
}

/// Where slow nodes change the length of steps, a new stretch begins.
void Narrator::extend_by_steps(SimTime from, SimTime to, int nodes, Duration step_time) {
  const bool other =
      stretch_ && stretch_->step_time.count() != 0 && stretch_->step_time != step_time;
  if (other && speed_changed_) end_stretch();
  extend(from, to, nodes);
  stretch_->step_time = step_time;
}

void Narrator::end_wait(SimTime time) {
  if (!waiting_since_) return;
  const SimTime since = *std::exchange(waiting_since_, std::nullopt);
  line(time, fmt::format("enough nodes, after waiting {}", rounded_text(time - since)));
}

void Narrator::tell(const RunStarted& fact) {
  recovers_in_place_ = fact.recovers_in_place;
  line(SimTime(),
       fmt::format("policy {} on up to {}", one_line(fact.policy), nodes_text(fact.target_nodes)));
}

void Narrator::tell(const NodesJoined& fact) {
  hold(fact.time, "arrived: " + names_of(fact.nodes));
}

void Narrator::tell(const NodesLost& fact) {
  for (const NodeId node : fact.nodes) place_of_.erase(node);
  std::string text = "lost: " + names_of(fact.nodes);
  if (!fact.cause.empty()) text += fmt::format(" ({})", one_line(fact.cause));
  if (fact.members == 0) text += "; no member, nothing is interrupted";
  if (fact.members > 0) text += fmt::format("; {} of them took part", fact.members);
  hold(fact.time, text);
}

void Narrator::tell(const SpeedChanged& fact) {
  hold(fact.time, fact.speed < 1 ? fmt::format("slow: {}, {:.4g} of full speed",
                                               names_of(fact.nodes), fact.speed)
                                 : "at full speed again: " + names_of(fact.nodes));
  speed_changed_ = true;
}

void Narrator::tell(const WaitBegan& fact) {
  line(fact.time, fmt::format("waits for nodes: {} ready, {} needed", fact.ready, fact.needed));
  waiting_since_ = fact.time;
}

void Narrator::tell(const StepsCommitted& fact) {
  extend_by_steps(fact.from, fact.to, fact.nodes, fact.step_time);
  stretch_->steps += fact.count;
  stretch_->samples += fact.samples;
}

void Narrator::tell(const RoundsCommitted& fact) {
  extend_by_steps(fact.from, fact.to, fact.nodes, fact.step_time);
  stretch_->steps += fact.rounds * fact.steps;
  stretch_->samples += fact.samples;
  stretch_->checkpoints += fact.rounds;
  stretch_->writing += fact.rounds * fact.write_time;
  stretch_->covered = fact.first_step + fact.rounds * fact.steps;
}

void Narrator::tell(const StepDiscarded& fact) {
  line(fact.to, fmt::format("the step in flight is discarded after {} on {}",
                            rounded_text(fact.to - fact.from), nodes_text(fact.nodes)));
}

void Narrator::tell(const StageEnded& fact) {
  if (fact.stage == Stage::checkpoint_write && fact.completed) {
    extend(fact.from, fact.to, fact.nodes);
    stretch_->writing += fact.to - fact.from;
    return;
  }
  end_wait(fact.from);
  const auto bucket = kBlockedNames[static_cast<std::size_t>(fact.bucket)];
  std::string text = stage_text(fact.stage);
  if (bucket != name_of(fact.stage) && fact.stage != Stage::checkpoint_write) {
    text += fmt::format(" ({})", bucket);
  }
  text += fact.completed ? ": " : ": cut short after ";
  line(fact.from, text + rounded_text(fact.to - fact.from) + " on " + nodes_text(fact.nodes));
}

void Narrator::tell(const CheckpointUsable& fact) {
  if (!stretch_) {
    line(fact.time, fmt::format("a checkpoint of step {} is usable", grouped(fact.step)));
    return;
  }
  ++stretch_->checkpoints;
  stretch_->covered = fact.step;
}

void Narrator::tell(const DisruptionBegan& fact) {
  line(fact.time, fmt::format("disruption {} begins", fact.disruption + 1));
  if (!disrupted_since_) disrupted_since_ = fact.time;
}

void Narrator::tell(const RecoveryDecided& fact) {
  if (fact.recovery != Recovery::none) end_wait(fact.time);
  line(fact.time, fmt::format("disruption {}: the job {}", fact.disruption + 1,
                              decision_text(fact, plan_ != nullptr, recovers_in_place_)));
}

void Narrator::tell(const RolledBack& fact) {
  end_wait(fact.time);
  line(fact.time, fmt::format("back from step {} to step {}: {} samples, {} of training undone",
                              grouped(fact.from_step), grouped(fact.to_step), grouped(fact.samples),
                              rounded_text(fact.wall_time)));
}

void Narrator::tell(const ConfigurationCompleted& fact) {
  end_wait(fact.time);
  std::string text =
      fmt::format("{} complete on {}", cause_text(fact.cause), nodes_text(fact.nodes));
  const TransferSummary& moved = fact.transfer;
  if (moved.total_bytes > 0) {
    text += ": " + states_text(moved.experts_moved);
    if (moved.dense_copies > 0) {
      text += fmt::format(" and {} dense state{}", grouped(moved.dense_copies),
                          moved.dense_copies == 1 ? "" : "s");
    }
    text += fmt::format(" fetched, {} in all, {} through the busiest port",
                        rounded_bytes(moved.total_bytes), rounded_bytes(moved.busiest_port_bytes));
  }
  line(fact.time, text);
  tell_fetches(fact);
  plan_ = fact.plan;
  place_of_.clear();
  for (std::size_t place = 0; place < fact.machine_of_place.size(); ++place) {
    place_of_[fact.machine_of_place[place]] = static_cast<int>(place);
  }
  const bool recovered = fact.cause == PlanCause::in_place || fact.cause == PlanCause::regroup ||
                         fact.cause == PlanCause::restart;
  if (!recovered || !disrupted_since_) return;
  const SimTime since = *std::exchange(disrupted_since_, std::nullopt);
  line(fact.time,
       fmt::format("training goes on, {} after the loss", rounded_text(fact.time - since)));
}

/// Who fetched how much, from what each machine held before. Not told where the plans alone do not
/// explain what was moved (a restart reads checkpoints instead).
void Narrator::tell_fetches(const ConfigurationCompleted& fact) {
  if (fact.plan == nullptr || plan_ == nullptr || fact.transfer.experts_moved == 0) return;
  if (fact.machine_of_place.size() != static_cast<std::size_t>(fact.plan->nodes)) return;
  std::vector<Fetch> fetches;
  std::int64_t all = 0;
  for (int place = 0; place < fact.plan->nodes; ++place) {
    const NodeId node = fact.machine_of_place[static_cast<std::size_t>(place)];
    const auto before = place_of_.find(node);
    const bool held = before != place_of_.end();
    const auto had = held ? experts_of(*plan_, before->second) : std::set<std::pair<int, int>>{};
    const std::int64_t experts = missing(experts_of(*fact.plan, place), had);
    if (experts > 0 || !held) fetches.push_back({node, experts, !held});
    all += experts;
  }
  if (all != fact.transfer.experts_moved) return;
  std::sort(fetches.begin(), fetches.end(), [](const Fetch& a, const Fetch& b) {
    if (a.experts != b.experts) return a.experts > b.experts;
    return a.node < b.node;
  });
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < std::min(fetches.size(), kNamesShown); ++i) {
    const Fetch& fetch = fetches[i];
    texts.push_back(fmt::format("{}: {}{}", name_of_node(fetch.node), states_text(fetch.experts),
                                fetch.dense ? " and the dense state" : ""));
  }
  if (fetches.size() > kNamesShown) {
    const std::size_t others = fetches.size() - kNamesShown;
    texts.push_back(fmt::format("{} other{}", others, others == 1 ? "" : "s"));
  }
  std::string text = "fetched by ";
  for (std::size_t i = 0; i < texts.size(); ++i) text += (i == 0 ? "" : "; ") + texts[i];
  line(fact.time, text);
}

void Narrator::tell(const RunEnded& fact) {
  if (waiting_since_) {
    line(fact.horizon, fmt::format("still waiting for nodes, after {}",
                                   rounded_text(fact.horizon - *waiting_since_)));
    waiting_since_.reset();
  }
  line(fact.horizon, fmt::format("end: {} steps and {} samples count",
                                 grouped(fact.steps_committed), grouped(fact.samples)));
}

std::string Narrator::name_of_node(NodeId node) const {
  if (node.value >= 0 && node.index() < node_names_.size()) {
    return one_line(node_names_[node.index()]);
  }
  return fmt::format("node {}", node.value);
}

std::string Narrator::names_of(const std::vector<NodeId>& nodes) const {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < std::min(nodes.size(), kNamesShown); ++i) {
    names.push_back(name_of_node(nodes[i]));
  }
  if (nodes.size() > kNamesShown) {
    names.push_back(fmt::format("{} more", nodes.size() - kNamesShown));
  }
  return list_in_words(names);
}

}  // namespace bethany
