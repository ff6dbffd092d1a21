// The allocations and placements of other systems beside naive versions of their rules.

#include <rapidcheck.h>

#include <algorithm>
#include <numeric>

#include "sim/base/int128.h"
#include "tests/sim/placement/naive.h"

namespace bethany {
namespace {

using naive::Counts;
using naive::Loads;

Counts allocated(const std::string& name, const PlacementShape& shape, const Loads& loads) {
  const auto made = naive::part(allocations(), name)->allocate(shape, loads);
  REQUIRE(std::holds_alternative<Counts>(made));
  return std::get<Counts>(made);
}

Counts placed(const std::string& name, const PlacementShape& shape, const Counts& counts,
              const Loads& loads, const std::string& options = "{}") {
  auto rng = RngStreams(1, 0).stream("test");
  const auto made = naive::part(placements(), name, options)->place(shape, counts, loads, rng);
  REQUIRE(std::holds_alternative<Counts>(made));
  return std::get<Counts>(made);
}

Counts counted(const Counts& rows, std::size_t experts) {
  Counts counts(experts);
  for (const auto e : rows) {
    if (e != kVacant) ++counts[static_cast<std::size_t>(e)];
  }
  return counts;
}

/// Loads of the GPUs under an even split, in 2^-16.
std::vector<Int128> gpu_loads(const PlacementShape& shape, const Counts& rows, const Loads& loads) {
  const auto counts = counted(rows, loads.size());
  const bool none = std::all_of(loads.begin(), loads.end(), [](auto load) { return load == 0; });
  std::vector<Int128> sums(static_cast<std::size_t>(shape.ranks()));
  for (std::size_t slot = 0; slot < rows.size(); ++slot) {
    if (rows[slot] == kVacant) continue;
    const auto e = static_cast<std::size_t>(rows[slot]);
    sums[slot / static_cast<std::size_t>(shape.slots_per_gpu)] +=
        none ? 65536 : static_cast<Int128>(loads[e]) * 65536 / counts[e];
  }
  return sums;
}

Int128 largest(const std::vector<Int128>& values) {
  return *std::max_element(values.begin(), values.end());
}

auto any_load() {
  return rc::gen::weightedOneOf<std::int64_t>({{1, rc::gen::just<std::int64_t>(0)},
                                               {2, rc::gen::inRange<std::int64_t>(0, 6)},
                                               {4, rc::gen::inRange<std::int64_t>(0, 100000)}});
}

Loads some_loads(int experts) {
  return *rc::gen::container<Loads>(static_cast<std::size_t>(experts), any_load());
}

TEST_CASE("uniform counts differ by one, more for the hottest; single has one of each") {
  CHECK(allocated("uniform", naive::shape(3, 3, 4), {5, 9, 9, 1}) == Counts{2, 3, 2, 2});
  CHECK(allocated("uniform", naive::shape(2, 5, 4), {5, 9, 9, 1}) == Counts{2, 3, 3, 2});
  CHECK(allocated("single", naive::shape(3, 3, 4), {5, 9, 9, 1}) == Counts{1, 1, 1, 1});
  for (const char* name : {"uniform", "single", "symi", "eplb", "flexmoe"}) {
    INFO(name);
    const auto made =
        naive::part(allocations(), name)->allocate(naive::shape(2, 3, 7), Loads(7, 1));
    REQUIRE(std::holds_alternative<Infeasible>(made));
    CHECK(std::get<Infeasible>(made).reason ==
          "2 nodes of 3 slots hold 6 replicas; 7 experts need one each");
  }
}

/// Symi's listing with exact fractions, one look at all experts for every mended replica.
Counts naive_symi(const Loads& loads, std::int64_t slots) {
  Int128 total = std::accumulate(loads.begin(), loads.end(), Int128{0});
  const bool none = total == 0;
  if (none) total = static_cast<Int128>(loads.size());
  std::vector<Int128> goals;
  Counts counts;
  for (const auto load : loads) {
    goals.push_back(std::max<Int128>((none ? 1 : Int128{load}) * slots, total));
    counts.push_back(static_cast<std::int32_t>(goals.back() / total));
  }
  const auto above = [&](std::size_t e) { return counts[e] * total - goals[e]; };
  const auto sum = [&] { return std::accumulate(counts.begin(), counts.end(), std::int64_t{0}); };
  while (sum() > slots) {
    std::size_t most = counts.size();
    for (std::size_t e = 0; e < counts.size(); ++e) {
      if (counts[e] > 1 && (most == counts.size() || above(e) > above(most))) most = e;
    }
    --counts[most];
  }
  while (sum() < slots) {
    std::size_t least = 0;
    for (std::size_t e = 1; e < counts.size(); ++e) {
      if (above(e) < above(least)) least = e;
    }
    ++counts[least];
  }
  return counts;
}

TEST_CASE("symi by hand: shares 5.6, 1.2, 0.8, 0.4 of 8 slots") {
  // Goals 5.6, 1.2, 1, 1; floors 5, 1, 1, 1 fill the slots.
  CHECK(allocated("symi", naive::shape(4, 2, 4), {14, 3, 2, 1}) == Counts{5, 1, 1, 1});
  // Goals 7, 2, 1, 1, 1 are 2 too many for 10 slots: the first of equals, then it is below its
  // goal.
  CHECK(allocated("symi", naive::shape(5, 2, 5), {35, 10, 2, 2, 1}) == Counts{6, 1, 1, 1, 1});
}

TEST_CASE("symi equals its listing") {
  CHECK(rc::check([] {
    const int experts = *rc::gen::inRange(1, 20);
    const int slots = *rc::gen::inRange(experts, 6 * experts + 1);
    const auto loads = some_loads(experts);
    RC_ASSERT(allocated("symi", naive::shape(1, slots, experts), loads) ==
              naive_symi(loads, slots));
  }));
}

/// LAER's placement, each time by looking at all nodes and GPUs.
Counts naive_laer(const PlacementShape& shape, const Counts& counts, const Loads& loads) {
  const bool none = std::all_of(loads.begin(), loads.end(), [](auto load) { return load == 0; });
  std::vector<std::pair<Int128, std::int32_t>> replicas;
  for (std::size_t e = 0; e < counts.size(); ++e) {
    const Int128 load = none ? 65536 : static_cast<Int128>(loads[e]) * 65536 / counts[e];
    replicas.insert(replicas.end(), static_cast<std::size_t>(counts[e]),
                    {-load, static_cast<std::int32_t>(e)});
  }
  std::sort(replicas.begin(), replicas.end());
  std::vector<Counts> held(static_cast<std::size_t>(shape.ranks()));
  std::vector<Int128> sums(held.size());
  const auto node_of = [&](std::size_t gpu) {
    return gpu / static_cast<std::size_t>(shape.gpus_per_node);
  };
  for (const auto& [load, expert] : replicas) {
    const auto copies = [&, e = expert](std::size_t node) {
      std::ptrdiff_t found = 0;
      for (std::size_t g = 0; g < held.size(); ++g) {
        if (node_of(g) == node) found += std::count(held[g].begin(), held[g].end(), e);
      }
      return found;
    };
    std::size_t best = held.size();
    for (std::size_t g = 0; g < held.size(); ++g) {
      if (held[g].size() == static_cast<std::size_t>(shape.slots_per_gpu)) continue;
      if (best == held.size() ||
          std::pair(copies(node_of(g)), sums[g]) < std::pair(copies(node_of(best)), sums[best])) {
        best = g;
      }
    }
    held[best].push_back(expert);
    sums[best] -= load;
  }
  Counts rows;
  for (auto& gpu : held) {
    std::sort(gpu.begin(), gpu.end());
    gpu.resize(static_cast<std::size_t>(shape.slots_per_gpu), kVacant);
    rows.insert(rows.end(), gpu.begin(), gpu.end());
  }
  return rows;
}

PlacementShape some_shape(int most_experts = 1000) {
  const int nodes = *rc::gen::inRange(1, 6);
  const int gpus = *rc::gen::inRange(1, 4);
  const int slots = *rc::gen::inRange(1, 4);
  const int experts = *rc::gen::inRange(1, std::min(most_experts, nodes * gpus * slots) + 1);
  return naive::shape(nodes, gpus * slots, experts, gpus);
}

TEST_CASE("laer spreads copies over nodes before it looks at load") {
  CHECK(rc::check([] {
    const auto shape = some_shape();
    const auto loads = some_loads(shape.experts);
    const auto counts =
        allocated(*rc::gen::element<std::string>("eplb", "single", "symi"), shape, loads);
    RC_ASSERT(placed("laer", shape, counts, loads, R"({"even_alternative": false})") ==
              naive_laer(shape, counts, loads));
  }));
}

TEST_CASE("laer takes even counts only when its largest GPU load is smaller so") {
  CHECK(rc::check([] {
    const auto shape = some_shape();
    const auto loads = some_loads(shape.experts);
    const auto counts = allocated("eplb", shape, loads);
    const auto rows = placed("laer", shape, counts, loads);
    const auto given = naive_laer(shape, counts, loads);
    const auto even = naive_laer(shape, allocated("uniform", shape, loads), loads);
    const bool better =
        largest(gpu_loads(shape, even, loads)) < largest(gpu_loads(shape, given, loads));
    RC_ASSERT(rows == (better ? even : given));
  }));
}

/// A plan of one layer in force, and the places that the nodes of a new plan hold.
PreviousPlan in_force(const PlacementShape& shape, const Counts& rows,
                      std::vector<std::int32_t> places) {
  PreviousPlan previous{.plan = {.nodes = shape.nodes,
                                 .gpus_per_node = shape.gpus_per_node,
                                 .slots_per_node = shape.slots_per_node(),
                                 .experts = shape.experts,
                                 .layers = {}},
                        .place_of = std::move(places)};
  previous.plan.layers.push_back({counted(rows, static_cast<std::size_t>(shape.experts)), rows});
  return previous;
}

std::vector<std::int32_t> own_places(int nodes) {
  std::vector<std::int32_t> places(static_cast<std::size_t>(nodes));
  std::iota(places.begin(), places.end(), 0);
  return places;
}

TEST_CASE("smartmoe puts the heaviest first, and moves only when the largest load falls") {
  auto shape = naive::shape(2, 2, 4);
  CHECK(placed("smartmoe", shape, Counts(4, 1), {5, 9, 4, 1}) == Counts{1, 3, 0, 2});
  const auto bad = in_force(shape, {0, 1, 2, 3}, {0, 1});
  shape.previous = &bad;
  CHECK(placed("smartmoe", shape, Counts(4, 1), {5, 9, 4, 1}) == Counts{1, 3, 0, 2});
  // 10 and 10: as good as any; nothing moves although the rule would put it otherwise.
  CHECK(placed("smartmoe", shape, Counts(4, 1), {1, 9, 4, 6}) == Counts{0, 1, 2, 3});
}

TEST_CASE("of equally loaded GPUs smartmoe keeps the one that held the expert") {
  auto shape = naive::shape(3, 2, 3);
  const auto before = in_force(shape, {2, kVacant, 0, 1, kVacant, kVacant}, {0, 1, 2});
  shape.previous = &before;
  CHECK(placed("smartmoe", shape, Counts(3, 1), {8, 6, 5}) ==
        Counts{1, kVacant, 0, kVacant, 2, kVacant});
}

TEST_CASE("smartmoe never makes the largest load worse, and every expert once stays once") {
  CHECK(rc::check([] {
    auto shape = some_shape();
    const auto loads = some_loads(shape.experts);
    const Counts counts(loads.size(), 1);
    const auto start = placed("smartmoe", shape, counts, some_loads(shape.experts));
    const auto previous = in_force(shape, start, own_places(shape.nodes));
    shape.previous = &previous;
    const auto rows = placed("smartmoe", shape, counts, loads);
    RC_ASSERT(counted(rows, loads.size()) == counts);
    const auto now = largest(gpu_loads(shape, rows, loads));
    const auto before = largest(gpu_loads(shape, start, loads));
    RC_ASSERT(rows == start || now < before);
  }));
}

}  // namespace
}  // namespace bethany
