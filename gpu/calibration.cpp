#include "gpu/calibration.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

#include "gpu/series.h"
#include "sim/base/error.h"
#include "sim/base/text.h"

namespace bethany {
namespace {

using Groups = std::map<std::string, std::vector<Averaged>>;

const ShapeZooEntry& shape_of_model(const std::string& model) {
  std::vector<std::string> known;
  for (const auto& entry : shape_zoo()) {
    for (const auto& name : entry.models) {
      if (name == model) return entry;
      known.push_back(name);
    }
  }
  throw InputError("no shape of this model is measured: " + unknown_name("model", model, known));
}

/// Where the numbers come from, for the source of every constant.
std::string provenance(const Measurements& all) {
  std::string text = "bethany-gpu calibrate --backend " + all.backend;
  for (const char* key :
       {"device", "element", "driver", "cuda_runtime", "cublas", "blas", "date"}) {
    const auto value = all.machine.fact(key);
    if (!value.empty()) text += fmt::format(", {} {}", key, value);
  }
  return text;
}

/// Median relative difference of the two first passes over the points both have.
double noise_between_passes(const Measurements& all) {
  std::map<std::string, std::map<int, double>> medians;
  for (const auto& m : all.points) medians[describe(m.point)][m.pass] = m.median;
  std::vector<double> differences;
  for (const auto& [name, passes] : medians) {
    if (passes.count(0) == 0 || passes.count(1) == 0) continue;
    differences.push_back(std::abs(passes.at(1) / passes.at(0) - 1));
  }
  if (differences.empty()) return 0;
  std::sort(differences.begin(), differences.end());
  return quantile_sorted(differences, 0.5);
}

/// Derives the constants of the analytic cost model from the fits.
class Constants {
 public:
  Constants(const Measurements& all, const std::vector<Averaged>& points, Calibration& result,
            const ShapeZooEntry* shape, int draws)
      : all_(all), points_(points), result_(result), shape_(shape), draws_(draws) {}

  void derive() {
    layers();
    experts();
    dense();
    optimizer();
    stages();
  }

 private:
  void set(const std::string& key, double value, const std::string& what) {
    const bool real = all_.backend != "synthetic";
    result_.profile.constants[key] = {.value = value,
                                      .source = provenance(all_) + ": " + what,
                                      .kind = real ? "measured" : "assumed"};
  }

  const FittedCurve* find(const std::string& key) const {
    for (const auto& series : result_.fits) {
      if (series.key == key) return &series.fit;
    }
    return nullptr;
  }

  /// The parts of a layer by their curves, with the experts or only what is around their rows:
  /// gate, sort, gathers, scatters and dot. Nothing when one was not measured (an interrupted
  /// calibration).
  std::optional<double> predicted(const Point& layer, bool with_experts) const {
    double seconds = 0;
    for (const auto& part : layer_parts(layer)) {
      const bool experts = part.operation == Operation::expert_forward ||
                           part.operation == Operation::expert_backward;
      if (experts && !with_experts) continue;
      const FittedCurve* fit = find(series_of(part));
      if (fit == nullptr) return std::nullopt;
      seconds += fit->curve.seconds(point_work(part));
    }
    return seconds;
  }

  std::string of_shape() const {
    return shape_ == nullptr ? "all measured shapes together"
                             : fmt::format("shape of {}", list_in_words(shape_->models));
  }

  /// Whole layers, measured but never fitted, against the sum of the curves of their parts.
  void layers() {
    for (const auto& p : points_) {
      if (p.point.operation != Operation::moe_layer) continue;
      if (const auto seconds = predicted(p.point, true)) {
        result_.layers.push_back({p.point, p.seconds, *seconds});
      }
    }
  }

  /// One MoE layer of one micro-batch, forward and backward: t = per layer + 3 · flop / rate.
  void experts() {
    std::map<std::string, const Averaged*> forward;
    for (const auto& p : points_) {
      if (p.point.operation != Operation::expert_forward || p.point.variant != "best") continue;
      forward[describe(p.point)] = &p;
    }
    std::vector<FitPoint> layers;
    for (const auto& p : points_) {
      if (p.point.operation != Operation::expert_backward || p.point.variant != "best") continue;
      if (shape_ != nullptr && p.point.shape != shape_->name) continue;
      Point other = p.point;
      other.operation = Operation::expert_forward;
      const auto found = forward.find(describe(other));
      const auto around = predicted(p.point, false);
      if (found == forward.end() || !around) continue;
      layers.push_back({.count = 0,
                        .bytes = 0,
                        .flop = 3 * point_work(other).flop,
                        .seconds = p.seconds + found->second->seconds + *around});
    }
    if (layers.size() < 4) {
      if (shape_ != nullptr) throw InputError("too few points of the experts of " + of_shape());
      return;
    }
    const FittedCurve fit = fit_curve(layers, all_.seed, draws_);
    const std::string error = fmt::format(
        "{} points of the experts of one GPU, forward and backward with gate, sort, "
        "gather, scatter and dot, {}: mean error {:.1f} %, worst {:.0f} %",
        layers.size(), of_shape(), 100 * fit.mape_in, 100 * fit.worst);
    set("expert.flop_rate", fit.curve.flop_rate, error);
    set("expert.per_layer", fit.curve.start, error);
    SeriesFit series;
    series.key = "moe_layer/" + (shape_ == nullptr ? std::string("all") : shape_->name);
    series.operation = Operation::expert_forward;
    series.fit = fit;
    series.note = "composed: expert_forward/best + expert_backward/best + reordering";
    result_.fits.push_back(series);
  }

  /// Matrices outside the experts: forward, dgrad and wgrad of 1024 rows and more.
  void dense() {
    std::vector<double> rates;
    for (const auto& entry : shape_zoo()) {
      if (shape_ != nullptr && entry.name != shape_->name) continue;
      std::map<std::int64_t, std::pair<double, double>> sums;  // rows → flop, seconds
      for (const auto& p : points_) {
        if (p.point.operation != Operation::matmul || p.point.rows < 1024) continue;
        const auto size = std::make_pair(p.point.inputs, p.point.outputs);
        if (std::find(entry.dense.begin(), entry.dense.end(), size) == entry.dense.end()) continue;
        sums[p.point.rows].first += point_work(p.point).flop;
        sums[p.point.rows].second += p.seconds;
      }
      for (const auto& [rows, sum] : sums) rates.push_back(sum.first / sum.second);
    }
    if (rates.empty()) return;
    std::sort(rates.begin(), rates.end());
    set("dense.flop_rate", quantile_sorted(rates, 0.5),
        fmt::format("GEMMs outside the experts, forward, dgrad and wgrad, {}: median over row "
                    "counts of 1024 and more, {:.3g} to {:.3g} TFLOP/s; attention scores, norms "
                    "and embeddings are not in it",
                    of_shape(), rates.front() / 1e12, rates.back() / 1e12));
  }

  void optimizer() {
    const FittedCurve* adam = find("adam");
    if (adam == nullptr) return;
    const std::string error =
        fmt::format("fused Adam, {} sizes: mean error {:.1f} %", adam->points, 100 * adam->mape_in);
    set("optimizer.bandwidth", adam->curve.bandwidth, error);
    Point one;
    one.operation = Operation::adam;
    one.size = 1;
    const bool wide = all_.machine.fact("element") == "fp32";
    set("optimizer.bytes_per_parameter", point_work(one).bytes,
        std::string(wide ? "counted as if elements had 16 bits: " : "") +
            "the bytes the measured kernel moves: 16-bit gradient read and cleared 4, float master "
            "and moments read and written 24, 16-bit weight written 2");
  }

  /// Stages of a reconfiguration and a restart, where ranks were started, connected and killed.
  void stages() {
    constexpr double kTypicalRanks = 8;  // where a constant stands for all counts
    const auto at_typical = [&](const char* key, const char* constant) {
      const FittedCurve* fit = find(key);
      if (fit == nullptr) return;
      set(constant, fit->curve.seconds({.count = kTypicalRanks}),
          fmt::format("{}, {} rank counts, the line's value at {:.0f}: mean error {:.1f} %", key,
                      fit->points, kTypicalRanks, 100 * fit->mape_in));
    };
    at_typical("planning", "planning");
    at_typical("detection", "detection");
    at_typical("process_start", "restart.process_start");
    if (const FittedCurve* fit = find("communicator")) {
      const auto error = fmt::format("connections among ranks, {} rank counts: mean error {:.1f} %",
                                     fit->points, 100 * fit->mape_in);
      for (const std::string key :
           {"communicator", "rebalance_communicator", "restart.group_init"}) {
        set(key + ".base", fit->curve.start, error);
        set(key + ".per_node", fit->curve.per_count, error);
      }
    }
    if (const FittedCurve* fit = find("migrate")) {
      if (fit->curve.bandwidth > 0) {
        set("migration.bandwidth", fit->curve.bandwidth,
            fmt::format("from one rank to another, {} sizes: mean error {:.1f} %", fit->points,
                        100 * fit->mape_in));
      }
    }
  }

  const Measurements& all_;
  const std::vector<Averaged>& points_;
  Calibration& result_;
  const ShapeZooEntry* shape_;
  int draws_;
};

/// Of points that last long enough to time one rank alone.
double spread_of(const Measurements& all) {
  constexpr double kLongEnough = 1e-4;  // seconds
  std::vector<double> spreads;
  for (const auto& m : all.points) {
    if (m.spread > 0 && m.median >= kLongEnough) spreads.push_back(m.spread);
  }
  if (spreads.empty()) return 0;
  std::sort(spreads.begin(), spreads.end());
  return std::min(1.0, quantile_sorted(spreads, 0.5));
}

JsonNode interval_json(const Interval& interval) {
  return JsonNode::array_of({JsonNode::of(interval.low), JsonNode::of(interval.high)});
}

JsonNode fit_json(const SeriesFit& series) {
  const FittedCurve& fit = series.fit;
  JsonNode json;
  json.member("op") = JsonNode::of(std::string(operation_name(series.operation)));
  json.member("key") = JsonNode::of(series.key);
  json.member("model") = JsonNode::of(std::string(fit.curve.sum ? kCurveOfSum : kCurveOfMaximum));
  JsonNode& params = json.member("params");
  JsonNode& ci95 = json.member("ci95");
  params.kind = JsonNode::Kind::object;
  ci95.kind = JsonNode::Kind::object;
  const auto add = [&](const char* name, double value, const Interval& interval) {
    if (value <= 0) return;
    params.member(name) = JsonNode::of(value);
    ci95.member(name) = interval_json(interval);
  };
  add("start", fit.curve.start, fit.start);
  add("per_count", fit.curve.per_count, fit.per_count);
  add("bandwidth", fit.curve.bandwidth, fit.bandwidth);
  add("flop_rate", fit.curve.flop_rate, fit.flop_rate);
  json.member("domain").member("min") = JsonNode::of(series.extent_min);
  json.member("domain").member("max") = JsonNode::of(series.extent_max);
  if (series.count_max > series.count_min) {
    json.member("domain").member("count_min") = JsonNode::of(series.count_min);
    json.member("domain").member("count_max") = JsonNode::of(series.count_max);
  }
  json.member("mape_in") = JsonNode::of(fit.mape_in);
  json.member("mape_holdout") = JsonNode::of(fit.mape_holdout);
  json.member("p95") = JsonNode::of(fit.p95);
  json.member("worst") = JsonNode::of(fit.worst);
  json.member("n") = JsonNode::of(std::int64_t{fit.points});
  if (!series.note.empty()) json.member("note") = JsonNode::of(series.note);
  if (!series.table.empty()) {
    std::vector<JsonNode> extents;
    std::vector<JsonNode> seconds;
    for (const auto& [extent, time] : series.table) {
      extents.push_back(JsonNode::of(static_cast<std::int64_t>(extent)));
      seconds.push_back(JsonNode::of(std::stod(fmt::format("{:.6g}", time))));
    }
    json.member("table").member("extent") = JsonNode::array_of(std::move(extents));
    json.member("table").member("seconds") = JsonNode::array_of(std::move(seconds));
  }
  return json;
}

}  // namespace

Calibration calibrate(const Measurements& measurements, const std::string& name,
                      const std::string& model, int draws) {
  const ShapeZooEntry* shape = model.empty() ? nullptr : &shape_of_model(model);
  Calibration result;
  result.measured = measurements.points.size();
  result.noise_floor = noise_between_passes(measurements);
  result.profile.name = name;
  result.profile.spread = std::stod(fmt::format("{:.4g}", spread_of(measurements)));
  result.profile.kind = measurements.backend == "synthetic" ? "assumed" : "measured";
  auto points = average_passes(measurements);
  if (shape != nullptr) {
    std::erase_if(points, [&](const Averaged& p) {
      const auto& zoo = shape_zoo();
      return p.point.shape != shape->name &&
             std::any_of(zoo.begin(), zoo.end(),
                         [&](const ShapeZooEntry& e) { return e.name == p.point.shape; });
    });
  }
  std::map<std::string, std::map<std::string, int>> wins;
  for (const auto& best : best_variants(points, wins)) points.push_back(best);
  Groups groups;
  for (const auto& p : points) {
    if (p.point.operation != Operation::moe_layer) groups[series_of(p.point)].push_back(p);
    // And the exchanges of each rank count by themselves: what they take is in no proportion to it.
    if (p.point.operation == Operation::all_to_all || p.point.operation == Operation::reduce) {
      groups[fmt::format("{}/{}", series_of(p.point), p.point.experts)].push_back(p);
    }
  }
  constexpr std::size_t kFewest = 3;  // below, a curve says nothing
  for (const auto& [key, members] : groups) {
    if (members.size() < kFewest) continue;
    auto series = fit_series(key, members, measurements.seed, draws);
    for (const auto& [variant, count] : wins[key]) {
      series.note +=
          fmt::format("{}{} fastest {} times", series.note.empty() ? "" : ", ", variant, count);
    }
    result.fits.push_back(std::move(series));
  }
  Constants(measurements, points, result, shape, draws).derive();
  std::vector<JsonNode> fits;
  for (const auto& series : result.fits) fits.push_back(fit_json(series));
  result.profile.fits = JsonNode::array_of(std::move(fits));
  return result;
}

double Ceilings::seconds(const Point& point) const {
  const double moving = bandwidth > 0 ? point_work(point).bytes / bandwidth : 0;
  const double working = flop_rate > 0 ? point_work(point).flop / flop_rate : 0;
  return std::max(moving, working);
}

Ceilings ceilings_of(const Measurements& measurements) {
  Ceilings ceilings;
  for (const auto& p : average_passes(measurements)) {
    if (p.point.operation == Operation::device_copy && p.point.size >= 1 << 28) {
      ceilings.bandwidth = std::max(ceilings.bandwidth, point_work(p.point).bytes / p.seconds);
    }
    if (p.point.operation == Operation::matmul && p.point.rows == 8192) {
      ceilings.flop_rate = std::max(ceilings.flop_rate, point_work(p.point).flop / p.seconds);
    }
  }
  return ceilings;
}

std::string calibration_table(const Measurements& measurements, const Calibration& calibration) {
  const Ceilings ceilings = ceilings_of(measurements);
  auto points = average_passes(measurements);
  std::map<std::string, std::map<std::string, int>> wins;
  for (const auto& best : best_variants(points, wins)) points.push_back(best);
  std::map<std::string, std::vector<double>> over_floor;
  for (const auto& p : points) {
    const double floor = ceilings.seconds(p.point);
    if (floor > 0) over_floor[series_of(p.point)].push_back(p.seconds / floor);
  }
  std::string text =
      fmt::format("{:<38} {:>3} {:>9} {:>9} {:>9} {:>7} {:>6} {:>6} {:>6} {:>6}\n", "series", "n",
                  "start us", "TB/s", "TFLOP/s", "xfloor", "best", "err%", "held%", "p95%");
  for (const auto& series : calibration.fits) {
    auto factors = over_floor[series.key];
    std::sort(factors.begin(), factors.end());
    const FittedCurve& fit = series.fit;
    text += fmt::format(
        "{:<38} {:>3} {:>9.1f} {:>9.3f} {:>9.1f} {:>7.2f} {:>6.2f} {:>6.1f} {:>6.1f} {:>6.1f}\n",
        series.key, fit.points, fit.curve.start * 1e6, fit.curve.bandwidth / 1e12,
        fit.curve.flop_rate / 1e12, factors.empty() ? 0 : quantile_sorted(factors, 0.5),
        factors.empty() ? 0 : factors.front(), 100 * fit.mape_in, 100 * fit.mape_holdout,
        100 * fit.p95);
  }
  for (const auto& entry : shape_zoo()) {
    std::vector<double> errors;
    std::vector<double> signed_errors;
    for (const auto& layer : calibration.layers) {
      if (layer.point.shape != entry.name) continue;
      signed_errors.push_back(layer.predicted / layer.measured - 1);
      errors.push_back(std::abs(signed_errors.back()));
    }
    if (errors.empty()) continue;
    std::sort(errors.begin(), errors.end());
    std::sort(signed_errors.begin(), signed_errors.end());
    text += fmt::format(
        "whole layers of {}, held out, predicted by their parts: {} points, error median {:.1f} %, "
        "P90 {:.1f} %, worst {:.1f} %, median signed {:+.1f} %\n",
        entry.name, errors.size(), 100 * quantile_sorted(errors, 0.5),
        100 * quantile_sorted(errors, 0.9), 100 * errors.back(),
        100 * quantile_sorted(signed_errors, 0.5));
  }
  text += fmt::format(
      "ceilings: {:.1f} TFLOP/s, {}; noise floor between passes {:.2f} %; "
      "sentinel drift {:.2f} % of its cycles\n",
      ceilings.flop_rate / 1e12,
      ceilings.bandwidth > 0 ? fmt::format("{:.3f} TB/s", ceilings.bandwidth / 1e12)
                             : "copies too small for a bandwidth",
      100 * calibration.noise_floor, 100 * largest_deviation(sentinel_work(measurements)));
  if (calibration.profile.spread > 0) {
    text += fmt::format("equal ranks differ from their mean by {:.1f} % (standard deviation)\n",
                        100 * calibration.profile.spread);
  }
  for (const auto& [key, value] : measurements.machine.facts) {
    if (key == "memory") text += fmt::format("memory of one rank, {}\n", value);
  }
  return text;
}

}  // namespace bethany
