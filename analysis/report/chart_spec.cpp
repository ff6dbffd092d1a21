#include "analysis/report/chart_spec.h"

#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>
#include <numeric>
#include <utility>

#include "analysis/report/chart_frame.h"
#include "analysis/report/clean_text.h"
#include "analysis/table.h"

namespace bethany {
namespace {

constexpr std::int64_t kWidth = 716;

JsonNode whole(std::size_t value) { return JsonNode::of(static_cast<std::int64_t>(value)); }

JsonNode object(std::initializer_list<std::pair<const char*, JsonNode>> members) {
  JsonNode node;
  node.kind = JsonNode::Kind::object;
  for (const auto& [key, value] : members) node.member(key) = value;
  return node;
}

JsonNode texts(const std::vector<std::string>& values) {
  std::vector<JsonNode> items;
  for (const auto& value : values) items.push_back(JsonNode::of(value));
  return JsonNode::array_of(std::move(items));
}

JsonNode text(std::string_view value) { return JsonNode::of(clean_text(value)); }

std::string data_name(std::size_t data) { return fmt::format("d{}", data); }

/// Whether the column stands for categories in some layer, or splits the chart.
bool is_category(const Chart& chart, std::size_t data, const std::string& column) {
  if (column == chart.panel) return true;
  return std::any_of(chart.layers.begin(), chart.layers.end(), [&](const ChartLayer& layer) {
    if (layer.data != data) return false;
    const bool x = layer.x == column || layer.x2 == column;
    const bool y = layer.y == column || layer.y2 == column;
    return (x && chart.x.scale == ScaleKind::category) ||
           (y && chart.y.scale == ScaleKind::category) ||
           (layer.colour == column && !chart.colour_range);
  });
}

JsonNode value_of(const ChartCell& cell, bool category) {
  if (std::holds_alternative<std::monostate>(cell)) return {};
  const auto number = number_in(cell);
  if (number && !category) return JsonNode::of(*number);
  return JsonNode::of(text_in(cell));
}

class SpecWriter {
 public:
  explicit SpecWriter(const Chart& chart) : chart_(prepared(chart)), frame_(frame_of(chart_)) {}

  JsonNode write() const {
    JsonNode spec;
    spec.member("description") = text(chart_.alternative);
    if (frame_.panels.size() == 1) {
      fill_panel(0, spec);
      return spec;
    }
    std::vector<JsonNode> panels;
    for (std::size_t i = 0; i < frame_.panels.size(); ++i) fill_panel(i, panels.emplace_back());
    spec.member("vconcat") = JsonNode::array_of(std::move(panels));
    spec.member("spacing") = whole(14);
    const auto shared = JsonNode::of("shared");
    spec.member("resolve") =
        object({{"scale", object({{"x", shared}, {"y", shared}, {"color", shared}})}});
    return spec;
  }

  JsonNode rows() const {
    JsonNode all;
    for (std::size_t i = 0; i < chart_.data.size(); ++i) {
      const ChartData& data = chart_.data[i];
      std::vector<std::string> names;
      std::vector<bool> categories;
      for (const auto& column : data.columns) {
        names.push_back(column.name);
        categories.push_back(is_category(chart_, i, column.name));
      }
      std::vector<JsonNode> rows;
      rows.reserve(data.rows.size());
      for (const auto& row : data.rows) {
        std::vector<JsonNode> cells;
        for (std::size_t c = 0; c < row.size(); ++c) {
          cells.push_back(value_of(row[c], categories[c]));
        }
        rows.push_back(JsonNode::array_of(std::move(cells)));
      }
      all.member(data_name(i)) =
          object({{"columns", texts(names)}, {"rows", JsonNode::array_of(std::move(rows))}});
    }
    return all;
  }

 private:
  /// The plot and its labels together are as wide as the picture of chart_svg().
  std::int64_t plot_width() const {
    return kWidth - static_cast<std::int64_t>(widest_label(frame_.y) * 7);
  }

  void fill_panel(std::size_t panel, JsonNode& spec) const {
    const std::string& name = frame_.panels[panel];
    if (!name.empty()) {
      spec.member("title") = object({{"text", JsonNode::of(short_text(name, 80))},
                                     {"anchor", JsonNode::of("start")},
                                     {"fontSize", whole(12)}});
    }
    spec.member("width") = JsonNode::of(plot_width());
    spec.member("height") = JsonNode::of(std::int64_t{panel_height(frame_)});
    std::vector<JsonNode> layers;
    for (const auto& layer : chart_.layers) layers.push_back(layer_node(layer, panel));
    if (can_zoom()) {
      const JsonNode select = object({{"type", JsonNode::of("interval")},
                                      {"encodings", texts({"x"})},
                                      {"zoom", JsonNode::of("wheel![event.shiftKey]")}});
      layers.front().member("params") =
          JsonNode::array_of({object({{"name", JsonNode::of(fmt::format("zoom_{}", panel))},
                                      {"select", select},
                                      {"bind", JsonNode::of("scales")}})});
    }
    spec.member("layer") = JsonNode::array_of(std::move(layers));
  }

  /// Lines along a number axis can be zoomed: shift and wheel; dragging moves them.
  bool can_zoom() const {
    return chart_.x.scale != ScaleKind::category && !chart_.layers.empty() &&
           std::any_of(chart_.layers.begin(), chart_.layers.end(), is_line);
  }

  JsonNode layer_node(const ChartLayer& layer, std::size_t panel) const {
    JsonNode node;
    node.member("data") = object({{"name", JsonNode::of(data_name(layer.data))}});
    if (column_of(chart_.data[layer.data], chart_.panel)) {
      const JsonNode filter = object(
          {{"field", JsonNode::of(chart_.panel)}, {"equal", JsonNode::of(frame_.panels[panel])}});
      node.member("transform") = JsonNode::array_of({object({{"filter", filter}})});
    }
    node.member("mark") = mark_node(layer);
    node.member("encoding") = encoding(layer, panel);
    return node;
  }

  static JsonNode mark_node(const ChartLayer& layer) {
    JsonNode mark;
    const auto set_type = [&](const char* type) { mark.member("type") = JsonNode::of(type); };
    switch (layer.mark) {
      case Mark::line:
        set_type("line");
        break;
      case Mark::steps:
        set_type("line");
        mark.member("interpolate") = JsonNode::of("step-after");
        break;
      case Mark::area:
        set_type("area");
        mark.member("fillOpacity") = JsonNode::of(0.25);
        break;
      case Mark::bar:
        set_type("bar");
        break;
      case Mark::dot:
        set_type("point");
        mark.member("filled") = JsonNode::of(true);
        mark.member("size") = whole(70);
        mark.member("opacity") = JsonNode::of(1.0);
        break;
      case Mark::interval:
        set_type("rule");
        mark.member("strokeWidth") = whole(2);
        break;
      case Mark::rule:
        set_type("rule");
        break;
      case Mark::cell:
        set_type("rect");
        break;
    }
    mark.member("clip") = JsonNode::of(true);
    if (layer.dashed) {
      mark.member("strokeDash") = JsonNode::array_of({whole(3), whole(4)});
      mark.member("strokeWidth") = JsonNode::of(1.2);
    }
    if (layer.faint) mark.member("opacity") = JsonNode::of(0.3);
    return mark;
  }

  JsonNode encoding(const ChartLayer& layer, std::size_t panel) const {
    JsonNode encoding;
    if (!layer.x.empty()) encoding.member("x") = position(layer.x, true, panel);
    if (!layer.y.empty()) encoding.member("y") = position(layer.y, false, panel);
    add_second_ends(layer, encoding);
    if (!layer.colour.empty()) add_colour(layer, encoding);
    if (layer.mark != Mark::area) encoding.member("tooltip") = tooltip(layer);
    return encoding;
  }

  JsonNode position(const std::string& field, bool along_x, std::size_t panel) const {
    const FrameAxis& axis = along_x ? frame_.x : frame_.y;
    const bool category = axis.scale == ScaleKind::category;
    JsonNode node = object({{"field", JsonNode::of(field)},
                            {"type", JsonNode::of(category ? "nominal" : "quantitative")}});
    const bool titled = along_x ? panel + 1 == frame_.panels.size() : panel == 0;
    node.member("title") = titled ? text((along_x ? chart_.x : chart_.y).title) : JsonNode();
    JsonNode& scale = node.member("scale");
    if (category) {
      scale.member("domain") = texts(axis.categories);
    } else {
      scale.member("domain") =
          JsonNode::array_of({JsonNode::of(axis.low), JsonNode::of(axis.high)});
      scale.member("nice") = JsonNode::of(false);
      if (axis.scale == ScaleKind::logarithmic) {
        scale.member("type") = JsonNode::of("log");
      } else {
        scale.member("zero") = JsonNode::of(false);
      }
      node.member("stack") = JsonNode();
    }
    JsonNode& axis_node = node.member("axis");
    axis_node.kind = JsonNode::Kind::object;
    if (!category) axis_node.member("format") = JsonNode::of(tick_format(axis));
    if (!category && axis.ticks.size() > 1) {
      axis_node.member("tickCount") = whole(axis.ticks.size());
    }
    if (along_x && panel + 1 != frame_.panels.size()) {
      axis_node.member("labels") = JsonNode::of(false);
    } else if (along_x && category) {
      axis_node.member("labelAngle") = JsonNode::of(std::int64_t{names_are_long() ? -35 : 0});
    }
    return node;
  }

  bool names_are_long() const {
    std::size_t longest = 0;
    for (const auto& name : frame_.x.categories) longest = std::max(longest, length_of(name));
    return longest * frame_.x.categories.size() > 90;
  }

  void add_second_ends(const ChartLayer& layer, JsonNode& encoding) const {
    const bool filled = layer.mark == Mark::bar || layer.mark == Mark::area;
    const bool lie = bars_lie(chart_);
    const auto base = [](const FrameAxis& axis) {
      return object({{"datum", JsonNode::of(base_of(axis))}});
    };
    if (!layer.x2.empty()) {
      encoding.member("x2") = object({{"field", JsonNode::of(layer.x2)}});
    } else if (filled && lie && layer.mark == Mark::bar) {
      encoding.member("x2") = base(frame_.x);
    }
    if (!layer.y2.empty()) {
      encoding.member("y2") = object({{"field", JsonNode::of(layer.y2)}});
    } else if (filled && !lie && frame_.y.scale != ScaleKind::category) {
      encoding.member("y2") = base(frame_.y);
    }
  }

  void add_colour(const ChartLayer& layer, JsonNode& encoding) const {
    const JsonNode title = chart_.colour_title.empty() ? JsonNode() : text(chart_.colour_title);
    if (chart_.colour_range) {
      const auto [low, high] = *chart_.colour_range;
      const JsonNode domain = JsonNode::array_of({JsonNode::of(low), JsonNode::of(high)});
      encoding.member("color") =
          object({{"field", JsonNode::of(layer.colour)},
                  {"type", JsonNode::of("quantitative")},
                  {"title", title},
                  {"scale", object({{"domain", domain}, {"scheme", JsonNode::of("viridis")}})}});
      return;
    }
    const JsonNode domain = texts(frame_.colours);
    const JsonNode legend = category_legend();
    const auto channel = [&](JsonNode range) {
      JsonNode node = object({{"field", JsonNode::of(layer.colour)},
                              {"type", JsonNode::of("nominal")},
                              {"title", title},
                              {"legend", legend}});
      node.member("scale").member("domain") = domain;
      if (!range.items.empty()) node.member("scale").member("range") = std::move(range);
      return node;
    };
    encoding.member("color") = channel({});
    // Where dots have shapes, lines need no dashes.
    if (is_line(layer) && !layer.dashed && !has_coloured_dots(chart_)) {
      encoding.member("strokeDash") = channel(dash_range());
    }
    if (layer.mark == Mark::dot) encoding.member("shape") = channel(shape_range());
  }

  static bool is_line(const ChartLayer& layer) {
    return layer.mark == Mark::line || layer.mark == Mark::steps;
  }

  JsonNode category_legend() const {
    JsonNode legend = object({{"values", texts(frame_.shown_colours)},
                              {"columns", whole(legend_columns())},
                              {"title", JsonNode()}});
    const bool only_lines =
        std::all_of(chart_.layers.begin(), chart_.layers.end(),
                    [](const ChartLayer& layer) { return layer.colour.empty() || is_line(layer); });
    // Long enough to show the dashes.
    if (only_lines) legend.member("symbolSize") = whole(600);
    return legend;
  }

  /// As many columns as fit into the width; each is as wide as its longest name.
  std::size_t legend_columns() const {
    const auto& names = frame_.shown_colours;
    for (std::size_t columns = names.size(); columns > 1; --columns) {
      std::vector<std::size_t> widths(columns, 0);
      for (std::size_t i = 0; i < names.size(); ++i) {
        const std::size_t width = std::min<std::size_t>(length_of(names[i]), 28) + 6;
        widths[i % columns] = std::max(widths[i % columns], width);
      }
      if (std::accumulate(widths.begin(), widths.end(), std::size_t{0}) <= 100) return columns;
    }
    return 1;
  }

  JsonNode dash_range() const {
    std::vector<JsonNode> range;
    for (std::size_t i = 0; i < frame_.colours.size(); ++i) {
      std::vector<JsonNode> lengths;
      for (const int length : chart_dashes()[dash_index(i)]) {
        lengths.push_back(JsonNode::of(std::int64_t{length}));
      }
      if (lengths.empty()) lengths = {whole(1), whole(0)};
      range.push_back(JsonNode::array_of(std::move(lengths)));
    }
    return JsonNode::array_of(std::move(range));
  }

  JsonNode shape_range() const {
    static const std::vector<std::string> shapes = {"circle", "square", "triangle-up", "diamond"};
    std::vector<std::string> range;
    for (std::size_t i = 0; i < frame_.colours.size(); ++i) {
      range.push_back(shapes[i % shapes.size()]);
    }
    return texts(range);
  }

  JsonNode tooltip(const ChartLayer& layer) const {
    const ChartData& data = chart_.data[layer.data];
    std::vector<JsonNode> fields;
    for (std::size_t c = 0; c < data.columns.size(); ++c) {
      const auto& column = data.columns[c];
      if (column.name.starts_with("stack_")) continue;
      const bool number = !is_category(chart_, layer.data, column.name) &&
                          std::all_of(data.rows.begin(), data.rows.end(), [&](const auto& row) {
                            return !std::holds_alternative<std::string>(row[c]);
                          });
      fields.push_back(object({{"field", JsonNode::of(column.name)},
                               {"type", JsonNode::of(number ? "quantitative" : "nominal")},
                               {"title", text(column.title)}}));
    }
    return JsonNode::array_of(std::move(fields));
  }

  Chart chart_;
  ChartFrame frame_;
};

}  // namespace

JsonNode chart_spec(const Chart& chart) { return SpecWriter(chart).write(); }

JsonNode chart_rows(const Chart& chart) { return SpecWriter(chart).rows(); }

JsonNode chart_theme() {
  const JsonNode quiet = JsonNode::of(0.14);
  const JsonNode ink = JsonNode::of("#222222");
  const JsonNode axis = object({{"labelColor", ink},
                                {"titleColor", ink},
                                {"titleFontWeight", JsonNode::of("normal")},
                                {"labelFontSize", whole(12)},
                                {"titleFontSize", whole(12)},
                                {"labelLimit", whole(190)},
                                {"gridColor", ink},
                                {"gridOpacity", quiet},
                                {"domainColor", ink},
                                {"domainOpacity", JsonNode::of(0.5)},
                                {"tickColor", ink},
                                {"tickOpacity", JsonNode::of(0.5)}});
  const JsonNode upright = object({{"titleAngle", whole(0)},
                                   {"titleAlign", JsonNode::of("left")},
                                   {"titleAnchor", JsonNode::of("end")},
                                   {"titleY", JsonNode::of(std::int64_t{-10})},
                                   {"titleX", whole(0)}});
  const JsonNode legend = object({{"orient", JsonNode::of("top")},
                                  {"offset", whole(26)},
                                  {"labelColor", ink},
                                  {"titleColor", ink},
                                  {"labelFontSize", whole(12)},
                                  {"titleFontSize", whole(12)},
                                  {"titleFontWeight", JsonNode::of("normal")},
                                  {"labelLimit", whole(190)},
                                  {"symbolStrokeWidth", JsonNode::of(2.5)}});
  JsonNode theme = object({{"font", JsonNode::of("system-ui, sans-serif")},
                           {"axis", axis},
                           {"axisY", upright},
                           {"legend", legend},
                           {"title", object({{"color", ink}})},
                           {"view", object({{"stroke", JsonNode()}})},
                           {"mark", object({{"color", ink}})},
                           {"rule", object({{"color", ink}})},
                           {"line", object({{"strokeWidth", JsonNode::of(1.8)}})}});
  theme.member("range") = object({{"category", texts(chart_colours())}});
  return theme;
}

JsonNode complete_spec(const Chart& chart) {
  JsonNode spec =
      object({{"$schema", JsonNode::of("https://vega.github.io/schema/vega-lite/v6.json")},
              {"title", text(chart.title)}});
  JsonNode own = chart_spec(chart);
  spec.members.splice(spec.members.end(), own.members);
  spec.member("config") = chart_theme();
  JsonNode& sets = spec.member("datasets");
  sets.kind = JsonNode::Kind::object;
  const JsonNode rows = chart_rows(chart);
  for (const auto& [name, set] : rows.members) {
    std::vector<JsonNode> records;
    const auto& columns = set.find("columns")->items;
    for (const auto& row : set.find("rows")->items) {
      JsonNode& record = records.emplace_back();
      for (std::size_t c = 0; c < columns.size(); ++c)
        record.member(columns[c].text) = row.items[c];
    }
    sets.member(name) = JsonNode::array_of(std::move(records));
  }
  return spec;
}

std::string chart_csv(const Chart& chart) {
  std::string all;
  for (const auto& data : chart.data) {
    std::vector<Table::Column> columns;
    for (const auto& column : data.columns) columns.push_back({column.name, Align::left});
    Table table(std::move(columns));
    for (const auto& row : data.rows) {
      std::vector<std::string> cells;
      for (const auto& cell : row) cells.push_back(text_in(cell));
      table.add(std::move(cells));
    }
    if (!all.empty()) all += "\n";
    all += to_csv(table);
  }
  return all;
}

}  // namespace bethany
