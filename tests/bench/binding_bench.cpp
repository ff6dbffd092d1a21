// Binding a new plan to the machines of the old one: the published greedy rule beside the exact
// assignment and schedule. For each placement and node count one loss of a machine in fifty and a
// load that drifted (or did not): times, growth per doubling, states moved, busiest ports. The
// program fails when the exact method moves more. The digest covers bindings and transfers.

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "sim/base/check.h"
#include "sim/base/digest.h"
#include "sim/base/object_reader.h"
#include "sim/placement/binding.h"
#include "sim/placement/parts.h"
#include "tests/bench/placement_cases.h"

namespace bethany {
namespace {

/// Zipf loads whose ranks are drawn anew for each layer; `drift` of them change places afterwards.
LoadMatrix loads_of(int layers, int experts, double drift) {
  LoadMatrix loads(layers, experts);
  for (int layer = 0; layer < layers; ++layer) {
    auto rng = RngStreams(7, 0).stream("loads", static_cast<std::uint64_t>(layer));
    std::vector<std::int64_t> row;
    for (int e = 0; e < experts; ++e) {
      row.push_back(static_cast<std::int64_t>(1e6 / std::pow(e + 1, 1.2)) + 1);
    }
    rng.shuffle(row);
    const auto swaps = static_cast<int>(drift * experts);
    for (int i = 0; i < swaps; ++i) {
      const auto a = rng.below(static_cast<std::uint64_t>(experts));
      const auto b = rng.below(static_cast<std::uint64_t>(experts));
      std::swap(row[a], row[b]);
    }
    std::copy(row.begin(), row.end(), loads.row(layer).begin());
  }
  return loads;
}

struct Case {
  std::string placement;
  int nodes = 0;
  int layers = 0;
  int experts = 0;
  int slots = 0;
  double drift = 0;
};

PlacementPlan plan_of(const Case& at, int nodes, double drift) {
  const PlacementShape shape{
      .nodes = nodes, .gpus_per_node = 1, .slots_per_gpu = at.slots, .experts = at.experts};
  auto rng = RngStreams(drift > 0 ? 2 : 1, 0).stream("plan");
  return std::get<PlacementPlan>(
      make_plan(*part(allocations(), "proportional"), *part(placements(), at.placement), shape,
                LayerOrder::aligned, loads_of(at.layers, at.experts, drift), rng));
}

double milliseconds(const PlacementPlan& after, const Holdings& holdings, const StateSizes& sizes,
                    BindingMethod method, Binding& binding) {
  const auto start = std::chrono::steady_clock::now();
  binding = bind_plan(after, holdings, sizes, {method, {}});
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start)
      .count();
}

void bench(const Case& at, int turns, Digest& digest) {
  const int lost = std::max(at.nodes / 50, 1);
  const auto before = plan_of(at, at.nodes, 0);
  const auto after = plan_of(at, at.nodes - lost, at.drift);
  Holdings holdings{.plan = &before, .place_of = {}};
  for (int n = 0; n < at.nodes; ++n) {
    if (n >= lost || at.nodes < 50) holdings.place_of.push_back((n * 37 + 11) % at.nodes);
  }
  holdings.place_of.resize(static_cast<std::size_t>(after.nodes));
  if (!state_is_complete(holdings)) {
    fmt::print("{:<8} {:>6}  the loss was fatal\n", at.placement, at.nodes);
    return;
  }
  const StateSizes sizes{.dense_bytes = 1 << 28, .expert_bytes = 1 << 26, .checkpoint_bytes = 0};
  std::vector<double> greedy_ms;
  std::vector<double> exact_ms;
  Binding greedy;
  Binding exact;
  for (int turn = 0; turn < turns; ++turn) {
    greedy_ms.push_back(milliseconds(after, holdings, sizes, BindingMethod::greedy, greedy));
    exact_ms.push_back(milliseconds(after, holdings, sizes, BindingMethod::min_cost, exact));
  }
  BETHANY_CHECK(exact.summary.experts_moved <= greedy.summary.experts_moved,
                "the exact binding moves {} states, the greedy one {}", exact.summary.experts_moved,
                greedy.summary.experts_moved);
  const auto best = [](const std::vector<double>& times) {
    return *std::min_element(times.begin(), times.end());
  };
  const auto gib = [](std::int64_t bytes) { return static_cast<double>(bytes) / (1 << 30); };
  fmt::print(
      "{:<8} {:>6} {:>6} {:>7} {:>5.2f} {:>10.3f} {:>10.3f} {:>8} {:>8} {:>9.3f} {:>9.3f}{}\n",
      at.placement, at.nodes, at.layers, at.experts, at.drift, best(greedy_ms), best(exact_ms),
      greedy.summary.experts_moved, exact.summary.experts_moved,
      gib(greedy.summary.busiest_port_bytes), gib(exact.summary.busiest_port_bytes),
      exact.least_moved ? "" : "  greedy stands in");
  for (const auto* binding : {&greedy, &exact}) {
    for (const int machine : binding->machine_of_place) digest.add(std::int64_t{machine});
    for (const auto& transfer : binding->transfers) digest.add(std::int64_t{transfer.from});
  }
}

void run(bool quick) {
  Digest digest;
  fmt::print("{:<8} {:>6} {:>6} {:>7} {:>5} {:>10} {:>10} {:>8} {:>8} {:>9} {:>9}\n", "plan",
             "nodes", "layers", "experts", "drift", "greedy ms", "exact ms", "moved", "exact",
             "port GiB", "exact");
  const std::vector<int> sizes =
      quick ? std::vector<int>{20, 50} : std::vector<int>{10, 100, 250, 500, 1000, 2000, 4000};
  for (const std::string placement : {"mro", "spread", "random"}) {
    for (const double drift : {0.0, 0.1}) {
      for (const int nodes : sizes) {
        bench({placement, nodes, 6, 16, 6, drift}, nodes > 1000 ? 1 : 3, digest);
      }
    }
  }
  if (!quick) bench({"mro", 40, 58, 256, 8, 0.1}, 3, digest);
  if (!quick) bench({"mro", 320, 58, 256, 8, 0.1}, 3, digest);
  if (!quick) bench({"mro", 10000, 1, 128, 6, 0.1}, 1, digest);
  fmt::print("digest {}\n", digest.hex());
}

}  // namespace
}  // namespace bethany

int main(int argc, char** argv) {
  bethany::run(argc > 1 && std::strcmp(argv[1], "--quick") == 0);
  return 0;
}
