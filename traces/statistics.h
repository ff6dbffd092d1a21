#pragma once

#include <cstdint>
#include <map>
#include <optional>

#include "sim/base/json.h"
#include "sim/model/trace.h"

namespace bethany {

/// What a trace says in numbers; definitions in traces/README.md. Counts are of node-level rows (a
/// bulk of three is three), before anything is netted. "Span" is from the first to the last event.
struct TraceStatistics {
  std::int64_t nodes = 0;   // distinct names
  std::int64_t events = 0;  // node-level rows of every kind
  std::int64_t joins = 0;
  std::int64_t losses = 0;
  std::int64_t loss_instants = 0;  // distinct instants with a loss
  double start_s = 0;
  double end_s = 0;
  std::optional<double> alive_mean;       // over the span, by time; none without events
  std::optional<std::int64_t> alive_min;  // read after each instant
  std::optional<std::int64_t> alive_max;
  std::map<std::int64_t, std::int64_t> bulk_sizes;  // losses of one instant → how many instants
  std::optional<double> losses_per_hour;            // over the span; none when it is 0
  std::optional<double> node_hours_per_loss;        // alive node-hours of the span / losses
  std::optional<double> lifetime_mean_s;            // of lifetimes that ended
  std::optional<double> lifetime_median_s;
  std::int64_t lifetimes_censored = 0;     // nodes still there at the end
  std::optional<double> availability;      // alive node time / node time since each first join
  std::optional<double> down_mean;         // lost and not yet back, over the span, by time
  std::optional<std::int64_t> down_max;    // read after each instant
  std::int64_t repairs = 0;                // joins of nodes that had been lost
  std::optional<double> down_time_mean_s;  // from a loss to that node's next join
  std::optional<double> down_time_median_s;
  std::int64_t down_times_censored = 0;  // nodes lost and not back at the end
};

TraceStatistics statistics_of(const Trace& trace);

/// The object that `trace stats` prints (schema bethany/trace-stats/1).
JsonNode to_json(const TraceStatistics& statistics);

}  // namespace bethany
