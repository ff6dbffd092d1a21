// EPLB's replication and packing, all layers of a model on one core: the kernels alone, then the
// way every caller goes (allocate_layers and place_layers), each beside a straightforward program
// (std::priority_queue, std::sort, 64-bit integers) in turns. Medians of the turns, in processor
// time. The program fails when the two plans differ. The last lines are the growth with the number
// of slots.

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <functional>
#include <queue>
#include <string>
#include <vector>

#include "sim/base/check.h"
#include "sim/base/object_reader.h"
#include "sim/placement/balanced_packing.h"
#include "sim/placement/greedy_counts.h"
#include "sim/placement/parts.h"
#include "tests/bench/placement_cases.h"

namespace bethany {
namespace {

/// Processor time, so that other programs on the machine count less; of as many runs as make up a
/// few milliseconds.
double once_us(const std::function<void()>& work) {
  const std::clock_t start = std::clock();
  std::clock_t end = start;
  int runs = 0;
  do {
    work();
    ++runs;
    end = std::clock();
  } while (end - start < CLOCKS_PER_SEC / 500);
  return static_cast<double>(end - start) * 1e6 / CLOCKS_PER_SEC / runs;
}

double median(std::vector<double> times) {
  std::nth_element(times.begin(), times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2),
                   times.end());
  return times[times.size() / 2];
}

struct Case {
  std::string name;
  PlacementShape shape;
  LoadMatrix loads;
};

std::vector<std::int32_t> plain_counts(std::span<const std::int64_t> loads, std::int64_t slots) {
  using Entry = std::pair<double, std::int32_t>;  // load per replica, minus the expert
  std::vector<std::int32_t> counts(loads.size(), 1);
  std::priority_queue<Entry> queue;
  for (std::size_t e = 0; e < loads.size(); ++e) {
    queue.emplace(static_cast<double>(loads[e]), -static_cast<std::int32_t>(e));
  }
  for (auto left = slots - static_cast<std::int64_t>(loads.size()); left > 0; --left) {
    const auto e = static_cast<std::size_t>(-queue.top().second);
    queue.pop();
    ++counts[e];
    queue.emplace(static_cast<double>(loads[e]) / counts[e], -static_cast<std::int32_t>(e));
  }
  return counts;
}

std::vector<std::int32_t> plain_packing(std::span<const std::int64_t> loads,
                                        const std::vector<std::int32_t>& counts, int packs,
                                        int capacity) {
  std::vector<std::pair<std::int64_t, std::int32_t>> replicas;
  for (std::size_t e = 0; e < loads.size(); ++e) {
    for (std::int32_t i = 0; i < counts[e]; ++i) {
      replicas.emplace_back(-((loads[e] << 16) / counts[e]), static_cast<std::int32_t>(e));
    }
  }
  std::sort(replicas.begin(), replicas.end());
  using Entry = std::pair<std::int64_t, std::int32_t>;
  std::priority_queue<Entry, std::vector<Entry>, std::greater<>> queue;
  for (std::int32_t p = 0; p < packs; ++p) queue.emplace(0, p);
  std::vector<std::vector<std::int32_t>> held(static_cast<std::size_t>(packs));
  for (const auto& [load, expert] : replicas) {
    auto [sum, pack] = queue.top();
    queue.pop();
    auto& row = held[static_cast<std::size_t>(pack)];
    row.push_back(expert);
    if (static_cast<int>(row.size()) < capacity) queue.emplace(sum - load, pack);
  }
  std::vector<std::int32_t> rows;
  for (auto& row : held) {
    std::sort(row.begin(), row.end());
    row.resize(static_cast<std::size_t>(capacity), kVacant);
    rows.insert(rows.end(), row.begin(), row.end());
  }
  return rows;
}

void bench(const Case& at, int turns) {
  const JsonNode none;
  ObjectReader options(none, "");
  const auto allocation = allocations().find("eplb")->make(options);
  const auto placement = placements().find("packed")->make(options);
  auto rng = RngStreams(1, 0).stream("bench");
  const auto layers = static_cast<std::size_t>(at.loads.layers);
  const auto ranks = at.shape.ranks();

  ReplicaRows counts(layers, std::vector<std::int32_t>(static_cast<std::size_t>(at.shape.experts)));
  LayerRows rows(layers, std::vector<std::int32_t>(static_cast<std::size_t>(at.shape.slots())));
  GreedyCounts greedy;
  BalancedPacking packing;
  const auto replicate = [&] {
    for (std::size_t l = 0; l < layers; ++l) {
      greedy.run(at.loads.row(static_cast<int>(l)), at.shape.slots(), 1, counts[l]);
    }
  };
  const auto pack = [&] {
    for (std::size_t l = 0; l < layers; ++l) {
      packing.run(counts[l], at.loads.row(static_cast<int>(l)), ranks, at.shape.slots_per_gpu,
                  rows[l]);
    }
  };
  ReplicaRows library_counts;
  LayerRows library_rows;
  const auto library = [&] {
    library_counts = std::get<ReplicaRows>(allocation->allocate_layers(at.shape, at.loads));
    library_rows =
        std::get<LayerRows>(placement->place_layers(at.shape, library_counts, at.loads, rng));
  };
  ReplicaRows plain_counted(layers);
  LayerRows plain_rows(layers);
  const auto plain = [&] {
    for (std::size_t l = 0; l < layers; ++l) {
      const auto row = at.loads.row(static_cast<int>(l));
      plain_counted[l] = plain_counts(row, at.shape.slots());
      plain_rows[l] = plain_packing(row, plain_counted[l], ranks, at.shape.slots_per_gpu);
    }
  };
  std::vector<double> times[4];
  for (int turn = 0; turn < turns; ++turn) {
    times[0].push_back(once_us(replicate));
    times[1].push_back(once_us(pack));
    times[2].push_back(once_us(library));
    times[3].push_back(once_us(plain));
  }
  BETHANY_CHECK(library_counts == plain_counted && library_counts == counts, "counts differ");
  BETHANY_CHECK(library_rows == plain_rows && library_rows == rows, "packings differ");
  const double library_us = median(times[2]);
  const double plain_us = median(times[3]);
  const auto all_slots = static_cast<double>(at.shape.slots()) * at.loads.layers;
  fmt::print(
      "{:<42} {:>9.1f} + {:>9.1f} us  {:>9.1f} us (least {:.1f})  {:>10.1f} us  {:>5.1f}x  "
      "{:>5.1f} ns\n",
      at.name, median(times[0]), median(times[1]), library_us,
      *std::min_element(times[2].begin(), times[2].end()), plain_us, plain_us / library_us,
      library_us * 1000 / all_slots);
}

Case make_case(const std::string& name, int layers, int experts, int nodes, int gpus, int slots) {
  return {name,
          {.nodes = nodes, .gpus_per_node = gpus, .slots_per_gpu = slots, .experts = experts},
          skewed_loads(layers, experts, 0.8)};
}

void run(bool quick) {
  fmt::print("{:<42} {:>9} + {:>9}     {:>9}                   {:>10}     plain/parts  a slot\n",
             "layers x experts -> slots, GPUs x slots", "replicas", "packing", "parts", "plain");
  bench(make_case("58 x 256 -> 320, 40 x 8", 58, 256, 5, 8, 8), quick ? 1 : 51);
  bench(make_case("61 x 512 -> 4,096, 2,048 x 2", 61, 512, 256, 8, 2), quick ? 1 : 11);
  if (quick) return;
  for (const int nodes : {10, 100, 1000, 10000}) {
    bench(
        make_case(fmt::format("1 x 256 -> {}, {} x 4", nodes * 32, nodes * 8), 1, 256, nodes, 8, 4),
        nodes > 1000 ? 5 : 21);
  }
}

}  // namespace
}  // namespace bethany

int main(int argc, char** argv) {
  bethany::run(argc > 1 && std::strcmp(argv[1], "--quick") == 0);
  return 0;
}
