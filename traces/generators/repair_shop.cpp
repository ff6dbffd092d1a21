#include <fmt/format.h>

#include <cmath>
#include <deque>
#include <functional>
#include <queue>
#include <utility>

#include "sim/base/object_reader.h"
#include "sim/model/trace.h"

namespace bethany {
namespace {

constexpr double kMostEvents = 1e8;

/// Independent nodes that fail at a constant rate and are repaired, first come first served, by a
/// limited number of repairmen: the machine-repair model (Palm). Some nodes may be lemons, which
/// fail more often until a repair cures them; a share of the repairs needs a second, longer stage.
///
/// Drawn as one process, as by the generator poisson: its rate is that of all live nodes together.
class RepairShop final : public TraceGenerator {
 public:
  explicit RepairShop(ObjectReader& options) {
    nodes_ = options.integer("nodes", 1, 1'000'000);
    mtbf_ = options.duration("mtbf", {}, Duration(1));
    repair_ = options.duration("repair", {}, Duration(1));
    repairmen_ = options.integer("repairmen", 1, 1'000'000, nodes_);
    second_share_ = options.real("second_share", 0, 1, 0.0);
    second_repair_ = options.duration("second_repair", Duration(0));
    lemons_ = options.real("lemons", 0, 1, 0.0);
    lemon_factor_ = options.real("lemon_factor", 1, 1e6, 1.0);
    cure_ = options.real("cure", 0, 1, 0.0);
    second_cure_ = options.real("second_cure", 0, 1, cure_);
    length_ = options.duration("length", {}, Duration(1));
    const double rate =
        static_cast<double>(nodes_) * (1 + lemons_ * (lemon_factor_ - 1)) / to_seconds(mtbf_);
    if (rate * to_seconds(length_) > kMostEvents) {
      options.fail("mtbf", fmt::format("up to {:.1g} losses; at most {:.0g} are drawn",
                                       rate * to_seconds(length_), kMostEvents));
    }
  }

  Trace generate(const RngStreams& streams) const override { return Run(*this, streams).trace(); }

 private:
  enum Kind : std::size_t { ordinary, lemon };

  /// One trace in the making.
  class Run {
   public:
    Run(const RepairShop& shop, const RngStreams& streams)
        : shop_(shop),
          losses_(streams.stream("trace/repair-shop/losses")),
          repairs_(streams.stream("trace/repair-shop/repairs")) {}

    Trace trace() {
      builder_.header().name = "repair-shop";
      builder_.header().source = "bethany generator repair-shop";
      std::vector<NodeId> all;
      for (std::int64_t i = 1; i <= shop_.nodes_; ++i) {
        all.push_back(builder_.node(fmt::format("node-{}", i)));
      }
      builder_.add(at(Duration(0)), TraceEventKind::join, all, 0);
      // Nodes are alike but for their kind: the first ones are the lemons.
      const auto lemons = static_cast<std::ptrdiff_t>(
          std::llround(shop_.lemons_ * static_cast<double>(shop_.nodes_)));
      live_[lemon].assign(all.begin(), all.begin() + lemons);
      live_[ordinary].assign(all.begin() + lemons, all.end());
      const SimTime end = at(shop_.length_);
      for (SimTime now = at(Duration(0));;) {
        const SimTime loss = next_loss(now);
        const SimTime back = done_.empty() ? kNever : done_.top().first;
        now = std::min(loss, back);
        if (now >= end) break;
        if (back <= loss) {
          end_repair(now);
        } else {
          lose_one(now);
        }
      }
      return builder_.finish(at(Duration(0)), end);
    }

   private:
    struct Patient {
      NodeId node;
      Kind kind = ordinary;
      auto operator<=>(const Patient&) const = default;
    };

    /// Live nodes of all kinds, each counted as often as it fails more than an ordinary one.
    double weight() const {
      return static_cast<double>(live_[ordinary].size()) +
             shop_.lemon_factor_ * static_cast<double>(live_[lemon].size());
    }

    SimTime next_loss(SimTime now) {
      if (weight() == 0) return kNever;
      return after(now, losses_.exponential(to_seconds(shop_.mtbf_) / weight()));
    }

    /// kNever when it lies beyond the end.
    SimTime after(SimTime now, double seconds) const {
      return seconds > to_seconds(shop_.length_) ? kNever : now + round_to_duration(seconds);
    }

    void lose_one(SimTime now) {
      const double ordinary_weight = static_cast<double>(live_[ordinary].size());
      const Kind kind = losses_.unit() * weight() < ordinary_weight ? ordinary : lemon;
      auto& live = live_[kind];
      std::swap(live[losses_.below(live.size())], live.back());
      const Patient patient{live.back(), kind};
      live.pop_back();
      builder_.add(now, TraceEventKind::lost, {&patient.node, 1}, 0);
      if (static_cast<std::int64_t>(done_.size()) < shop_.repairmen_) {
        begin_repair(now, patient);
      } else {
        waiting_.push_back(patient);
      }
    }

    void begin_repair(SimTime now, Patient patient) {
      double seconds = repairs_.exponential(to_seconds(shop_.repair_));
      const bool second = repairs_.unit() < shop_.second_share_;
      if (second) seconds += repairs_.exponential(to_seconds(shop_.second_repair_));
      const bool cured = repairs_.unit() < (second ? shop_.second_cure_ : shop_.cure_);
      if (cured) patient.kind = ordinary;
      done_.emplace(after(now, seconds), patient);
    }

    void end_repair(SimTime now) {
      const Patient patient = done_.top().second;
      done_.pop();
      builder_.add(now, TraceEventKind::join, {&patient.node, 1}, 0);
      live_[patient.kind].push_back(patient.node);
      if (waiting_.empty()) return;
      begin_repair(now, waiting_.front());
      waiting_.pop_front();
    }

    const RepairShop& shop_;
    Rng losses_;
    Rng repairs_;
    TraceBuilder builder_{"generator repair-shop"};
    std::vector<NodeId> live_[2];  // by kind
    using Done = std::pair<SimTime, Patient>;
    std::priority_queue<Done, std::vector<Done>, std::greater<>> done_;  // one a busy repairman
    std::deque<Patient> waiting_;
  };

  std::int64_t nodes_ = 0;
  Duration mtbf_{0};
  Duration repair_{0};
  std::int64_t repairmen_ = 0;
  double second_share_ = 0;
  Duration second_repair_{0};
  double lemons_ = 0;
  double lemon_factor_ = 1;
  double cure_ = 0;
  double second_cure_ = 0;
  Duration length_{0};
};

const bool registered = trace_generators().add({
    .name = "repair-shop",
    .summary = "constant failure rates, few repairmen, lemons (nodes, mtbf, repair, repairmen, "
               "second_share, second_repair, lemons, lemon_factor, cure, second_cure, length)",
    .make = [](ObjectReader& options) -> std::unique_ptr<TraceGenerator> {
      return std::make_unique<RepairShop>(options);
    },
});

}  // namespace
}  // namespace bethany
