#include "analysis/recovery_fold.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "sim/base/check.h"

namespace bethany {
namespace {

/// Probabilities are weighted as whole multiples of 2^-60, so that sums are exact and a certainty
/// stays 1. A time below 2^63 ns keeps them below 2^127.
constexpr double kUnitsOfOne = 1152921504606846976.0;  // 2^60

/// What one plan's prediction may spend, in counted steps of about a nanosecond: a replay may have
/// thousands of plans.
constexpr std::int64_t kWork = std::int64_t{1} << 22;

constexpr char kGiven[] = "given uniform victims";
constexpr char kNoPlan[] = "the cost model asked for no plan, so none is known";

std::string too_large(int nodes) {
  return fmt::format("a plan of {} nodes with overlapping host sets is beyond the exact methods",
                     nodes);
}

}  // namespace

std::optional<double> RecoverySummary::observed() const {
  if (decided() == 0) return std::nullopt;
  return static_cast<double>(in_place + regroup) / static_cast<double>(decided());
}

std::optional<Interval> RecoverySummary::observed_interval() const {
  if (decided() == 0) return std::nullopt;
  return clopper_pearson(in_place + regroup, decided());
}

PlanRecovery::PlanRecovery(int nodes, std::vector<HostSet> host_sets)
    : nodes_(nodes), host_sets_(std::move(host_sets)) {
  BETHANY_CHECK(!host_sets_.empty() && !host_sets_.front().empty(),
                "a plan of {} nodes with an expert without a host", nodes);
}

std::optional<double> PlanRecovery::probability(int lost) {
  BETHANY_CHECK(lost >= 0, "{} nodes lost", lost);
  if (lost > nodes_) return 0;
  if (too_large_) return std::nullopt;
  if (static_cast<std::size_t>(lost) >= curve_.size()) {
    const auto curve = recovery_curve(nodes_, host_sets_, std::max(lost, kLossesShown),
                                      {.method = ExactMethod::automatic, .work = kWork});
    if (!curve) {
      too_large_ = true;
      return std::nullopt;
    }
    curve_ = curve->probability;
  }
  return curve_[static_cast<std::size_t>(lost)];
}

std::shared_ptr<PlanRecovery> RecoveryCache::find(
    const std::shared_ptr<const PlacementPlan>& plan) {
  BETHANY_CHECK(plan != nullptr, "the survival of no plan");
  const auto known = std::find_if(recent_.begin(), recent_.end(),
                                  [&](const auto& entry) { return entry.first == plan; });
  if (known != recent_.end()) return known->second;
  recent_.emplace_front(plan, find_by_content(*plan));
  if (recent_.size() > kRecentPlans) recent_.pop_back();
  return recent_.front().second;
}

std::shared_ptr<PlanRecovery> RecoveryCache::find_by_content(const PlacementPlan& plan) {
  auto host_sets = minimal_host_sets(plan);
  const auto same = std::find_if(newest_first_.begin(), newest_first_.end(), [&](const auto& kept) {
    return kept->nodes() == plan.nodes && kept->host_sets() == host_sets;
  });
  if (same != newest_first_.end()) return *same;
  newest_first_.push_front(std::make_shared<PlanRecovery>(plan.nodes, std::move(host_sets)));
  if (newest_first_.size() > kCachedPlans) newest_first_.pop_back();
  ++misses_;
  return newest_first_.front();
}

void RecoveryFold::decided(Recovery recovery, int lost) {
  switch (recovery) {
    case Recovery::in_place:
      ++counts_.in_place;
      break;
    case Recovery::regroup:
      ++counts_.regroup;
      break;
    case Recovery::restart:
      ++counts_.restart;
      break;
    case Recovery::none:
      return;
  }
  if (!recovers_in_place_ || !unknown_predicted_.empty()) return;
  if (plan_ == nullptr) {
    unknown_predicted_ = kNoPlan;
  } else if (const auto probability = plan_->probability(lost)) {
    predicted_sum_ += *probability;
  } else {
    unknown_predicted_ = too_large(plan_->nodes());
  }
}

void RecoveryFold::configured(const std::shared_ptr<const PlacementPlan>& plan) {
  if (!recovers_in_place_) return;
  close_plan();
  plan_ = plan == nullptr ? nullptr : cache_->find(plan);
  if (plan_ == nullptr) {
    guaranteed_min_.reset();
  } else if (!configured_) {
    guaranteed_min_ = plan_->guaranteed_losses();
  } else if (guaranteed_min_) {
    guaranteed_min_ = std::min(*guaranteed_min_, plan_->guaranteed_losses());
  }
  configured_ = true;
}

/// Adds the plan in force to the weighted curve.
void RecoveryFold::close_plan() {
  if (trained_ns_ == 0 || !unknown_by_losses_.empty()) return;
  if (plan_ == nullptr) {
    unknown_by_losses_ = kNoPlan;
    return;
  }
  for (int k = 1; k <= kLossesShown; ++k) {
    const auto probability = plan_->probability(k);
    if (!probability) {
      unknown_by_losses_ = too_large(plan_->nodes());
      return;
    }
    weighted_[static_cast<std::size_t>(k - 1)] +=
        trained_ns_ * static_cast<Int128>(*probability * kUnitsOfOne);
  }
  weighted_ns_ += trained_ns_;
  trained_ns_ = 0;
}

RecoverySummary RecoveryFold::summary() const {
  RecoverySummary result = counts_;
  result.none = result.disruptions - result.decided();
  result.note = kGiven;
  if (!recovers_in_place_) {
    if (result.decided() > 0) result.predicted = 0;
    result.by_losses.emplace();  // zeros
    result.guaranteed_losses_min = 0;
    result.note += "; 0 by construction: the policy can only restart";
    return result;
  }
  RecoveryFold closed = *this;
  closed.close_plan();
  const std::string& why =
      unknown_predicted_.empty() ? closed.unknown_by_losses_ : unknown_predicted_;
  if (!why.empty()) result.note += "; " + why;
  if (result.decided() > 0 && unknown_predicted_.empty()) {
    result.predicted = predicted_sum_ / static_cast<double>(result.decided());
  }
  if (closed.weighted_ns_ > 0 && closed.unknown_by_losses_.empty()) {
    result.by_losses.emplace();
    const double total = static_cast<double>(closed.weighted_ns_) * kUnitsOfOne;
    for (std::size_t i = 0; i < closed.weighted_.size(); ++i) {
      (*result.by_losses)[i] = static_cast<double>(closed.weighted_[i]) / total;
    }
  }
  result.guaranteed_losses_min = guaranteed_min_;
  return result;
}

}  // namespace bethany
