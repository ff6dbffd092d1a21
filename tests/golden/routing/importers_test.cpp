#include <cstdlib>
#include <filesystem>

#include "sim/base/files.h"
#include "sim/model/routing_import.h"
#include "sim/model/routing_load_file.h"
#include "tests/support/catch.h"

using namespace bethany;

namespace {

std::string converted(const std::filesystem::path& input, const std::string& options) {
  const auto node = parse_json(options, "options");
  ObjectReader reader(node, "");
  auto imported = import_routing(RoutingInput(input.string()), reader);
  reader.finish();
  return routing_load_text(imported.load);
}

}  // namespace

TEST_CASE("golden: every routing importer gives the stored load for its stored input") {
  const std::filesystem::path folder = BETHANY_SOURCE_DIR "/tests/golden/routing";
  for (const auto& entry : routing_importers().entries()) {
    INFO("importer " << entry.name << ": needs tests/golden/routing/" << entry.name
                     << "/{input,expected}; BETHANY_UPDATE_GOLDEN=1 writes expected");
    const auto input = folder / entry.name / "input";
    REQUIRE(std::filesystem::exists(input));
    // Without a name: the content must be recognised.
    const auto text = converted(input, "{}");
    const auto expected = (folder / entry.name / "expected").string();
    if (std::getenv("BETHANY_UPDATE_GOLDEN") != nullptr) write_output(expected, text, true);
    REQUIRE(std::filesystem::exists(expected));
    CHECK(text == read_input(expected));
    CHECK(converted(input, "{\"importer\":\"" + entry.name + "\"}") == text);
    CHECK(converted(expected, "{}") == text);
  }
}
