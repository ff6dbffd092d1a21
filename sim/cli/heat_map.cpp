#include "sim/cli/heat_map.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

namespace bethany {
namespace {

constexpr int kMostColumns = 64;
constexpr int kMostMapRows = 32;
constexpr std::string_view kShades = " .:-=+*#%@";
constexpr int kLabelWidth = 16;

/// From light to dark, one for each shade: yellow over orange to dark red (256-colour table).
constexpr int kColours[] = {0, 230, 229, 222, 215, 209, 203, 197, 161, 125};

/// A shade of the value beside the largest; anything above 0 is seen.
std::size_t shade(double value, double largest) {
  if (value <= 0 || largest <= 0) return 0;
  const double step = value / largest * static_cast<double>(kShades.size() - 1);
  const auto up = static_cast<std::size_t>(step + 0.999999);
  return std::clamp<std::size_t>(up, 1, kShades.size() - 1);
}

void draw(std::string& text, std::size_t level, bool colour) {
  if (colour && level > 0) {
    text += fmt::format("\x1b[48;5;{}m\x1b[38;5;16m{}\x1b[0m", kColours[level], kShades[level]);
  } else {
    text += kShades[level];
  }
}

std::string without_spaces_at_ends(std::string line) {
  line.erase(line.find_last_not_of(' ') + 1);
  return line;
}

/// One layer's picture.
class LayerMap {
 public:
  LayerMap(const PlaceAnswer& answer, int layer, bool colour)
      : answer_(answer),
        plan_(answer.plan),
        layer_(layer),
        colour_(colour),
        per_column_((plan_.nodes + kMostColumns - 1) / kMostColumns),
        per_row_((plan_.experts + kMostMapRows - 1) / kMostMapRows),
        columns_((plan_.nodes + per_column_ - 1) / per_column_) {}

  std::string text() const {
    const auto& replicas = plan_.layers[static_cast<std::size_t>(layer_)].replicas;
    const auto order = experts_by_load();
    const auto cells = cells_of(order);
    const double darkest = *std::max_element(cells.begin(), cells.end());
    std::string text = ruler();
    for (std::size_t first = 0; first < order.size(); first += static_cast<std::size_t>(per_row_)) {
      const auto expert = static_cast<std::size_t>(order[first]);
      const auto more =
          std::min<std::size_t>(static_cast<std::size_t>(per_row_), order.size() - first) - 1;
      std::string label = fmt::format("e{}", expert);
      label += more > 0 ? fmt::format(" +{}", more) : fmt::format(" x{}", replicas[expert]);
      std::string line = fmt::format("{:<{}}", label, kLabelWidth);
      const std::size_t row = first / static_cast<std::size_t>(per_row_);
      for (std::size_t c = 0; c < static_cast<std::size_t>(columns_); ++c) {
        draw(line, shade(cells[row * static_cast<std::size_t>(columns_) + c], darkest), colour_);
      }
      text += without_spaces_at_ends(std::move(line)) + "\n";
    }
    return text + load_line();
  }

 private:
  bool loaded() const { return !answer_.gpu_share.empty(); }

  std::vector<std::int32_t> experts_by_load() const {
    std::vector<std::int32_t> order(static_cast<std::size_t>(plan_.experts));
    std::iota(order.begin(), order.end(), 0);
    if (!loaded()) return order;
    const auto loads = answer_.request.loads.row(layer_);
    std::stable_sort(order.begin(), order.end(), [&](std::int32_t a, std::int32_t b) {
      return loads[static_cast<std::size_t>(a)] > loads[static_cast<std::size_t>(b)];
    });
    return order;
  }

  /// The darkest of the experts and nodes of each cell, row after row.
  std::vector<double> cells_of(const std::vector<std::int32_t>& order) const {
    std::vector<std::size_t> row_of(order.size());
    for (std::size_t i = 0; i < order.size(); ++i) {
      row_of[static_cast<std::size_t>(order[i])] = i / static_cast<std::size_t>(per_row_);
    }
    const std::size_t rows =
        row_of.empty() ? 0 : row_of[static_cast<std::size_t>(order.back())] + 1;
    std::vector<double> cells(rows * static_cast<std::size_t>(columns_));
    std::vector<int> copies(order.size());
    const auto& replicas = plan_.layers[static_cast<std::size_t>(layer_)].replicas;
    for (int node = 0; node < plan_.nodes; ++node) {
      const auto slots = plan_.node_slots(layer_, node);
      for (const auto expert : slots) {
        if (expert != kVacant) ++copies[static_cast<std::size_t>(expert)];
      }
      const auto column = static_cast<std::size_t>(node / per_column_);
      for (const auto expert : slots) {
        if (expert == kVacant) continue;
        const auto e = static_cast<std::size_t>(expert);
        const double weight =
            loaded() ? static_cast<double>(answer_.request.loads.row(layer_)[e]) / replicas[e] : 1;
        auto& cell = cells[row_of[e] * static_cast<std::size_t>(columns_) + column];
        // An expert without load is there all the same: the lightest shade.
        cell = std::max({cell, weight * copies[e], 1e-9});
        copies[e] = 0;
      }
    }
    return cells;
  }

  /// Node numbers above the columns, every tenth one written out.
  std::string ruler() const {
    std::string title = fmt::format(
        "{:<{}}", per_column_ > 1 ? fmt::format("node/{}", per_column_) : std::string("node"),
        kLabelWidth);
    for (int c = 0; c < columns_; c += 10) {
      title += fmt::format("{:<10}", c * per_column_);
    }
    return without_spaces_at_ends(std::move(title)) + "\n";
  }

  /// What the busiest GPU of each node computes.
  std::string load_line() const {
    if (!loaded()) return "";
    const auto& shares = answer_.gpu_share[static_cast<std::size_t>(layer_)];
    const double most = *std::max_element(shares.begin(), shares.end());
    std::string line =
        fmt::format("{:<{}}", plan_.gpus_per_node > 1 ? "busiest GPU" : "load", kLabelWidth);
    for (int c = 0; c < columns_; ++c) {
      const int end = std::min((c + 1) * per_column_, plan_.nodes) * plan_.gpus_per_node;
      double share = 0;
      for (int rank = c * per_column_ * plan_.gpus_per_node; rank < end; ++rank) {
        share = std::max(share, shares[static_cast<std::size_t>(rank)]);
      }
      draw(line, shade(share, most), colour_);
    }
    const auto balance = answer_.max_over_mean[static_cast<std::size_t>(layer_)];
    return line + fmt::format("  max/mean {:.4g}\n", balance.value_or(1));
  }

  const PlaceAnswer& answer_;
  const PlacementPlan& plan_;
  int layer_;
  bool colour_;
  int per_column_;  // nodes
  int per_row_;     // experts
  int columns_;
};

}  // namespace

std::string heat_map(const PlaceAnswer& answer, bool colour) {
  std::string text;
  for (int layer = 0; layer < static_cast<int>(answer.plan.layers.size()); ++layer) {
    if (answer.plan.layers.size() > 1) text += fmt::format("layer {}\n", layer);
    text += LayerMap(answer, layer, colour).text();
    if (layer + 1 < static_cast<int>(answer.plan.layers.size())) text += "\n";
  }
  text += "\nshade: load of an expert's replicas on a node beside the heaviest, ";
  for (std::size_t level = 1; level < kShades.size(); ++level) draw(text, level, colour);
  return text + "\n";
}

}  // namespace bethany
