#include "sim/study/shape.h"

#include "tests/support/catch.h"

using namespace bethany;

namespace {

std::string written(std::string_view shape) {
  std::set<std::string> used;
  const auto names = [](std::string_view kind) {
    return std::vector<std::string>{std::string(kind) + "1", std::string(kind) + "2"};
  };
  auto text = to_line(schema_of(shape, names, used));
  for (const auto& name : used) text += " " + name;
  return text;
}

TEST_CASE("a shape is written out as JSON Schema") {
  CHECK(written("int") == R"({"type":"integer"})");
  CHECK(written("num?") == R"({"anyOf":[{"type":"number"},{"type":"null"}]})");
  CHECK(written("'a b'|bool") == R"({"anyOf":[{"const":"a b"},{"type":"boolean"}]})");
  CHECK(written("[[str]]") ==
        R"({"type":"array","items":{"type":"array","items":{"type":"string"}}})");
  CHECK(written("#kind") == R"({"enum":["kind1","kind2"]})");
  CHECK(written("[@tree]") == R"({"type":"array","items":{"$ref":"#/definitions/tree"}} tree)");
  CHECK(written("any") == "{}");
}

TEST_CASE("objects are closed unless they say of what the rest is") {
  CHECK(written("{a: int, b?: str}") ==
        R"({"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"string"}},)"
        R"("required":["a"],"additionalProperties":false})");
  CHECK(written("{*: bool}") ==
        R"({"type":"object","properties":{},"additionalProperties":{"type":"boolean"}})");
  CHECK(written("{#m: int}") ==
        R"({"type":"object","properties":{"m1":{"type":"integer"},"m2":{"type":"integer"}},)"
        R"("required":["m1","m2"],"additionalProperties":false})");
  CHECK(written("{ a : {b: int,},\n}") ==
        R"({"type":"object","properties":{"a":{"type":"object","properties":)"
        R"({"b":{"type":"integer"}},"required":["b"],"additionalProperties":false}},)"
        R"("required":["a"],"additionalProperties":false})");
}

}  // namespace
