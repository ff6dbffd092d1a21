#include "sim/base/object_reader.h"

#include <functional>

#include "sim/base/error.h"
#include "tests/support/catch.h"

namespace bethany {
namespace {

using namespace std::chrono_literals;

std::string complaint(const std::string& text, const std::function<void(ObjectReader&)>& read) {
  const auto tree = parse_json(text, "f.json");
  try {
    ObjectReader reader(tree, "/here");
    read(reader);
    reader.finish();
  } catch (const InputError& error) {
    return error.what();
  }
  return "";
}

TEST_CASE("values are read and recorded, given or default") {
  const auto tree = parse_json(R"({"n": 3, "t": "1500ms", "deep": {"x": true}})", "f");
  JsonNode effective;
  ObjectReader reader(tree, "", &effective);
  CHECK(reader.integer("n", 1, 10) == 3);
  CHECK(reader.duration("t") == 1500ms);
  CHECK(reader.duration("wait", 2min) == 2min);
  CHECK(reader.real("share", 0, 1, 0.5) == 0.5);
  auto deep = reader.object("deep");
  CHECK(deep.boolean("x"));
  deep.finish();
  auto absent = reader.object("absent");
  CHECK(absent.string("s", "dflt") == "dflt");
  absent.finish();
  reader.finish();
  CHECK(
      to_line(effective) ==
      R"({"n":3,"t":"1500ms","wait":"2min","share":0.5,"deep":{"x":true},"absent":{"s":"dflt"}})");
}

TEST_CASE("wrong values are refused by file, line and path") {
  CHECK(complaint("{\n\"n\": 11}", [](auto& r) { r.integer("n", 1, 10); }) ==
        "f.json:2: /here/n: 11 is outside 1..10");
  CHECK(complaint("{\"n\": 1.9}", [](auto& r) { r.integer("n", 1, 10); }) ==
        "f.json:1: /here/n: expected a whole number, found 1.9");
  CHECK(complaint("{}", [](auto& r) { r.integer("n", 1, 10); }) ==
        "f.json:1: /here: missing key 'n'");
  CHECK(complaint("{\"n\": null}", [](auto& r) { r.integer("n", 1, 10); }) ==
        "f.json:1: /here: missing key 'n'");
  CHECK(complaint("{\"t\": 5}", [](auto& r) {
          r.duration("t");
        }).find("expected a quantity with its unit") != std::string::npos);
  CHECK(complaint("{\"t\": \"5 parsecs\"}", [](auto& r) { r.duration("t"); }).find("5 parsecs") !=
        std::string::npos);
  CHECK(complaint("{\"t\": \"5s\"}", [](auto& r) {
          r.duration("t", {}, Duration(0), 1s);
        }).find("outside 0s..1s") != std::string::npos);
  CHECK(complaint("{\"b\": \"0GB/s\"}", [](auto& r) { r.bandwidth("b"); }).find("above 0") !=
        std::string::npos);
  CHECK(complaint("{\"c\": \"alhpa\"}", [](auto& r) {
          r.choice("c", {"alpha", "beta"});
        }).find("did you mean 'alpha'?") != std::string::npos);
}

TEST_CASE("keys nobody asked for are refused, with the nearest that was") {
  const auto read = [](ObjectReader& r) {
    r.integer("nodes", 1, 10, 1);
    r.integer("slots", 1, 10, 1);
  };
  CHECK(complaint("{\"nodse\": 1}", read) ==
        "f.json:1: /here/nodse: unknown key 'nodse'; did you mean 'nodes'?");
  CHECK(complaint("{\"whatever\": 1}", read).find("known: nodes and slots") != std::string::npos);
}

TEST_CASE("files are relative to the file they stand in") {
  const auto tree = parse_json(R"({"file": "a/../x.csv"})", "/data/scenarios/f.json");
  ObjectReader reader(tree, "");
  CHECK(reader.file("file") == "/data/scenarios/x.csv");
}

}  // namespace
}  // namespace bethany
