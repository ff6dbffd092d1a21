#include "analysis/report/chart_svg.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include "analysis/report/chart_frame.h"
#include "analysis/report/clean_text.h"

namespace bethany {
namespace {

constexpr double kWidth = 760;
constexpr double kCharacter = 7;  // an average one of 12 px, in a wide font
constexpr double kRight = 18;
constexpr std::size_t kLabel = 28;  // characters of a name
constexpr double kLegendRow = 20;

/// A coordinate to a tenth of a pixel, as short as it goes.
std::string at(double value) {
  std::string text = fmt::format("{:.1f}", value);
  if (text.ends_with(".0")) text.resize(text.size() - 2);
  return text == "-0" ? "0" : text;
}

/// Viridis, even in lightness: it reads in grey too.
std::string shade(double share) {
  constexpr std::array<std::array<double, 3>, 6> kStops = {
      {{68, 1, 84}, {65, 68, 135}, {42, 120, 142}, {34, 168, 132}, {122, 209, 81}, {253, 231, 37}}};
  const double place = std::clamp(share, 0.0, 1.0) * (kStops.size() - 1);
  const auto below = std::min(static_cast<std::size_t>(place), kStops.size() - 2);
  const double rest = place - static_cast<double>(below);
  std::array<int, 3> mixed{};
  for (std::size_t i = 0; i < 3; ++i) {
    mixed[i] = static_cast<int>(
        std::lround(kStops[below][i] + rest * (kStops[below + 1][i] - kStops[below][i])));
  }
  return fmt::format("#{:02x}{:02x}{:02x}", mixed[0], mixed[1], mixed[2]);
}

struct Point {
  double x = 0;
  double y = 0;
};

/// A line of more points than can be seen keeps the first, lowest, highest and last of each half
/// pixel.
std::vector<Point> visible(const std::vector<Point>& points) {
  if (points.size() < 2 * static_cast<std::size_t>(kWidth)) return points;
  std::vector<Point> kept;
  for (std::size_t from = 0; from < points.size();) {
    std::size_t to = from;
    std::size_t low = from;
    std::size_t high = from;
    const double column = std::floor(points[from].x * 2);
    for (; to < points.size() && std::floor(points[to].x * 2) == column; ++to) {
      if (points[to].y < points[low].y) low = to;
      if (points[to].y > points[high].y) high = to;
    }
    std::array<std::size_t, 4> chosen = {from, std::min(low, high), std::max(low, high), to - 1};
    for (std::size_t i = 0; i < chosen.size(); ++i) {
      if (i == 0 || chosen[i] != chosen[i - 1]) kept.push_back(points[chosen[i]]);
    }
    from = to;
  }
  return kept;
}

class SvgDrawing {
 public:
  explicit SvgDrawing(const Chart& chart) : chart_(prepared(chart)), frame_(frame_of(chart_)) {
    left_ = frame_.y.scale == ScaleKind::category ? 14 : 18;
    left_ += label_width(frame_.y);
    const double band =
        plot_width() / static_cast<double>(std::max<std::size_t>(1, frame_.x.categories.size()));
    turned_ = frame_.x.scale == ScaleKind::category && label_width(frame_.x) > band && band >= 12;
  }

  std::string draw() {
    double top = legend();
    for (std::size_t panel = 0; panel < frame_.panels.size(); ++panel) top = draw_panel(panel, top);
    return fmt::format(
               "<svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\" font-size=\"12\" "
               "fill=\"currentColor\" font-family=\"system-ui,sans-serif\">\n",
               at(kWidth), at(top + 4), html_text(chart_.alternative)) +
           out_ + "</svg>\n";
  }

 private:
  double plot_width() const { return kWidth - left_ - kRight; }

  double panel_height() const { return bethany::panel_height(frame_); }

  static double label_width(const FrameAxis& axis) {
    return static_cast<double>(widest_label(axis)) * kCharacter;
  }

  /// Where a value lies on an axis of so many pixels: the middle of the band of a category.
  static std::optional<double> place(const FrameAxis& axis, const ChartCell& cell, double pixels) {
    if (axis.scale == ScaleKind::category) {
      const auto& names = axis.categories;
      const auto found = std::find(names.begin(), names.end(), text_in(cell));
      if (found == names.end()) return std::nullopt;
      return (static_cast<double>(found - names.begin()) + 0.5) * band(axis, pixels);
    }
    const auto value = number_in(cell);
    if (!value) return std::nullopt;
    if (axis.scale == ScaleKind::linear) {
      return (*value - axis.low) / (axis.high - axis.low) * pixels;
    }
    if (*value <= 0) return std::nullopt;
    return std::log(*value / axis.low) / std::log(axis.high / axis.low) * pixels;
  }

  static double band(const FrameAxis& axis, double pixels) {
    return pixels / static_cast<double>(std::max<std::size_t>(1, axis.categories.size()));
  }

  std::optional<double> x_of(const ChartCell& cell) const {
    const auto x = place(frame_.x, cell, plot_width());
    return x ? std::optional(left_ + *x) : std::nullopt;
  }
  /// Categories run down, numbers up.
  std::optional<double> y_of(const ChartCell& cell) const {
    const auto y = place(frame_.y, cell, panel_height());
    if (!y) return std::nullopt;
    return frame_.y.scale == ScaleKind::category ? top_ + *y : top_ + panel_height() - *y;
  }

  void text(double x, double y, std::string_view anchor, std::string_view what,
            std::string_view more = "") {
    out_ += fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"{}\"{}>{}</text>\n", at(x), at(y),
                        anchor, more, html_text(what));
  }

  void line(double x1, double y1, double x2, double y2, std::string_view stroke) {
    out_ += fmt::format("<path d=\"M{} {}L{} {}\" {}/>\n", at(x1), at(y1), at(x2), at(y2), stroke);
  }

  /// The colour of a row: its category's, or its number's, or the text colour.
  std::string colour_of(const ChartCell& cell, bool used) const {
    if (!used) return "currentColor";
    if (chart_.colour_range) {
      const auto value = number_in(cell);
      const auto [low, high] = *chart_.colour_range;
      return value ? shade(high > low ? (*value - low) / (high - low) : 0.5) : "none";
    }
    const auto category = category_of(text_in(cell));
    return category ? category_colour(*category) : "currentColor";
  }

  std::optional<std::size_t> category_of(const std::string& name) const {
    const auto found = std::find(frame_.colours.begin(), frame_.colours.end(), name);
    if (found == frame_.colours.end()) return std::nullopt;
    return static_cast<std::size_t>(found - frame_.colours.begin());
  }

  static std::string category_colour(std::size_t category) {
    const std::size_t i = colour_index(category);
    return fmt::format("var(--c{},{})", i, chart_colours()[i]);
  }

  std::string dash_attribute(std::size_t category) const {
    if (has_coloured_dots(chart_)) return "";
    const auto& dashes = chart_dashes()[dash_index(category)];
    return dashes.empty() ? "" : fmt::format(" stroke-dasharray=\"{}\"", fmt::join(dashes, " "));
  }

  /// One of four outlines around a point.
  static std::string symbol(std::size_t category, double x, double y, double r) {
    const auto polygon = [&](std::initializer_list<Point> corners) {
      std::string path;
      for (const auto& corner : corners) {
        path += fmt::format("{}{} {}", path.empty() ? "M" : "L", at(x + corner.x * r),
                            at(y + corner.y * r));
      }
      return fmt::format("<path d=\"{}Z\"", path);
    };
    switch (category % 4) {
      case 0:
        return fmt::format("<circle cx=\"{}\" cy=\"{}\" r=\"{}\"", at(x), at(y), at(r));
      case 1:
        return polygon({{-0.9, -0.9}, {0.9, -0.9}, {0.9, 0.9}, {-0.9, 0.9}});
      case 2:
        return polygon({{0, -1.2}, {1.15, 0.9}, {-1.15, 0.9}});
      default:
        return polygon({{0, -1.35}, {1.35, 0}, {0, 1.35}, {-1.35, 0}});
    }
  }

  // --- legend

  bool has_mark(std::initializer_list<Mark> marks) const {
    return std::any_of(chart_.layers.begin(), chart_.layers.end(), [&](const ChartLayer& layer) {
      return !layer.colour.empty() && !layer.dashed &&
             std::find(marks.begin(), marks.end(), layer.mark) != marks.end();
    });
  }

  void swatch(std::size_t category, double x, double y) {
    const std::string colour = category_colour(category);
    const bool lines = has_mark({Mark::line, Mark::steps});
    const bool dots = has_mark({Mark::dot, Mark::interval});
    if (lines) {
      line(x, y, x + 26, y,
           fmt::format("stroke=\"{}\" stroke-width=\"2.5\"{}", colour, dash_attribute(category)));
    }
    if (dots) {
      out_ += fmt::format("{} fill=\"{}\"/>\n", symbol(category, x + 13, y, 5), colour);
    } else if (!lines) {
      out_ += fmt::format("<rect x=\"{}\" y=\"{}\" width=\"14\" height=\"12\" fill=\"{}\"/>\n",
                          at(x + 10), at(y - 6), colour);
    }
  }

  /// Draws the legend; returns where the panels begin.
  double legend() {
    if (chart_.colour_range) return shade_legend();
    const auto& names = frame_.shown_colours;
    if (names.empty()) return 8;
    double x = 0;
    double y = 12;
    for (const auto& name : names) {
      const std::string label = short_text(name, kLabel);
      const double width = static_cast<double>(length_of(label)) * kCharacter + 50;
      if (x > 0 && x + width > kWidth) {
        x = 0;
        y += kLegendRow;
      }
      swatch(*category_of(name), x, y);
      text(x + 32, y + 4, "start", label);
      x += width;
    }
    return y + kLegendRow + 2;
  }

  double shade_legend() {
    constexpr int kSteps = 32;
    const auto [low, high] = *chart_.colour_range;
    const double from = kWidth - kRight - 160;
    for (int i = 0; i < kSteps; ++i) {
      out_ += fmt::format("<rect x=\"{}\" y=\"4\" width=\"5.2\" height=\"12\" fill=\"{}\"/>\n",
                          at(from + i * 5), shade(i / static_cast<double>(kSteps - 1)));
    }
    text(from - 6, 14, "end", fmt::format("{} {:.4g}", chart_.colour_title, low));
    text(kWidth - kRight, 30, "end", fmt::format("{:.4g}", high));
    return 34;
  }

  // --- panels

  double draw_panel(std::size_t panel, double top) {
    const bool first = panel == 0;
    const bool last = panel + 1 == frame_.panels.size();
    if (first && !chart_.y.title.empty()) {
      top += 10;
      text(0, top, "start", chart_.y.title, " opacity=\"0.8\"");
      top += 8;
    }
    if (!frame_.panels[panel].empty()) {
      top += 12;
      text(left_, top, "start", short_text(frame_.panels[panel], 80), " font-weight=\"600\"");
      top += 6;
    }
    top_ = top;
    draw_grid(last);
    for (const auto& layer : chart_.layers) draw_layer(layer, frame_.panels[panel]);
    double bottom = top_ + panel_height() + 12;
    if (last) {
      bottom += turned_ ? std::min(150.0, label_width(frame_.x) * 0.6 + 12) : 12;
      text(left_ + plot_width() / 2, bottom + 10, "middle", chart_.x.title, " opacity=\"0.8\"");
      bottom += 14;
    }
    return bottom;
  }

  void draw_grid(bool labels_below) {
    constexpr std::string_view kGrid = "stroke=\"currentColor\" stroke-opacity=\"0.14\"";
    const double height = panel_height();
    const bool y_numbers = frame_.y.scale != ScaleKind::category;
    const std::size_t rows = y_numbers ? frame_.y.ticks.size() : frame_.y.categories.size();
    const std::size_t every = std::max<std::size_t>(
        1, static_cast<std::size_t>(std::ceil(14.0 * static_cast<double>(rows) / height)));
    for (std::size_t i = 0; i < rows; ++i) {
      const auto y = y_of(y_numbers ? ChartCell(frame_.y.ticks[i]) : frame_.y.categories[i]);
      if (y_numbers) line(left_, *y, left_ + plot_width(), *y, kGrid);
      if (i % every == 0) text(left_ - 8, *y + 4, "end", label_of(frame_.y, i));
    }
    line(left_, top_ + height, left_ + plot_width(), top_ + height,
         "stroke=\"currentColor\" stroke-opacity=\"0.5\"");
    draw_x_labels(labels_below);
  }

  void draw_x_labels(bool labels_below) {
    const double bottom = top_ + panel_height();
    const bool numbers = frame_.x.scale != ScaleKind::category;
    const std::size_t columns = numbers ? frame_.x.ticks.size() : frame_.x.categories.size();
    const double room = plot_width() / static_cast<double>(std::max<std::size_t>(1, columns));
    const double needed = turned_ ? 14 : label_width(frame_.x) + 4;
    const auto every = std::max<std::size_t>(1, static_cast<std::size_t>(std::ceil(needed / room)));
    for (std::size_t i = 0; i < columns; ++i) {
      const auto x = x_of(numbers ? ChartCell(frame_.x.ticks[i]) : frame_.x.categories[i]);
      if (numbers) {
        line(*x, top_, *x, bottom + 4, "stroke=\"currentColor\" stroke-opacity=\"0.14\"");
      }
      if (!labels_below || (!numbers && i % every != 0)) continue;
      const std::string label = label_of(frame_.x, i);
      if (turned_) {
        text(*x + 4, bottom + 14, "end", label,
             fmt::format(" transform=\"rotate(-35 {} {})\"", at(*x + 4), at(bottom + 14)));
      } else {
        text(*x, bottom + 16, "middle", label);
      }
    }
  }

  // --- layers

  /// A row of a layer in the panel at hand.
  struct Row {
    ChartCell x, x2, y, y2, colour;
  };

  std::vector<Row> rows_of(const ChartLayer& layer, const std::string& panel) const {
    const ChartData& data = chart_.data[layer.data];
    const auto panel_column = column_of(data, chart_.panel);
    const auto x = column_of(data, layer.x);
    const auto x2 = column_of(data, layer.x2);
    const auto y = column_of(data, layer.y);
    const auto y2 = column_of(data, layer.y2);
    const auto colour = column_of(data, layer.colour);
    std::vector<Row> rows;
    for (std::size_t row = 0; row < data.rows.size(); ++row) {
      if (panel_column && text_in(cell_at(data, row, panel_column)) != panel) continue;
      rows.push_back({cell_at(data, row, x), cell_at(data, row, x2), cell_at(data, row, y),
                      cell_at(data, row, y2), cell_at(data, row, colour)});
    }
    return rows;
  }

  void draw_layer(const ChartLayer& layer, const std::string& panel) {
    const auto rows = rows_of(layer, panel);
    out_ += layer.faint ? "<g opacity=\"0.3\">\n" : "<g>\n";
    switch (layer.mark) {
      case Mark::line:
      case Mark::steps:
      case Mark::area:
        draw_paths(layer, rows);
        break;
      default:
        for (const auto& row : rows) draw_mark(layer, row);
    }
    out_ += "</g>\n";
  }

  /// One path for each colour, in the order of the colours; broken where a value is missing.
  void draw_paths(const ChartLayer& layer, const std::vector<Row>& rows) {
    std::map<std::size_t, std::vector<const Row*>> series;
    for (const auto& row : rows) {
      series[category_of(text_in(row.colour)).value_or(frame_.colours.size())].push_back(&row);
    }
    for (const auto& [category, members] : series) {
      const std::string colour = category < frame_.colours.size() ? category_colour(category)
                                                                  : std::string("currentColor");
      if (layer.mark == Mark::area) {
        const std::string path = area_path(layer, members);
        out_ += fmt::format("<path d=\"{}\" fill=\"{}\" fill-opacity=\"0.25\"/>\n", path, colour);
        continue;
      }
      std::string dash = layer.dashed ? " stroke-dasharray=\"3 4\"" : "";
      if (!layer.dashed && category < frame_.colours.size()) dash = dash_attribute(category);
      out_ += fmt::format(
          "<path d=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"{}\" "
          "stroke-linejoin=\"round\"{}/>\n",
          line_path(layer, members), colour, layer.faint || layer.dashed ? "1.2" : "1.8", dash);
    }
  }

  std::string line_path(const ChartLayer& layer, const std::vector<const Row*>& rows) const {
    std::vector<std::vector<Point>> pieces(1);
    for (const auto* row : rows) {
      const auto x = x_of(row->x);
      const auto y = y_of(row->y);
      if (x && y) {
        pieces.back().push_back({*x, *y});
      } else if (!pieces.back().empty()) {
        pieces.emplace_back();
      }
    }
    std::string path;
    for (const auto& piece : pieces) {
      const auto points = visible(piece);
      for (std::size_t i = 0; i < points.size(); ++i) {
        const bool steps = layer.mark == Mark::steps;
        const auto x = at(points[i].x);
        const auto y = at(points[i].y);
        path += i == 0 ? fmt::format("M{} {}", x, y)
                       : fmt::format(fmt::runtime(steps ? "H{}V{}" : "L{} {}"), x, y);
      }
    }
    return path;
  }

  std::string area_path(const ChartLayer& layer, const std::vector<const Row*>& rows) const {
    std::string path;
    std::string back;
    for (const auto* row : rows) {
      const auto x = x_of(row->x);
      const auto y = y_of(row->y);
      const auto y2 = y_of(layer.y2.empty() ? ChartCell(base_of(frame_.y)) : row->y2);
      if (!x || !y || !y2) continue;
      path += fmt::format("{}{} {}", path.empty() ? "M" : "L", at(*x), at(*y));
      back = fmt::format("L{} {}", at(*x), at(*y2)) + back;
    }
    return path.empty() ? "" : path + back + "Z";
  }

  void draw_mark(const ChartLayer& layer, const Row& row) {
    switch (layer.mark) {
      case Mark::bar:
        return draw_box(layer, row, 0.72);
      case Mark::cell:
        return draw_box(layer, row, 1);
      case Mark::dot:
        return draw_dot(layer, row);
      case Mark::interval:
        return draw_interval(layer, row);
      default: {
        const auto x = x_of(row.x);
        if (!x) return;
        const auto colour = colour_of(row.colour, !layer.colour.empty());
        line(*x, top_, *x, top_ + panel_height(),
             fmt::format("stroke=\"{}\" stroke-width=\"1.2\"{}", colour,
                         layer.dashed ? " stroke-dasharray=\"3 4\"" : ""));
      }
    }
  }

  struct Span {
    double from = 0;
    double to = 0;
  };

  /// From one end to the other; of a category a share of its band; else from the base.
  template <class Place>
  std::optional<Span> span_of(const FrameAxis& axis, const ChartCell& end, const ChartCell& other,
                              bool has_other, double bandwidth, double share, Place where) const {
    const auto to = where(end);
    if (!to) return std::nullopt;
    if (axis.scale == ScaleKind::category) {
      return Span{*to - bandwidth * share / 2, *to + bandwidth * share / 2};
    }
    const auto from = where(has_other ? other : ChartCell(base_of(axis)));
    if (!from) return std::nullopt;
    return Span{std::min(*from, *to), std::max(*from, *to)};
  }

  void draw_box(const ChartLayer& layer, const Row& row, double share) {
    const auto x = span_of(frame_.x, row.x, row.x2, !layer.x2.empty(), band(frame_.x, plot_width()),
                           share, [this](const ChartCell& cell) { return x_of(cell); });
    const auto y =
        span_of(frame_.y, row.y, row.y2, !layer.y2.empty(), band(frame_.y, panel_height()), share,
                [this](const ChartCell& cell) { return y_of(cell); });
    if (!x || !y) return;
    const auto colour = colour_of(row.colour, !layer.colour.empty());
    out_ += fmt::format("<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"{}\"{}/>\n",
                        at(x->from), at(y->from), at(x->to - x->from), at(y->to - y->from), colour,
                        layer.mark == Mark::cell ? " shape-rendering=\"crispEdges\"" : "");
  }

  void draw_dot(const ChartLayer& layer, const Row& row) {
    const auto x = x_of(row.x);
    const auto y = y_of(row.y);
    if (!x || !y) return;
    const auto category = category_of(text_in(row.colour)).value_or(0);
    out_ += fmt::format("{} fill=\"{}\"/>\n", symbol(category, *x, *y, 4.5),
                        colour_of(row.colour, !layer.colour.empty()));
  }

  void draw_interval(const ChartLayer& layer, const Row& row) {
    const auto x = x_of(row.x);
    const auto y = y_of(row.y);
    const auto x2 = layer.x2.empty() ? x : x_of(row.x2);
    const auto y2 = layer.y2.empty() ? y : y_of(row.y2);
    if (!x || !y || !x2 || !y2) return;
    const auto stroke = fmt::format("stroke=\"{}\" stroke-width=\"2\"",
                                    colour_of(row.colour, !layer.colour.empty()));
    line(*x, *y, *x2, *y2, stroke);
    const double cap_x = layer.x2.empty() ? 4 : 0;
    const double cap_y = layer.x2.empty() ? 0 : 4;
    line(*x - cap_x, *y - cap_y, *x + cap_x, *y + cap_y, stroke);
    line(*x2 - cap_x, *y2 - cap_y, *x2 + cap_x, *y2 + cap_y, stroke);
  }

  Chart chart_;
  ChartFrame frame_;
  double left_ = 0;
  double top_ = 0;       // of the panel at hand
  bool turned_ = false;  // names of categories below the picture stand aslant
  std::string out_;
};

}  // namespace

std::string chart_svg(const Chart& chart) { return SvgDrawing(chart).draw(); }

}  // namespace bethany
