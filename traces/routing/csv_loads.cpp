#include "traces/routing/csv_loads.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <tuple>

#include "sim/base/error.h"
#include "sim/model/routing_load_file.h"
#include "sim/model/trace_text.h"

namespace bethany {
namespace {

constexpr std::int64_t kMostValues = std::int64_t{1} << 28;
/// Above it doubles skip whole numbers.
constexpr double kMostWhole = 0x1.0p53;

std::int64_t whole(const CsvReader& csv, std::string_view text, const char* what,
                   std::int64_t most) {
  std::int64_t value = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0 || value > most) {
    csv.fail(
        fmt::format("{} '{}' is not a whole number from 0 to {}", what, printable(text), most));
  }
  return value;
}

double number(const CsvReader& csv, std::string_view text) {
  double value = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !(value >= 0) ||
      std::isinf(value)) {
    csv.fail(fmt::format("'{}' is not a number of tokens from 0 on", printable(text)));
  }
  return value;
}

void write_row(const std::vector<double>& loads, std::span<std::int64_t> row) {
  const bool exact = std::all_of(loads.begin(), loads.end(), [](double load) {
    return load == std::floor(load) && load <= kMostWhole;
  });
  if (exact) {
    std::transform(loads.begin(), loads.end(), row.begin(),
                   [](double load) { return static_cast<std::int64_t>(load); });
  } else {
    whole_loads(loads, row);
  }
}

}  // namespace

void LoadRows::add(const CsvReader& csv, std::string_view step, std::string_view layer,
                   std::string_view expert, std::string_view load) {
  rows_.push_back({.step = whole(csv, step, "step", kMostRoutingSteps),
                   .layer = whole(csv, layer, "layer", kMostRoutingLayers - 1),
                   .expert = whole(csv, expert, "expert", kMostRoutingExperts - 1),
                   .load = number(csv, load),
                   .line = csv.line()});
}

std::vector<RoutingLoad::Entry> LoadRows::entries(const std::string& place) const {
  auto rows = rows_;
  std::stable_sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) {
    return std::tie(a.step, a.layer, a.expert) < std::tie(b.step, b.layer, b.expert);
  });
  std::set<std::int64_t> named;
  std::int64_t experts = 0;
  std::int64_t steps = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    named.insert(rows[i].layer);
    experts = std::max(experts, rows[i].expert + 1);
    if (i == 0 || rows[i].step != rows[i - 1].step) ++steps;
  }
  const std::vector<std::int64_t> layers(named.begin(), named.end());
  const auto layer_count = static_cast<std::int64_t>(layers.size());
  if (steps * layer_count > static_cast<std::int64_t>(rows.size())) {
    throw InputError(fmt::format("{}: {} rows cannot name each of {} layers at each of {} steps",
                                 place, rows.size(), layer_count, steps));
  }
  if (steps * layer_count * experts > kMostValues) {
    throw InputError(fmt::format("{}: {} steps of {} layers of {} experts do not fit memory", place,
                                 steps, layer_count, experts));
  }
  std::vector<RoutingLoad::Entry> entries;
  std::vector<double> loads(static_cast<std::size_t>(experts));
  for (std::size_t i = 0; i < rows.size();) {
    const std::int64_t step = rows[i].step;
    entries.push_back({step, LoadMatrix(static_cast<int>(layer_count), static_cast<int>(experts))});
    for (std::size_t layer = 0; layer < layers.size(); ++layer) {
      if (i == rows.size() || rows[i].step != step || rows[i].layer != layers[layer]) {
        throw InputError(
            fmt::format("{}: step {} has no row of layer {}", place, step, layers[layer]));
      }
      std::fill(loads.begin(), loads.end(), 0.0);
      std::int64_t last = -1;
      for (; i < rows.size() && rows[i].step == step && rows[i].layer == layers[layer]; ++i) {
        if (rows[i].expert == last) {
          throw InputError(fmt::format("{}:{}: expert {} of layer {} again; it is in line {}",
                                       place, rows[i].line, last, rows[i].layer, rows[i - 1].line));
        }
        last = rows[i].expert;
        loads[static_cast<std::size_t>(last)] = rows[i].load;
      }
      write_row(loads, entries.back().shares.row(static_cast<int>(layer)));
    }
  }
  return entries;
}

}  // namespace bethany
