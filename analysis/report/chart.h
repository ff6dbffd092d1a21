#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "sim/base/registry.h"

namespace bethany {

/// Nothing, a number or a text; numbers are finite.
using ChartCell = std::variant<std::monostate, double, std::string>;

/// Rows under named columns: everything that a layer draws. Also the figure's table and its CSV.
struct ChartData {
  struct Column {
    std::string name;   // letters, digits and _: the field's name in specs and files, with its unit
    std::string title;  // for people
  };
  std::vector<Column> columns;
  std::vector<std::vector<ChartCell>> rows;  // a cell for each column
};

enum class ScaleKind { linear, logarithmic, category };

struct ChartAxis {
  std::string title;  // with unit
  ScaleKind scale = ScaleKind::linear;
  bool from_zero = true;  // linear only
};

/// How a layer draws its rows. `steps`: a line that holds its value until the next row.
/// `interval`: from y to y2 (or x to x2). `rule`: a vertical line at x. `cell`: a field of a map.
/// Bars of one x (or of one y, when y is the category) stack in row order.
enum class Mark { line, steps, area, bar, dot, interval, rule, cell };

/// One kind of mark over one data set. Fields are column names; empty: not used.
struct ChartLayer {
  Mark mark = Mark::line;
  std::size_t data = 0;  // into Chart::data
  std::string x;
  std::string x2;
  std::string y;
  std::string y2;
  std::string colour;  // a category, or for `cell` a number
  bool dashed = false;
  bool faint = false;
};

/// A figure, independent of what draws it: chart_spec() makes a Vega-Lite specification of it, and
/// chart_svg() a picture. A figure of the report is one file in analysis/report/figures that
/// registers itself.
struct Chart {
  std::string id;           // letters, digits and -: anchor in the page, name of files
  std::string title;        // what is shown
  std::string caption;      // how to read it, and what was left out, in sentences
  std::string alternative;  // what the picture says, in a sentence made from the data
  ChartAxis x;
  ChartAxis y;
  std::string colour_title;
  /// Colour is a number from low to high instead of a category.
  std::optional<std::pair<double, double>> colour_range;
  /// The order of the colour categories; the same policy has the same colour in every figure.
  std::vector<std::string> colour_order;
  /// Column of each data set by whose values the figure is split into panels one below the other,
  /// with a common x axis; empty: one panel.
  std::string panel;
  std::vector<ChartData> data;
  std::vector<ChartLayer> layers;
};

struct ReportData;

/// A figure of the report.
struct ChartMaker {
  std::string name;  // the id of its chart
  int order = 0;     // place in the report
  std::string summary;
  /// Empty when the data has nothing for it.
  std::optional<Chart> (*make)(const ReportData& data) = nullptr;
};

Registry<ChartMaker>& chart_makers();

/// Adds a figure under its name, before main. Returns true, so that a static initialiser can call.
bool add_chart(ChartMaker maker);

/// The makers by `order`, then by name.
std::vector<ChartMaker> charts_in_order();

/// The figures that the data has something for, in order.
std::vector<Chart> charts_of(const ReportData& data);

}  // namespace bethany
