#include "sim/placement/answer_fields.h"

#include <fmt/format.h>

#include "sim/base/error.h"

namespace bethany {

std::int64_t checked_range(std::string_view what, std::int64_t value, std::int64_t low,
                           std::int64_t high) {
  if (value < low || value > high) {
    throw InputError(fmt::format("{}: {} is outside {}..{}", what, value, low, high));
  }
  return value;
}

void begin_answer(JsonNode& node, const char* schema) {
  node.member("schema") = JsonNode::of(schema);
  node.member("version") = JsonNode::of(BETHANY_VERSION);
}

}  // namespace bethany
