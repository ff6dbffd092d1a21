// Pieces of a step on ranks whose clock is made up.
#include <atomic>

#include "gpu/pieces/piece_backend.h"
#include "sim/base/error.h"
#include "sim/cost/slowest.h"
#include "tests/support/catch.h"

namespace bethany::test {
namespace {

constexpr int kTogether = 5;

/// A clock of its own for each thread: rank i is asked three times within a piece, and each time
/// i + 1 seconds are over. No thread outlives one run, so the ranks of a run are 0 to 4.
std::atomic<int> clocks{0};
std::atomic<int> inside{0};
std::atomic<int> most_inside{0};

double made_up_seconds() {
  thread_local const int rank = clocks++ % kTogether;
  thread_local int asked = 0;
  const int question = asked++ % 3;
  if (question == 0) {
    const int now = ++inside;
    int most = most_inside;
    while (now > most && !most_inside.compare_exchange_weak(most, now)) {
    }
  }
  if (question == 2) --inside;
  return static_cast<double>(asked) * (rank + 1);
}

PieceBackend backend(bool serialised) {
  PieceBackendOptions options;
  options.ranks.make = [](int) { return make_compute("cpu"); };
  options.ranks.clock = made_up_seconds;
  options.ranks.serialised = serialised;
  options.together = kTogether;
  options.rotated_bytes = 1e5;
  options.flop_max = 1e9;
  options.bytes_max = 1e6;
  return PieceBackend(std::move(options));
}

Point copy_of(std::int64_t bytes) {
  Point point;
  point.operation = Operation::device_copy;
  point.size = bytes;
  return point;
}

}  // namespace

TEST_CASE("a piece tells the mean of its ranks, and how far they are apart") {
  for (const bool serialised : {true, false}) {
    auto pieces = backend(serialised);
    const auto operation = pieces.prepare(copy_of(4096));
    for (const int repeats : {1, 7}) {
      const auto sample = operation->run(repeats);
      // Ranks take 2, 4, 6, 8 and 10 seconds.
      CHECK(sample.seconds == Approx(6));
      CHECK(sample.enqueue_seconds == Approx(3));
      CHECK(sample.spread == Approx((10.0 / 6 - 1) / expected_extreme(kTogether)));
    }
  }
}

TEST_CASE("a rank that fails ends the point, not the program") {
  for (const bool serialised : {true, false}) {
    PieceBackendOptions options;
    options.ranks.make = [](int) { return make_compute("cpu"); };
    options.ranks.clock = []() -> double { throw MachineError("no clock"); };
    options.ranks.serialised = serialised;
    options.bytes_max = 1e6;
    PieceBackend pieces(std::move(options));
    CHECK_THROWS_AS(pieces.prepare(copy_of(4096))->run(3), MachineError);
    Point summed;
    summed.operation = Operation::reduce;
    summed.experts = 3;
    summed.rows = 1;
    summed.size = 4096;
    CHECK_THROWS_AS(pieces.prepare(summed)->run(3), MachineError);
  }
}

TEST_CASE("ranks that take turns are timed alone") {
  most_inside = 0;
  auto pieces = backend(true);
  pieces.prepare(copy_of(65536))->run(50);
  CHECK(most_inside == 1);
  CHECK(inside == 0);
}

TEST_CASE("pieces that do not suit are refused with a reason") {
  const auto pieces = backend(true);
  CHECK(pieces.refuses(copy_of(1000)).empty());
  CHECK(pieces.refuses(copy_of(10'000'000)) == "too large");
  Point death;
  death.operation = Operation::detection;
  death.experts = 4;
  CHECK(pieces.refuses(death) == "ranks are threads here");
  Point layer;
  layer.operation = Operation::moe_layer;
  layer.shape = "tiny";
  layer.experts = 8;
  CHECK_FALSE(pieces.refuses(layer).empty());
}

}  // namespace bethany::test
