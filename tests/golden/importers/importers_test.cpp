#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "sim/model/trace_file.h"
#include "tests/support/catch.h"
#include "traces/import.h"

using namespace bethany;

namespace {

std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream bytes;
  bytes << file.rdbuf();
  return bytes.str();
}

}  // namespace

TEST_CASE("golden: every importer gives the stored trace for its stored input") {
  const std::filesystem::path folder = BETHANY_SOURCE_DIR "/tests/golden/importers";
  for (const auto& entry : trace_importers().entries()) {
    INFO("importer " << entry.name << ": needs tests/golden/importers/" << entry.name
                     << "/{input,expected}; BETHANY_UPDATE_GOLDEN=1 writes expected");
    const auto input = read_file(folder / entry.name / "input");
    REQUIRE_FALSE(input.empty());
    const JsonNode none;
    ObjectReader options(none, "");
    // Without a name: the content must be recognised.
    const auto text = write_trace(import_trace(input, "input", "", options));
    const auto expected = folder / entry.name / "expected";
    if (std::getenv("BETHANY_UPDATE_GOLDEN") != nullptr) {
      std::ofstream(expected, std::ios::binary) << text;
    }
    CHECK(text == read_file(expected));
    ObjectReader again(none, "");
    CHECK(write_trace(import_trace(input, "input", entry.name, again)) == text);
    CHECK(write_trace(read_trace(text, "expected")) == text);
  }
}
