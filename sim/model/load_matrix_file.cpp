#include "sim/model/load_matrix_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "sim/base/error.h"
#include "sim/base/json.h"

namespace bethany {
namespace {

std::vector<std::vector<std::int64_t>> read_json_rows(std::string_view text,
                                                      const std::string& name) {
  const auto tree = parse_json(text, name);
  std::vector<std::vector<std::int64_t>> rows;
  for (const auto& row : tree.items) {
    std::vector<std::int64_t> numbers;
    for (const auto& item : row.items) {
      if (item.kind != JsonNode::Kind::integer || item.integer < 0) {
        throw InputError(fmt::format("{}: a load is a whole number from 0, found {}", item.place(),
                                     to_line(item).substr(0, 60)));
      }
      numbers.push_back(item.integer);
    }
    if (numbers.empty()) throw InputError(row.place() + ": expected a row of loads: [[…]…]");
    rows.push_back(std::move(numbers));
  }
  if (rows.empty()) throw InputError(name + ": expected rows of loads: [[…]…]");
  return rows;
}

std::vector<std::vector<std::int64_t>> read_rows(std::string_view bytes, const std::string& path) {
  const std::size_t first = bytes.find_first_not_of(" \t\r\n");
  if (first != std::string_view::npos && bytes[first] == '[') return read_json_rows(bytes, path);
  std::vector<std::vector<std::int64_t>> rows;
  std::string_view rest = bytes;
  for (int line = 1; !rest.empty(); ++line) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    const auto row = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (row.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    rows.push_back(parse_whole_numbers(row, fmt::format("{}:{}", path, line)));
  }
  if (rows.empty()) throw InputError(path + ": no loads");
  return rows;
}

}  // namespace

std::vector<std::int64_t> parse_whole_numbers(std::string_view text, const std::string& what) {
  std::vector<std::int64_t> numbers;
  std::size_t from = 0;
  while (from <= text.size()) {
    const std::size_t to = std::min(text.find(',', from), text.size());
    auto item = text.substr(from, to - from);
    while (!item.empty() && item.front() == ' ') item.remove_prefix(1);
    while (!item.empty() && (item.back() == ' ' || item.back() == '\r')) item.remove_suffix(1);
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(item.data(), item.data() + item.size(), number);
    if (error != std::errc() || end != item.data() + item.size() || number < 0) {
      throw InputError(fmt::format("{}: '{}' is not a whole number from 0", what, item));
    }
    numbers.push_back(number);
    from = to + 1;
  }
  return numbers;
}

LoadMatrix parse_load_matrix(std::string_view text, const std::string& name) {
  const auto rows = read_rows(text, name);
  LoadMatrix matrix(static_cast<int>(rows.size()), static_cast<int>(rows.front().size()));
  for (std::size_t layer = 0; layer < rows.size(); ++layer) {
    if (rows[layer].size() != rows.front().size()) {
      throw InputError(fmt::format("{}: layer {} has {} experts, layer 0 has {}", name, layer,
                                   rows[layer].size(), rows.front().size()));
    }
    std::copy(rows[layer].begin(), rows[layer].end(), matrix.row(static_cast<int>(layer)).begin());
  }
  return matrix;
}

}  // namespace bethany
