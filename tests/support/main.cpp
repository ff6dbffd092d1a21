// Runs the tests of one suite. Tests tagged [real-trace] read the public traces below
// $BETHANY_TRACES; without it a run of such tests ends with 77, which ctest counts as skipped. So
// does a run of tests with "python3" or "real mpirun" in their name where there is none.
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#define CATCH_CONFIG_RUNNER
#include <catch2/catch.hpp>
#endif

#include <cstdlib>
#include <string>
#include <utility>

namespace {

bool only_real_trace_tests(int argc, char** argv) {
#ifdef BETHANY_REAL_TRACE_SUITE
  (void)argc;
  (void)argv;
  return true;
#else
  for (int i = 1; i < argc; ++i) {
    if (std::string(argv[i]).find("real trace") != std::string::npos) return true;
  }
  return false;
#endif
}

/// Whether a test is chosen by a name that says it needs a program which is not there.
bool without_program(int argc, char** argv) {
  const std::pair<const char*, const char*> programs[] = {
      {"python3", "python3 --version > /dev/null 2>&1"},
      {"real mpirun", "mpirun --version 2> /dev/null | grep -q 'Open MPI'"}};
  for (int i = 1; i < argc; ++i) {
    for (const auto& [name, try_it] : programs) {
      const bool named = std::string(argv[i]).find(name) != std::string::npos;
      if (named && std::system(try_it) != 0) return true;
    }
  }
  return false;
}

bool only_lists(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    if (std::string(argv[i]).rfind("--list", 0) == 0) return true;
  }
  return false;
}

}  // namespace

int main(int argc, char** argv) {
  const char* traces = std::getenv("BETHANY_TRACES");
  const bool absent = traces == nullptr || *traces == '\0';
  if (absent && !only_lists(argc, argv) && only_real_trace_tests(argc, argv)) return 77;
  if (!only_lists(argc, argv) && without_program(argc, argv)) return 77;
  return Catch::Session().run(argc, argv);
}
