// `bethany report`: what it writes, where, and what it refuses.
#include <filesystem>

#include "tests/support/catch.h"
#include "tests/support/process.h"
#include "tests/support/refused.h"

namespace bethany::test {
namespace {

namespace fs = std::filesystem;

const std::string kSample = std::string(BETHANY_SOURCE_DIR) + "/traces/samples/quickstart.json";

/// A directory of results, with so many replications.
struct Results {
  explicit Results(int replications = 1) {
    const auto made = bethany_command({"compare", kSample, "--policies", "lazarus,ds,ideal",
                                       "--replications", std::to_string(replications), "-o", path});
    REQUIRE(made.exit_code == 0);
  }
  TemporaryDirectory directory;
  std::string path = directory.path() + "/out";
};

TEST_CASE("report writes one page and prints its path; the same bytes again") {
  const Results results(3);
  const auto first = bethany_command({"report", results.path});
  CHECK(first.exit_code == 0);
  CHECK(first.out == results.path + "/report.html\n");
  CHECK(first.err.empty());
  const std::string page = read_text(results.path + "/report.html");
  CHECK(contains(page, "<!doctype html>"));
  CHECK(contains(page, "paired"));
  CHECK(page.size() < 2'000'000);
  CHECK(bethany_command({"report", results.path}).exit_code == 0);
  CHECK(read_text(results.path + "/report.html") == page);
}

TEST_CASE("report of a replay says that there is one policy") {
  const TemporaryDirectory directory;
  const auto out = directory.path() + "/out";
  REQUIRE(bethany_command({"replay", kSample, "--policy", "lazarus", "-o", out}).exit_code == 0);
  CHECK(bethany_command({"report", out}).exit_code == 0);
  CHECK(contains(read_text(out + "/report.html"), "Only lazarus has a run"));
}

TEST_CASE("report --md prints verdict and table and writes no page") {
  const Results results;
  const auto md = bethany_command({"report", results.path, "--md"});
  CHECK(md.exit_code == 0);
  CHECK(contains(md.out, "| policy | tokens/s |"));
  CHECK(contains(md.out, "lazarus trains most on this trace"));
  CHECK_FALSE(fs::exists(results.path + "/report.html"));
}

TEST_CASE("report --figures writes a specification and a table for each figure") {
  const Results results;
  const auto out = results.directory.path() + "/figures";
  REQUIRE(bethany_command({"report", results.path, "--figures", out}).exit_code == 0);
  std::size_t specs = 0;
  for (const auto& entry : fs::directory_iterator(out)) {
    const std::string name = entry.path().string();
    if (!name.ends_with(".vl.json")) continue;
    ++specs;
    CHECK(fs::exists(name.substr(0, name.size() - 8) + ".csv"));
    CHECK(contains(read_text(name), "vega-lite/v6.json"));
  }
  CHECK(specs >= 5);
  check_refused(bethany_command({"report", results.path, "--figures", out}), 3, "not empty");
}

TEST_CASE("what is no directory of results is refused, and nothing is written") {
  const TemporaryDirectory directory;
  check_refused(bethany_command({"report", directory.path() + "/none"}), 3, "is no directory");
  check_refused(bethany_command({"report", directory.path()}), 3,
                "has no comparison.json, summary.json, manifest.json or validation.json");
  CHECK(fs::is_empty(directory.path()));
  directory.write("comparison.json", "{}");
  check_refused(bethany_command({"report", directory.path()}), 3, "scenario.json");
  CHECK_FALSE(fs::exists(directory.path() + "/report.html"));
}

TEST_CASE("the option -o names the page; another file there is kept without --force") {
  const Results results;
  const auto page = results.directory.write("page.html", "mine");
  check_refused(bethany_command({"report", results.path, "-o", page}), 3, "page.html");
  CHECK(read_text(page) == "mine");
  const auto forced = bethany_command({"report", results.path, "-o", page, "--force", "--static"});
  CHECK(forced.exit_code == 0);
  CHECK(forced.out == page + "\n");
  CHECK(read_text(page).size() < 700'000);
}

}  // namespace
}  // namespace bethany::test
