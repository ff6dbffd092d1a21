#include "traces/statistics.h"

#include <algorithm>
#include <string>
#include <vector>

#include "sim/base/int128.h"
#include "sim/base/statistics.h"

namespace bethany {
namespace {

/// Adds up a trace event by event; an instant closes when a later event comes.
class Tally {
 public:
  explicit Tally(std::size_t nodes) : joined_at_(nodes, kNever) {}

  void add(const TraceEvent& event, std::span<const NodeId> nodes) {
    if (started_ && event.time != now_) close_instant(event.time);
    if (!started_) first_ = now_ = event.time;
    started_ = true;
    const auto count = static_cast<std::int64_t>(nodes.size());
    result_.events += count;
    if (event.kind == TraceEventKind::join) {
      result_.joins += count;
      alive_ += count;
      for (const NodeId node : nodes) joined_at_[node.index()] = event.time;
    } else if (event.kind == TraceEventKind::lost) {
      result_.losses += count;
      alive_ -= count;
      lost_now_ += count;
      for (const NodeId node : nodes) {
        lifetimes_s_.push_back(to_seconds(event.time - joined_at_[node.index()]));
      }
    }
  }

  TraceStatistics finish() {
    if (!started_) return result_;
    close_instant(now_);
    const Duration span = now_ - first_;
    const double span_h = to_seconds(span) / 3600;
    const auto losses = static_cast<double>(result_.losses);
    result_.alive_mean =
        span.count() == 0 ? static_cast<double>(alive_) : to_seconds(alive_ns_) / to_seconds(span);
    if (span.count() > 0) result_.losses_per_hour = losses / span_h;
    if (result_.losses > 0) {
      result_.node_hours_per_loss = to_seconds(alive_ns_) / 3600 / losses;
      std::sort(lifetimes_s_.begin(), lifetimes_s_.end());
      result_.lifetime_mean_s = mean(lifetimes_s_);
      result_.lifetime_median_s = quantile_sorted(lifetimes_s_, 0.5);
    }
    result_.lifetimes_censored = alive_;
    return result_;
  }

 private:
  void close_instant(SimTime next) {
    result_.alive_min = std::min(result_.alive_min.value_or(alive_), alive_);
    result_.alive_max = std::max(result_.alive_max.value_or(alive_), alive_);
    if (lost_now_ > 0) {
      ++result_.loss_instants;
      ++result_.bulk_sizes[lost_now_];
    }
    lost_now_ = 0;
    alive_ns_ += Int128{alive_} * (next - now_).count();
    now_ = next;
  }

  TraceStatistics result_;
  std::vector<SimTime> joined_at_;
  std::vector<double> lifetimes_s_;
  bool started_ = false;
  SimTime first_;
  SimTime now_;
  std::int64_t alive_ = 0;
  std::int64_t lost_now_ = 0;
  Int128 alive_ns_ = 0;
};

JsonNode number(const std::optional<double>& value) {
  return value ? JsonNode::of(*value) : JsonNode();
}

JsonNode number(const std::optional<std::int64_t>& value) {
  return value ? JsonNode::of(*value) : JsonNode();
}

}  // namespace

TraceStatistics statistics_of(const Trace& trace) {
  Tally tally(trace.node_names.size());
  for (const auto& event : trace.events) tally.add(event, trace.nodes_of(event));
  auto result = tally.finish();
  result.nodes = static_cast<std::int64_t>(trace.node_names.size());
  result.start_s = to_seconds(trace.start);
  result.end_s = to_seconds(trace.end);
  return result;
}

JsonNode to_json(const TraceStatistics& statistics) {
  JsonNode json;
  json.kind = JsonNode::Kind::object;
  const auto put = [&json](std::string_view key, JsonNode value) {
    json.member(key) = std::move(value);
  };
  put("schema", JsonNode::of("bethany/trace-stats/1"));
  put("version", JsonNode::of(BETHANY_VERSION));
  put("nodes", JsonNode::of(statistics.nodes));
  put("events", JsonNode::of(statistics.events));
  put("joins", JsonNode::of(statistics.joins));
  put("losses", JsonNode::of(statistics.losses));
  put("loss_instants", JsonNode::of(statistics.loss_instants));
  put("start_s", JsonNode::of(statistics.start_s));
  put("end_s", JsonNode::of(statistics.end_s));
  put("alive_mean", number(statistics.alive_mean));
  put("alive_min", number(statistics.alive_min));
  put("alive_max", number(statistics.alive_max));
  JsonNode sizes;
  sizes.kind = JsonNode::Kind::object;
  for (const auto& [size, count] : statistics.bulk_sizes) {
    sizes.member(std::to_string(size)) = JsonNode::of(count);
  }
  put("bulk_sizes", std::move(sizes));
  put("losses_per_hour", number(statistics.losses_per_hour));
  put("node_hours_per_loss", number(statistics.node_hours_per_loss));
  put("lifetime_mean_s", number(statistics.lifetime_mean_s));
  put("lifetime_median_s", number(statistics.lifetime_median_s));
  put("lifetimes_censored", JsonNode::of(statistics.lifetimes_censored));
  return json;
}

}  // namespace bethany
