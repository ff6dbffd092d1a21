#include "sim/base/json.h"

#include "sim/base/error.h"
#include "tests/support/catch.h"

namespace bethany {
namespace {

std::string complaint(const std::string& text) {
  try {
    parse_json(text, "f.json");
  } catch (const InputError& error) {
    return error.what();
  }
  return "";
}

TEST_CASE("values know their line, through comments and multi-line layouts") {
  const auto tree = parse_json(
      "// head\n{\n  \"a\": 1,\n  /* x\n y */ \"b\": {\n\"c\": [true,\nnull]}\n}\n", "f");
  CHECK(tree.line == 2);
  CHECK(tree.find("a")->line == 3);
  CHECK(tree.find("b")->line == 5);
  CHECK(tree.find("b")->find("c")->line == 6);
  CHECK(tree.find("b")->find("c")->items[1].line == 7);
  CHECK(tree.find("a")->place() == "f:3");
}

TEST_CASE("a number followed by a line end stands on its own line") {
  const auto tree = parse_json("[1\n,2\n,3.5\n]", "f");
  CHECK(tree.items[0].line == 1);
  CHECK(tree.items[1].line == 2);
  CHECK(tree.items[2].line == 3);
}

TEST_CASE("integers stay integers and reals stay reals") {
  const auto tree = parse_json("[9223372036854775807, -1, 1.0, 1e3]", "f");
  CHECK(tree.items[0].integer == INT64_MAX);
  CHECK(tree.items[1].kind == JsonNode::Kind::integer);
  CHECK(tree.items[2].kind == JsonNode::Kind::real);
  CHECK(tree.items[3].real == 1000);
}

TEST_CASE("what JSON leaves open is refused, with the line") {
  CHECK(complaint("{\n\"a\":1,\n\"a\":2}") == "f.json:3: duplicate key 'a'");
  CHECK(complaint("[9223372036854775808]").find("too large") != std::string::npos);
  CHECK(complaint("[99999999999999999999999999]").find("64 bits") != std::string::npos);
  CHECK(complaint("[1e999]").find("f.json:1") == 0);
  CHECK(complaint("{\"a\": 1").find("ends too early") != std::string::npos);
  CHECK(complaint("").find("ends too early") != std::string::npos);
  CHECK(complaint("{\n\"a\": tru}").find("f.json:2: not JSON") == 0);
  CHECK(complaint("[1] 2").find("not JSON") != std::string::npos);
  CHECK(complaint(std::string(100, '[')).find("nested deeper than 64") != std::string::npos);
  CHECK_FALSE(complaint(std::string("\0\x01", 2)).empty());
  CHECK_FALSE(complaint("[\"\xff\"]").empty());
}

TEST_CASE("text that is written is read back the same") {
  const auto tree =
      parse_json(R"({"a": [1, 2.5, "x\"y\n"], "b": {}, "c": [[1], []], "d": 0.1})", "f");
  CHECK(to_line(parse_json(to_text(tree), "g")) == to_line(tree));
  CHECK(to_line(tree) == R"({"a":[1,2.5,"x\"y\n"],"b":{},"c":[[1],[]],"d":0.1})");
  CHECK(to_line(JsonNode::of(1.0 / 0.0)) == "null");
  CHECK(to_line(JsonNode::of(3.0)) == "3.0");
}

TEST_CASE("paths are written relative to where they are written") {
  JsonNode node;
  node.member("file") = JsonNode::of("/a/b/c.csv");
  node.member("file").is_path = true;
  CHECK(to_text(node, "/a/d") == "{\n  \"file\": \"../b/c.csv\"\n}");
  CHECK(to_line(node) == R"({"file":"/a/b/c.csv"})");
}

}  // namespace
}  // namespace bethany
