#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "sim/base/object_reader.h"
#include "sim/model/trace.h"

namespace bethany {
namespace {

constexpr Duration kHour = std::chrono::hours(1);
constexpr std::int64_t kMostInstanceHours = 100'000'000;

/// The hourly process of Bamboo's simulator (NSDI 2023; papers.md §2.2). In every hour each machine
/// that is there at its begin is lost with probability `p`; `nodes` - alive + losses of that hour
/// requests for a machine are granted with probability q each, if the pool has room then; a machine
/// granted in the hour is lost in it with probability `p` at a second of the whole hour, if that
/// comes after its grant. All seconds are uniform. At 0 each place is filled with the q of hour 0.
class Bamboo final : public TraceGenerator {
 public:
  explicit Bamboo(ObjectReader& options) {
    nodes_ = options.integer("nodes", 1, 10'000, 48);
    p_ = options.real("p", 0, 1);
    if (options.raw("q") != nullptr) q_ = options.real("q", 0, 1);
    start_hour_ = options.integer("start_hour", 0, 23, 0);
    length_ = options.duration("length", std::chrono::hours(48), Duration(1));
    if (nodes_ * (length_ / kHour + 1) > kMostInstanceHours) {
      options.fail("length", fmt::format("more than {} machine-hours", kMostInstanceHours));
    }
  }

  Trace generate(const RngStreams& streams) const override;

 private:
  std::int64_t nodes_ = 0;
  double p_ = 0;
  std::optional<double> q_;  // else drawn, per hour of day
  std::int64_t start_hour_ = 0;
  Duration length_{0};
};

/// The machines of the pool, and what happens to them in one hour.
class Pool {
 public:
  Pool(TraceBuilder& builder, std::int64_t capacity, SimTime end)
      : builder_(builder), capacity_(static_cast<std::size_t>(capacity)), end_(end) {}

  void fill(double q, Rng& rng) {
    std::vector<NodeId> granted;
    for (std::size_t i = 0; i < capacity_; ++i) {
      if (rng.unit() < q) granted.push_back(new_machine());
    }
    alive_ = granted;
    if (!granted.empty()) builder_.add(at(Duration(0)), TraceEventKind::join, granted, 0);
  }

  void pass_hour(SimTime begin, double p, double q, Rng& rng) {
    const auto second = [&] {
      return begin + std::chrono::seconds(static_cast<std::int64_t>(rng.below(3600)));
    };
    using Loss = std::pair<SimTime, NodeId>;
    std::vector<Loss> losses;
    for (const NodeId node : alive_) {
      if (rng.unit() < p) losses.emplace_back(second(), node);
    }
    std::vector<SimTime> grants;
    for (std::size_t i = capacity_ - alive_.size() + losses.size(); i > 0; --i) {
      if (rng.unit() < q) grants.push_back(second());
    }
    // The earliest last, to be taken from the back; of equal ones the machine that came first.
    const auto later = [](const auto& a, const auto& b) { return a > b; };
    std::sort(losses.begin(), losses.end(), later);
    std::sort(grants.begin(), grants.end(), later);
    while (!losses.empty() || !grants.empty()) {
      if (grants.empty() || (!losses.empty() && losses.back().first < grants.back())) {
        lose(losses.back().first, losses.back().second);
        losses.pop_back();
        continue;
      }
      const SimTime now = grants.back();
      grants.pop_back();
      if (alive_.size() == capacity_) continue;
      const NodeId node = new_machine();
      add(now, TraceEventKind::join, node);
      alive_.push_back(node);
      if (!(rng.unit() < p)) continue;
      const Loss loss(second(), node);
      if (loss.first < now) continue;
      losses.insert(std::lower_bound(losses.begin(), losses.end(), loss, later), loss);
    }
  }

 private:
  NodeId new_machine() { return builder_.node(fmt::format("node{}", ++machines_)); }

  void lose(SimTime time, NodeId node) {
    add(time, TraceEventKind::lost, node);
    alive_.erase(std::find(alive_.begin(), alive_.end(), node));
  }

  /// Events of one second and kind that follow each other are a bulk.
  void add(SimTime time, TraceEventKind kind, NodeId node) {
    if (time >= end_) return;
    const auto& events = builder_.header().events;
    if (!events.empty() && events.back().time == time && events.back().kind == kind) {
      builder_.extend(node, 0);
    } else {
      builder_.add(time, kind, {&node, 1}, 0);
    }
  }

  TraceBuilder& builder_;
  std::size_t capacity_;
  SimTime end_;
  std::vector<NodeId> alive_;  // in the order of their grants
  std::int64_t machines_ = 0;
};

Trace Bamboo::generate(const RngStreams& streams) const {
  TraceBuilder builder("generator bamboo");
  builder.header().name = "bamboo";
  builder.header().source = "bethany generator bamboo";
  auto q_rng = streams.stream("trace/bamboo/q");
  std::vector<double> q(24);
  for (double& of_hour : q) of_hour = q_.value_or(q_rng.unit());
  const auto q_at = [&](std::int64_t hour) {
    return q[static_cast<std::size_t>((start_hour_ + hour) % 24)];
  };
  const SimTime end = at(length_);
  Pool pool(builder, nodes_, end);
  auto first = streams.stream("trace/bamboo/first");
  pool.fill(q_at(0), first);
  for (std::int64_t hour = 0; at(hour * kHour) < end; ++hour) {
    auto rng = streams.stream("trace/bamboo/hour", static_cast<std::uint64_t>(hour));
    pool.pass_hour(at(hour * kHour), p_, q_at(hour), rng);
  }
  return builder.finish(at(Duration(0)), end);
}

const bool registered = trace_generators().add({
    .name = "bamboo",
    .summary = "the hourly spot process of Bamboo's simulator (p, q, nodes, length)",
    .make = [](ObjectReader& options) -> std::unique_ptr<TraceGenerator> {
      return std::make_unique<Bamboo>(options);
    },
});

}  // namespace
}  // namespace bethany
