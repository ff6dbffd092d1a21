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
  explicit Tally(std::size_t nodes) : joined_at_(nodes, kNever), lost_at_(nodes, kNever) {}

  void add(const TraceEvent& event, std::span<const NodeId> nodes) {
    if (started_ && event.time != now_) close_instant(event.time);
    if (!started_) first_ = now_ = event.time;
    started_ = true;
    const auto count = static_cast<std::int64_t>(nodes.size());
    result_.events += count;
    if (event.kind == TraceEventKind::join) {
      result_.joins += count;
      alive_ += count;
      for (const NodeId node : nodes) join(node, event.time);
    } else if (event.kind == TraceEventKind::lost) {
      result_.losses += count;
      alive_ -= count;
      lost_now_ += count;
      for (const NodeId node : nodes) {
        lifetimes_s_.push_back(to_seconds(event.time - joined_at_[node.index()]));
        lost_at_[node.index()] = event.time;
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
    finish_downs(span);
    return result_;
  }

 private:
  void join(NodeId node, SimTime now) {
    SimTime& lost = lost_at_[node.index()];
    if (joined_at_[node.index()] == kNever) ++known_;
    if (lost != kNever) down_times_s_.push_back(to_seconds(now - lost));
    lost = kNever;
    joined_at_[node.index()] = now;
  }

  void finish_downs(Duration span) {
    result_.repairs = static_cast<std::int64_t>(down_times_s_.size());
    result_.down_times_censored = known_ - alive_;
    if (known_ns_ > 0) result_.availability = to_seconds(alive_ns_) / to_seconds(known_ns_);
    if (span.count() > 0) {
      result_.down_mean = to_seconds(known_ns_ - alive_ns_) / to_seconds(span);
    }
    if (down_times_s_.empty()) return;
    std::sort(down_times_s_.begin(), down_times_s_.end());
    result_.down_time_mean_s = mean(down_times_s_);
    result_.down_time_median_s = quantile_sorted(down_times_s_, 0.5);
  }

  void close_instant(SimTime next) {
    result_.alive_min = std::min(result_.alive_min.value_or(alive_), alive_);
    result_.alive_max = std::max(result_.alive_max.value_or(alive_), alive_);
    if (lost_now_ > 0) {
      ++result_.loss_instants;
      ++result_.bulk_sizes[lost_now_];
    }
    lost_now_ = 0;
    result_.down_max = std::max(result_.down_max.value_or(0), known_ - alive_);
    alive_ns_ += Int128{alive_} * (next - now_).count();
    known_ns_ += Int128{known_} * (next - now_).count();
    now_ = next;
  }

  TraceStatistics result_;
  std::vector<SimTime> joined_at_;  // kNever: never there yet
  std::vector<SimTime> lost_at_;    // kNever: not lost
  std::vector<double> lifetimes_s_;
  std::vector<double> down_times_s_;
  bool started_ = false;
  SimTime first_;
  SimTime now_;
  std::int64_t alive_ = 0;
  std::int64_t lost_now_ = 0;
  Int128 alive_ns_ = 0;
  std::int64_t known_ = 0;  // nodes that have been there
  Int128 known_ns_ = 0;
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
  put("availability", number(statistics.availability));
  put("down_mean", number(statistics.down_mean));
  put("down_max", number(statistics.down_max));
  put("repairs", JsonNode::of(statistics.repairs));
  put("down_time_mean_s", number(statistics.down_time_mean_s));
  put("down_time_median_s", number(statistics.down_time_median_s));
  put("down_times_censored", JsonNode::of(statistics.down_times_censored));
  return json;
}

}  // namespace bethany
