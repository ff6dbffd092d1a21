#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <functional>
#include <map>

#include "analysis/answers.h"
#include "analysis/number_text.h"
#include "sim/base/error.h"
#include "sim/base/quantities.h"
#include "sim/base/text.h"
#include "sim/study/planning/answer_parts.h"

namespace bethany {
namespace {

constexpr int kBetween = 5;      // values run between the ends of the range
constexpr double kNear = 0.01;   // the ends of a bisection are this close to one another
constexpr int kBisections = 20;  // at most

/// A kind of value with a unit: how scenario files write it.
struct Unit {
  const char* name;  // of numbers of this kind, in answers
  std::function<std::optional<double>(const std::string&)> parse;
  std::function<std::string(double)> text;
  bool whole = false;
};

std::optional<double> parse_number(const std::string& text) {
  double value = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || stop != text.data() + text.size()) return {};
  return value;
}

const std::vector<Unit>& units() {
  static const std::vector<Unit> all = {
      {"count",
       [](const std::string& text) -> std::optional<double> {
         const bool digits = text.find_first_not_of("0123456789") == std::string::npos;
         return digits ? parse_number(text) : std::nullopt;
       },
       [](double value) { return fmt::format("{}", std::llround(value)); }, true},
      {"number", parse_number, [](double value) { return fmt::format("{}", value); }},
      {"s",
       [](const std::string& text) -> std::optional<double> {
         const auto value = parse_duration(text);
         return value ? std::optional(to_seconds(*value)) : std::nullopt;
       },
       [](double value) { return to_text(round_to_duration(value)); }},
      {"B/s",
       [](const std::string& text) -> std::optional<double> {
         const auto value = parse_bandwidth(text);
         return value ? std::optional(value->bytes_per_second) : std::nullopt;
       },
       [](double value) { return to_text(Bandwidth{std::round(value)}); }},
      {"B",
       [](const std::string& text) -> std::optional<double> {
         const auto value = parse_bytes(text);
         return value ? std::optional(static_cast<double>(value->value)) : std::nullopt;
       },
       [](double value) { return to_text(Bytes{std::llround(value)}); }, true},
  };
  return all;
}

/// The unit in which both ends of the range are written. Throws InputError.
const Unit& unit_of(const std::string& low, const std::string& high) {
  for (const auto& unit : units()) {
    if (unit.parse(low) && unit.parse(high)) return unit;
  }
  throw InputError(fmt::format(
      "--range {}..{}: expected two values of one kind, as in 1h..100h, 10Gbps..400Gbps or 4..64",
      low, high));
}

/// The ratio of the first policy by the second at values of the key.
class Curve {
 public:
  Curve(const JsonNode& tree, const PlanOptions& options, const Unit& unit)
      : evaluator_(tree, options.replications, options.threads), options_(options), unit_(unit) {}

  /// Runs what is not known yet, all at once.
  void run(const std::vector<double>& values) {
    std::vector<Variant> variants;
    for (const double value : values) {
      for (const auto& policy : options_.policies) variants.push_back(variant(policy, value));
    }
    evaluator_.evaluate(variants);
    for (const double value : values) known_.emplace(value, ratio_at(value));
  }
  std::optional<PairedRatio> at(double value) {
    const auto found = known_.find(value);
    if (found == known_.end()) run({value});
    return known_.at(value);
  }
  const std::map<double, std::optional<PairedRatio>>& known() const { return known_; }
  Evaluator& evaluator() { return evaluator_; }
  std::vector<const Evaluated*> evaluated(double value) {
    return {&evaluator_.evaluate(variant(options_.policies[0], value)),
            &evaluator_.evaluate(variant(options_.policies[1], value))};
  }

 private:
  Variant variant(const std::string& policy, double value) const {
    const auto text = unit_.text(value);
    if (options_.key.starts_with("policy.")) {
      return {with_key(policy, options_.key.substr(7), text), {}};
    }
    return {policy, {options_.key + "=" + text}};
  }
  std::optional<PairedRatio> ratio_at(double value) {
    const auto runs = evaluated(value);
    return paired_ratio(*runs[0], *runs[1]);
  }

  Evaluator evaluator_;
  const PlanOptions& options_;
  const Unit& unit_;
  std::map<double, std::optional<PairedRatio>> known_;
};

/// To four figures: values that a person would write; whole for counts.
double written(double value, bool whole) {
  if (value == 0) return 0;
  const double unit = std::pow(10, std::floor(std::log10(std::abs(value))) - 3);
  const double figures = std::round(value / unit) * unit;
  return whole ? std::round(figures) : figures;
}

/// Half-way between, in logarithm where that exists.
double middle(double low, double high, bool whole) {
  return written(low > 0 ? std::sqrt(low * high) : (low + high) / 2, whole);
}

bool near(double low, double high) { return high - low <= kNear * std::abs(high); }

/// The place between where `side` changes; it differs at the ends.
double bisect(Curve& curve, double low, double high, bool whole,
              const std::function<bool(const PairedRatio&)>& side) {
  const bool at_low = side(*curve.at(low));
  for (int i = 0; i < kBisections && !near(low, high); ++i) {
    const double value = middle(low, high, whole);
    if (value <= low || value >= high) break;
    const auto ratio = curve.at(value);
    if (!ratio) break;
    (side(*ratio) == at_low ? low : high) = value;
  }
  return middle(low, high, false);
}

struct Crossing {
  double value = 0;
  double low = 0;  // between these the interval of the ratio spans 1
  double high = 0;
  bool low_open = false;  // it still does at the end of the range
  bool high_open = false;
  bool first_wins_above = false;
  int others = 0;  // further crossings in the range
};

bool above_one(const PairedRatio& ratio) { return ratio.ratio > 1; }
bool unclear(const PairedRatio& ratio) {
  return !ratio.interval || (ratio.interval->low <= 1 && ratio.interval->high >= 1);
}

/// Where the interval of the ratio stops to span 1, from the crossing to one side.
double edge(Curve& curve, const std::vector<double>& values, double from, bool upwards, bool whole,
            bool& open) {
  double inside = from;
  const auto outside = [&](double value) { return upwards ? value > from : value < from; };
  std::vector<double> order = values;
  if (!upwards) std::reverse(order.begin(), order.end());
  for (const double value : order) {
    if (!outside(value)) continue;
    const auto ratio = curve.at(value);
    if (!ratio) break;
    if (!unclear(*ratio)) {
      const double low = std::min(inside, value);
      const double high = std::max(inside, value);
      if (!unclear(*curve.at(inside))) return inside;
      return bisect(curve, low, high, whole, unclear);
    }
    inside = value;
  }
  open = true;
  return inside;
}

std::optional<Crossing> find_crossing(Curve& curve, const std::vector<double>& values, bool whole) {
  std::optional<Crossing> found;
  for (std::size_t i = 1; i < values.size(); ++i) {
    const auto before = curve.at(values[i - 1]);
    const auto after = curve.at(values[i]);
    if (!before || !after || above_one(*before) == above_one(*after)) continue;
    if (found) {
      ++found->others;
      continue;
    }
    Crossing crossing;
    crossing.first_wins_above = above_one(*after);
    crossing.value = bisect(curve, values[i - 1], values[i], whole, above_one);
    found = crossing;
  }
  if (!found) return {};
  const double near_value = whole ? std::round(found->value) : found->value;
  found->low = edge(curve, values, near_value, false, whole, found->low_open);
  found->high = edge(curve, values, near_value, true, whole, found->high_open);
  return found;
}

std::vector<double> first_values(const Unit& unit, double low, double high) {
  std::vector<double> values;
  for (int i = 0; i <= kBetween + 1; ++i) {
    const double share = static_cast<double>(i) / (kBetween + 1);
    double value = low > 0 ? low * std::pow(high / low, share) : low + share * (high - low);
    if (i == 0) value = low;
    if (i == kBetween + 1) value = high;
    if (i > 0 && i <= kBetween) value = written(value, unit.whole);
    if (values.empty() || value > values.back()) values.push_back(value);
  }
  return values;
}

std::vector<JsonNode> add_rows(Curve& curve, const Unit& unit, Table& table) {
  std::vector<JsonNode> rows;
  const auto values = curve.known();
  for (const auto& [value, ratio] : values) {
    const auto runs = curve.evaluated(value);
    JsonNode row;
    row.member("value") = JsonNode::of(value);
    row.member("text") = JsonNode::of(unit.text(value));
    row.member("goodput_tokens_per_s") =
        JsonNode::array_of({goodput_json(*runs[0]), goodput_json(*runs[1])});
    row.member("ratio") = ratio_json(ratio);
    rows.push_back(std::move(row));
    const auto cell = [](const Evaluated& run) {
      return run.feasible ? goodput_text(run) : "no run: " + run.reason;
    };
    table.add({unit.text(value), cell(*runs[0]), cell(*runs[1]), ratio_text(ratio)});
  }
  return rows;
}

Chart figure_of(Curve& curve, const PlanOptions& options, const Unit& unit) {
  std::vector<LinePoint> points;
  bool positive = true;
  for (const auto& [value, ratio] : curve.known()) {
    positive = positive && value > 0;
    if (ratio) points.push_back({value, ratio->ratio, ratio->interval});
  }
  auto chart = line_chart(
      "plan-breakeven",
      fmt::format("{} against {} by {}", options.policies[0], options.policies[1], options.key),
      {.title = fmt::format("{}, {}", options.key, unit.name),
       .scale = positive ? ScaleKind::logarithmic : ScaleKind::linear},
      {.title = "ratio of goodputs", .from_zero = false}, points);
  ChartData one;
  one.columns = {{"x", chart.x.title}, {"one", "equal"}};
  for (const auto& point : {points.front(), points.back()}) one.rows.push_back({point.x, 1.0});
  chart.data.push_back(std::move(one));
  chart.layers.push_back({.mark = Mark::line, .data = 1, .x = "x", .y = "one", .dashed = true});
  chart.caption =
      "Ratio of the mean goodputs with its paired 95 % interval. Where the interval crosses 1 the "
      "two cannot be told apart.";
  return chart;
}

JsonNode crossing_json(const std::optional<Crossing>& crossing, const PlanOptions& options,
                       const Unit& unit) {
  JsonNode node;
  node.member("key") = JsonNode::of(options.key);
  node.member("unit") = JsonNode::of(unit.name);
  node.member("value") = crossing ? JsonNode::of(crossing->value) : JsonNode{};
  node.member("low") = crossing && !crossing->low_open ? JsonNode::of(crossing->low) : JsonNode{};
  node.member("high") =
      crossing && !crossing->high_open ? JsonNode::of(crossing->high) : JsonNode{};
  node.member("better_above") =
      crossing ? JsonNode::of(options.policies[crossing->first_wins_above ? 0 : 1]) : JsonNode{};
  node.member("crossings") =
      JsonNode::of(crossing ? std::int64_t{1} + crossing->others : std::int64_t{0});
  return node;
}

std::string crossing_text(Curve& curve, const std::optional<Crossing>& crossing,
                          const PlanOptions& options, const Unit& unit) {
  const auto words = [&](double value) {
    return std::string_view(unit.name) == "s" ? rounded_text(round_to_duration(value))
                                              : unit.text(value);
  };
  if (!crossing) {
    for (const auto& [value, ratio] : curve.known()) {
      if (!ratio) continue;
      return fmt::format("{} has more goodput than {} everywhere in the range.",
                         options.policies[above_one(*ratio) ? 0 : 1],
                         options.policies[above_one(*ratio) ? 1 : 0]);
    }
    return "Nowhere in the range do both policies have a run.";
  }
  const int above = crossing->first_wins_above ? 0 : 1;
  return fmt::format(
      "{} = {}: above it {} has more goodput, below it {}. From {} to {} they cannot be told "
      "apart.",
      options.key, words(crossing->value), options.policies[static_cast<std::size_t>(above)],
      options.policies[static_cast<std::size_t>(1 - above)],
      crossing->low_open ? "the beginning of the range" : words(crossing->low),
      crossing->high_open ? "its end" : words(crossing->high));
}

}  // namespace

PlanAnswer plan_breakeven(const JsonNode& tree, const PlanOptions& options) {
  if (options.policies.size() != 2 || options.policies[0] == options.policies[1]) {
    throw InputError("plan breakeven compares two policies: --policies A,B");
  }
  const auto& unit = unit_of(options.low, options.high);
  const double low = *unit.parse(options.low);
  const double high = *unit.parse(options.high);
  if (!(low < high)) {
    throw InputError(fmt::format("--range {}..{}: is empty", options.low, options.high));
  }
  Curve curve(tree, options, unit);
  const auto values = first_values(unit, low, high);
  curve.run(values);
  const auto at_low = curve.evaluated(low);
  if (!at_low[0]->feasible && !at_low[1]->feasible) require_a_run(at_low);
  const auto crossing = find_crossing(curve, values, unit.whole);
  PlanAnswer answer{.question = "breakeven",
                    .json = {},
                    .table = Table({{options.key},
                                    {options.policies[0] + " tokens/s [95 %]"},
                                    {options.policies[1] + " tokens/s [95 %]"},
                                    {"ratio [95 %]"}}),
                    .text = {crossing_text(curve, crossing, options, unit)},
                    .figure = {}};
  if (crossing && crossing->others > 0) {
    answer.text.push_back(fmt::format(
        "They change places {} times in the range; this is the first.", crossing->others + 1));
  }
  auto rows = add_rows(curve, unit, answer.table);
  answer.json = plan_head("breakeven", options.policies, curve.evaluator(), at_low);
  const bool any = std::any_of(curve.known().begin(), curve.known().end(),
                               [](const auto& entry) { return entry.second.has_value(); });
  if (any) {
    answer.figure = figure_of(curve, options, unit);
    answer.figure->alternative = answer.text.front();
  }
  finish_json(answer, std::move(rows), crossing_json(crossing, options, unit));
  return answer;
}

}  // namespace bethany
