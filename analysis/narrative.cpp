#include "analysis/narrative.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "analysis/number_text.h"
#include "analysis/table.h"
#include "sim/base/quantities.h"
#include "sim/base/text.h"

namespace bethany {
namespace {

constexpr std::size_t kNamesShown = 8;    // of the nodes of one line
constexpr std::size_t kLinesHeld = 1000;  // of one stretch, before it is told in parts
constexpr std::size_t kFetchesShown = 3;  // of the nodes that fetch, and of those that send
constexpr std::size_t kExpertsShown = 4;  // of those that are gone
constexpr std::size_t kWidth = 88;        // of a line, the time aside

std::string counted(std::int64_t count, std::string_view what) {
  return fmt::format("{} {}{}", grouped(count), what, count == 1 ? "" : "s");
}

std::string nodes_text(int nodes) { return counted(nodes, "node"); }
std::string states_text(std::int64_t states) { return counted(states, "expert state"); }

std::string expert_text(const ExpertState& state) {
  return fmt::format("expert {} of layer {}", state.expert, state.layer);
}

std::string node_time_text(Int128 node_ns) {
  const double hours = to_seconds(node_ns) / 3600;
  return hours < 1 ? rounded(hours * 60) + " node-minutes" : rounded(hours) + " node-hours";
}

std::string speed_text(double tokens_per_s) { return rounded(tokens_per_s) + " tokens/s"; }

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

/// What was decided and why. What is left of the state is known only of a plan; `gone` is how many
/// experts nobody holds any more, 0 when that is not known.
std::string decision_text(const RecoveryDecided& fact, bool planned, bool recovers_in_place,
                          std::int64_t gone) {
  if (fact.recovery == Recovery::none) return "has not decided by the end";
  const bool restarts = fact.recovery == Recovery::restart;
  std::string text = fact.recovery == Recovery::in_place  ? "goes on in place"
                     : fact.recovery == Recovery::regroup ? "regroups"
                                                          : "restarts";
  text += fmt::format(" on {}: {} of the last configuration lost", nodes_text(fact.nodes),
                      nodes_text(fact.lost));
  if (planned && fact.state_complete) text += ", every expert keeps a live replica";
  if (planned && !fact.state_complete) {
    text += gone > 0 ? fmt::format(", {} {} no live replica left", counted(gone, "expert"),
                                   gone == 1 ? "has" : "have")
                     : std::string(", some expert has no live replica left");
  }
  if (!recovers_in_place) text += ", and the policy can only restart";
  if (restarts && recovers_in_place && fact.state_complete) {
    text += ", but those that are left cannot go on without a restart";
  }
  return text;
}

}  // namespace

std::string clock_text(SimTime time) {
  const std::int64_t tenths = (time.time_since_epoch().count() + 50'000'000) / 100'000'000;
  const std::int64_t seconds = tenths / 10;
  return fmt::format("{:02}:{:02}:{:02}.{}", seconds / 3600, seconds / 60 % 60, seconds % 60,
                     tenths % 10);
}

Narrator::Narrator(NarratorOptions options, TakeLine take_line)
    : options_(std::move(options)), take_line_(std::move(take_line)) {}

void Narrator::take(const RunEvent& event) {
  std::visit([this](const auto& fact) { tell(fact); }, event);
}

// ---------------------------------------------------------------------------------------------
// Lines.

void Narrator::print(const Held& held) {
  auto start = clock_text(held.time) + "  ";
  indent_ = start.size();
  for (const auto& text : held.texts) {
    for (const auto& part : wrapped(text, kWidth)) {
      take_line_(start + part);
      start.assign(indent_ + 2, ' ');
    }
  }
}

void Narrator::line(SimTime time, const std::string& text) {
  end_stretch(time);
  print({time, {text}});
}

/// Belongs to the line before.
void Narrator::more(const std::string& text) {
  for (const auto& part : wrapped(text, kWidth - 2)) {
    take_line_(std::string(indent_ + 2, ' ') + part);
  }
}

void Narrator::hold(SimTime time, std::vector<std::string> texts) {
  held_.push_back({time, std::move(texts)});
  if (held_.size() > kLinesHeld) end_stretch(time);
}

/// Tells the stretch, and what happened up to `before`.
void Narrator::end_stretch(SimTime before) {
  if (stretch_) {
    const Stretch run = *std::exchange(stretch_, std::nullopt);
    std::string text = fmt::format("{}, {} in {} on {}", counted(run.steps, "step"),
                                   counted(run.samples, "sample"), rounded_text(run.to - run.from),
                                   nodes_text(run.nodes));
    if (tokens_per_sample_ > 0 && run.steps > 0) {
      text += ": " + speed_text(static_cast<double>(run.samples * tokens_per_sample_) /
                                to_seconds(run.stepping));
    }
    if (run.checkpoints > 0) {
      text += fmt::format("; {}, {} of writing, the last covers step {}",
                          counted(run.checkpoints, "checkpoint"), rounded_text(run.writing),
                          grouped(run.covered));
    }
    print({run.from, {text}});
  }
  std::size_t told = 0;
  while (told < held_.size() && held_[told].time <= before) print(held_[told++]);
  held_.erase(held_.begin(), held_.begin() + static_cast<std::ptrdiff_t>(told));
  speed_changed_ = false;
}

void Narrator::extend(SimTime from, SimTime to, int nodes) {
  end_wait(from);
  if (stretch_ && stretch_->nodes != nodes) end_stretch(from);
  if (!stretch_) {
    stretch_ = Stretch();
    stretch_->from = from;
    stretch_->nodes = nodes;
  }
  stretch_->to = to;
}

/// Where slow nodes change the length of steps, a new stretch begins.
void Narrator::extend_by_steps(SimTime from, SimTime to, int nodes, Duration step_time,
                               double tokens_per_step) {
  const Speed now{tokens_per_step / to_seconds(step_time), nodes};
  if (interruption_) tell_end_of_interruption(from, now);
  const bool other =
      stretch_ && stretch_->step_time.count() != 0 && stretch_->step_time != step_time;
  if (other && speed_changed_) end_stretch(from);
  extend(from, to, nodes);
  stretch_->step_time = step_time;
  speed_ = now;
}

void Narrator::end_wait(SimTime time) {
  if (!waiting_since_) return;
  const SimTime since = *std::exchange(waiting_since_, std::nullopt);
  line(time, fmt::format("enough nodes, after waiting {}", rounded_text(time - since)));
}

/// Steps commit again. What the speed before would have trained is counted from its last step.
void Narrator::tell_end_of_interruption(SimTime time, const Speed& now) {
  const Interruption over = *std::exchange(interruption_, std::nullopt);
  end_wait(time);
  line(time, fmt::format("training goes on, {} after the loss", rounded_text(time - over.since)));
  more(node_time_text(over.blocked_node_ns) + " were blocked");
  if (over.steps_undone > 0) {
    more(fmt::format("{} must be trained again", counted(over.steps_undone, "step")));
  }
  if (tokens_per_sample_ == 0 || !over.before) return;
  const double tokens = over.before->tokens_per_s * to_seconds(time - over.worked_until) +
                        static_cast<double>(over.samples_undone * tokens_per_sample_);
  more(fmt::format("{} tokens behind where the speed before would be",
                   grouped(static_cast<std::int64_t>(tokens))));
  more(fmt::format("before: {} on {}; now: {} on {}", speed_text(over.before->tokens_per_s),
                   nodes_text(over.before->nodes), speed_text(now.tokens_per_s),
                   nodes_text(now.nodes)));
}

// ---------------------------------------------------------------------------------------------
// Facts.

void Narrator::tell(const RunStarted& fact) {
  recovers_in_place_ = fact.recovers_in_place;
  tokens_per_sample_ = fact.tokens_per_sample;
  line(SimTime(),
       fmt::format("policy {} on up to {}", one_line(fact.policy), nodes_text(fact.target_nodes)));
}

void Narrator::tell(const NodesJoined& fact) {
  hold(fact.time, {"arrived: " + names_of(fact.nodes)});
}

void Narrator::tell(const NodesLost& fact) {
  for (const NodeId node : fact.nodes) place_of_.erase(node);
  std::string text = "lost: " + names_of(fact.nodes);
  if (!fact.cause.empty()) text += fmt::format(" ({})", one_line(fact.cause));
  if (fact.members == 0) text += "; no member, nothing is interrupted";
  if (fact.members > 0) text += fmt::format("; {} of them took part", fact.members);
  std::vector<std::string> texts = {text};
  for (auto& more_text : copies_texts(copies_.lose(fact.nodes))) texts.push_back(more_text);
  hold(fact.time, std::move(texts));
}

/// What a loss took from the experts.
std::vector<std::string> Narrator::copies_texts(const CopiesLost& lost) {
  if (lost.copies == 0) return {};
  experts_gone_ += static_cast<std::int64_t>(lost.gone.size());
  std::vector<std::string> texts = {
      fmt::format("gone with them: {} of {} in {}",
                  lost.copies == 1 ? "1 copy" : grouped(lost.copies) + " copies",
                  counted(lost.experts, "expert"), counted(lost.layers, "layer"))};
  if (lost.gone.empty()) {
    texts.back() += fmt::format("; the fewest copies left: {} ({})", copies_.least(),
                                expert_text(copies_.rarest()));
    return texts;
  }
  std::vector<std::string> names;
  for (std::size_t i = 0; i < std::min(lost.gone.size(), kExpertsShown); ++i) {
    names.push_back(expert_text(lost.gone[i]));
  }
  const auto others = lost.gone.size() - names.size();
  if (others > 0) names.push_back(fmt::format("{} more", others));
  texts.push_back(fmt::format("no copy is left of {}: {}",
                              counted(static_cast<std::int64_t>(lost.gone.size()), "expert"),
                              list_in_words(names)));
  return texts;
}

void Narrator::tell(const SpeedChanged& fact) {
  hold(fact.time, {fact.speed < 1 ? fmt::format("slow: {}, {:.4g} of full speed",
                                                names_of(fact.nodes), fact.speed)
                                  : "at full speed again: " + names_of(fact.nodes)});
  speed_changed_ = true;
}

void Narrator::tell(const WaitBegan& fact) {
  line(fact.time, fmt::format("waits for nodes: {} ready, {} needed", fact.ready, fact.needed));
  waiting_since_ = fact.time;
}

void Narrator::tell(const StepsCommitted& fact) {
  extend_by_steps(fact.from, fact.to, fact.nodes, fact.step_time,
                  static_cast<double>(fact.samples / fact.count * tokens_per_sample_));
  stretch_->steps += fact.count;
  stretch_->samples += fact.samples;
  stretch_->stepping += fact.count * fact.step_time;
  worked_until_ = fact.to;
}

void Narrator::tell(const RoundsCommitted& fact) {
  const std::int64_t steps = fact.rounds * fact.steps;
  extend_by_steps(fact.from, fact.to, fact.nodes, fact.step_time,
                  static_cast<double>(fact.samples / steps * tokens_per_sample_));
  stretch_->steps += steps;
  stretch_->samples += fact.samples;
  stretch_->stepping += steps * fact.step_time;
  stretch_->checkpoints += fact.rounds;
  stretch_->writing += fact.rounds * fact.write_time;
  stretch_->covered = fact.first_step + steps;
  worked_until_ = fact.to - fact.write_time;
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
  tell_pending_rollback();
  if (interruption_)
    interruption_->blocked_node_ns += Int128(fact.nodes) * (fact.to - fact.from).count();
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
  const auto number = fmt::format("disruption {} begins", fact.disruption + 1);
  line(fact.time, interruption_ ? number + ", before a step committed after the last" : number);
  if (interruption_) return;
  interruption_ = Interruption{
      .since = fact.time, .worked_until = std::min(worked_until_, fact.time), .before = speed_};
}

void Narrator::tell(const RecoveryDecided& fact) {
  if (fact.recovery != Recovery::none) end_wait(fact.time);
  const auto undone = std::exchange(rolled_back_, std::nullopt);
  line(fact.time,
       fmt::format("disruption {}: the job {}", fact.disruption + 1,
                   decision_text(fact, plan_ != nullptr, recovers_in_place_, experts_gone_)));
  if (undone) tell_rollback(*undone);
}

/// A rollback that no decision followed.
void Narrator::tell_pending_rollback() {
  if (rolled_back_) tell_rollback(*std::exchange(rolled_back_, std::nullopt));
}

void Narrator::tell(const RolledBack& fact) {
  end_wait(fact.time);
  if (interruption_) {
    interruption_->steps_undone += fact.from_step - fact.to_step;
    interruption_->samples_undone += fact.samples;
  }
  rolled_back_ = fact;
}

void Narrator::tell_rollback(const RolledBack& fact) {
  line(fact.time, fmt::format("back from step {} to step {}: {}, {} of training undone",
                              grouped(fact.from_step), grouped(fact.to_step),
                              counted(fact.samples, "sample"), rounded_text(fact.wall_time)));
}

void Narrator::tell(const ConfigurationCompleted& fact) {
  end_wait(fact.time);
  tell_pending_rollback();
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
  copies_.configure(fact.plan, fact.machine_of_place);
  experts_gone_ = 0;
  place_of_.clear();
  for (std::size_t place = 0; place < fact.machine_of_place.size(); ++place) {
    place_of_[fact.machine_of_place[place]] = static_cast<int>(place);
  }
}

/// Who fetched how much from whom. Not told where the plans alone do not explain what was moved (a
/// restart reads checkpoints instead).
void Narrator::tell_fetches(const ConfigurationCompleted& fact) {
  if (plan_ == nullptr) return;
  const auto fetches = fetches_of(*plan_, place_of_, fact, options_.fetch_rules);
  const auto shown = std::min(fetches.size(), kFetchesShown);
  for (std::size_t i = 0; i < shown; ++i) more(fetch_text(fetches[i]));
  if (shown == fetches.size()) return;
  std::int64_t experts = 0;
  for (std::size_t i = shown; i < fetches.size(); ++i) experts += fetches[i].experts;
  more(fmt::format("{} fetched {}",
                   counted(static_cast<std::int64_t>(fetches.size() - shown), "other"),
                   states_text(experts)));
}

std::string Narrator::fetch_text(const ToldFetch& fetch) const {
  auto text = name_of_node(fetch.node) + " fetched ";
  if (fetch.experts > 0) text += states_text(fetch.experts);
  if (fetch.dense) text += fetch.experts > 0 ? " and the dense state" : "the dense state";
  if (fetch.from.empty()) return text;
  text += fmt::format(", {}:", rounded_bytes(fetch.bytes()));
  std::int64_t others = fetch.bytes();
  const auto shown = std::min(fetch.from.size(), kFetchesShown);
  for (std::size_t i = 0; i < shown; ++i) {
    const auto& [node, bytes] = fetch.from[i];
    text +=
        fmt::format("{} {} from {}", i == 0 ? "" : ",", rounded_bytes(bytes), name_of_node(node));
    others -= bytes;
  }
  if (shown < fetch.from.size()) {
    text += fmt::format(", {} from {}", rounded_bytes(others),
                        counted(static_cast<std::int64_t>(fetch.from.size() - shown), "other"));
  }
  return text;
}

void Narrator::tell(const RunEnded& fact) {
  tell_pending_rollback();
  if (waiting_since_) {
    line(fact.horizon, fmt::format("still waiting for nodes, after {}",
                                   rounded_text(fact.horizon - *waiting_since_)));
    waiting_since_.reset();
  }
  if (interruption_) {
    line(fact.horizon, fmt::format("not recovered by the end, {} after the loss",
                                   rounded_text(fact.horizon - interruption_->since)));
  }
  line(fact.horizon, fmt::format("end: {} steps and {} samples count",
                                 grouped(fact.steps_committed), grouped(fact.samples)));
}

std::string Narrator::name_of_node(NodeId node) const {
  if (node.value >= 0 && node.index() < options_.node_names.size()) {
    return one_line(options_.node_names[node.index()]);
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
