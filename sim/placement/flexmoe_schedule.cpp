#include "sim/placement/flexmoe_schedule.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>
#include <optional>
#include <utility>

#include "sim/base/check.h"
#include "sim/base/int128.h"
#include "sim/placement/expert_order.h"
#include "sim/placement/kept_rows.h"
#include "sim/placement/repair_rows.h"
#include "sim/placement/replica_weights.h"

namespace bethany {
namespace {

/// Loads keep this many bits in the cost, so that products stay in 128.
constexpr int kLoadBits = 32;

/// Integer picoseconds: equal for all compilers once the two quotients are rounded.
struct Costs {
  std::int64_t token_ps = 0;
  std::int64_t tokens = 0;  // of a layer
  double sync_ps = 0;       // an all-reduce over infinitely many GPUs

  Int128 sync(std::int64_t gpus) const {
    return gpus < 2
               ? 0
               : std::llround(sync_ps * static_cast<double>(gpus - 1) / static_cast<double>(gpus));
  }
};

/// One layer's plan with its counts and its cost.
class State {
 public:
  State(const PlacementShape& shape, std::vector<std::int32_t> rows,
        const std::vector<std::int64_t>& loads, const Costs& costs)
      : counts_(loads.size()), devices_(shape, rows, weights(rows, loads, counts_)) {
    const Int128 total = std::accumulate(loads.begin(), loads.end(), Int128{0})
                         << kWeightDigits;  // the unit of time is 1 ps / total
    std::vector<std::int64_t> hosts(loads.size());
    for (int gpu = 0; gpu < devices_.gpus(); ++gpu) {
      for_distinct(gpu, [&](std::size_t e) { ++hosts[e]; });
    }
    std::vector<Int128> sync(loads.size());
    for (std::size_t e = 0; e < sync.size(); ++e) sync[e] = costs.sync(hosts[e]) * total;
    for (int gpu = 0; gpu < devices_.gpus(); ++gpu) {
      Int128 cost = devices_.load(gpu) * costs.tokens * costs.token_ps;
      for_distinct(gpu, [&](std::size_t e) { cost += sync[e]; });
      if (gpu == 0 || cost > cost_) {
        cost_ = cost;
        costliest_ = gpu;
      }
    }
  }

  Int128 cost() const { return cost_; }
  int costliest() const { return costliest_; }
  const DeviceRows& devices() const { return devices_; }
  const std::vector<std::int32_t>& counts() const { return counts_; }

 private:
  static std::vector<Int128> weights(const std::vector<std::int32_t>& rows,
                                     const std::vector<std::int64_t>& loads,
                                     std::vector<std::int32_t>& counts) {
    for (const auto e : rows) {
      if (e != kVacant) ++counts[static_cast<std::size_t>(e)];
    }
    return replica_weights(counts, loads);
  }

  template <class Visit>
  void for_distinct(int gpu, const Visit& visit) const {
    const auto held = devices_.held(gpu);
    for (std::size_t i = 0; i < held.size(); ++i) {
      const auto end = held.begin() + static_cast<std::ptrdiff_t>(i);
      if (std::find(held.begin(), end, held[i]) == end) visit(static_cast<std::size_t>(held[i]));
    }
  }

  std::vector<std::int32_t> counts_;
  DeviceRows devices_;
  Int128 cost_ = 0;
  int costliest_ = 0;
};

/// The expert with most (or, with another replica to keep, least) load per replica, ties by id.
int hottest(const State& state) {
  int best = 0;
  for (int e = 1; e < static_cast<int>(state.counts().size()); ++e) {
    if (state.devices().weight(e) > state.devices().weight(best)) best = e;
  }
  return best;
}

int coldest_spare(const State& state) {
  int best = -1;
  for (int e = 0; e < static_cast<int>(state.counts().size()); ++e) {
    if (state.counts()[static_cast<std::size_t>(e)] < 2) continue;
    if (best < 0 || state.devices().weight(e) < state.devices().weight(best)) best = e;
  }
  return best;
}

/// The rows after Expand, with Shrink where no slot is vacant; empty when it cannot be done.
std::optional<std::vector<std::int32_t>> expanded(const State& state) {
  DeviceRows devices = state.devices();
  const int hot = hottest(state);
  int gpu = devices.least_loaded(
      [&](int candidate) { return devices.copies_on_node(devices.node_of(candidate), hot) == 0; });
  if (gpu < 0) gpu = devices.least_loaded([](int) { return true; });
  if (gpu < 0) {
    const int cold = coldest_spare(state);
    if (cold < 0 || cold == hot) return std::nullopt;
    for (int candidate = 0; candidate < devices.gpus(); ++candidate) {
      const auto held = devices.held(candidate);
      if (std::find(held.begin(), held.end(), cold) == held.end()) continue;
      if (gpu < 0 || devices.load(candidate) < devices.load(gpu)) gpu = candidate;
    }
    devices.take(gpu, cold);
  }
  devices.put(gpu, hot);
  return devices.rows();
}

/// The rows after Migrate; empty when no exchange relieves the costliest GPU.
std::optional<std::vector<std::int32_t>> migrated(const State& state) {
  DeviceRows devices = state.devices();
  const int from = state.costliest();
  int to = 0;
  for (int gpu = 1; gpu < devices.gpus(); ++gpu) {
    if (devices.load(gpu) < devices.load(to)) to = gpu;
  }
  if (from == to) return std::nullopt;
  Int128 best = devices.load(from);
  std::pair<std::int32_t, std::int32_t> exchanged{kVacant, kVacant};
  for (const std::int32_t a : devices.held(from)) {
    for (const std::int32_t b : devices.held(to)) {
      const Int128 moved = devices.weight(a) - devices.weight(b);
      const Int128 most = std::max(devices.load(from) - moved, devices.load(to) + moved);
      if (most < best) {
        best = most;
        exchanged = {a, b};
      }
    }
  }
  if (exchanged.first == kVacant) return std::nullopt;
  devices.take(from, exchanged.first);
  devices.take(to, exchanged.second);
  devices.put(from, exchanged.second);
  devices.put(to, exchanged.first);
  return devices.rows();
}

bool above(double threshold, const DeviceRows& devices) {
  Int128 sum = 0;
  for (int gpu = 0; gpu < devices.gpus(); ++gpu) sum += devices.load(gpu);
  return static_cast<double>(devices.largest_load()) * devices.gpus() >
         threshold * static_cast<double>(sum);
}

/// The loads without the binary digits that the cost has no room for; equal ones without any.
std::vector<std::int64_t> bounded(std::span<const std::int64_t> loads) {
  const Int128 total = std::accumulate(loads.begin(), loads.end(), Int128{0});
  if (total == 0) return std::vector<std::int64_t>(loads.size(), 1);
  const int digits = static_cast<int>(std::bit_width(static_cast<std::uint64_t>(total)));
  std::vector<std::int64_t> result(loads.begin(), loads.end());
  for (auto& load : result) load >>= std::max(digits - kLoadBits, 0);
  return result;
}

}  // namespace

// Defaults: ten iterations, and every imbalance is acted on, as in the LAER-MoE artifact's FlexMoE;
// its 1.484 us a token and 89 GB/s (4 nodes of 8 A100, papers.md §2.1). Rows, row and expert are of
// Mixtral 8x7B: one sequence of 4,096 tokens to 2 experts each, 4,096 bf16 values, and
// 3 · 4,096 · 14,336 bf16 gradients.
FlexMoeSchedule::FlexMoeSchedule(ObjectReader& options)
    : threshold_(options.real("threshold", 1, 1e6, 1)),
      max_iterations_(options.integer("max_iterations", 0, 1'000'000, 10)),
      tokens_per_gpu_(options.integer("tokens_per_gpu", 1, 1 << 20, 8192)),
      token_time_(options.duration("token_time", Duration(1484), Duration(1), Duration(1'000'000))),
      token_bytes_(options.bytes("token_bytes", Bytes{8192})),
      bandwidth_(options.bandwidth("bandwidth", Bandwidth{89e9})),
      expert_bytes_(options.bytes("expert_bytes", Bytes{352'321'536})) {
  if (bandwidth_.bytes_per_second < 1e9) options.fail("bandwidth", "is below 1 GB/s");
  if (token_bytes_.value > (1 << 24)) options.fail("token_bytes", "is above 16 MiB");
  if (expert_bytes_.value > (std::int64_t{1} << 40)) {
    options.fail("expert_bytes", "is above 1 TiB");
  }
}

std::variant<FlexMoeSchedule::Result, Infeasible> FlexMoeSchedule::run(
    const PlacementShape& shape, const LoadMatrix& loads) const {
  if (auto reason = refuse_experts(shape)) return *reason;
  LayerRows held;
  std::vector<bool> newcomer;
  if (shape.previous != nullptr) {
    auto kept = kept_rows(shape, loads.layers);
    if (auto* reason = std::get_if<Infeasible>(&kept)) return *reason;
    held = std::move(std::get<LayerRows>(kept));
    newcomer = newcomers(shape);
  }
  constexpr double kPicoseconds = 1e12;
  const double gpus = shape.ranks();
  const double remote = 4 * static_cast<double>(token_bytes_.value) * (gpus - 1) / gpus;
  const Costs costs{.token_ps = token_time_.count() * 1000 +
                                std::llround(remote / bandwidth_.bytes_per_second * kPicoseconds),
                    .tokens = tokens_per_gpu_ * shape.ranks(),
                    .sync_ps = 2 * static_cast<double>(expert_bytes_.value) /
                               bandwidth_.bytes_per_second * kPicoseconds};

  Result result;
  for (int layer = 0; layer < loads.layers; ++layer) {
    const auto row = bounded(loads.row(layer));
    auto start = shape.previous != nullptr
                     ? repaired_rows(shape, held[static_cast<std::size_t>(layer)], newcomer, row)
                     : spread_over_devices(shape, even_counts(shape.slots(), row), row);
    State state(shape, start.rows(), row, costs);
    const Int128 first_cost = state.cost();
    for (std::int64_t i = 0; i < max_iterations_ && above(threshold_, state.devices()); ++i) {
      bool changed = false;
      for (const auto& change : {expanded, migrated}) {
        const auto rows = change(state);
        if (!rows) continue;
        State next(shape, *rows, row, costs);
        if (next.cost() >= state.cost()) continue;
        state = std::move(next);
        changed = true;
        break;
      }
      if (!changed) break;
      ++result.changes;
    }
    BETHANY_CHECK(state.cost() <= first_cost, "a change was kept that costs more");
    result.rows.push_back(state.devices().rows());
  }
  return result;
}

}  // namespace bethany
