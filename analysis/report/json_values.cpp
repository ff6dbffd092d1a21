#include "analysis/report/json_values.h"

#include <fmt/format.h>

#include "sim/base/error.h"

namespace bethany {

const JsonNode* value_at(const JsonNode& object, KeyPath keys) {
  const JsonNode* node = &object;
  for (const auto key : keys) {
    node = node->find(key);
    if (node == nullptr) return nullptr;
  }
  return node->kind == JsonNode::Kind::null ? nullptr : node;
}

std::optional<double> number_at(const JsonNode& object, KeyPath keys) {
  const auto* node = value_at(object, keys);
  if (node == nullptr) return std::nullopt;
  if (node->kind == JsonNode::Kind::real) return node->real;
  if (node->kind == JsonNode::Kind::integer) return static_cast<double>(node->integer);
  return std::nullopt;
}

std::optional<std::int64_t> integer_at(const JsonNode& object, KeyPath keys) {
  const auto* node = value_at(object, keys);
  if (node == nullptr || node->kind != JsonNode::Kind::integer) return std::nullopt;
  return node->integer;
}

std::string text_at(const JsonNode& object, KeyPath keys) {
  const auto* node = value_at(object, keys);
  return node == nullptr || node->kind != JsonNode::Kind::string ? "" : node->text;
}

bool flag_at(const JsonNode& object, KeyPath keys) {
  const auto* node = value_at(object, keys);
  return node != nullptr && node->kind == JsonNode::Kind::boolean && node->boolean;
}

void fail_at(const JsonNode& node, const std::string& message) {
  throw InputError(fmt::format("{}: {}", node.place(), message));
}

const JsonNode& required(const JsonNode& object, std::string_view key, JsonNode::Kind kind) {
  const auto* node = object.find(key);
  if (node == nullptr) fail_at(object, fmt::format("missing key '{}'", key));
  const bool whole = kind == JsonNode::Kind::real && node->kind == JsonNode::Kind::integer;
  if (node->kind != kind && !whole) {
    fail_at(*node, fmt::format("/{}: expected {}, found {}", key, kind_in_words(kind),
                               kind_in_words(node->kind)));
  }
  return *node;
}

}  // namespace bethany
