#include "analysis/report/disruptions.h"

#include <algorithm>
#include <utility>

namespace bethany {

std::int64_t Disruptions::recoveries() const {
  std::int64_t all = 0;
  for (const auto& recovered : by_outcome) all += recovered.time_ns.count();
  return all;
}

CountedValues Disruptions::time_ns() const {
  CountedValues all;
  for (const auto& recovered : by_outcome) {
    for (const auto& [value, times] : recovered.time_ns.counts()) all.add(value, times);
  }
  return all;
}

void DisruptionFold::take(const RunEvent& event) {
  std::visit([this](const auto& fact) { take_fact(fact); }, event);
}

/// Training goes on.
void DisruptionFold::step_begins(SimTime time) {
  set_in_flight_aside();
  end_disruption();
  if (!lost_at_) return;
  auto& recovered = result_.by_outcome[static_cast<std::size_t>(outcome_)];
  const Duration total = std::max(Duration(0), time - *lost_at_);
  Duration waiting = total;
  for (std::size_t stage = 0; stage < kStageCount; ++stage) {
    recovered.stages[stage] += stages_[stage];
    waiting -= stages_[stage];
  }
  recovered.time_ns.add(total.count());
  recovered.waiting += waiting;
  lost_at_.reset();
}

void DisruptionFold::end_disruption() {
  if (!lost_) return;
  result_.lost_node_ns.add(lost_->node_ns);
  result_.lost_samples.add(lost_->samples);
  lost_.reset();
}

/// No disruption followed the step that was discarded.
void DisruptionFold::set_in_flight_aside() {
  if (!in_flight_) return;
  result_.other_node_ns += Int128{in_flight_->nodes} * (in_flight_->to - in_flight_->from).count();
  in_flight_.reset();
}

void DisruptionFold::take_fact(const StepsCommitted& fact) {
  step_begins(fact.from);
  result_.step_time_ns.add(fact.step_time.count(), fact.count);
}

void DisruptionFold::take_fact(const RoundsCommitted& fact) {
  step_begins(fact.from);
  result_.step_time_ns.add(fact.step_time.count(), fact.rounds * fact.steps);
}

void DisruptionFold::take_fact(const StepDiscarded& fact) {
  step_begins(fact.from);
  in_flight_ = fact;
}

void DisruptionFold::take_fact(const StageEnded& fact) {
  if (!lost_at_) return;
  const Duration time = fact.to - std::max(fact.from, *lost_at_);
  stages_[static_cast<std::size_t>(fact.stage)] += std::max(Duration(0), time);
}

void DisruptionFold::take_fact(const DisruptionBegan& fact) {
  end_disruption();
  lost_.emplace();
  if (in_flight_ && in_flight_->to == fact.time) {
    lost_->node_ns = Int128{in_flight_->nodes} * (in_flight_->to - in_flight_->from).count();
    in_flight_.reset();
  }
  set_in_flight_aside();
  if (lost_at_) return;
  lost_at_ = fact.time;
  outcome_ = Recovery::none;
  stages_ = {};
}

void DisruptionFold::take_fact(const RolledBack& fact) {
  if (lost_) {
    lost_->node_ns += fact.node_ns;
    lost_->samples += fact.samples;
  } else {
    result_.other_node_ns += fact.node_ns;
    result_.other_samples += fact.samples;
  }
}

void DisruptionFold::take_fact(const RunEnded&) {
  set_in_flight_aside();
  end_disruption();
  if (lost_at_) ++result_.unfinished;
}

void PlanChangeFold::take(const RunEvent& event) {
  if (const auto* loss = std::get_if<NodesLost>(&event)) {
    lost_.insert(loss->nodes.begin(), loss->nodes.end());
  }
  const auto* fact = std::get_if<ConfigurationCompleted>(&event);
  if (fact == nullptr) return;
  const bool most = !change_ || fact->transfer.total_bytes > change_->transfer.total_bytes;
  if (fact->cause == PlanCause::in_place && fact->plan != nullptr && plan_ != nullptr && most) {
    change_ = PlanChange{fact->time, plan_,         fact->plan, machines_, fact->machine_of_place,
                         lost_,      fact->transfer};
  }
  plan_ = fact->plan;
  machines_ = fact->machine_of_place;
  lost_.clear();
}

}  // namespace bethany
