#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "sim/base/json.h"

namespace bethany {

/// Values below an object, by the keys that lead there; empty when any is missing or null.

using KeyPath = std::initializer_list<std::string_view>;

/// Null when it is not there.
const JsonNode* value_at(const JsonNode& object, KeyPath keys);
std::optional<double> number_at(const JsonNode& object, KeyPath keys);
std::optional<std::int64_t> integer_at(const JsonNode& object, KeyPath keys);
/// "" when it is not there.
std::string text_at(const JsonNode& object, KeyPath keys);
bool flag_at(const JsonNode& object, KeyPath keys);

/// The member. Throws InputError naming the place when it is missing or of another kind; `real`
/// takes integers too.
const JsonNode& required(const JsonNode& object, std::string_view key, JsonNode::Kind kind);

/// Throws InputError at the place of the node.
[[noreturn]] void fail_at(const JsonNode& node, const std::string& message);

}  // namespace bethany
