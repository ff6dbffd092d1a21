#include "sim/study/planning/evaluator.h"

#include <algorithm>

#include "analysis/metric.h"
#include "sim/base/error.h"
#include "sim/study/parallel.h"
#include "sim/study/replicate.h"

namespace bethany {
namespace {

/// Notes what a summary does not keep.
class Facts final : public RunSink {
 public:
  void take(const RunEvent& event) override {
    if (const auto* stage = std::get_if<StageEnded>(&event)) {
      const bool write = stage->stage == Stage::checkpoint_write && stage->completed;
      if (write) write_ = stage->to - stage->from;
    } else if (const auto* rounds = std::get_if<RoundsCommitted>(&event)) {
      write_ = rounds->write_time;
      began_ = true;
    } else if (std::holds_alternative<StepsCommitted>(event)) {
      began_ = true;
    } else if (std::holds_alternative<WaitBegan>(event)) {
      stalled_ = stalled_ || began_;
    }
  }
  Duration write() const { return write_; }
  bool stalled() const { return stalled_; }

 private:
  Duration write_{0};
  bool began_ = false;
  bool stalled_ = false;
};

/// One replication of one variant.
struct Task {
  RunResult result;
  Facts facts;
  std::string refused;
};

void run_task(const JsonNode& tree, const Variant& variant, std::int64_t replication,
              InputCache* cache, Task& task) {
  try {
    JsonNode own = tree;
    for (const auto& setting : variant.sets) apply_set(own, setting);
    if (replication > 0) {
      const auto* given = own.find("replication");
      const std::int64_t base = given == nullptr ? 0 : given->integer;
      apply_set(own, "replication=" + std::to_string(base + replication));
    }
    const auto setup = make_setup(own, cache);
    const auto policies = choose_policies(setup, {variant.policy});
    const auto sinks = [&](std::size_t) { return std::vector<RunSink*>{&task.facts}; };
    task.result.summary = compare(setup, policies, 1, sinks).front();
    task.result.context = context_of(setup);
  } catch (const InputError& error) {
    task.refused = error.what();
  }
}

}  // namespace

std::vector<double> Evaluated::goodputs() const {
  std::vector<double> values;
  for (const auto& run : runs) {
    values.push_back(metric_value("goodput_tokens_per_s", run.summary).value_or(0));
  }
  return values;
}

std::int64_t Evaluated::restarts() const {
  std::int64_t sum = 0;
  for (const auto& run : runs) sum += run.summary.recovery.restart;
  return sum;
}

Duration Evaluated::horizon() const {
  Duration sum{0};
  for (const auto& run : runs) sum += run.summary.horizon;
  return sum;
}

Evaluator::Evaluator(JsonNode tree, int replications, int threads)
    : tree_(std::move(tree)), replications_(replications), threads_(threads) {}

void Evaluator::run(const std::vector<Evaluated*>& wanted) {
  const auto each = static_cast<std::size_t>(replications_);
  std::vector<Task> tasks(wanted.size() * each);
  parallel_for(tasks.size(), threads_, [&](std::size_t i) {
    run_task(tree_, wanted[i / each]->variant, static_cast<std::int64_t>(i % each), &cache_,
             tasks[i]);
  });
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    auto& into = *wanted[i / each];
    auto& task = tasks[i];
    const bool runs = task.refused.empty() && task.result.summary.feasible;
    if (!runs && into.feasible) {
      into.feasible = false;
      into.refused = !task.refused.empty();
      into.reason = task.refused.empty() ? task.result.summary.reason : task.refused;
    }
    if (i % each == 0) into.write = task.facts.write();
    into.stalled += task.facts.stalled();
    into.runs.push_back(std::move(task.result));
  }
}

std::vector<const Evaluated*> Evaluator::evaluate(std::span<const Variant> variants) {
  std::vector<Evaluated*> wanted;
  for (const auto& variant : variants) {
    const auto [place, made] = known_.try_emplace(variant);
    if (!made) continue;
    place->second.variant = variant;
    wanted.push_back(&place->second);
  }
  run(wanted);
  std::vector<const Evaluated*> result;
  for (const auto& variant : variants) result.push_back(&known_.at(variant));
  return result;
}

const Evaluated& Evaluator::evaluate(const Variant& variant) {
  return *evaluate(std::span(&variant, 1)).front();
}

std::int64_t Evaluator::replays() const {
  return static_cast<std::int64_t>(known_.size()) * replications_;
}

std::optional<PairedRatio> paired_ratio(const Evaluated& a, const Evaluated& b) {
  if (!a.feasible || !b.feasible) return {};
  const auto own = a.goodputs();
  const auto base = b.goodputs();
  const auto value = ratio(mean(own), mean(base));
  if (!value) return {};
  PairedRatio result{*value, {}};
  if (own.size() > 1) result.interval = ratio_interval(own, base);
  return result;
}

}  // namespace bethany
