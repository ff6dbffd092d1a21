#include "traces/routing/json_loads.h"

#include <fmt/format.h>

#include <algorithm>

#include "sim/base/error.h"
#include "sim/base/json.h"
#include "sim/model/routing_json.h"
#include "sim/model/routing_load_file.h"

namespace bethany {
namespace {

namespace dom = simdjson::dom;

[[noreturn]] void fail(const std::string& place, const std::string& message) {
  throw InputError(fmt::format("{}: {}", place, message));
}

dom::array array_at(const dom::element& value, const std::string& place, const std::string& path) {
  dom::array array;
  if (value.get(array) != simdjson::SUCCESS) {
    fail(place, fmt::format("{}: expected an array", path.empty() ? "/" : path));
  }
  if (array.begin() == array.end()) {
    fail(place, fmt::format("{}: an empty array", path.empty() ? "/" : path));
  }
  return array;
}

/// The number of values: simdjson's own count saturates at 2^24.
int count_of(const dom::array& array) {
  int count = 0;
  for ([[maybe_unused]] const dom::element value : array) ++count;
  return count;
}

LoadMatrix read_matrix(const dom::array& rows, const std::string& place, const std::string& path) {
  const int layers = count_of(rows);
  const int experts = count_of(array_at(*rows.begin(), place, path + "/0"));
  if (layers > kMostRoutingLayers || experts > kMostRoutingExperts) {
    fail(place, fmt::format("{}: {} layers of {} experts are too many", path, layers, experts));
  }
  LoadMatrix matrix(layers, experts);
  int layer = 0;
  for (const dom::element value : rows) {
    const auto row_path = fmt::format("{}/{}", path, layer);
    const auto row = array_at(value, place, row_path);
    if (const int count = count_of(row); count != experts) {
      fail(place, fmt::format("{}: {} experts, layer 0 has {}", row_path, count, experts));
    }
    const auto complaint = read_load_row(row, row_path, matrix.row(layer));
    if (!complaint.empty()) fail(place, complaint);
    ++layer;
  }
  return matrix;
}

}  // namespace

dom::element parse_load_json(dom::parser& parser, std::string_view text, const std::string& place,
                             int line) {
  const auto parsed = parser.parse(text.data(), text.size(), true);
  dom::element value;
  if (parsed.get(value) == simdjson::SUCCESS) return value;
  // It has no lines: the slower reader finds the fault again and names its line.
  if (line == 1) parse_json(text, place);
  throw InputError(
      fmt::format("{}:{}: not JSON: {}", place, line, simdjson::error_message(parsed.error())));
}

std::vector<LoadMatrix> read_load_matrices(const dom::element& value, const std::string& place,
                                           const std::string& path) {
  const auto outer = array_at(value, place, path);
  const auto first = array_at(*outer.begin(), place, path + "/0");
  const dom::element innermost = *first.begin();
  if (!innermost.is_array()) return {read_matrix(outer, place, path)};
  std::vector<LoadMatrix> matrices;
  for (const dom::element step : outer) {
    const auto step_path = fmt::format("{}/{}", path, matrices.size());
    matrices.push_back(read_matrix(array_at(step, place, step_path), place, step_path));
    const auto& last = matrices.back();
    if (last.layers != matrices.front().layers || last.experts != matrices.front().experts) {
      fail(place, fmt::format("{}: {} layers of {} experts, the first has {} of {}", step_path,
                              last.layers, last.experts, matrices.front().layers,
                              matrices.front().experts));
    }
  }
  return matrices;
}

bool is_idle(const LoadMatrix& matrix) {
  return std::all_of(matrix.values.begin(), matrix.values.end(),
                     [](std::int64_t load) { return load == 0; });
}

std::vector<RoutingLoad::Entry> entries_of(std::vector<LoadMatrix> matrices, std::int64_t every) {
  std::vector<RoutingLoad::Entry> entries;
  for (auto& matrix : matrices) {
    entries.push_back({static_cast<std::int64_t>(entries.size()) * every, std::move(matrix)});
  }
  return entries;
}

}  // namespace bethany
