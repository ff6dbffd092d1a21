// Every command of the cookbook runs as it stands.
#include <cstdlib>
#include <filesystem>

#include "tests/support/catch.h"
#include "tests/support/process.h"

namespace bethany::test {
namespace {

const std::string kRoot = BETHANY_SOURCE_DIR;

struct Recipe {
  std::string question;
  std::string script;
};

/// The shell blocks of the cookbook, each under its heading.
std::vector<Recipe> recipes() {
  const auto text = read_text(kRoot + "/sim/cli/cookbook.md");
  std::vector<Recipe> found;
  const std::string fence = "```sh\n";
  for (auto at = text.find(fence); at != std::string::npos; at = text.find(fence, at)) {
    const auto begin = at + fence.size();
    const auto end = text.find("```", begin);
    const auto heading = text.rfind("\n## ", at) + 4;
    found.push_back({text.substr(heading, text.find('\n', heading) - heading),
                     text.substr(begin, end - begin)});
    at = end + 3;
  }
  return found;
}

TEST_CASE("the cookbook answers fifteen questions, and its commands run as they stand") {
  const auto all = recipes();
  CHECK(all.size() == 15);
  const TemporaryDirectory directory;
  std::filesystem::create_directory_symlink(kRoot + "/traces", directory.path() + "/traces");
  std::filesystem::create_directory(directory.path() + "/out");
  const auto binary = std::filesystem::path(bethany_program());
  for (const auto& recipe : all) {
    INFO(recipe.question << "\n" << recipe.script);
    const auto script = "set -e\nPATH=" + binary.parent_path().string() + ":$PATH\ncd " +
                        directory.path() + "\n" + recipe.script;
    const auto result = run_process({"sh", "-c", script});
    INFO(result.err);
    CHECK(result.exit_code == 0);
    CHECK_FALSE(result.out.empty());
  }
}

}  // namespace
}  // namespace bethany::test
