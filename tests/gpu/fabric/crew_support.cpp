#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>

#include "sim/base/random.h"
#include "tests/gpu/fabric/crew.h"

namespace bethany::test {
namespace {

/// What rank `from` sends to rank `to` in a round: `from` and `to` and the round show in it.
std::vector<std::int64_t> message(int from, int to, int round) {
  auto rng = RngStreams(static_cast<std::uint64_t>(round), 0)
                 .stream("test", static_cast<std::uint64_t>(from * 1000 + to));
  std::vector<std::int64_t> values(rng.below(3) == 0 ? 0 : 1 + rng.below(200));
  for (auto& value : values) value = (from * 100 + to) * 1000 + round;
  return values;
}

}  // namespace

void all_to_all(Fabric& fabric, int round, std::atomic<int>& wrong) {
  const int rank = fabric.rank();
  std::vector<std::vector<std::int64_t>> out;
  std::vector<std::vector<std::int64_t>> in;
  for (int peer = 0; peer < fabric.ranks(); ++peer) {
    out.push_back(message(rank, peer, round));
    in.emplace_back(message(peer, rank, round).size(), -1);
  }
  std::vector<Send> sends;
  std::vector<Receive> receives;
  for (int peer = 0; peer < fabric.ranks(); ++peer) {
    if (peer == rank) continue;
    const auto p = static_cast<std::size_t>(peer);
    if (!out[p].empty()) sends.push_back({peer, out[p].data(), out[p].size() * 8});
    if (!in[p].empty()) receives.push_back({peer, in[p].data(), in[p].size() * 8});
  }
  if (fabric.exchange(sends, receives) < 0) ++wrong;
  for (int peer = 0; peer < fabric.ranks(); ++peer) {
    if (peer != rank && in[static_cast<std::size_t>(peer)] != message(peer, rank, round)) ++wrong;
  }
}

std::string in_child(const std::function<void()>& work) {
  int ends[2] = {};
  REQUIRE(pipe(ends) == 0);
  const pid_t child = fork();
  if (child == 0) {
    dup2(ends[1], 2);
    std::signal(SIGABRT, SIG_DFL);  // else Catch reports it as its own
    work();
    _exit(0);
  }
  close(ends[1]);
  std::string text;
  char buffer[256];
  for (ssize_t n = 0; (n = read(ends[0], buffer, sizeof buffer)) > 0;) {
    text.append(buffer, static_cast<std::size_t>(n));
  }
  close(ends[0]);
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK((WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT));
  return text;
}

}  // namespace bethany::test
