#pragma once

#include <optional>
#include <string>
#include <vector>

#include "analysis/report/chart.h"

namespace bethany {

/// What every drawing of a chart shares: scales, panels and colours, worked out from the data.

struct FrameAxis {
  ScaleKind scale = ScaleKind::linear;
  double low = 0;  // of a number axis; low < high, above 0 when logarithmic
  double high = 1;
  std::vector<double> ticks;            // of a number axis, in low..high
  std::vector<std::string> categories;  // of a category axis, in order of appearance
};

struct ChartFrame {
  FrameAxis x;
  FrameAxis y;
  std::vector<std::string> panels;   // in order of appearance; one, empty, when there is no split
  std::vector<std::string> colours;  // the place of a category here chooses its colour
  std::vector<std::string> shown_colours;  // those that occur
};

/// The chart with the bars that share a place stacked: their layers have both ends, in columns
/// added to the data ("stack_from_L", "stack_to_L" for layer L). Other layers stay as they are.
/// On a logarithmic axis bars are not stacked. Names in the data are made printable (clean_text).
/// Aborts when a layer names data, or a column, that is not there.
Chart prepared(const Chart& chart);

/// Requires: prepared().
ChartFrame frame_of(const Chart& chart);

/// Where a layer's column stands. Requires: it is there, or the name is empty.
std::optional<std::size_t> column_of(const ChartData& data, const std::string& name);
/// Nothing when the column is not used.
const ChartCell& cell_at(const ChartData& data, std::size_t row, std::optional<std::size_t> column);
std::optional<double> number_in(const ChartCell& cell);
/// As people and files write it: shortest number, or the text; empty for nothing.
std::string text_in(const ChartCell& cell);

/// Whether the bars of the chart lie: their values run along x.
bool bars_lie(const Chart& chart);
/// Whether categories are told apart by the shape of dots; lines are then not dashed for it.
bool has_coloured_dots(const Chart& chart);
/// Where bars and areas begin that name no other end.
double base_of(const FrameAxis& axis);

/// Numbers of an axis as labels: "0.25", "12,000", "3.2M".
std::string tick_text(const FrameAxis& axis, double value);
/// The d3 format that gives the same.
std::string tick_format(const FrameAxis& axis);
/// A tick or category as its label; long names are cut.
std::string label_of(const FrameAxis& axis, std::size_t i);
/// Characters of the longest label.
std::size_t widest_label(const FrameAxis& axis);
/// Pixels of the plot of one panel, without labels.
int panel_height(const ChartFrame& frame);

/// Eight colours told apart by people with any colour vision (Okabe and Ito), as "#rrggbb" on a
/// light ground; the page has variables --c0 … --c7 with those for a dark one.
const std::vector<std::string>& chart_colours();
/// Four patterns of dashes: with the colours they tell 32 categories apart.
const std::vector<std::vector<int>>& chart_dashes();
std::size_t colour_index(std::size_t category);
std::size_t dash_index(std::size_t category);

}  // namespace bethany
