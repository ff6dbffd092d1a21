// The fabric over NCCL on a stand-in for NCCL: how ranks meet, shrink, fail to, and begin anew.
#include "gpu/cuda/nccl_check.h"
#include "gpu/cuda/nccl_fabric.h"
#include "gpu/elastic/launched_check.h"
#include "tests/gpu/launcher.h"
#include "tests/nccl/nccl_double.h"
#include "tests/support/catch.h"

namespace bethany::test {
namespace {

/// How often launched ranks connected in which way while check_launched() ran; all of it passed.
std::map<std::string, std::size_t> connections(int ranks, int times) {
  const auto maker = cuda::nccl_maker("127.0.0.1");
  Launcher launcher(ranks, Kill::soft, maker);
  std::map<std::string, std::size_t> counts;
  {
    LaunchedProcesses processes(options_of(Kill::soft, maker));
    for (int time = 0; time < times; ++time) {
      for (const auto& result : check_launched(processes, 7)) {
        INFO(result.what);
        CHECK(result.passed());
      }
    }
    for (const auto& [origin, seconds] : processes.connections()) counts[origin] = seconds.size();
  }
  std::string well;
  for (int rank = 1; rank < ranks; ++rank) well += "0 ";
  CHECK(launcher.ends() == well);
  return counts;
}

using Counts = std::map<std::string, std::size_t>;

}  // namespace

TEST_CASE("nccl: one rank sends to itself, is called off, and connects again") {
  const auto results = cuda::check_nccl();
  CHECK(results.size() == 12);
  for (const auto& result : results) {
    INFO(result.what);
    CHECK(result.passed());
  }
}

TEST_CASE("nccl: survivors shrink and change places, newcomers begin anew") {
  CHECK(connections(3, 1) == Counts{{"new", 2}, {"renumbered", 1}, {"shrunk", 1}});
  // The processes hold nothing of one training in the next.
  CHECK(connections(5, 4) == Counts{{"new", 8}, {"renumbered", 4}, {"shrunk", 4}});
}

TEST_CASE("nccl: where one rank cannot shrink, all begin anew") {
  NcclDouble::shrink_fails_on = 2;
  CHECK(connections(4, 1) == Counts{{"new", 3}, {"renumbered", 1}});
  NcclDouble::shrink_fails_on = -1;
}

}  // namespace bethany::test
