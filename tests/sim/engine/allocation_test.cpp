// Counts the calls of operator new of this whole program, to show that a queue that has been as
// long as it gets allocates no more.

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <new>
#include <string>
#include <vector>

#include "sim/base/random.h"
#include "sim/engine/simulator.h"
#include "tests/support/catch.h"

namespace {
std::uint64_t allocations = 0;  // tests run in one thread
}  // namespace

// All forms that the library calls are replaced together: memory is freed by what allocated it.
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
  ++allocations;
  return std::malloc(bytes == 0 ? 1 : bytes);
}
void* operator new(std::size_t bytes) {
  void* memory = operator new(bytes, std::nothrow);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, const std::nothrow_t&) noexcept { std::free(memory); }

namespace bethany {
namespace {

TEST_CASE("a queue in a steady state allocates nothing") {
  struct Case {
    std::string name;
    std::function<std::int64_t(Rng&)> increment;
  };
  const std::vector<Case> cases{
      {"exponential", [](Rng& rng) { return static_cast<std::int64_t>(rng.exponential(1e9)); }},
      {"uniform", [](Rng& rng) { return static_cast<std::int64_t>(rng.below(1'000'000)); }},
      {"all equal", [](Rng&) { return std::int64_t{1'000'000}; }},
      {"bursts", [](Rng& rng) { return 60'000 * static_cast<std::int64_t>(rng.below(4)); }},
  };
  for (const Case& distribution : cases) {
    for (const std::size_t size : {4U, 40U, 4000U}) {
      INFO(distribution.name << ", " << size << " pending");
      Rng rng = RngStreams(1, 0).stream(distribution.name, size);
      Simulator<std::uint64_t> simulator;
      const auto schedule = [&] {
        simulator.schedule(simulator.now() + Duration(distribution.increment(rng)), 0,
                           std::uint64_t{0});
      };
      const auto handler = [&](const EventKey&, std::uint64_t&&) { schedule(); };
      for (std::size_t i = 0; i < size; ++i) schedule();
      for (std::size_t i = 0; i < 100 * size + 10'000; ++i) simulator.step(handler);
      const std::uint64_t before_holds = allocations;
      for (std::size_t i = 0; i < 20 * size + 10'000; ++i) simulator.step(handler);
      const std::uint64_t after_holds = allocations;
      CHECK(after_holds - before_holds == 0);
    }
  }
}

}  // namespace
}  // namespace bethany
