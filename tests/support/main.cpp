// Runs the tests of one suite. Tests tagged [real-trace] read the public traces below
// $BETHANY_TRACES; without it a run of such tests ends with 77, which ctest counts as skipped. So
// does a run of tests with "python3" in their name where there is none.
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#define CATCH_CONFIG_RUNNER
#include <catch2/catch.hpp>
#endif

#include <cstdlib>

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

bool without_python(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    const bool named = std::string(argv[i]).find("python3") != std::string::npos;
    if (named && std::system("python3 --version > /dev/null 2>&1") != 0) return true;
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
  if (!only_lists(argc, argv) && without_python(argc, argv)) return 77;
  return Catch::Session().run(argc, argv);
}
