#include "sim/base/object_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "sim/base/error.h"
#include "sim/base/text.h"

namespace bethany {
namespace {

std::string shown(const JsonNode& value) {
  auto text = to_line(value);
  if (text.size() > 60) text = text.substr(0, 57) + "...";
  return text;
}

}  // namespace

ObjectReader::ObjectReader(const JsonNode& node, std::string path, JsonNode* effective)
    : node_(&node), path_(std::move(path)), effective_(effective) {
  if (node.kind != JsonNode::Kind::object && node.kind != JsonNode::Kind::null) {
    throw InputError(fmt::format("{}: {}: expected an object, found {}", node.place(),
                                 path_.empty() ? "/" : path_, kind_in_words(node.kind)));
  }
  if (effective_ != nullptr) effective_->kind = JsonNode::Kind::object;
}

bool ObjectReader::has(std::string_view key) const {
  const auto* value = node_->find(key);
  return value != nullptr && value->kind != JsonNode::Kind::null;
}

std::string ObjectReader::place(std::string_view key) const {
  const auto* value = key.empty() ? nullptr : node_->find(key);
  return (value != nullptr ? value : node_)->place();
}

void ObjectReader::fail(std::string_view key, const std::string& message) const {
  throw InputError(fmt::format("{}: {}{}{}: {}", place(key), path_,
                               key.empty() && !path_.empty() ? "" : "/", key, message));
}

const JsonNode* ObjectReader::take(std::string_view key, bool required) {
  asked_.insert(std::string(key));
  const auto* value = node_->find(key);
  if (value != nullptr && value->kind != JsonNode::Kind::null) return value;
  if (required) fail("", fmt::format("missing key '{}'", key));
  return nullptr;
}

const JsonNode* ObjectReader::value_of_kind(std::string_view key, bool required,
                                            JsonNode::Kind kind) {
  const auto* value = take(key, required);
  if (value != nullptr && value->kind != kind) {
    fail(key, fmt::format("expected {}, found {}", kind_in_words(kind), shown(*value)));
  }
  return value;
}

void ObjectReader::write(std::string_view key, JsonNode value) {
  if (effective_ != nullptr) effective_->member(key) = std::move(value);
}

void ObjectReader::set_effective(std::string_view key, JsonNode value) {
  write(key, std::move(value));
}

JsonNode* ObjectReader::effective(std::string_view key) {
  return effective_ == nullptr ? nullptr : &effective_->member(key);
}

std::int64_t ObjectReader::integer(std::string_view key, std::int64_t low, std::int64_t high,
                                   std::optional<std::int64_t> fallback) {
  const auto* value = value_of_kind(key, !fallback, JsonNode::Kind::integer);
  const std::int64_t result = value != nullptr ? value->integer : *fallback;
  if (value != nullptr && (result < low || result > high)) {
    fail(key, fmt::format("{} is outside {}..{}", result, low, high));
  }
  write(key, JsonNode::of(result));
  return result;
}

double ObjectReader::real(std::string_view key, double low, double high,
                          std::optional<double> fallback) {
  const auto* value = take(key, !fallback);
  double result = fallback.value_or(0);
  if (value != nullptr) {
    if (value->kind == JsonNode::Kind::integer) {
      result = static_cast<double>(value->integer);
    } else if (value->kind == JsonNode::Kind::real) {
      result = value->real;
    } else {
      fail(key, fmt::format("expected a number, found {}", shown(*value)));
    }
    if (!(result >= low && result <= high)) {
      fail(key, fmt::format("{} is outside {}..{}", result, low, high));
    }
  }
  write(key, JsonNode::of(result));
  return result;
}

bool ObjectReader::boolean(std::string_view key, std::optional<bool> fallback) {
  const auto* value = value_of_kind(key, !fallback, JsonNode::Kind::boolean);
  const bool result = value != nullptr ? value->boolean : *fallback;
  write(key, JsonNode::of(result));
  return result;
}

std::string ObjectReader::string(std::string_view key, std::optional<std::string> fallback) {
  const auto* value = value_of_kind(key, !fallback, JsonNode::Kind::string);
  auto result = value != nullptr ? value->text : *fallback;
  write(key, JsonNode::of(result));
  return result;
}

std::string ObjectReader::choice(std::string_view key, const std::vector<std::string>& choices,
                                 std::optional<std::string> fallback) {
  const auto* value = value_of_kind(key, !fallback, JsonNode::Kind::string);
  auto result = value != nullptr ? value->text : *fallback;
  if (std::find(choices.begin(), choices.end(), result) == choices.end()) {
    fail(key, unknown_name("value", result, choices));
  }
  write(key, JsonNode::of(result));
  return result;
}

template <class T>
T ObjectReader::quantity(std::string_view key, const std::optional<T>& fallback,
                         std::optional<T> (*parse)(std::string_view), std::string_view example) {
  const auto* value = take(key, !fallback);
  if (value == nullptr) {
    write(key, JsonNode::of(to_text(*fallback)));
    return *fallback;
  }
  const auto result =
      value->kind == JsonNode::Kind::string ? parse(value->text) : std::optional<T>();
  if (!result) {
    fail(key, fmt::format("expected a quantity with its unit such as {}, found {}", example,
                          shown(*value)));
  }
  write(key, JsonNode::of(to_text(*result)));
  return *result;
}

Duration ObjectReader::duration(std::string_view key, std::optional<Duration> fallback,
                                Duration low, Duration high) {
  const auto result = quantity<Duration>(key, fallback, parse_duration, "\"250ms\" or \"2min\"");
  if (has(key) && (result < low || result > high)) {
    fail(key, fmt::format("{} is outside {}..{}", to_text(result), to_text(low), to_text(high)));
  }
  return result;
}

Bytes ObjectReader::bytes(std::string_view key, std::optional<Bytes> fallback) {
  return quantity<Bytes>(key, fallback, parse_bytes, "\"80GiB\"");
}

Bandwidth ObjectReader::bandwidth(std::string_view key, std::optional<Bandwidth> fallback) {
  const auto result =
      quantity<Bandwidth>(key, fallback, parse_bandwidth, "\"1.2GB/s\" or \"400Gbps\"");
  if (has(key) && result.bytes_per_second <= 0) fail(key, "a bandwidth must be above 0");
  return result;
}

FlopRate ObjectReader::flop_rate(std::string_view key, std::optional<FlopRate> fallback) {
  const auto result = quantity<FlopRate>(key, fallback, parse_flop_rate, "\"71TFLOPS\"");
  if (has(key) && result.flops <= 0) fail(key, "a rate must be above 0");
  return result;
}

std::string ObjectReader::file(std::string_view key, std::optional<std::string> fallback) {
  const auto* value = value_of_kind(key, !fallback, JsonNode::Kind::string);
  if (value == nullptr) return *fallback;
  if (value->text.empty()) fail(key, "the file name is empty");
  std::filesystem::path result(value->text);
  if (result.is_relative()) {
    // A value given with --set has line 0 and stands in no file.
    auto base = value->line > 0 && value->origin
                    ? std::filesystem::path(*value->origin).parent_path()
                    : std::filesystem::path();
    result = std::filesystem::absolute(base / result);
  }
  result = result.lexically_normal();
  auto node = JsonNode::of(result.string());
  node.is_path = true;
  write(key, std::move(node));
  return result.string();
}

std::vector<std::int64_t> ObjectReader::integers(
    std::string_view key, std::int64_t low, std::int64_t high,
    std::optional<std::vector<std::int64_t>> fallback) {
  const auto* value = value_of_kind(key, !fallback, JsonNode::Kind::array);
  std::vector<std::int64_t> result;
  if (value == nullptr) {
    result = *fallback;
  } else {
    for (const auto& item : value->items) {
      if (item.kind != JsonNode::Kind::integer || item.integer < low || item.integer > high) {
        fail(key,
             fmt::format("expected whole numbers in {}..{}, found {}", low, high, shown(item)));
      }
      result.push_back(item.integer);
    }
  }
  std::vector<JsonNode> items;
  for (const auto v : result) items.push_back(JsonNode::of(v));
  write(key, JsonNode::array_of(std::move(items)));
  return result;
}

std::vector<std::string> ObjectReader::strings(std::string_view key,
                                               std::optional<std::vector<std::string>> fallback) {
  const auto* value = value_of_kind(key, !fallback, JsonNode::Kind::array);
  std::vector<std::string> result;
  if (value == nullptr) {
    result = *fallback;
  } else {
    for (const auto& item : value->items) {
      if (item.kind != JsonNode::Kind::string) {
        fail(key, fmt::format("expected texts, found {}", shown(item)));
      }
      result.push_back(item.text);
    }
  }
  std::vector<JsonNode> items;
  for (const auto& v : result) items.push_back(JsonNode::of(v));
  write(key, JsonNode::array_of(std::move(items)));
  return result;
}

ObjectReader ObjectReader::object(std::string_view key, bool required) {
  static const JsonNode kEmpty = [] {
    JsonNode node;
    node.kind = JsonNode::Kind::object;
    return node;
  }();
  const auto* value = take(key, required);
  return ObjectReader(value != nullptr ? *value : kEmpty, path_ + "/" + std::string(key),
                      effective(key));
}

const JsonNode* ObjectReader::raw(std::string_view key) { return take(key, false); }

std::vector<std::string> ObjectReader::keys() const {
  std::vector<std::string> keys;
  for (const auto& member : node_->members) keys.push_back(member.key);
  return keys;
}

void ObjectReader::finish() {
  for (const auto& member : node_->members) {
    if (asked_.find(member.key) == asked_.end()) {
      fail(member.key, unknown_name("key", member.key, {asked_.begin(), asked_.end()}));
    }
  }
}

}  // namespace bethany
