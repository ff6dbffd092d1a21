#include "analysis/report/chart_frame.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <map>

#include "analysis/number_text.h"
#include "analysis/report/clean_text.h"
#include "sim/base/check.h"

namespace bethany {
namespace {

constexpr double kMaxFloat = std::numeric_limits<double>::max();

void add_new(std::vector<std::string>& names, const std::string& name) {
  if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
}

void check_layer(const Chart& chart, const ChartLayer& layer) {
  BETHANY_CHECK(layer.data < chart.data.size(), "figure '{}' has no data {}", chart.id, layer.data);
  for (const auto* field : {&layer.x, &layer.x2, &layer.y, &layer.y2, &layer.colour}) {
    BETHANY_CHECK(field->empty() || column_of(chart.data[layer.data], *field).has_value(),
                  "figure '{}' has no column '{}' in data {}", chart.id, *field, layer.data);
  }
}

/// Stacks the bars of a layer along its value axis; what is below and above zero apart.
void stack(Chart& chart, std::size_t index) {
  ChartLayer& layer = chart.layers[index];
  ChartData& data = chart.data[layer.data];
  const bool lie = bars_lie(chart);
  std::string& value = lie ? layer.x : layer.y;
  std::string& other_end = lie ? layer.x2 : layer.y2;
  const auto value_column = column_of(data, value);
  const auto place_column = column_of(data, lie ? layer.y : layer.x);
  const auto panel_column = column_of(data, chart.panel);
  std::map<std::pair<std::string, std::string>, std::array<double, 2>> tops;
  for (std::size_t row = 0; row < data.rows.size(); ++row) {
    const auto size = number_in(cell_at(data, row, value_column));
    auto& top = tops[{text_in(cell_at(data, row, panel_column)),
                      text_in(cell_at(data, row, place_column))}][size.value_or(0) < 0 ? 1 : 0];
    const double from = top;
    top += size.value_or(0);
    data.rows[row].resize(data.columns.size() + 2);
    if (!size) continue;
    data.rows[row][data.columns.size()] = from;
    data.rows[row][data.columns.size() + 1] = top;
  }
  other_end = fmt::format("stack_from_{}", index);
  value = fmt::format("stack_to_{}", index);
  data.columns.push_back({other_end, other_end});
  data.columns.push_back({value, value});
}

/// Calls with each value that a layer has on the axis.
template <class Take>
void each_value(const Chart& chart, bool along_x, Take take) {
  for (const auto& layer : chart.layers) {
    const ChartData& data = chart.data[layer.data];
    const auto first = column_of(data, along_x ? layer.x : layer.y);
    const auto second = column_of(data, along_x ? layer.x2 : layer.y2);
    for (std::size_t row = 0; row < data.rows.size(); ++row) {
      if (first) take(cell_at(data, row, first));
      if (second) take(cell_at(data, row, second));
    }
  }
}

/// 1, 2 or 5 times a power of ten, at least the span by `parts`.
double nice_step(double span, double parts) {
  const double power = std::pow(10, std::floor(std::log10(span / parts)));
  const double rest = span / parts / power;
  return power * (rest <= 1 ? 1 : rest <= 2 ? 2 : rest <= 5 ? 5 : 10);
}

void place_linear(FrameAxis& axis, bool round_ends, double parts) {
  if (axis.low >= axis.high) {
    const double room = axis.low == 0 ? 1 : std::abs(axis.low) / 2;
    axis.low -= axis.low == 0 ? 0 : room;
    axis.high += room;
  }
  const double step = nice_step(axis.high - axis.low, parts);
  // A hair of tolerance: 0.3 / 0.1 is below 3.
  const double first = std::ceil(axis.low / step - 1e-9);
  const double last = std::floor(axis.high / step + 1e-9);
  double from = first;
  double to = last;
  if (round_ends) {
    if (axis.low < first * step - step * 1e-9) from = first - 1;
    if (axis.high > last * step + step * 1e-9) to = last + 1;
    axis.low = from * step + 0.0;  // never -0
    axis.high = to * step + 0.0;
  }
  for (double i = from; i <= to; ++i) {
    // Divided where the step is below 1, so that a tick reads 0.3 and not 0.30000000000000004.
    axis.ticks.push_back(i == 0 ? 0 : step < 1 ? i / std::round(1 / step) : i * step);
  }
}

void place_logarithmic(FrameAxis& axis) {
  if (axis.low >= axis.high) {
    axis.low /= 2;
    axis.high *= 2;
  }
  const int first = static_cast<int>(std::floor(std::log10(axis.low)));
  const int last = static_cast<int>(std::ceil(std::log10(axis.high)));
  const bool few = last - first <= 2;
  for (int power = first; power <= last; ++power) {
    for (const double digit : {1.0, 2.0, 5.0}) {
      const double tick = digit * std::pow(10, power);
      const bool inside = tick >= axis.low && tick <= axis.high;
      if (inside && (digit == 1 || few)) axis.ticks.push_back(tick);
    }
  }
}

/// Room for dots at the ends of a number axis that runs along x.
void make_room(FrameAxis& axis) {
  if (axis.scale == ScaleKind::logarithmic) {
    const double room = std::pow(axis.high / axis.low, 0.02);
    axis.low /= room;
    axis.high *= room;
  } else {
    const double room = 0.02 * (axis.high - axis.low);
    axis.low -= room;
    axis.high += room;
  }
}

FrameAxis axis_of(const Chart& chart, bool along_x) {
  const ChartAxis& asked = along_x ? chart.x : chart.y;
  FrameAxis axis;
  axis.scale = asked.scale;
  if (asked.scale == ScaleKind::category) {
    each_value(chart, along_x, [&](const ChartCell& cell) {
      if (!std::holds_alternative<std::monostate>(cell)) add_new(axis.categories, text_in(cell));
    });
    return axis;
  }
  const bool logarithmic = asked.scale == ScaleKind::logarithmic;
  axis.low = kMaxFloat;
  axis.high = -kMaxFloat;
  each_value(chart, along_x, [&](const ChartCell& cell) {
    const auto value = number_in(cell);
    if (!value || (logarithmic && *value <= 0)) return;
    axis.low = std::min(axis.low, *value);
    axis.high = std::max(axis.high, *value);
  });
  if (axis.low > axis.high) {
    axis.low = logarithmic ? 1 : 0;
    axis.high = logarithmic ? 10 : 1;
  }
  if (logarithmic) {
    place_logarithmic(axis);
  } else {
    if (asked.from_zero) {
      axis.low = std::min(axis.low, 0.0);
      axis.high = std::max(axis.high, 0.0);
    }
    place_linear(axis, !along_x || bars_lie(chart), along_x ? 8 : 5);
  }
  const bool dots = std::any_of(chart.layers.begin(), chart.layers.end(),
                                [](const ChartLayer& layer) { return layer.mark == Mark::dot; });
  if (along_x && dots) make_room(axis);
  return axis;
}

}  // namespace

Chart prepared(const Chart& chart) {
  Chart made = chart;
  for (auto& data : made.data) {
    for (auto& row : data.rows) {
      BETHANY_CHECK(row.size() == data.columns.size(), "figure '{}' has a row of {} cells in {}",
                    chart.id, row.size(), data.columns.size());
      for (auto& cell : row) {
        if (auto* text = std::get_if<std::string>(&cell)) *text = clean_text(*text);
      }
    }
  }
  for (auto& colour : made.colour_order) colour = clean_text(colour);
  for (std::size_t i = 0; i < made.layers.size(); ++i) {
    check_layer(made, made.layers[i]);
    const auto& layer = made.layers[i];
    const bool lie = bars_lie(made);
    const bool logarithmic = (lie ? made.x : made.y).scale == ScaleKind::logarithmic;
    const bool has_ends = !(lie ? layer.x2 : layer.y2).empty();
    if (layer.mark == Mark::bar && !has_ends && !logarithmic) stack(made, i);
  }
  return made;
}

ChartFrame frame_of(const Chart& chart) {
  ChartFrame frame;
  frame.x = axis_of(chart, true);
  frame.y = axis_of(chart, false);
  frame.colours = chart.colour_order;
  for (const auto& layer : chart.layers) {
    const ChartData& data = chart.data[layer.data];
    const auto panel = column_of(data, chart.panel);
    const auto colour = chart.colour_range ? std::nullopt : column_of(data, layer.colour);
    for (std::size_t row = 0; row < data.rows.size(); ++row) {
      if (panel) add_new(frame.panels, text_in(cell_at(data, row, panel)));
      if (colour) {
        const std::string name = text_in(cell_at(data, row, colour));
        if (name.empty()) continue;
        add_new(frame.colours, name);
        add_new(frame.shown_colours, name);
      }
    }
  }
  if (frame.panels.empty()) frame.panels.emplace_back();
  std::vector<std::string> in_order;
  for (const auto& name : frame.colours) {
    const auto& shown = frame.shown_colours;
    if (std::find(shown.begin(), shown.end(), name) != shown.end()) in_order.push_back(name);
  }
  frame.shown_colours = std::move(in_order);
  return frame;
}

std::optional<std::size_t> column_of(const ChartData& data, const std::string& name) {
  for (std::size_t i = 0; !name.empty() && i < data.columns.size(); ++i) {
    if (data.columns[i].name == name) return i;
  }
  return std::nullopt;
}

const ChartCell& cell_at(const ChartData& data, std::size_t row,
                         std::optional<std::size_t> column) {
  static const ChartCell nothing;
  return column ? data.rows[row][*column] : nothing;
}

std::optional<double> number_in(const ChartCell& cell) {
  const auto* number = std::get_if<double>(&cell);
  return number == nullptr ? std::nullopt : std::optional(*number);
}

std::string text_in(const ChartCell& cell) {
  if (const auto* number = std::get_if<double>(&cell)) return fmt::format("{}", *number);
  const auto* text = std::get_if<std::string>(&cell);
  return text == nullptr ? std::string() : *text;
}

bool bars_lie(const Chart& chart) {
  return chart.y.scale == ScaleKind::category && chart.x.scale != ScaleKind::category;
}

bool has_coloured_dots(const Chart& chart) {
  return std::any_of(chart.layers.begin(), chart.layers.end(), [&](const ChartLayer& layer) {
    return layer.mark == Mark::dot && !layer.colour.empty() && !chart.colour_range;
  });
}

double base_of(const FrameAxis& axis) {
  return axis.scale == ScaleKind::linear ? std::clamp(0.0, axis.low, axis.high) : axis.low;
}

std::string tick_text(const FrameAxis& axis, double value) {
  if (tick_format(axis) != "~s") {
    return std::abs(value) >= 1000 && value == std::round(value)
               ? grouped(static_cast<std::int64_t>(value))
               : fmt::format("{:.10g}", value);
  }
  double rest = value;
  std::size_t unit = 0;
  constexpr std::array<const char*, 7> kUnits = {"", "k", "M", "G", "T", "P", "E"};
  for (; unit + 1 < kUnits.size() && std::abs(rest) >= 1000; ++unit) rest /= 1000;
  return fmt::format("{:.10g}{}", rest, kUnits[unit]);
}

std::string tick_format(const FrameAxis& axis) {
  if (std::max(std::abs(axis.low), std::abs(axis.high)) >= 1e5) return "~s";
  return axis.scale == ScaleKind::logarithmic ? ",~g" : ",~f";
}

std::string label_of(const FrameAxis& axis, std::size_t i) {
  constexpr std::size_t kLongestLabel = 28;
  return axis.scale == ScaleKind::category ? short_text(axis.categories[i], kLongestLabel)
                                           : tick_text(axis, axis.ticks[i]);
}

std::size_t widest_label(const FrameAxis& axis) {
  const bool category = axis.scale == ScaleKind::category;
  std::size_t widest = 1;
  for (std::size_t i = 0; i < (category ? axis.categories.size() : axis.ticks.size()); ++i) {
    widest = std::max(widest, length_of(label_of(axis, i)));
  }
  return widest;
}

int panel_height(const ChartFrame& frame) {
  if (frame.y.scale == ScaleKind::category) {
    const auto rows = static_cast<int>(std::min<std::size_t>(frame.y.categories.size(), 100));
    return std::clamp(rows * 26, 52, 560);
  }
  const std::size_t panels = frame.panels.size();
  return panels == 1 ? 260 : panels <= 3 ? 150 : 96;
}

const std::vector<std::string>& chart_colours() {
  static const std::vector<std::string> colours = {"#0072B2", "#D55E00", "#009E73", "#CC79A7",
                                                   "#E69F00", "#56B4E9", "#7F7F7F", "#B8A800"};
  return colours;
}

const std::vector<std::vector<int>>& chart_dashes() {
  static const std::vector<std::vector<int>> dashes = {{}, {7, 3}, {2, 2}, {8, 3, 2, 3}};
  return dashes;
}

std::size_t colour_index(std::size_t category) { return category % chart_colours().size(); }

std::size_t dash_index(std::size_t category) {
  return (category + category / chart_colours().size()) % chart_dashes().size();
}

}  // namespace bethany
