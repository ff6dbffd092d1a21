#include "gpu/protocol.h"

#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <cmath>

#include "sim/base/check.h"
#include "sim/base/error.h"
#include "sim/base/random.h"
#include "sim/base/statistics.h"

namespace bethany {
namespace {

/// Half of the distribution-free 95 % interval of the median, as a share of the median.
double median_confidence(const std::vector<double>& sorted) {
  const auto n = static_cast<double>(sorted.size());
  const double reach = 0.98 * std::sqrt(n);
  const auto low = static_cast<std::size_t>(std::max(0.0, std::floor(n / 2 - reach)));
  const auto high = static_cast<std::size_t>(std::min(n - 1, std::ceil(n / 2 + reach)));
  const double median = quantile_sorted(sorted, 0.5);
  return median > 0 ? (sorted[high] - sorted[low]) / 2 / median : 0;
}

double seconds_of(clockid_t clock) {
  timespec now{};
  BETHANY_CHECK(clock_gettime(clock, &now) == 0, "no clock");
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

double median_of(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return quantile_sorted(values, 0.5);
}

Measured summarise(const Point& point, std::vector<double> seconds, std::vector<double> enqueue) {
  std::sort(seconds.begin(), seconds.end());
  Measured m;
  m.point = point;
  m.samples = static_cast<int>(seconds.size());
  m.min = seconds.front();
  m.p5 = quantile_sorted(seconds, 0.05);
  m.median = quantile_sorted(seconds, 0.5);
  m.p95 = quantile_sorted(seconds, 0.95);
  m.max = seconds.back();
  std::vector<double> deviations;
  for (const double s : seconds) deviations.push_back(std::abs(s - m.median));
  m.mad = median_of(deviations);
  for (const double d : deviations) m.outliers += d > 5 * 1.4826 * m.mad && d > 0 ? 1 : 0;
  m.confidence = median_confidence(seconds);
  m.enqueue = median_of(std::move(enqueue));
  return m;
}

Measured measure_point(PreparedOperation& operation, const Point& point, const Protocol& protocol,
                       bool first) {
  const double warm_from = wall_seconds();
  double estimate = 0;
  for (int i = 0; i < (first ? 10 : protocol.warm_up); ++i) estimate = operation.run(1).seconds;
  const int repeats =
      static_cast<int>(std::clamp(protocol.sample_seconds / std::max(estimate, 1e-9), 1.0, 50.0));
  if (repeats > 1) operation.run(repeats);
  while (wall_seconds() - warm_from < protocol.warm_seconds) operation.run(repeats);
  const double start = wall_seconds();
  double spread = 0;
  std::vector<double> seconds;
  std::vector<double> enqueue;
  std::vector<double> sorted;
  while (static_cast<int>(seconds.size()) < protocol.samples_max) {
    const Sample sample = operation.run(repeats);
    seconds.push_back(sample.seconds);
    enqueue.push_back(sample.enqueue_seconds);
    spread += sample.spread;
    const auto count = static_cast<int>(seconds.size());
    const bool late = wall_seconds() - start > protocol.seconds_max;
    if (late && count >= protocol.samples_least) break;
    if (count < protocol.samples_min || count % 5 != 0) continue;
    sorted = seconds;
    std::sort(sorted.begin(), sorted.end());
    if (median_confidence(sorted) < protocol.confidence_target) break;
  }
  const double clock = operation.clock_hertz();
  Measured m = summarise(point, std::move(seconds), std::move(enqueue));
  m.spread = spread / m.samples;
  m.clock = clock;
  m.repeats = repeats;
  if (m.confidence >= protocol.confidence_target) m.note = "wide";
  return m;
}

/// Fixed work in the middle of every block: if its time moves, the machine changed.
Point sentinel_point(int width) {
  Point point;
  point.operation = Operation::matmul;
  point.shape = "sentinel";
  point.variant = "forward";
  point.inputs = width;
  point.outputs = width;
  point.rows = width;
  return point;
}

void flag_drift(Measurements& all) {
  const auto work = sentinel_work(all);
  if (work.empty()) return;
  const double middle = median_of(work);
  for (auto& m : all.points) {
    const double seen = work[static_cast<std::size_t>(m.block)];
    if (std::abs(seen / middle - 1) > all.protocol.drift_limit) m.note = "drift";
  }
}

}  // namespace

Measurements measure(Backend& backend, const std::string& name, const std::vector<Point>& points,
                     const Protocol& protocol, std::uint64_t seed,
                     const std::function<bool()>& stop,
                     const std::function<void(std::size_t, std::size_t)>& progress) {
  const double start = wall_seconds();
  Measurements all{.machine = backend.machine(),
                   .backend = name,
                   .seed = seed,
                   .protocol = protocol,
                   .points = {},
                   .refused = {},
                   .sentinel = {},
                   .sentinel_clocks = {},
                   .complete = false};
  std::vector<Point> possible;
  for (const auto& point : points) {
    const auto reason = backend.refuses(point);
    if (reason.empty()) {
      possible.push_back(point);
    } else {
      all.refused.push_back(describe(point) + ": " + reason);
    }
  }
  const Point sentinel = sentinel_point(backend.sweeps().sentinel);
  const RngStreams streams(seed, 0);
  const std::size_t total = possible.size() * static_cast<std::size_t>(protocol.passes);
  std::size_t done = 0;
  for (int pass = 0; pass < protocol.passes; ++pass) {
    Rng rng = streams.stream("gpu/order", static_cast<std::uint64_t>(pass));
    auto order = possible;
    rng.shuffle(order);
    for (const auto& point : order) {
      const bool late =
          protocol.within_seconds > 0 && wall_seconds() - start > protocol.within_seconds;
      if (stop() || late) {
        flag_drift(all);
        return all;
      }
      if (done % static_cast<std::size_t>(protocol.sentinel_every) == 0) {
        auto operation = backend.prepare(sentinel);
        const auto seen = measure_point(*operation, sentinel, protocol, done == 0);
        all.sentinel.push_back(seen.median);
        all.sentinel_clocks.push_back(seen.clock);
      }
      try {
        auto operation = backend.prepare(point);
        auto measured = measure_point(*operation, point, protocol, done == 0);
        measured.pass = pass;
        measured.block = static_cast<int>(all.sentinel.size()) - 1;
        all.points.push_back(std::move(measured));
      } catch (const MachineError& error) {  // one point the library refuses costs only itself
        all.refused.push_back(describe(point) + ": " + error.what());
      }
      progress(++done, total);
    }
  }
  all.complete = true;
  flag_drift(all);
  return all;
}

std::vector<double> sentinel_work(const Measurements& measurements) {
  std::vector<double> work;
  for (std::size_t i = 0; i < measurements.sentinel.size(); ++i) {
    const double clock = measurements.sentinel_clocks[i];
    work.push_back(measurements.sentinel[i] * (clock > 0 ? clock : 1));
  }
  return work;
}

double largest_deviation(const std::vector<double>& values) {
  if (values.empty()) return 0;
  const double middle = median_of(values);
  double worst = 0;
  for (const double v : values) worst = std::max(worst, std::abs(v / middle - 1));
  return worst;
}

double wall_seconds() { return seconds_of(CLOCK_MONOTONIC); }
double thread_seconds() { return seconds_of(CLOCK_THREAD_CPUTIME_ID); }

std::string utc_now() {
  timespec now{};
  BETHANY_CHECK(clock_gettime(CLOCK_REALTIME, &now) == 0, "no clock");
  tm parts{};
  gmtime_r(&now.tv_sec, &parts);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", parts.tm_year + 1900, parts.tm_mon + 1,
                     parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec);
}

}  // namespace bethany
