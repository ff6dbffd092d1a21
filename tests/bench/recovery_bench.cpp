// How long exact recovery takes, and how it grows. Every time is the median of some turns of the
// same call; where two sizes of a kind follow one another the ratio of their times stands beside.
// Answers of different methods must agree, else the program fails.

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <functional>
#include <numeric>
#include <string>
#include <vector>

#include "sim/base/check.h"
#include "sim/base/random.h"
#include "sim/placement/recovery_conditions.h"
#include "sim/placement/recovery_sampling.h"

namespace bethany {
namespace {

double seconds_of(int turns, const std::function<void()>& work) {
  std::vector<double> seconds;
  for (int i = 0; i < turns; ++i) {
    const auto start = std::chrono::steady_clock::now();
    work();
    seconds.push_back(
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  std::nth_element(seconds.begin(), seconds.begin() + turns / 2, seconds.end());
  return seconds[static_cast<std::size_t>(turns / 2)];
}

std::string time_text(double seconds) {
  if (seconds < 1e-3) return fmt::format("{:9.2f} us", seconds * 1e6);
  if (seconds < 1) return fmt::format("{:9.2f} ms", seconds * 1e3);
  return fmt::format("{:9.2f} s ", seconds);
}

/// nodes · slots / size experts in sets of consecutive nodes that wrap around: replicas packed in
/// turn.
std::vector<HostSet> packed(std::int32_t nodes, std::int32_t slots, std::int32_t size) {
  std::vector<HostSet> sets;
  for (std::int32_t e = 0; e < nodes * slots / size; ++e) {
    sets.emplace_back();
    for (std::int32_t j = 0; j < size; ++j) sets.back().push_back((e * size + j) % nodes);
    std::sort(sets.back().begin(), sets.back().end());
  }
  return minimal_sets(std::move(sets));
}

std::vector<std::int32_t> shuffled(std::int32_t count, std::uint64_t number) {
  std::vector<std::int32_t> items(static_cast<std::size_t>(count));
  std::iota(items.begin(), items.end(), 0);
  RngStreams(1, 0).stream("bench", number).shuffle(items);
  return items;
}

/// Replicas at random slots.
std::vector<HostSet> random_sets(std::int32_t nodes, std::int32_t slots, std::int32_t size) {
  const auto order = shuffled(nodes * slots, 0);
  std::vector<HostSet> sets;
  for (std::size_t at = 0; at + static_cast<std::size_t>(size) <= order.size();) {
    HostSet set;
    for (std::int32_t j = 0; j < size; ++j) set.push_back(order[at++] / slots);
    std::sort(set.begin(), set.end());
    set.erase(std::unique(set.begin(), set.end()), set.end());
    sets.push_back(std::move(set));
  }
  return minimal_sets(std::move(sets));
}

/// Disjoint groups in each layer, over a node order of the layer's own.
std::vector<HostSet> layers_of_groups(std::int32_t nodes, int layers, std::int32_t size) {
  std::vector<HostSet> sets;
  for (int layer = 0; layer < layers; ++layer) {
    auto order = shuffled(nodes, static_cast<std::uint64_t>(layer));
    if (layer == 0) std::sort(order.begin(), order.end());
    for (std::int32_t first = 0; first + size <= nodes; first += size) {
      sets.emplace_back(order.begin() + first, order.begin() + first + size);
      std::sort(sets.back().begin(), sets.back().end());
    }
  }
  return minimal_sets(std::move(sets));
}

class Bench {
 public:
  explicit Bench(bool quick) : quick_(quick) {}

  double exact(const std::string& name, int nodes, const std::vector<HostSet>& sets, int k_max,
               ExactMethod method = ExactMethod::automatic, double before = 0) {
    const ExactOptions options{.method = method, .work = quick_ ? 1 << 16 : kExactWork};
    const auto curve = recovery_curve(nodes, sets, k_max, options);
    const double once = seconds_of(1, [&] { recovery_curve(nodes, sets, k_max, options); });
    const int turns = quick_ ? 1 : std::clamp(static_cast<int>(0.3 / (once + 1e-7)), 3, 10001);
    const double time = seconds_of(turns, [&] { recovery_curve(nodes, sets, k_max, options); });
    fmt::print("{:<44} {:>4} nodes {:>4} sets  k<={:<4} {}{}{}\n", name, nodes, sets.size(), k_max,
               time_text(time), curve ? "" : "  gave up",
               before > 0 ? fmt::format("  x{:.1f}", time / before) : std::string());
    if (curve) agree(*curve, nodes, sets, k_max);
    return time;
  }

  void sampled() {
    std::vector<HostSet> groups;
    for (std::int32_t n = 0; n < 60; n += 3) groups.push_back({n, n + 1, n + 2});
    const auto tangled = random_sets(64, 6, 3);
    const SamplingOptions options{
        .method = SamplingMethod::automatic, .samples = quick_ ? 100 : 100'000, .confidence = 0.95};
    const auto row = [&](const std::string& name, const std::function<SampledLoss()>& sample) {
      SampledLoss found;
      const double time = seconds_of(quick_ ? 1 : 5, [&] { found = sample(); });
      fmt::print("{:<44} {} a sample  loss {:.4g}, 95 % +-{:.2g} of it ({})\n", name,
                 time_text(time / static_cast<double>(options.samples)), found.loss,
                 (found.interval.high - found.interval.low) / 2 / found.loss, found.method);
    };
    row("20 groups of 3, rates 1e-4", [&] {
      return LossSampler(60, groups).rated(std::vector<double>(60, 1e-4), options, Rng(1, 1));
    });
    row("random 64 x 6, 3 of 64 lost",
        [&] { return LossSampler(64, tangled).uniform(3, options, Rng(1, 1)); });
    row("random 64 x 6, 8 of 64 lost",
        [&] { return LossSampler(64, tangled).uniform(8, options, Rng(1, 1)); });
  }

 private:
  /// The sampled answer holds the exact one: the check shares no code with the counting.
  void agree(const RecoveryCurve& curve, int nodes, const std::vector<HostSet>& sets, int k_max) {
    const int k = std::min({k_max, nodes, 8});
    const SamplingOptions options{
        .method = SamplingMethod::automatic, .samples = 2000, .confidence = 1 - 1e-6};
    const auto sampled = LossSampler(nodes, sets).uniform(k, options, Rng(1, 2));
    const double loss = curve.loss[static_cast<std::size_t>(k)];
    BETHANY_CHECK(sampled.interval.low <= loss + 1e-12 && loss <= sampled.interval.high + 1e-12,
                  "loss {} outside {}..{}", loss, sampled.interval.low, sampled.interval.high);
  }

  bool quick_;
};

void run(bool quick) {
  Bench bench(quick);
  bench.exact("64 disjoint groups of 2", 128, layers_of_groups(128, 1, 2), 8);
  bench.exact("64 disjoint groups of 2, all k", 128, layers_of_groups(128, 1, 2), 128);
  bench.exact("64 disjoint groups of 3", 192, layers_of_groups(192, 1, 3), 8);
  bench.exact("packed 64 x 6, all k", 64, packed(64, 6, 3), 64);
  bench.exact("packed 64 x 6, all k, elimination", 64, packed(64, 6, 3), 64,
              ExactMethod::elimination);
  double before = 0;
  for (const int nodes : {128, 256, 512}) {
    before = bench.exact("packed N x 6, 8 losses", nodes, packed(nodes, 6, 3), 8,
                         ExactMethod::elimination, before);
  }
  for (const int k_max : {4, 6, 8, 9, 10}) {
    bench.exact("random 64 x 6, few losses", 64, random_sets(64, 6, 3), k_max);
  }
  before = 0;
  for (const int nodes : {24, 32, 40, 48}) {
    before = bench.exact("random N x 6, all k", nodes, random_sets(nodes, 6, 3), nodes,
                         ExactMethod::branching, before);
  }
  before = 0;
  for (const int nodes : {24, 48, 72, 96}) {
    before = bench.exact("two layers of groups of 3, own orders, all k", nodes,
                         layers_of_groups(nodes, 2, 3), nodes, ExactMethod::elimination, before);
  }
  before = 0;
  for (const int nodes : {12, 24, 36, 48}) {
    before = bench.exact("four layers of groups of 3, own orders, all k", nodes,
                         layers_of_groups(nodes, 4, 3), nodes, ExactMethod::automatic, before);
  }
  bench.sampled();
}

}  // namespace
}  // namespace bethany

int main(int argc, char** argv) {
  bethany::run(argc > 1 && std::strcmp(argv[1], "--quick") == 0);
  return 0;
}
