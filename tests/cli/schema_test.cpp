// Keys of real answers stand in their schemas. What Python's jsonschema checks in full
// (schema_check.py) is checked here in one direction, on machines without it.
#include "sim/base/json.h"
#include "tests/support/catch.h"
#include "tests/support/process.h"
#include "tests/support/refused.h"

namespace bethany::test {
namespace {

const std::string kSamples = std::string(BETHANY_SOURCE_DIR) + "/traces/samples/";

/// The key of `value` that no alternative of `schema` has, as a path; empty when there is none.
std::string unknown_key(const JsonNode& value, const JsonNode& schema, const JsonNode& root) {
  if (const auto* reference = schema.find("$ref")) {
    const auto name = reference->text.substr(std::string("#/definitions/").size());
    return unknown_key(value, *root.find("definitions")->find(name), root);
  }
  if (const auto* alternatives = schema.find("anyOf")) {
    std::string first;
    for (const auto& alternative : alternatives->items) {
      const auto* type = alternative.find("type");
      const bool is_null = type != nullptr && type->text == "null";
      if (is_null != (value.kind == JsonNode::Kind::null)) continue;
      const auto unknown = unknown_key(value, alternative, root);
      if (unknown.empty()) return "";
      if (first.empty()) first = unknown;
    }
    return first;
  }
  if (value.kind == JsonNode::Kind::array) {
    const auto* items = schema.find("items");
    if (items == nullptr) return "[]";
    for (const auto& item : value.items) {
      const auto unknown = unknown_key(item, *items, root);
      if (!unknown.empty()) return "[]" + unknown;
    }
  }
  for (const auto& [key, member] : value.members) {
    const auto* properties = schema.find("properties");
    const auto* known = properties == nullptr ? nullptr : properties->find(key);
    const auto* others = schema.find("additionalProperties");
    if (known == nullptr && others != nullptr && others->kind == JsonNode::Kind::object) {
      known = others;
    }
    if (known == nullptr) return "/" + key;
    const auto unknown = unknown_key(member, *known, root);
    if (!unknown.empty()) return "/" + key + unknown;
  }
  return "";
}

void check_keys(const std::string& name, std::vector<std::string> words) {
  const auto schema = parse_json(bethany_command({"schema", name}).out, "schema");
  words.insert(words.end(), {"--format", "json"});
  auto answer = parse_json(bethany_command(words).out, "answer");
  INFO(name);
  CHECK(unknown_key(answer, schema, schema).empty());
  answer.member("not_there") = JsonNode::of(true);
  CHECK(unknown_key(answer, schema, schema) == "/not_there");
}

TEST_CASE("every key of an answer stands in its schema") {
  check_keys("scenario", {"check", kSamples + "quickstart.json"});
  check_keys("replay", {"replay", kSamples + "quickstart.json"});
  check_keys("compare", {"compare", kSamples + "quickstart.json"});
  check_keys("trace-stats", {"trace", "stats", kSamples + "spot-sample.jsonl"});
  check_keys("recover", {"recover", "--nodes", "4", "--slots", "2", "--loads", "3,2,1", "--failed",
                         "1..2", "--per-layer"});
  check_keys("model-show", {"model", "show", "gpt-l"});
}

TEST_CASE("schemas are listed, and an unknown one is refused with the nearest name") {
  const auto listed = bethany_command({"schema"});
  CHECK(listed.exit_code == 0);
  for (const auto* name : {"scenario", "trace", "routing", "plan", "profile", "record", "replay",
                           "compare", "place", "recover", "reproduce", "timeline"}) {
    INFO(name);
    CHECK(contains(listed.out, name));
    CHECK(contains(bethany_command({"schema", name}).out, "draft-07"));
  }
  check_refused(bethany_command({"schema", "replai"}), 3, "did you mean 'replay'?");
}

}  // namespace
}  // namespace bethany::test
