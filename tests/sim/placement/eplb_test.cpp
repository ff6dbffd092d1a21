// EPLB's replication and packing beside naive versions, and the published examples.

#include <rapidcheck.h>

#include <algorithm>
#include <numeric>

#include "sim/base/int128.h"
#include "tests/sim/placement/naive.h"

namespace bethany {
namespace {

using naive::Counts;
using naive::Loads;

Counts allocated(const std::string& name, const PlacementShape& shape, const Loads& loads,
                 const std::string& options = "{}") {
  const auto made = naive::part(allocations(), name, options)->allocate(shape, loads);
  REQUIRE(std::holds_alternative<Counts>(made));
  return std::get<Counts>(made);
}

Counts placed(const std::string& name, const PlacementShape& shape, const Counts& counts,
              const Loads& loads) {
  auto rng = RngStreams(1, 0).stream("test");
  const auto made = naive::part(placements(), name)->place(shape, counts, loads, rng);
  REQUIRE(std::holds_alternative<Counts>(made));
  return std::get<Counts>(made);
}

/// Each GPU's experts in ascending order, as plans hold them.
Counts sorted_gpus(Counts rows, std::size_t slots) {
  for (std::size_t at = 0; at < rows.size(); at += slots) {
    std::sort(rows.begin() + static_cast<std::ptrdiff_t>(at),
              rows.begin() + static_cast<std::ptrdiff_t>(at + slots));
  }
  return rows;
}

/// The rule word for word.
Counts naive_counts(const Loads& loads, std::int64_t slots, std::int32_t minimum) {
  Counts counts(loads.size(), minimum);
  const bool none = std::all_of(loads.begin(), loads.end(), [](auto load) { return load == 0; });
  const auto load = [&](std::size_t e) { return static_cast<Int128>(none ? 1 : loads[e]); };
  for (auto left = slots - minimum * static_cast<std::int64_t>(loads.size()); left > 0; --left) {
    std::size_t most = 0;
    for (std::size_t e = 1; e < loads.size(); ++e) {
      if (load(e) * counts[most] > load(most) * counts[e]) most = e;
    }
    ++counts[most];
  }
  return counts;
}

struct Replica {
  Int128 load;
  int given;  // when EPLB creates it: 0 at first
  std::int32_t expert;
};

/// Heaviest first onto the least loaded GPU with room, by looking at all GPUs; more than one slot a
/// GPU. Replicas of equal load by their number, which is found by replaying the replication.
Counts naive_packing(const Counts& counts, const Loads& loads, int gpus, int slots) {
  const bool none = std::all_of(loads.begin(), loads.end(), [](auto load) { return load == 0; });
  const auto load = [&](std::size_t e) { return static_cast<Int128>(none ? 1 : loads[e]); };
  std::vector<Replica> replicas;
  Counts created(loads.size(), 1);
  const auto create = [&](std::size_t e, int when) {
    replicas.push_back({load(e) * 65536 / counts[e], when, static_cast<std::int32_t>(e)});
  };
  for (std::size_t e = 0; e < loads.size(); ++e) create(e, 0);
  for (int when = 1; created != counts; ++when) {
    std::size_t most = loads.size();
    for (std::size_t e = 0; e < loads.size(); ++e) {
      if (created[e] == counts[e]) continue;
      if (most == loads.size() || load(e) * created[most] > load(most) * created[e]) most = e;
    }
    ++created[most];
    create(most, when);
  }
  std::sort(replicas.begin(), replicas.end(), [](const Replica& a, const Replica& b) {
    if (a.load != b.load) return a.load > b.load;
    return a.given != b.given ? a.given < b.given : a.expert < b.expert;
  });
  std::vector<Int128> sums(static_cast<std::size_t>(gpus));
  std::vector<Counts> rows(static_cast<std::size_t>(gpus));
  for (const auto& replica : replicas) {
    std::size_t best = rows.size();
    for (std::size_t g = 0; g < rows.size(); ++g) {
      if (rows[g].size() == static_cast<std::size_t>(slots)) continue;
      if (best == rows.size() || sums[g] < sums[best]) best = g;
    }
    sums[best] += replica.load;
    rows[best].push_back(replica.expert);
  }
  Counts all;
  for (auto& row : rows) {
    std::sort(row.begin(), row.end());
    row.resize(static_cast<std::size_t>(slots), kVacant);
    all.insert(all.end(), row.begin(), row.end());
  }
  return all;
}

auto any_load() {
  return rc::gen::weightedOneOf<std::int64_t>(
      {{1, rc::gen::just<std::int64_t>(0)},
       {2, rc::gen::inRange<std::int64_t>(0, 6)},
       {4, rc::gen::inRange<std::int64_t>(0, 100000)},
       {1, rc::gen::inRange<std::int64_t>(0, std::int64_t{1} << 54)}});
}

TEST_CASE("eplb and packed give the published example of hierarchical EPLB") {
  auto shape = naive::shape(2, 8, 12, 4);
  shape.expert_groups = 4;
  const std::vector<Loads> loads = {{90, 132, 40, 61, 104, 165, 39, 4, 73, 56, 183, 86},
                                    {20, 107, 104, 64, 19, 197, 187, 157, 172, 86, 16, 27}};
  // The expert of every replica, GPU after GPU, two each, as the library's page prints them.
  const std::vector<Counts> published = {{5, 6, 5, 7, 8, 4, 3, 4, 10, 9, 10, 2, 0, 1, 11, 1},
                                         {7, 10, 6, 8, 6, 11, 8, 9, 2, 4, 5, 1, 5, 0, 3, 1}};
  for (std::size_t layer = 0; layer < loads.size(); ++layer) {
    Counts counted(12);
    for (const auto e : published[layer]) ++counted[static_cast<std::size_t>(e)];
    const auto counts = allocated("eplb", shape, loads[layer]);
    CHECK(counts == counted);
    CHECK(placed("packed", shape, counts, loads[layer]) == sorted_gpus(published[layer], 2));
  }
}

TEST_CASE("groups that the nodes do not divide are packed over all GPUs") {
  auto shape = naive::shape(3, 8, 12, 4);
  const Loads loads{90, 132, 40, 61, 104, 165, 39, 4, 73, 56, 183, 86};
  const auto global = allocated("eplb", shape, loads);
  const auto rows = placed("packed", shape, global, loads);
  shape.expert_groups = 4;
  CHECK(allocated("eplb", shape, loads) == global);
  CHECK(placed("packed", shape, global, loads) == rows);
}

TEST_CASE("counts that overfill the node of their groups are packed over all GPUs") {
  auto shape = naive::shape(2, 8, 12, 4);
  const Loads loads{90, 132, 40, 61, 104, 165, 39, 4, 73, 56, 183, 86};
  const Counts counts{1, 1, 1, 1, 1, 5, 1, 1, 1, 1, 1, 1};
  const auto rows = placed("packed", shape, counts, loads);
  shape.expert_groups = 4;
  CHECK(placed("packed", shape, counts, loads) == rows);
}

TEST_CASE("experts that cannot form the groups are refused") {
  auto shape = naive::shape(2, 8, 12, 4);
  shape.expert_groups = 5;
  const auto made = naive::part(allocations(), "eplb")->allocate(shape, Loads(12, 1));
  REQUIRE(std::holds_alternative<Infeasible>(made));
  CHECK(std::get<Infeasible>(made).reason == "12 experts cannot form 5 equal groups");
  auto rng = RngStreams(1, 0).stream("test");
  CHECK(std::holds_alternative<Infeasible>(
      naive::part(placements(), "packed")->place(shape, Counts(12, 1), Loads(12, 1), rng)));
}

TEST_CASE("one slot a GPU: first replicas in order, then the others, as EPLB numbers them") {
  CHECK(placed("packed", naive::shape(7, 1, 4), {1, 3, 1, 2}, {9, 40, 8, 20}) ==
        Counts{0, 1, 2, 3, 1, 1, 3});
}

TEST_CASE("greedy counts equal the rule word for word, with any minimum and any loads") {
  CHECK(rc::check([] {
    const int experts = *rc::gen::inRange(1, 24);
    const int minimum = *rc::gen::inRange(1, 4);
    const int slots = *rc::gen::inRange(experts, 8 * experts + 1);
    const auto loads = *rc::gen::container<Loads>(static_cast<std::size_t>(experts), any_load());
    const auto shape = naive::shape(1, slots, experts);
    const auto counts =
        allocated("eplb", shape, loads, "{\"minimum\": " + std::to_string(minimum) + "}");
    RC_ASSERT(counts == naive_counts(loads, slots, std::min(minimum, slots / experts)));
  }));
}

TEST_CASE("packing equals a search over all GPUs for every replica") {
  CHECK(rc::check([] {
    const int nodes = *rc::gen::inRange(1, 5);
    const int gpus = *rc::gen::inRange(1, 5);
    const int slots = *rc::gen::inRange(2, 6);
    const int room = nodes * gpus * slots;
    const int experts = *rc::gen::inRange(1, room + 1);
    const auto loads = *rc::gen::container<Loads>(static_cast<std::size_t>(experts), any_load());
    const auto shape = naive::shape(nodes, gpus * slots, experts, gpus);
    const auto counts =
        *rc::gen::element<Counts>(allocated("eplb", shape, loads), Counts(loads.size(), 1),
                                  Counts(loads.size(), static_cast<std::int32_t>(room / experts)));
    RC_ASSERT(placed("packed", shape, counts, loads) ==
              naive_packing(counts, loads, nodes * gpus, slots));
  }));
}

TEST_CASE("many equal weights and a few far ones are still packed heaviest first") {
  Loads loads(500, 7);
  loads[100] = std::int64_t{1} << 40;
  for (std::size_t e = 200; e < 260; ++e) loads[e] = 8;
  const auto shape = naive::shape(30, 20, 500, 2);
  const auto counts = allocated("eplb", shape, loads);
  CHECK(placed("packed", shape, counts, loads) == naive_packing(counts, loads, 60, 10));
}

TEST_CASE("thousands of nearly equal weights between far ones are packed heaviest first") {
  Loads loads(3000);
  for (std::size_t e = 0; e < loads.size(); ++e) {
    loads[e] = 10'000'000 + static_cast<std::int64_t>(e * 1999 % 3000);
  }
  loads[7] = std::int64_t{1} << 34;
  loads[8] = 0;
  const auto shape = naive::shape(50, 64, 3000, 8);
  const auto counts = allocated("eplb", shape, loads);
  CHECK(counts == naive_counts(loads, 3200, 1));
  CHECK(placed("packed", shape, counts, loads) == naive_packing(counts, loads, 400, 8));
}

TEST_CASE("hierarchical packing keeps a group on one node and fills every node") {
  CHECK(rc::check([] {
    const int nodes = *rc::gen::inRange(1, 5);
    const int per_node = *rc::gen::inRange(1, 4);
    const int size = *rc::gen::inRange(1, 5);
    const int gpus = *rc::gen::inRange(1, 4);
    const int slots = (per_node * size + gpus - 1) / gpus + *rc::gen::inRange(0, 3);
    const int experts = nodes * per_node * size;
    auto shape = naive::shape(nodes, gpus * slots, experts, gpus);
    shape.expert_groups = nodes * per_node;
    const auto loads = *rc::gen::container<Loads>(static_cast<std::size_t>(experts), any_load());
    const auto counts = allocated("eplb", shape, loads);
    const auto rows = placed("packed", shape, counts, loads);
    RC_ASSERT(std::accumulate(counts.begin(), counts.end(), 0) == nodes * gpus * slots);
    std::vector<int> node_of_group(static_cast<std::size_t>(shape.expert_groups), -1);
    std::vector<int> groups(static_cast<std::size_t>(nodes));
    for (std::size_t slot = 0; slot < rows.size(); ++slot) {
      RC_ASSERT(rows[slot] != kVacant);
      const int node = static_cast<int>(slot) / (gpus * slots);
      int& home = node_of_group[static_cast<std::size_t>(rows[slot] / size)];
      if (home < 0) ++groups[static_cast<std::size_t>(node)];
      if (home < 0) home = node;
      RC_ASSERT(home == node);
    }
    RC_ASSERT(groups == std::vector<int>(static_cast<std::size_t>(nodes), per_node));
  }));
}

/// Loads of FlashLB's public example.
const Loads kFlashLb{600, 560, 120, 120, 20, 10, 10, 10};

/// The least maximum over 8 devices of 2 slots, in units of 1/kUnit, over all counts and packings
/// of 16 replicas.
class BestPairs {
 public:
  explicit BestPairs(const Loads& loads) : loads_(loads) {}

  std::int64_t best() {
    Counts counts(loads_.size(), 1);
    every_count(counts, 0, 16 - static_cast<int>(loads_.size()));
    return best_;
  }

 private:
  static constexpr std::int64_t kUnit = 2520;  // divided by every count of 1..10; 9 at most

  void every_count(Counts& counts, std::size_t at, int left) {
    if (at + 1 == counts.size()) {
      counts[at] += left;
      pack(counts);
      counts[at] -= left;
      return;
    }
    for (int more = 0; more <= left; ++more) {
      counts[at] += more;
      every_count(counts, at + 1, left - more);
      counts[at] -= more;
    }
  }

  // With two replicas a device, heaviest with lightest is the best pairing: in any other one two
  // devices can exchange replicas without a larger maximum.
  void pack(const Counts& counts) {
    std::vector<std::int64_t> weights;
    for (std::size_t e = 0; e < counts.size(); ++e) {
      weights.insert(weights.end(), static_cast<std::size_t>(counts[e]),
                     loads_[e] * kUnit / counts[e]);
    }
    std::sort(weights.begin(), weights.end());
    std::int64_t most = 0;
    for (std::size_t i = 0; i < weights.size() / 2; ++i) {
      most = std::max(most, weights[i] + weights[weights.size() - 1 - i]);
    }
    best_ = std::min(best_, most);
  }

  Loads loads_;
  std::int64_t best_ = INT64_MAX;
};

double worst_gpu(const PlacementShape& shape, const Counts& counts, const Counts& rows,
                 const Loads& loads) {
  double most = 0;
  const auto slots = static_cast<std::size_t>(shape.slots_per_gpu);
  for (std::size_t gpu = 0; gpu < rows.size(); gpu += slots) {
    double sum = 0;
    for (std::size_t i = gpu; i < gpu + slots; ++i) {
      const auto e = static_cast<std::size_t>(rows[i]);
      sum += static_cast<double>(loads[e]) / counts[e];
    }
    most = std::max(most, sum);
  }
  return most;
}

TEST_CASE("on FlashLB's example greedy EPLB reaches 232, the best even split 196.67") {
  const auto shape = naive::shape(8, 2, 8);
  const auto counts = allocated("eplb", shape, kFlashLb);
  const auto rows = placed("packed", shape, counts, kFlashLb);
  CHECK(worst_gpu(shape, counts, rows, kFlashLb) == Approx(232));
  CHECK(static_cast<double>(BestPairs(kFlashLb).best()) / 2520 == Approx(196.6667));
}

}  // namespace
}  // namespace bethany
