#include <fmt/format.h>

#include <set>

#include "sim/base/error.h"
#include "sim/base/object_reader.h"
#include "sim/base/text.h"
#include "sim/cost/measured_curves.h"

namespace bethany {
namespace {

constexpr double kLargest = std::numeric_limits<double>::max();

Operation read_operation(ObjectReader& fit) {
  const auto name = fit.string("op");
  for (const auto& known : operation_names()) {
    if (known == name) return parse_operation(name);
  }
  fit.fail("op", unknown_name("operation", name, operation_names()));
}

double read_rate(ObjectReader& params, const char* key) {
  if (!params.has(key)) {
    params.raw(key);  // a known key: the curve has no such term
    return 0;
  }
  const double rate = params.real(key, 0, kLargest);
  if (rate <= 0) params.fail(key, "a rate must be above 0");
  return rate;
}

Curve read_curve(ObjectReader& fit) {
  Curve curve;
  curve.sum = fit.choice("model", {kCurveOfMaximum, kCurveOfSum}) == kCurveOfSum;
  ObjectReader params = fit.object("params", true);
  curve.start = params.real("start", 0, kLargest, 0.0);
  curve.per_count = params.real("per_count", 0, kLargest, 0.0);
  curve.bandwidth = read_rate(params, "bandwidth");
  curve.flop_rate = read_rate(params, "flop_rate");
  params.finish();
  return curve;
}

std::vector<double> read_numbers(ObjectReader& keys, const char* key) {
  const JsonNode* array = keys.raw(key);
  if (array == nullptr || array->kind != JsonNode::Kind::array) {
    keys.fail(key, "expected an array of numbers");
  }
  std::vector<double> values;
  for (const auto& item : array->items) {
    const bool whole = item.kind == JsonNode::Kind::integer;
    if (!whole && item.kind != JsonNode::Kind::real) {
      keys.fail(key, fmt::format("expected a number, got {}", kind_in_words(item.kind)));
    }
    values.push_back(whole ? static_cast<double>(item.integer) : item.real);
  }
  return values;
}

void read_table(ObjectReader& fit, MeasuredCurve& result) {
  if (!fit.has("table")) {
    fit.raw("table");
    return;
  }
  ObjectReader table = fit.object("table");
  const auto extents = read_numbers(table, "extent");
  const auto seconds = read_numbers(table, "seconds");
  if (extents.size() != seconds.size() || extents.empty()) {
    table.fail("seconds", fmt::format("{} times for {} extents", seconds.size(), extents.size()));
  }
  for (std::size_t i = 0; i < extents.size(); ++i) {
    if (seconds[i] <= 0) table.fail("seconds", "a time must be above 0");
    if (extents[i] <= 0) table.fail("extent", "an extent must be above 0");
    if (i > 0 && extents[i] <= extents[i - 1]) table.fail("extent", "extents must rise");
    if (i > 0 && seconds[i] < seconds[i - 1]) table.fail("seconds", "times must not fall");
    result.table.emplace_back(extents[i], seconds[i]);
  }
  table.finish();
}

void read_domain(ObjectReader& fit, MeasuredCurve& result) {
  ObjectReader domain = fit.object("domain", true);
  result.extent_min = domain.real("min", 0, kLargest);
  result.extent_max = domain.real("max", result.extent_min, kLargest);
  result.count_min = domain.real("count_min", 0, kLargest, 0.0);
  result.count_max = domain.real("count_max", result.count_min, kLargest, kLargest);
  domain.finish();
}

MeasuredCurve read_fit(const JsonNode& node, const std::string& path) {
  ObjectReader fit(node, path);
  MeasuredCurve result;
  result.operation = read_operation(fit);
  result.key = fit.string("key");
  if (result.key.empty()) fit.fail("key", "the key is empty");
  result.curve = read_curve(fit);
  read_domain(fit, result);
  read_table(fit, result);
  for (const char* error : {"mape_in", "mape_holdout", "p95", "worst"}) {
    fit.real(error, 0, kLargest, 0.0);
  }
  fit.integer("n", 0, std::numeric_limits<std::int64_t>::max(), 0);
  fit.string("note", "");
  ObjectReader intervals = fit.object("ci95");
  for (const char* key : {"start", "per_count", "bandwidth", "flop_rate"}) {
    if (!intervals.has(key)) {
      intervals.raw(key);
      continue;
    }
    const auto ends = read_numbers(intervals, key);
    if (ends.size() != 2 || ends[0] > ends[1]) intervals.fail(key, "expected [low, high]");
  }
  intervals.finish();
  fit.finish();
  return result;
}

}  // namespace

std::vector<MeasuredCurve> read_curves(const JsonNode& fits, const std::string& path) {
  std::vector<MeasuredCurve> curves;
  std::set<std::string> keys;
  for (std::size_t i = 0; i < fits.items.size(); ++i) {
    const auto place = fmt::format("{}/{}", path, i);
    curves.push_back(read_fit(fits.items[i], place));
    if (!keys.insert(curves.back().key).second) {
      throw InputError(fmt::format("{}: {}/key: '{}' is fitted twice", fits.items[i].place(), place,
                                   curves.back().key));
    }
  }
  return curves;
}

double MeasuredCurve::seconds(const Work& work, double extent) const {
  const double formula = curve.seconds(work);
  if (table.empty()) return formula;
  if (extent < table.front().first) return std::min(formula, table.front().second);
  if (extent >= table.back().first) {
    return extent > table.back().first ? std::max(formula, table.back().second)
                                       : table.back().second;
  }
  const auto above =
      std::upper_bound(table.begin(), table.end(), extent,
                       [](double value, const auto& entry) { return value < entry.first; });
  const auto below = above - 1;
  const double share = (extent - below->first) / (above->first - below->first);
  return below->second + share * (above->second - below->second);
}

}  // namespace bethany
