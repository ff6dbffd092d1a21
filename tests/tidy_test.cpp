// The tree is in order: floors, lengths, words. The style guide as a test; every rule carries its
// reason.
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "tests/support/catch.h"

namespace {

namespace fs = std::filesystem;

const fs::path kRoot = BETHANY_SOURCE_DIR;

struct Line {
  std::string file;  // below the root
  int number = 0;
  std::string text;
};

bool is_source(const fs::path& path) {
  static const std::set<std::string> extensions = {".h", ".cpp", ".cu", ".cuh"};
  return extensions.count(path.extension().string()) > 0;
}

std::vector<fs::path> files_below(const std::vector<std::string>& folders) {
  std::vector<fs::path> files;
  for (const auto& folder : folders) {
    if (!fs::exists(kRoot / folder)) continue;
    for (const auto& entry : fs::recursive_directory_iterator(kRoot / folder)) {
      if (entry.is_regular_file() && is_source(entry.path())) {
        files.push_back(fs::relative(entry.path(), kRoot));
      }
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::vector<Line> lines_of(const fs::path& file) {
  std::ifstream in(kRoot / file);
  std::vector<Line> lines;
  std::string text;
  while (std::getline(in, text)) {
    lines.push_back({file.string(), static_cast<int>(lines.size()) + 1, text});
  }
  return lines;
}

const std::vector<std::string> kProduct = {"sim", "traces", "analysis", "gpu"};
const std::vector<std::string> kEverything = {"sim", "traces", "analysis", "gpu", "tests"};

/// DESIGN §2: what a folder may include beside itself.
const std::map<std::string, std::vector<std::string>>& floors() {
  static const std::map<std::string, std::vector<std::string>> table = {
      {"sim/base", {}},
      {"sim/engine", {"sim/base"}},
      {"sim/model", {"sim/base"}},
      {"sim/placement", {"sim/base", "sim/model"}},
      {"sim/cost", {"sim/base", "sim/model"}},
      {"sim/policy", {"sim/base", "sim/model", "sim/placement", "sim/cost"}},
      {"sim/training",
       {"sim/base", "sim/engine", "sim/model", "sim/placement", "sim/cost", "sim/policy"}},
      {"traces", {"sim/base", "sim/model"}},
      {"analysis", {"sim/base", "sim/model", "sim/placement"}},
      {"gpu",
       {"sim/base", "sim/engine", "sim/model", "sim/placement", "sim/cost", "sim/policy",
        "sim/training"}},
      {"sim/study",
       {"sim/base", "sim/engine", "sim/model", "sim/placement", "sim/cost", "sim/policy",
        "sim/training", "traces", "analysis"}},
      {"sim/cli",
       {"sim/base", "sim/engine", "sim/model", "sim/placement", "sim/cost", "sim/policy",
        "sim/training", "traces", "analysis", "sim/study"}},
      {"sim/main.cpp", {"sim/base", "sim/cli"}},
      {"gpu/main.cpp", {"sim/base", "gpu"}},
  };
  return table;
}

/// The floor a file or an include belongs to: the longest key it lies in; empty when none.
std::string floor_of(const std::string& path) {
  std::string best;
  for (const auto& [key, allowed] : floors()) {
    const bool inside = path == key || path.rfind(key + "/", 0) == 0;
    if (inside && key.size() > best.size()) best = key;
  }
  return best;
}

/// What an include line breaks, or nothing.
std::string floor_violation(const std::string& file, const std::string& text) {
  const auto from = text.find("#include \"");
  if (from == std::string::npos) return "";
  const auto start = from + 10;
  const auto included = text.substr(start, text.find('"', start) - start);
  const auto own = floor_of(file);
  const auto target = floor_of(included);
  if (own.empty()) return file + " lies on no floor";
  if (target.empty()) return "\"" + included + "\" lies on no floor";
  if (own == target) return "";
  for (const auto& allowed : floors().at(own)) {
    if (allowed == target) return "";
  }
  return own + " may not include " + target;
}

TEST_CASE("every file includes only what its floor may") {
  for (const auto& file : files_below(kProduct)) {
    for (const auto& line : lines_of(file)) {
      const auto violation = floor_violation(line.file, line.text);
      if (!violation.empty()) FAIL_CHECK(line.file << ":" << line.number << ": " << violation);
    }
  }
}

TEST_CASE("the floor test sees a planted violation") {
  CHECK(floor_violation("sim/engine/x.h", "#include \"sim/model/plan.h\"") ==
        "sim/engine may not include sim/model");
  CHECK(floor_violation("analysis/x.cpp", "#include \"sim/training/job.h\"") != "");
  CHECK(floor_violation("sim/study/x.cpp", "#include \"gpu/x.h\"") != "");
  CHECK(floor_violation("sim/training/x.cpp", "#include \"sim/engine/simulator.h\"") == "");
}

TEST_CASE("the floors have no cycle") {
  std::set<std::string> finished;
  std::set<std::string> open;
  const std::function<void(const std::string&)> visit = [&](const std::string& floor) {
    if (finished.count(floor) > 0) return;
    INFO(floor);
    REQUIRE(open.insert(floor).second);
    for (const auto& below : floors().at(floor)) visit(below);
    open.erase(floor);
    finished.insert(floor);
  };
  for (const auto& [floor, allowed] : floors()) visit(floor);
}

TEST_CASE("heavy headers stay where they belong") {
  // Each costs seconds of every file that includes it.
  for (const auto& file : files_below(kProduct)) {
    const auto name = file.string();
    const bool command_line =
        name.rfind("sim/cli/", 0) == 0 || name == "sim/main.cpp" || name == "gpu/main.cpp";
    const bool json_reader = name.find("_file.cpp") != std::string::npos;
    for (const auto& line : lines_of(file)) {
      const bool cli = line.text.find("#include <CLI/") == 0;
      const bool json = line.text.find("#include <nlohmann/json.hpp>") == 0;
      if (cli && !command_line) FAIL_CHECK(name << ": CLI11 outside the command line");
      if (json && !json_reader) FAIL_CHECK(name << ": json.hpp outside a *_file.cpp");
    }
  }
}

TEST_CASE("files and lines stay readable") {
  for (const auto& file : files_below(kEverything)) {
    const auto lines = lines_of(file);
    if (lines.size() > 550) FAIL_CHECK(file.string() << " has " << lines.size() << " lines");
    for (const auto& line : lines) {
      // Characters, not bytes: a continuation byte of UTF-8 is 10xxxxxx.
      std::size_t characters = 0;
      for (const char c : line.text) characters += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
      // The test runner would take such a name for an option, and run all other tests.
      if (line.text.find("TEST_CASE(\""
                         "-") == 0)
        FAIL_CHECK(line.file << ":" << line.number);
      const bool include_or_table = line.text.find("R\"(") != std::string::npos;
      if (characters > 100 && !include_or_table) {
        FAIL_CHECK(line.file << ":" << line.number << ": " << characters << " columns");
      }
    }
  }
}

TEST_CASE("words that break determinism or promise later work are absent") {
  // Written in pieces, so that this file passes its own test.
  const std::vector<std::string> everywhere = {std::string("FIX") + "ME", std::string("TO") + "DO",
                                               std::string("XX") + "X", std::string("HA") + "CK"};
  const std::vector<std::string> product = {
      "rand(",    "random_device",   "system_clock", "steady_clock",         "_distribution<",
      "<ranges>", "source_location", "mt19937",      "default_random_engine"};
  for (const auto& file : files_below(kEverything)) {
    const bool tidy = file.filename() == "tidy_test.cpp";
    const bool is_test = file.string().rfind("tests/", 0) == 0;
    const bool is_sim = file.string().rfind("sim/", 0) == 0;
    const bool statistics = file.string() == "sim/base/statistics.cpp";
    for (const auto& line : lines_of(file)) {
      const auto refuse = [&](const std::string& word) {
        if (line.text.find(word) != std::string::npos) {
          FAIL_CHECK(line.file << ":" << line.number << ": " << word);
        }
      };
      for (const auto& word : everywhere) refuse(word);
      if (tidy) continue;
      if (!is_test && !statistics) {
        for (const auto& word : product) refuse(word);
      }
      if (is_sim) {
        refuse("unordered_map");
        refuse("unordered_set");
      }
    }
  }
}

TEST_CASE("every test file is in a suite") {
  const std::set<std::string> suites = {
      "sim",    "traces",      "analysis",   "gpu",        "conformance", "property", "analytic",
      "golden", "determinism", "regression", "real_trace", "cli",         "nccl"};
  for (const auto& file : files_below({"tests"})) {
    if (file.string().find("_test.cpp") == std::string::npos) continue;
    if (file.filename() == "tidy_test.cpp") continue;
    const auto folder = (++file.begin())->string();
    if (suites.count(folder) == 0) FAIL_CHECK(file.string() << " is in no suite");
  }
  // The suites above are those of tests/CMakeLists.txt.
  std::ifstream in(kRoot / "tests/CMakeLists.txt");
  std::stringstream text;
  text << in.rdbuf();
  for (const auto& suite : suites) {
    INFO(suite);
    CHECK(text.str().find(suite) != std::string::npos);
  }
}

TEST_CASE("headers are guarded and every folder has a README") {
  for (const auto& file : files_below(kEverything)) {
    if (file.extension() != ".h") continue;
    const auto lines = lines_of(file);
    bool guarded = false;
    for (std::size_t i = 0; i < std::min<std::size_t>(lines.size(), 3); ++i) {
      guarded = guarded || lines[i].text == "#pragma once";
    }
    if (!guarded) FAIL_CHECK(file.string() << " does not begin with #pragma once");
  }
  for (const auto* folder :
       {"sim", "sim/base", "sim/engine", "sim/model", "sim/placement", "sim/cost", "sim/policy",
        "sim/training", "sim/study", "sim/cli", "traces", "analysis", "gpu", "tests"}) {
    INFO(folder);
    CHECK(fs::exists(kRoot / folder / "README.md"));
  }
}

}  // namespace
