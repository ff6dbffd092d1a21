// Open MPI's own mpirun starts the processes. Skipped (77) where there is none.
#include <algorithm>

#include "tests/gpu/launcher.h"
#include "tests/support/catch.h"
#include "tests/support/process.h"

namespace bethany::test {
namespace {

ProcessResult mpirun(const std::vector<std::string>& options,
                     const std::vector<std::string>& selftest = {}) {
  std::vector<std::string> arguments = {"/usr/bin/env",
                                        "--unset=MASTER_ADDR",
                                        "--unset=MASTER_PORT",
                                        "--unset=BETHANY_PORT",
                                        "OMPI_ALLOW_RUN_AS_ROOT=1",
                                        "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1",
                                        "timeout",
                                        "120",
                                        "mpirun",
                                        "--oversubscribe"};
  arguments.insert(arguments.end(), options.begin(), options.end());
  arguments.insert(arguments.end(),
                   {BETHANY_GPU_BINARY, "selftest", "--launched", "--backend", "cpu"});
  arguments.insert(arguments.end(), selftest.begin(), selftest.end());
  return run_process(arguments);
}

std::vector<std::string> ranks(int count) {
  return {"-n", std::to_string(count),
          "-x", "MASTER_ADDR=127.0.0.1",
          "-x", "MASTER_PORT=" + std::to_string(free_port())};
}

}  // namespace

TEST_CASE("launched: ranks of a real mpirun train through a death") {
  for (const int count : {3, 5}) {
    const auto result = mpirun(ranks(count));
    INFO(result.out << result.err);
    CHECK(result.exit_code == 0);
    CHECK_THAT(result.out, Catch::Contains("6 checks, 0 failed\n"));
    CHECK(std::count(result.out.begin(), result.out.end(), '\n') == 7);  // of rank 0 alone
    CHECK(result.err.find("bethany-gpu:") == std::string::npos);
  }
}

TEST_CASE("launched: a real mpirun ends with rank 0's exit code and message") {
  const auto nowhere = mpirun({"-n", "3"});
  CHECK(nowhere.exit_code == 3);
  CHECK_THAT(nowhere.err, Catch::Contains("MASTER_ADDR and MASTER_PORT: not set"));
  const auto few = mpirun(ranks(2));
  CHECK(few.exit_code == 3);
  CHECK_THAT(few.err, Catch::Contains("2 processes were launched; three or more are needed"));
}

TEST_CASE("launched: a real mpirun ends when a rank is killed, and no process hangs") {
  const auto result = mpirun(ranks(4), {"--kill", "hard"});
  INFO(result.out << result.err);
  CHECK(result.exit_code != 0);
  CHECK(result.exit_code != 124);  // of timeout
}

}  // namespace bethany::test
