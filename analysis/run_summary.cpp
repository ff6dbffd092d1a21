#include "analysis/run_summary.h"

#include <utility>

#include "sim/base/check.h"

namespace bethany {
namespace {

/// What a number in the digest belongs to.
enum Tag : std::int64_t { kDecision = 1, kConfiguration = 2, kTotals = 3 };

void add(Digest& digest, Int128 value) {
  const auto bits = static_cast<unsigned __int128>(value);
  digest.add(static_cast<std::int64_t>(static_cast<std::uint64_t>(bits)));
  digest.add(static_cast<std::int64_t>(static_cast<std::uint64_t>(bits >> 64)));
}

void add(Digest& digest, SimTime time) { digest.add(time.time_since_epoch().count()); }

}  // namespace

RunSummary infeasible_run(std::string policy, std::string reason) {
  RunSummary summary;
  summary.policy = std::move(policy);
  summary.feasible = false;
  summary.reason = std::move(reason);
  return summary;
}

SummaryFold::SummaryFold(SummaryOptions options)
    : cache_(options.recovery_cache ? std::move(options.recovery_cache)
                                    : std::make_shared<RecoveryCache>()),
      recovery_(cache_.get()) {
  summary_.usd_per_node_hour = options.usd_per_node_hour;
}

void SummaryFold::take(const RunEvent& event) {
  BETHANY_CHECK(!ended_, "a fact after the end of the run of '{}'", summary_.policy);
  std::visit([this](const auto& fact) { take_fact(fact); }, event);
}

const RunSummary& SummaryFold::summary() const {
  BETHANY_CHECK(ended_, "the summary of a run that has not ended");
  return summary_;
}

void SummaryFold::take_fact(const RunStarted& fact) {
  summary_.policy = fact.policy;
  summary_.tokens_per_sample = fact.tokens_per_sample;
  recovery_.started(fact.recovers_in_place);
}

void SummaryFold::committed(std::int64_t steps, std::int64_t samples, Duration step_time) {
  summary_.steps_committed += steps;
  summary_.samples += samples;
  summary_.kept_step_time += steps * step_time;
}

void SummaryFold::take_fact(const StepsCommitted& fact) {
  committed(fact.count, fact.samples, fact.step_time);
  recovery_.trained(fact.to - fact.from);
}

void SummaryFold::take_fact(const RoundsCommitted& fact) {
  committed(fact.rounds * fact.steps, fact.samples, fact.step_time);
  recovery_.trained(fact.to - fact.from);
}

void SummaryFold::take_fact(const StepDiscarded& fact) { recovery_.trained(fact.to - fact.from); }

void SummaryFold::take_fact(const StageEnded& fact) {
  if (fact.stage == Stage::checkpoint_write) recovery_.trained(fact.to - fact.from);
}

void SummaryFold::take_fact(const DisruptionBegan&) { recovery_.disruption(); }

void SummaryFold::take_fact(const RecoveryDecided& fact) {
  recovery_.decided(fact.recovery, fact.lost);
  digest_.add(kDecision);
  add(digest_, fact.time);
  digest_.add(fact.disruption);
  digest_.add(static_cast<std::int64_t>(fact.recovery));
  digest_.add(fact.lost);
}

void SummaryFold::take_fact(const RolledBack& fact) {
  const std::int64_t steps = fact.from_step - fact.to_step;  // the counter falls
  summary_.steps_committed -= steps;
  summary_.steps_discarded += steps;
  summary_.samples -= fact.samples;
  summary_.samples_discarded += fact.samples;
  summary_.kept_step_time -= fact.wall_time;
  summary_.discarded_step_time += fact.wall_time;
}

void SummaryFold::take_fact(const ConfigurationCompleted& fact) {
  recovery_.configured(fact.plan);
  add_to_digest(fact);
}

void SummaryFold::add_to_digest(const ConfigurationCompleted& fact) {
  digest_.add(kConfiguration);
  add(digest_, fact.time);
  digest_.add(static_cast<std::int64_t>(fact.cause));
  digest_.add(fact.nodes);
  digest_.add(fact.transfer.experts_moved);
  digest_.add(fact.transfer.total_bytes);
  digest_.add(static_cast<std::int64_t>(fact.machine_of_place.size()));
  for (const NodeId node : fact.machine_of_place) digest_.add(node.value);
  digest_.add(fact.plan == nullptr ? 0 : static_cast<std::int64_t>(fact.plan->layers.size()));
  if (fact.plan == nullptr) return;
  digest_.add(fact.plan->gpus_per_node);
  digest_.add(fact.plan->slots_per_node);
  for (const LayerPlan& layer : fact.plan->layers) {
    digest_.add(std::span<const std::int32_t>(layer.expert_of_slot));
  }
}

void SummaryFold::take_fact(const RunEnded& fact) {
  BETHANY_CHECK(
      fact.steps_committed == summary_.steps_committed && fact.samples == summary_.samples,
      "the run of '{}' ends with {} steps and {} samples, its facts add up to {} and {}",
      summary_.policy, fact.steps_committed, fact.samples, summary_.steps_committed,
      summary_.samples);
  BETHANY_CHECK(fact.ledger.sum() == fact.ledger.total, "the ledger of '{}' sums to {} of {}",
                summary_.policy, to_text(fact.ledger.sum()), to_text(fact.ledger.total));
  summary_.horizon = fact.horizon.time_since_epoch();
  summary_.ledger = fact.ledger;
  summary_.recovery = recovery_.summary();
  add_totals_to_digest();
  summary_.digest = digest_.hex();
  ended_ = true;
}

/// Totals only: single steps and checkpoints come in facts of any grouping.
void SummaryFold::add_totals_to_digest() {
  digest_.add(kTotals);
  digest_.add(summary_.horizon.count());
  digest_.add(summary_.samples);
  digest_.add(summary_.samples_discarded);
  digest_.add(summary_.steps_committed);
  digest_.add(summary_.steps_discarded);
  digest_.add(summary_.recovery.disruptions);
  add(digest_, summary_.ledger.total);
  add(digest_, summary_.ledger.productive);
  for (const auto part : summary_.ledger.blocked) add(digest_, part);
  add(digest_, summary_.ledger.rolled_back);
  add(digest_, summary_.ledger.step_in_flight);
  for (const auto part : summary_.ledger.unavailable) add(digest_, part);
}

}  // namespace bethany
