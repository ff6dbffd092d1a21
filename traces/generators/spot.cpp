#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "sim/base/object_reader.h"
#include "sim/model/trace.h"
#include "traces/bulk_sizes.h"

namespace bethany {
namespace {

/// Gaps between instants: lognormal, in whole steps of a grid when there is one.
struct Gaps {
  Duration median{0};
  double sigma = 0;
  Duration grid{0};

  /// At least one grid step (1 ns without a grid), so that instants stay apart.
  Duration draw(Rng& rng) const {
    const double seconds = to_seconds(median) * std::exp(sigma * rng.normal());
    const auto gap = round_to_duration(std::min(seconds, to_seconds(kLongest)));
    if (grid.count() == 0) return std::max(gap, Duration(1));
    return std::max<std::int64_t>(1, (gap + grid / 2) / grid) * grid;
  }
};

/// A spot pool of `nodes` machines as a marked point process. Loss instants come at lognormal gaps
/// and take a bulk of random victims. While the pool is below its size, join instants come at
/// lognormal waits, each granting a bulk of new machines; a wait begins with a join or with the
/// loss that breaks a full pool. At least one machine stays. The defaults are those of Bamboo's p3
/// recording (papers.md §3.4; traces/README.md says how they were found).
class Spot final : public TraceGenerator {
 public:
  explicit Spot(ObjectReader& options)
      : nodes_(options.integer("nodes", 1, 1'000'000, 32)),
        initial_(options.integer("initial", 1, nodes_, (9 * nodes_ + 15) / 16)),
        length_(options.duration("length", std::chrono::hours(12), Duration(1))),
        grid_(options.duration("grid", std::chrono::seconds(60))),
        losses_(gaps(options, "loss_gap", std::chrono::seconds(282), 1.07)),
        loss_sizes_(options, "loss_sizes", {39, 13, 15, 7, 1, 4}),
        joins_(gaps(options, "join_wait", std::chrono::seconds(193), 1.01)),
        join_sizes_(options, "join_sizes", {49, 15, 8, 6, 1, 2, 1, 1}) {
    const double events = to_seconds(length_) * (1 / to_seconds(mean_at_least(losses_)) +
                                                 1 / to_seconds(mean_at_least(joins_)));
    if (events > 1e8) options.fail("length", "more than 1e8 instants would be drawn");
  }

  Trace generate(const RngStreams& streams) const override;

 private:
  Gaps gaps(ObjectReader& options, const std::string& key, Duration median, double sigma) const {
    Gaps result;
    result.median = options.duration(key + "_median", median, Duration(1));
    result.sigma = options.real(key + "_sigma", 0, 10, sigma);
    result.grid = grid_;
    return result;
  }

  static Duration mean_at_least(const Gaps& gaps) { return std::max(gaps.median, gaps.grid); }

  std::int64_t nodes_;
  std::int64_t initial_;
  Duration length_;
  Duration grid_;
  Gaps losses_;
  BulkSizes loss_sizes_;
  Gaps joins_;
  BulkSizes join_sizes_;
};

/// The machines of the pool that is being drawn.
class Pool {
 public:
  explicit Pool(TraceBuilder& builder) : builder_(builder) {}

  std::size_t size() const { return live_.size(); }

  void grant(SimTime time, std::size_t count) {
    bulk_.clear();
    for (std::size_t i = 0; i < count; ++i) {
      bulk_.push_back(builder_.node(fmt::format("spot-{}", ++granted_)));
    }
    live_.insert(live_.end(), bulk_.begin(), bulk_.end());
    builder_.add(time, TraceEventKind::join, bulk_, 0);
  }

  void take(SimTime time, std::size_t count, Rng& victims) {
    bulk_.clear();
    for (std::size_t i = 0; i < count; ++i) {
      std::swap(live_[victims.below(live_.size())], live_.back());
      bulk_.push_back(live_.back());
      live_.pop_back();
    }
    builder_.add(time, TraceEventKind::lost, bulk_, 0);
  }

 private:
  TraceBuilder& builder_;
  std::vector<NodeId> live_;
  std::vector<NodeId> bulk_;
  std::int64_t granted_ = 0;
};

Trace Spot::generate(const RngStreams& streams) const {
  TraceBuilder builder("generator spot");
  builder.header().name = "spot";
  builder.header().source = "bethany generator spot";
  auto loss_rng = streams.stream("trace/spot/losses");
  auto join_rng = streams.stream("trace/spot/joins");
  auto victim_rng = streams.stream("trace/spot/victims");
  const SimTime start = at(Duration(0));
  const SimTime end = at(length_);
  const auto target = static_cast<std::size_t>(nodes_);
  const auto after = [end](SimTime time, Duration gap) {
    return gap > end - time ? kNever : time + gap;
  };
  Pool pool(builder);
  pool.grant(start, static_cast<std::size_t>(initial_));
  SimTime loss = after(start, losses_.draw(loss_rng));
  SimTime join = pool.size() == target ? kNever : after(start, joins_.draw(join_rng));
  while (std::min(loss, join) < end) {
    // Instants of the recording are losses or joins, never both: a join waits for the next one.
    if (join == loss) join = after(join, grid_.count() > 0 ? grid_ : Duration(1));
    if (loss < join) {
      const bool was_full = pool.size() == target;
      const std::size_t count = std::min(loss_sizes_.draw(loss_rng), pool.size() - 1);
      if (count > 0) {
        pool.take(loss, count, victim_rng);
        if (was_full) join = after(loss, joins_.draw(join_rng));
      }
      loss = after(loss, losses_.draw(loss_rng));
    } else {
      pool.grant(join, std::min(join_sizes_.draw(join_rng), target - pool.size()));
      join = pool.size() == target ? kNever : after(join, joins_.draw(join_rng));
    }
  }
  return builder.finish(start, end);
}

const bool registered = trace_generators().add({
    .name = "spot",
    .summary = "a spot pool with bulk losses on a 60 s grid, as Bamboo's p3 recording by default",
    .make = [](ObjectReader& options) -> std::unique_ptr<TraceGenerator> {
      return std::make_unique<Spot>(options);
    },
});

}  // namespace
}  // namespace bethany
