#include <fmt/format.h>

#include <functional>
#include <queue>
#include <utility>

#include "sim/base/object_reader.h"
#include "sim/model/trace.h"

namespace bethany {
namespace {

constexpr double kMostEvents = 1e8;

/// Independent nodes that fail at a constant rate: all there at 0, each lost after an exponential
/// time with mean `mtbf`, back after `mttr`.
///
/// The failures of n live nodes together are a Poisson process of rate n / mtbf whose victims are
/// uniform; drawing that one process costs by the event, not by node and time. After any event the
/// gap may be drawn anew, because exponential times have no memory.
class Poisson final : public TraceGenerator {
 public:
  explicit Poisson(ObjectReader& options) {
    nodes_ = options.integer("nodes", 1, 1'000'000);
    mtbf_ = options.duration("mtbf", {}, Duration(1));
    mttr_ = options.duration("mttr", Duration(0));
    fixed_repair_ = options.choice("repair", {"exponential", "fixed"}, "exponential") == "fixed";
    length_ = options.duration("length", {}, Duration(1));
    const double losses = mttr_.count() == 0 ? 0
                                             : static_cast<double>(nodes_) * to_seconds(length_) /
                                                   (to_seconds(mtbf_) + to_seconds(mttr_));
    if (losses > kMostEvents) {
      options.fail(
          "mtbf", fmt::format("some {:.1g} losses; at most {:.0g} are drawn", losses, kMostEvents));
    }
  }

  Trace generate(const RngStreams& streams) const override {
    TraceBuilder builder("generator poisson");
    builder.header().name = "poisson";
    builder.header().source = "bethany generator poisson";
    std::vector<NodeId> live;
    for (std::int64_t i = 1; i <= nodes_; ++i)
      live.push_back(builder.node(fmt::format("node-{}", i)));
    builder.add(at(Duration(0)), TraceEventKind::join, live, 0);
    auto losses = streams.stream("trace/poisson/losses");
    auto repairs = streams.stream("trace/poisson/repairs");
    using Return = std::pair<SimTime, NodeId>;
    std::priority_queue<Return, std::vector<Return>, std::greater<>> returns;
    const SimTime end = at(length_);
    SimTime now = at(Duration(0));
    while (true) {
      const SimTime loss = live.empty() ? kNever : next_loss(now, live.size(), losses);
      const SimTime back = returns.empty() ? kNever : returns.top().first;
      now = std::min(loss, back);
      if (now >= end) break;
      if (back <= loss) {
        const NodeId node = returns.top().second;
        returns.pop();
        builder.add(now, TraceEventKind::join, {&node, 1}, 0);
        live.push_back(node);
        continue;
      }
      std::swap(live[losses.below(live.size())], live.back());
      const NodeId node = live.back();
      live.pop_back();
      builder.add(now, TraceEventKind::lost, {&node, 1}, 0);
      if (mttr_.count() > 0) returns.emplace(repaired_at(now, repairs), node);
    }
    return builder.finish(at(Duration(0)), end);
  }

 private:
  /// kNever when it lies beyond the end.
  SimTime next_loss(SimTime now, std::size_t live, Rng& rng) const {
    const double gap = rng.exponential(to_seconds(mtbf_) / static_cast<double>(live));
    return gap > to_seconds(length_) ? kNever : now + round_to_duration(gap);
  }

  SimTime repaired_at(SimTime now, Rng& rng) const {
    if (fixed_repair_) return now + mttr_;
    const double gap = rng.exponential(to_seconds(mttr_));
    return gap > to_seconds(length_) ? kNever : now + round_to_duration(gap);
  }

  std::int64_t nodes_ = 0;
  Duration mtbf_{0};
  Duration mttr_{0};
  bool fixed_repair_ = false;
  Duration length_{0};
};

const bool registered = trace_generators().add({
    .name = "poisson",
    .summary = "independent nodes with a constant failure rate (nodes, mtbf, mttr, repair, length)",
    .make = [](ObjectReader& options) -> std::unique_ptr<TraceGenerator> {
      return std::make_unique<Poisson>(options);
    },
});

}  // namespace
}  // namespace bethany
