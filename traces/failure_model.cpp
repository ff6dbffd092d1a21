#include "traces/failure_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "sim/base/error.h"
#include "traces/fleet_history.h"

namespace bethany {
namespace {

/// The instant `seconds` after `from`, at least one nanosecond later; kNever behind `end`.
SimTime after(SimTime from, double seconds, SimTime end) {
  if (!(seconds < to_seconds(end - from))) return kNever;
  return from + std::max(Duration(1), round_to_duration(seconds));
}

/// When a repair is over that begins at `from`; kNever behind `end`.
SimTime repaired(SimTime from, const Lognormal& repair, Rng& rng, SimTime end) {
  const double seconds = repair.draw(rng);
  return seconds < to_seconds(end - from) ? from + round_to_duration(seconds) : kNever;
}

class Draw {
 public:
  Draw(const FailureModel& model, const RngStreams& streams)
      : model_(model),
        streams_(streams),
        end_(at(model.length)),
        history_("generator " + model.name) {
    history_.header().name = model.name;
    history_.header().source = "bethany generator " + model.name;
    for (std::int64_t i = 1; i <= model.nodes; ++i) history_.node(fmt::format("node{}", i));
    for (const auto& cause : model.causes) total_weight_ += cause.weight;
  }

  Trace trace() {
    for (std::int64_t i = 0; i < model_.nodes; ++i) fail(i);
    for (const auto& level : model_.domains) {
      for (std::int64_t d = 0; d * level.size < model_.nodes; ++d) strike(level, d);
    }
    if (model_.bulks) strike_bulks(*model_.bulks);
    if (model_.slowness) {
      for (std::int64_t i = 0; i < model_.nodes; ++i) slow_down(*model_.slowness, i);
    }
    auto trace = history_.finish(at(Duration(0)), end_);
    trace.rows_merged = 0;  // nothing was read
    return trace;
  }

 private:
  Rng stream(std::string_view what, std::int64_t number = 0) const {
    return streams_.stream(fmt::format("trace/{}/{}", model_.name, what),
                           static_cast<std::uint64_t>(number));
  }

  static NodeId node(std::int64_t number) { return NodeId(static_cast<std::int32_t>(number)); }

  const FailureModel::Cause& cause(Rng& rng) const {
    double ticket = rng.unit() * total_weight_;
    for (const auto& cause : model_.causes) {
      if (ticket < cause.weight) return cause;
      ticket -= cause.weight;
    }
    return model_.causes.back();
  }

  double wait(double age_s, bool first, Rng& rng) const {
    const bool steady = first && model_.age == FailureModel::Age::steady;
    if (steady) return model_.failure.draw_steady(rng);
    if (model_.age == FailureModel::Age::kept) return model_.failure.draw_aged(rng, age_s);
    return model_.failure.draw(rng);
  }

  /// One node's own failures.
  void fail(std::int64_t number) {
    auto rng = stream("node", number);
    const bool lemon = rng.unit() < model_.lemon_share;
    const double pace = lemon ? model_.lemon_factor : 1;
    double age_s = 0;  // in the time of a node that is no lemon
    SimTime now = at(Duration(0));
    for (bool first = true; now < end_; first = false) {
      const double wait_s = wait(age_s, first, rng);
      age_s += wait_s;
      const SimTime lost = after(now, wait_s / pace, end_);
      if (lost >= end_) return;
      const auto& why = cause(rng);
      now = model_.repairs.empty() ? kNever : repaired(lost, model_.repairs[why.repair], rng, end_);
      down(node(number), lost, now, why.name);
    }
  }

  void strike(const FailureModel::Domains& level, std::int64_t domain) {
    auto rng = stream("domain/" + level.name, domain);
    SimTime now = at(Duration(0));
    while (true) {
      now = after(now, rng.exponential(level.mtbf_s), end_);
      if (now >= end_) return;
      const SimTime until = repaired(now, level.repair, rng, end_);
      for (std::int64_t i = 0; i < level.size; ++i) {
        // Drawn also for nodes that the last domain lacks, so that they change nothing when added.
        const bool hit = level.share >= 1 || rng.unit() < level.share;
        const std::int64_t number = domain * level.size + i;
        if (hit && number < model_.nodes) down(node(number), now, until, level.name);
      }
    }
  }

  void strike_bulks(const FailureModel::Bulks& bulks) {
    auto rng = stream("bulk");
    std::set<std::uint64_t> hit;
    SimTime now = at(Duration(0));
    while (true) {
      now = after(now, rng.exponential(bulks.every_s), end_);
      if (now >= end_) return;
      const SimTime until = repaired(now, bulks.repair, rng, end_);
      const auto all = static_cast<std::uint64_t>(model_.nodes);
      const auto size = std::min<std::uint64_t>(bulks.sizes.draw(rng), all);
      hit.clear();
      // Each subset is equally likely (Floyd).
      for (std::uint64_t top = all - size; top < all; ++top) {
        const std::uint64_t pick = rng.below(top + 1);
        if (!hit.insert(pick).second) hit.insert(top);
      }
      for (const std::uint64_t number : hit) {
        down(node(static_cast<std::int64_t>(number)), now, until, "bulk");
      }
    }
  }

  void slow_down(const FailureModel::Slowness& slowness, std::int64_t number) {
    auto rng = stream("slow", number);
    SimTime now = at(Duration(0));
    while (true) {
      const SimTime from = after(now, rng.exponential(slowness.mtbf_s), end_);
      if (from >= end_) return;
      now = after(from, slowness.length.draw(rng), end_);
      count();
      history_.slow(node(number), from, now, slowness.factor);
      if (now >= end_) return;
    }
  }

  void down(NodeId node, SimTime from, SimTime until, std::string_view cause) {
    count();
    history_.down(node, from, until, cause);
  }

  /// What was expected may come several times: a young Weibull fleet.
  void count() {
    if (++drawn_ > static_cast<std::int64_t>(5 * kMostFailures)) {
      throw InputError(
          fmt::format("generator {}: more than {:.0e} failures", model_.name, 5 * kMostFailures));
    }
  }

  const FailureModel& model_;
  const RngStreams& streams_;
  SimTime end_;
  FleetHistory history_;
  double total_weight_ = 0;
  std::int64_t drawn_ = 0;
};

}  // namespace

double FailureModel::expected_losses() const {
  const double length_s = to_seconds(length);
  const double pace = 1 + lemon_share * (lemon_factor - 1);
  const auto fleet = static_cast<double>(nodes);
  double losses = fleet * pace * length_s / failure.mean_s;
  for (const auto& level : domains) losses += fleet * level.share * length_s / level.mtbf_s;
  if (bulks) losses += bulks->sizes.mean() * length_s / bulks->every_s;
  if (slowness) losses += fleet * length_s / (slowness->mtbf_s + slowness->length.mean_s());
  return losses;
}

void read_fleet(ObjectReader& options, FailureModel& model, std::optional<std::int64_t> nodes,
                std::optional<Duration> length) {
  model.nodes = options.integer("nodes", 1, 1'000'000, nodes);
  model.length = options.duration("length", length, Duration(1));
}

void read_lemons(ObjectReader& options, FailureModel& model) {
  auto lemons = options.object("lemons");
  model.lemon_share = lemons.real("share", 0, 1, 0.0);
  model.lemon_factor = lemons.real("factor", 1e-3, 1e6, 10.0);
  lemons.finish();
}

void read_slowness(ObjectReader& options, FailureModel& model) {
  if (options.raw("slow") == nullptr) return;
  auto slow = options.object("slow");
  FailureModel::Slowness slowness;
  slowness.mtbf_s = to_seconds(slow.duration("mtbf", {}, Duration(1)));
  slowness.factor = slow.real("factor", 1e-6, 0.999999, 0.75);
  slowness.length = read_lognormal(slow, std::chrono::minutes(24), std::chrono::minutes(72));
  slow.finish();
  model.slowness = slowness;
}

void check_size(const ObjectReader& options, const FailureModel& model) {
  const double losses = model.expected_losses();
  if (losses <= kMostFailures) return;
  options.fail("length", fmt::format("some {:.1g} failures; at most {:.0e} are drawn", losses,
                                     kMostFailures));
}

Trace draw_failures(const FailureModel& model, const RngStreams& streams) {
  return Draw(model, streams).trace();
}

}  // namespace bethany
