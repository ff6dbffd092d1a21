#include "sim/study/clairvoyant.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "sim/base/check.h"
#include "sim/study/bounds.h"
#include "sim/study/ready_nodes.h"
#include "sim/study/replay.h"

namespace bethany {
namespace {

/// The best rate seen with so many members.
struct Rate {
  double samples_per_ns = 0;
  Duration step{1};  // of the steps that reached it
};
using Rates = std::map<int, Rate>;

/// Notes the best rate at each number of members.
class RateRecorder final : public RunSink {
 public:
  explicit RateRecorder(Rates* rates) : rates_(rates) {}
  void take(const RunEvent& event) override {
    if (const auto* steps = std::get_if<StepsCommitted>(&event)) {
      note(steps->nodes, steps->samples, steps->count, steps->step_time);
    } else if (const auto* rounds = std::get_if<RoundsCommitted>(&event)) {
      note(rounds->nodes, rounds->samples, rounds->rounds * rounds->steps, rounds->step_time);
    }
  }

 private:
  void note(int nodes, std::int64_t samples, std::int64_t steps, Duration step_time) {
    if (steps == 0) return;
    const double rate = static_cast<double>(samples) /
                        (static_cast<double>(steps) * static_cast<double>(step_time.count()));
    auto& best = (*rates_)[nodes];
    if (rate > best.samples_per_ns) best = {rate, step_time};
  }
  Rates* rates_;
};

/// What a number of members costs and yields.
struct Crew {
  int nodes = 0;
  Rate rate;
  double change_ns = 0;  // until it trains, after others have
  double start_ns = 0;   // at the first start
};

/// What one stretch is used for.
struct Use {
  int crew = -1;          // into the crews; -1: nobody trains
  double blocked_ns = 0;  // before its steps
  double closing_ns = 0;  // after them: the change to the next crew
  bool starts = false;    // the block is the first start
};

constexpr std::int64_t kMostStretches = 200'000;
constexpr double kImpossible = -std::numeric_limits<double>::infinity();

/// Chooses the uses by dynamic programming over the stretches. State: the crew that is set up, one
/// of the crews or none, or not started. Cost: stretches × crews.
class Schedule {
 public:
  Schedule(std::vector<Crew> crews, bool warm) : crews_(std::move(crews)), warm_(warm) {
    least_change_ns_ = std::numeric_limits<double>::infinity();
    for (const auto& crew : crews_) least_change_ns_ = std::min(least_change_ns_, crew.change_ns);
    values_.assign(crews_.size(), kImpossible);
  }

  /// Samples at the end of the stretch, at most.
  double add(const Stretch& stretch) {
    const auto length = static_cast<double>((stretch.to - stretch.from).count());
    double idle = idle_;  // the best of those who have started, whoever is set up
    int idle_from = idle_came_from_;
    for (std::size_t i = 0; i < crews_.size(); ++i) {
      if (values_[i] > idle) {
        idle = values_[i];
        idle_from = static_cast<int>(i);
      }
    }
    std::vector<Step> steps(crews_.size());
    std::vector<double> ended(crews_.size(), kImpossible);
    Closing closing{idle, Step{idle, idle_from, {}}};
    if (not_started_ > closing.value) {
      closing = {not_started_, Step{not_started_, kNotStarted, {}}};
    }
    for (std::size_t i = 0; i < crews_.size(); ++i) {
      if (crews_[i].nodes > stretch.ready) continue;
      steps[i] = best_step(i, stretch, length, idle, idle_from);
      ended[i] = steps[i].value;
      consider_closing(i, length, steps[i], closing);
    }
    for (std::size_t i = 0; i < crews_.size(); ++i) {
      if (crews_[i].nodes <= stretch.ready && closing.value > ended[i]) {
        ended[i] = closing.value;
        steps[i] = closing.step;
      }
    }
    Layer layer;
    layer.stretch = stretch;
    layer.crews = std::move(steps);
    layer.idle = {idle, idle_from, {}};
    layers_.push_back(std::move(layer));
    values_ = std::move(ended);
    idle_ = idle;
    idle_came_from_ = kIdle;
    return best();
  }

  double best() const {
    double best = std::max(0.0, idle_);
    for (const double value : values_) best = std::max(best, value);
    return best;
  }

  const std::vector<Crew>& crews() const { return crews_; }

  /// The uses that reach best(), one a stretch.
  std::vector<std::pair<Stretch, Use>> uses() const {
    int state = idle_ > 0 ? kIdle : kNotStarted;
    double best = std::max(0.0, idle_);
    for (std::size_t i = 0; i < values_.size(); ++i) {
      if (values_[i] > best) {
        best = values_[i];
        state = static_cast<int>(i);
      }
    }
    std::vector<std::pair<Stretch, Use>> result(layers_.size());
    for (std::size_t i = layers_.size(); i-- > 0;) {
      const auto& layer = layers_[i];
      if (state == kNotStarted) {
        result[i] = {layer.stretch, Use{}};
        continue;
      }
      const auto& step = state == kIdle ? layer.idle : layer.crews[static_cast<std::size_t>(state)];
      result[i] = {layer.stretch, step.use};
      state = step.from;
    }
    return result;
  }

 private:
  static constexpr int kIdle = -1;  // started, nobody trains
  static constexpr int kNotStarted = -2;

  struct Step {
    double value = kImpossible;
    int from = kNotStarted;  // the state at the beginning of the stretch
    Use use;
  };
  struct Closing {
    double value = kImpossible;
    Step step;
  };
  struct Layer {
    Stretch stretch;
    std::vector<Step> crews;
    Step idle;
  };

  /// The best way to train with crew i through the stretch.
  Step best_step(std::size_t i, const Stretch& stretch, double length, double idle,
                 int idle_from) const {
    const auto& crew = crews_[i];
    const auto number = static_cast<int>(i);
    const auto gain = [&](double blocked) {
      return crew.rate.samples_per_ns * std::max(0.0, length - blocked);
    };
    Step best;
    const auto offer = [&](double value, int from, double blocked, bool starts) {
      const double cut = std::min(blocked, length);
      const double reached = value + gain(cut);
      if (reached > best.value) best = {reached, from, {number, cut, 0, starts}};
    };
    if (crew.nodes <= stretch.kept) offer(values_[i], number, 0, false);
    offer(idle, idle_from, crew.change_ns, false);
    offer(not_started_, kNotStarted, warm_ ? 0 : crew.start_ns, true);
    return best;
  }

  /// Training with crew i and setting up whoever comes next before the stretch ends.
  void consider_closing(std::size_t i, double length, const Step& step, Closing& closing) const {
    if (step.value == kImpossible) return;
    const double left = std::max(0.0, length - step.use.blocked_ns);
    const double change = std::min(least_change_ns_, left);
    const double value = step.value - crews_[i].rate.samples_per_ns * change;
    if (value <= closing.value) return;
    closing = {value, step};
    closing.step.value = value;
    closing.step.use.closing_ns = change;
  }

  std::vector<Crew> crews_;
  bool warm_;
  double least_change_ns_ = 0;
  std::vector<double> values_;  // by crew: most samples with it set up
  double idle_ = kImpossible;   // … with nobody set up
  double not_started_ = 0;
  int idle_came_from_ = kIdle;
  std::vector<Layer> layers_;
};

/// Whole nanoseconds of a stretch's use; they add up to its length.
struct Times {
  Duration blocked{0};
  Duration steps{0};
  Duration closing{0};
};

Times times_of(const Stretch& stretch, const Use& use) {
  const auto whole = [](double ns) { return Duration(static_cast<std::int64_t>(ns)); };
  const Duration length = stretch.to - stretch.from;
  if (use.crew < 0) return {};
  Times times;
  times.blocked = std::min(length, whole(use.blocked_ns));  // rounded down: steps get the rest
  times.closing = std::min(length - times.blocked, whole(use.closing_ns));
  times.steps = length - times.blocked - times.closing;
  return times;
}

/// Tells the chosen uses as a run: every sink that takes records takes this one.
class Teller {
 public:
  Teller(const Setup& setup, const std::vector<RunSink*>& sinks) : setup_(setup), sinks_(sinks) {
    const auto& cluster = setup.scenario.cluster;
    emit(RunStarted{.policy = "clairvoyant",
                    .recovers_in_place = true,
                    .target_nodes = cluster.nodes,
                    .gpus_per_node = cluster.node_type.gpus,
                    .tokens_per_sample = setup.scenario.training.sequence_length});
  }

  void tell(const Stretch& stretch, const Use& use, const std::vector<Crew>& crews) {
    const auto times = times_of(stretch, use);
    const int members = use.crew < 0 ? 0 : crews[static_cast<std::size_t>(use.crew)].nodes;
    SimTime now = stretch.from;
    const auto bucket = use.starts ? Blocked::start : Blocked::communicator;
    block(now, times.blocked, bucket, members);
    if (members > 0) step(now, times.steps, crews[static_cast<std::size_t>(use.crew)]);
    block(now, times.closing, Blocked::communicator, members);
    const Int128 length = (stretch.to - stretch.from).count();
    const int target = setup_.scenario.cluster.nodes;
    ledger_.total += length * target;
    const auto put = [&](Unavailable why, int nodes) {
      ledger_.unavailable[static_cast<std::size_t>(why)] += length * nodes;
    };
    put(Unavailable::absent, target - stretch.alive);
    put(Unavailable::starting, stretch.alive - stretch.ready);
    put(Unavailable::waiting, stretch.ready - members);
  }

  /// The stretch in which the run reaches its last sample: all of it up to there is steps, and the
  /// last of them goes as far beyond the target as a whole step may.
  void finish(Stretch stretch, SimTime horizon, Use use, const std::vector<Crew>& crews,
              double target) {
    stretch.to = horizon;
    use.blocked_ns = 0;
    use.closing_ns = 0;
    double beyond = 0;
    for (const auto& crew : crews) {
      const auto step = static_cast<double>(crew.rate.step.count());
      beyond = std::max(beyond, std::round(crew.rate.samples_per_ns * step) - 1);
    }
    const auto& rate = crews[static_cast<std::size_t>(std::max(0, use.crew))].rate;
    const auto length = static_cast<double>((stretch.to - stretch.from).count());
    exact_samples_ = std::ceil(target) + beyond - rate.samples_per_ns * length;
    tell(stretch, use, crews);
  }

  void end(SimTime horizon) { emit(RunEnded{horizon, steps_, samples_, ledger_}); }

 private:
  void emit(const RunEvent& event) {
    for (auto* sink : sinks_) sink->take(event);
  }

  void block(SimTime& now, Duration length, Blocked bucket, int members) {
    if (length == Duration(0)) return;
    const auto stage = bucket == Blocked::start ? Stage::group_init : Stage::communicator;
    emit(StageEnded{now, now + length, stage, bucket, members, true});
    ledger_.blocked[static_cast<std::size_t>(bucket)] += Int128(length.count()) * members;
    now += length;
  }

  /// As many steps as fit at the crew's speed, evenly long to the nanosecond.
  void step(SimTime& now, Duration length, const Crew& crew) {
    if (length == Duration(0)) return;
    const std::int64_t count = std::max<std::int64_t>(1, length / crew.rate.step);
    const Duration each = length / count;
    const std::int64_t longer = (length % count).count();
    steps_of(now, longer, each + Duration(1), crew);
    steps_of(now, count - longer, each, crew);
  }

  void steps_of(SimTime& now, std::int64_t count, Duration each, const Crew& crew) {
    if (count == 0) return;
    const SimTime to = now + count * each;
    exact_samples_ += crew.rate.samples_per_ns * static_cast<double>((to - now).count());
    // Rounded up once over all: it stays a bound.
    const auto until = std::max(samples_, static_cast<std::int64_t>(std::ceil(exact_samples_)));
    emit(StepsCommitted{now, to, steps_, count, crew.nodes, until - samples_, each});
    ledger_.productive += Int128((to - now).count()) * crew.nodes;
    samples_ = until;
    steps_ += count;
    now = to;
  }

  const Setup& setup_;
  const std::vector<RunSink*>& sinks_;
  Ledger ledger_;
  std::int64_t steps_ = 0;
  std::int64_t samples_ = 0;
  double exact_samples_ = 0;
};

/// The shortest change of who trains that one of the policies could pay.
double change_ns(const Setup& setup, const std::vector<Policy>& compared, int nodes) {
  const auto& timer = *setup.cost.timer;
  const Duration restart = timer.reschedule() + timer.process_start() + timer.group_init(nodes);
  Duration least = restart;
  for (const auto& policy : compared) {
    if (!policy.on_loss->recovers_in_place()) continue;
    least = std::min(least, timer.planning(nodes) + timer.communicator(nodes));
  }
  return static_cast<double>(least.count());
}

/// Rates in the policies' own runs, and on constant clusters.
Rates rates_of(const Setup& setup, const std::vector<Policy>& compared) {
  Rates rates;
  RateRecorder recorder(&rates);
  for (const auto& policy : compared) replay(setup, policy, {&recorder});
  if (rates.empty()) return rates;
  const int nodes = setup.scenario.cluster.nodes;
  for (int n = 1; n <= nodes; ++n) {
    if (n < nodes && nodes > kProbes) continue;
    for (const auto& policy : compared) undisturbed_run(setup, policy, n, {&recorder});
  }
  return rates;
}

std::vector<Crew> crews_of(const Setup& setup, const std::vector<Policy>& compared) {
  std::vector<Crew> crews;
  const auto& timer = *setup.cost.timer;
  for (const auto& [nodes, rate] : rates_of(setup, compared)) {
    const Duration start = timer.reschedule() + timer.process_start() + timer.group_init(nodes);
    crews.push_back(
        {nodes, rate, change_ns(setup, compared, nodes), static_cast<double>(start.count())});
  }
  return crews;
}

/// At most kCrews of them: neighbours become one that needs as few nodes, trains as fast and
/// changes as quickly as the best of them, which keeps the bound a bound.
std::vector<Crew> thinned(const std::vector<Crew>& crews) {
  constexpr std::size_t kCrews = 64;
  const std::size_t size = (crews.size() + kCrews - 1) / kCrews;
  if (size <= 1) return crews;
  std::vector<Crew> groups;
  for (std::size_t i = 0; i < crews.size(); ++i) {
    if (i % size == 0) groups.push_back(crews[i]);
    auto& group = groups.back();
    if (crews[i].rate.samples_per_ns > group.rate.samples_per_ns) group.rate = crews[i].rate;
    group.change_ns = std::min(group.change_ns, crews[i].change_ns);
    group.start_ns = std::min(group.start_ns, crews[i].start_ns);
  }
  return groups;
}

/// How many samples end the run; infinite when time does.
double target_samples(const Setup& setup) {
  const auto& until = setup.scenario.until;
  if (until.samples) return static_cast<double>(*until.samples);
  if (!until.tokens) return std::numeric_limits<double>::infinity();
  return static_cast<double>(*until.tokens) /
         static_cast<double>(setup.scenario.training.sequence_length);
}

/// The instant in the stretch at which `target` samples are reached, after `before` of them.
SimTime reached_at(const Stretch& stretch, double before, double after, double target) {
  const auto length = static_cast<double>((stretch.to - stretch.from).count());
  const double share = after > before ? (target - before) / (after - before) : 1;
  const auto ns = static_cast<std::int64_t>(std::ceil(length * std::clamp(share, 0.0, 1.0)));
  return std::min(stretch.to, stretch.from + Duration(std::max<std::int64_t>(1, ns)));
}

/// Where a schedule ends.
struct End {
  SimTime horizon;
  bool reached = false;  // the target, before the time was over
};

/// Adds the stretches up to the target or the horizon; empty when there are more than a schedule
/// takes: cut short it would be no bound.
std::optional<End> fill(const Setup& setup, double target, Schedule& schedule) {
  Duration limit = horizon_of(setup);
  if (limit == Duration(0)) {
    const bool trace_ends_it = setup.scenario.at_end == AtEnd::stop;
    limit = trace_ends_it ? setup.trace->end.time_since_epoch() : kLongest;
  }
  ReadyNodes nodes(setup, at(limit));
  double before = 0;
  for (std::int64_t i = 0; i < kMostStretches; ++i) {
    const auto stretch = nodes.next();
    if (!stretch) return End{at(limit), false};
    const double after = schedule.add(*stretch);
    if (after >= target) return End{reached_at(*stretch, before, after, target), true};
    before = after;
  }
  return {};
}

}  // namespace

RunSummary clairvoyant_bound(const Setup& setup, const std::vector<Policy>& compared,
                             const std::vector<RunSink*>& sinks) {
  const auto crews = thinned(crews_of(setup, compared));
  if (crews.empty()) {
    return infeasible_run("clairvoyant", "none of the compared policies has a run");
  }
  const double target = target_samples(setup);
  Schedule schedule(crews, setup.scenario.training.warm_start);
  const auto end = fill(setup, target, schedule);
  if (!end) {
    return infeasible_run("clairvoyant",
                          fmt::format("the ready nodes change over {} times", kMostStretches));
  }
  if (!end->reached && std::isfinite(target)) {
    return infeasible_run("clairvoyant", "it does not reach the end of the run either");
  }
  SummaryFold fold({.usd_per_node_hour = setup.scenario.cluster.node_type.usd_per_hour,
                    .recovery_cache = nullptr});
  std::vector<RunSink*> all = sinks;
  all.push_back(&fold);
  Teller teller(setup, all);
  for (const auto& [stretch, use] : schedule.uses()) {
    if (end->reached && stretch.to >= end->horizon) {
      teller.finish(stretch, end->horizon, use, schedule.crews(), target);
    } else {
      teller.tell(stretch, use, schedule.crews());
    }
  }
  teller.end(end->horizon);
  auto summary = fold.summary();
  summary.policy = "clairvoyant";
  summary.is_bound = true;
  return summary;
}

}  // namespace bethany
