#include "sim/model/routing_load_file.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "sim/base/error.h"
#include "sim/base/int128.h"
#include "sim/base/text.h"

namespace bethany {
namespace {

namespace dom = simdjson::dom;

constexpr Int128 kLargestSum = static_cast<Int128>(1) << 62;
/// Loads with a fraction are scaled so that the largest of their layer is this.
constexpr double kFractionScale = 0x1.0p40;

class RoutingReader {
 public:
  RoutingReader(std::string_view text, const std::string& name) : text_(text), name_(name) {}

  RoutingLoad read() {
    const auto header = next_line();
    if (header.empty()) fail("expected the header {\"bethany_routing\":1, ...}");
    read_header(header);
    std::vector<RoutingLoad::Entry> entries;
    for (auto line = next_line(); !line.empty(); line = next_line()) {
      const std::int64_t last = entries.empty() ? -1 : entries.back().step;
      entries.push_back(read_entry(line, last));
    }
    if (entries.empty()) fail("there is no line with loads after the header");
    return RoutingLoad(top_k_, std::move(entries));
  }

 private:
  [[noreturn]] void fail(const std::string& message) const {
    throw InputError(fmt::format("{}:{}: {}", name_, line_, message));
  }

  /// The next line without its end; empty at the end of the text. Blank lines may only end it.
  std::string_view next_line() {
    if (position_ >= text_.size()) return {};
    const std::size_t end = std::min(text_.find('\n', position_), text_.size());
    auto line = text_.substr(position_, end - position_);
    position_ = end + 1;
    ++line_;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (!line.empty()) return line;
    if (text_.find_first_not_of("\r\n", end) != std::string_view::npos) fail("an empty line");
    return {};
  }

  /// The object of the line, after a check that it has exactly these keys, each once.
  dom::object object_of(std::string_view line, const std::vector<std::string>& keys) {
    const auto parsed = parser_.parse(line.data(), line.size(), true);
    dom::object object;
    if (parsed.error() != simdjson::SUCCESS) {
      fail(fmt::format("not JSON: {}", simdjson::error_message(parsed.error())));
    }
    if (parsed.get(object) != simdjson::SUCCESS) fail("expected an object");
    std::set<std::string, std::less<>> seen;
    for (const auto& field : object) {
      const std::string key(field.key);
      if (std::find(keys.begin(), keys.end(), key) == keys.end()) {
        fail(unknown_name("key", key, keys));
      }
      if (!seen.insert(key).second) fail(fmt::format("duplicate key '{}'", key));
    }
    for (const auto& key : keys) {
      if (seen.find(key) == seen.end()) fail(fmt::format("missing key '{}'", key));
    }
    return object;
  }

  std::int64_t whole(const dom::object& object, const char* key, std::int64_t low,
                     std::int64_t high) {
    std::int64_t value = 0;
    if (object[key].get(value) != simdjson::SUCCESS) {
      fail(fmt::format("/{}: expected a whole number", key));
    }
    if (value < low || value > high) {
      fail(fmt::format("/{}: {} is outside {}..{}", key, value, low, high));
    }
    return value;
  }

  void read_header(std::string_view line) {
    // A newer version may have other keys: say that first.
    dom::element element;
    std::int64_t version = 1;
    if (parser_.parse(line.data(), line.size(), true).get(element) == simdjson::SUCCESS &&
        element["bethany_routing"].get(version) == simdjson::SUCCESS && version != 1) {
      fail(fmt::format("/bethany_routing: version {} is unknown; this program reads 1", version));
    }
    const auto header = object_of(line, {"bethany_routing", "layers", "experts", "top_k"});
    whole(header, "bethany_routing", 1, 1);
    layers_ = static_cast<int>(whole(header, "layers", 1, kMostRoutingLayers));
    experts_ = static_cast<int>(whole(header, "experts", 1, kMostRoutingExperts));
    top_k_ = static_cast<int>(whole(header, "top_k", 1, experts_));
  }

  dom::array array_of(const dom::element& element, const std::string& path, int size) {
    dom::array array;
    if (element.get(array) != simdjson::SUCCESS) fail(path + ": expected an array");
    // simdjson's own size() saturates at 2^24, which is beyond what the header allows.
    if (array.size() != static_cast<std::size_t>(size)) {
      fail(fmt::format("{}: {} values, the header says {}", path, array.size(), size));
    }
    return array;
  }

  RoutingLoad::Entry read_entry(std::string_view line, std::int64_t last_step) {
    const auto object = object_of(line, {"step", "loads"});
    RoutingLoad::Entry entry;
    entry.step = whole(object, "step", 0, kMostRoutingSteps);
    if (last_step < 0 && entry.step != 0) fail("/step: the first entry must be of step 0");
    if (entry.step <= last_step) {
      fail(fmt::format("/step: {} after {}; steps must rise", entry.step, last_step));
    }
    entry.shares = LoadMatrix(layers_, experts_);
    int layer = 0;
    for (const dom::element row : array_of(object["loads"].value(), "/loads", layers_)) {
      read_row(row, layer, entry.shares.row(layer));
      ++layer;
    }
    return entry;
  }

  void read_row(const dom::element& row, int layer, std::span<std::int64_t> loads) {
    bool all_whole = true;
    values_.clear();
    Int128 sum = 0;
    for (const dom::element value : array_of(row, fmt::format("/loads/{}", layer), experts_)) {
      std::int64_t integer = 0;
      double real = 0;
      if (value.get(integer) == simdjson::SUCCESS) {
        loads[values_.size()] = integer;
        sum += integer;
        real = static_cast<double>(integer);
      } else if (value.type() == dom::element_type::DOUBLE) {
        real = value.get_double().value_unsafe();
        all_whole = false;
      } else {
        fail(fmt::format("/loads/{}/{}: expected a number below 2^62", layer, values_.size()));
      }
      if (!(real >= 0)) {
        fail(fmt::format("/loads/{}/{}: {} is negative", layer, values_.size(), real));
      }
      values_.push_back(real);
    }
    const double largest = *std::max_element(values_.begin(), values_.end());
    if (!(largest > 0)) fail(fmt::format("/loads/{}: no expert has any load", layer));
    if (!all_whole) {
      for (std::size_t e = 0; e < values_.size(); ++e) {
        loads[e] =
            static_cast<std::int64_t>(std::floor(values_[e] / largest * kFractionScale + 0.5));
      }
    } else if (sum >= kLargestSum) {
      fail(fmt::format("/loads/{}: the loads sum to 2^62 or more", layer));
    }
  }

  std::string_view text_;
  const std::string& name_;
  dom::parser parser_;
  std::size_t position_ = 0;
  int line_ = 0;
  int layers_ = 0;
  int experts_ = 0;
  int top_k_ = 0;
  std::vector<double> values_;
};

}  // namespace

RoutingLoad parse_routing_load(std::string_view text, const std::string& name) {
  return RoutingReader(text, name).read();
}

bool looks_like_routing(std::string_view bytes) {
  if (bytes.starts_with("\xEF\xBB\xBF")) bytes.remove_prefix(3);
  const std::size_t first = bytes.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos || bytes[first] != '{') return false;
  const auto line = bytes.substr(first, bytes.find('\n', first) - first);
  return line.find("\"bethany_") != std::string_view::npos;
}

std::string routing_load_text(const RoutingLoad& load) {
  fmt::memory_buffer out;
  const auto to = std::back_inserter(out);
  fmt::format_to(to, "{{\"bethany_routing\":1,\"layers\":{},\"experts\":{},\"top_k\":{}}}\n",
                 load.layers(), load.experts(), load.top_k());
  for (const auto& entry : load.entries()) {
    fmt::format_to(to, "{{\"step\":{},\"loads\":[", entry.step);
    for (int layer = 0; layer < load.layers(); ++layer) {
      fmt::format_to(to, "{}[{}]", layer == 0 ? "" : ",", fmt::join(entry.shares.row(layer), ","));
    }
    fmt::format_to(to, "]}}\n");
  }
  return fmt::to_string(out);
}

}  // namespace bethany
