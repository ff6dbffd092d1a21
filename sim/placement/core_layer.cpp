#include "sim/placement/core_layer.h"

#include <algorithm>
#include <functional>
#include <numeric>
#include <queue>

#include "sim/base/check.h"

namespace bethany {
namespace {

/// Experts that get the spare lanes in all ways that there are.
constexpr std::size_t kHottest = 4;
/// With more spare lanes or experts than this the exact way no longer matters.
constexpr std::int64_t kMostSpare = 8;
constexpr std::size_t kFewExperts = 64;
/// What the descent of one layer may cost, in experts, blocks and edges of flows looked at.
constexpr std::int64_t kDescentCost = 25'000;
constexpr std::int64_t kFewestEvaluations = 40;

std::vector<std::int32_t> by_falling_load(std::span<const std::int64_t> loads) {
  std::vector<std::int32_t> order(loads.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](std::int32_t a, std::int32_t b) {
    const auto load_a = loads[static_cast<std::size_t>(a)];
    const auto load_b = loads[static_cast<std::size_t>(b)];
    return load_a != load_b ? load_a > load_b : a < b;
  });
  return order;
}

int evaluations_for(const LaneBoard& board) {
  return static_cast<int>(std::max(kFewestEvaluations, kDescentCost / board.size()));
}

GpuLoad mean_of(const LaneLayout& layout, std::span<const std::int64_t> loads) {
  GpuLoad mean{std::accumulate(loads.begin(), loads.end(), std::int64_t{0}), 0};
  for (const auto size : layout.block_sizes()) mean.gpus += size;
  return mean;
}

GpuLoad enough_of(GpuLoad mean) { return {mean.tokens + mean.tokens / kEvenEnough, mean.gpus}; }

constexpr GpuLoad kNoLimit{BlockFlow::kMostTokens * 2, 1};

CoreLayer layer_of(const LaneLayout& layout, const LaneBoard& board, std::size_t experts,
                   GpuLoad maximum, GpuLoad mean) {
  CoreLayer layer{.gpus = {}, .maximum = maximum, .max_over_mean = 1};
  layer.max_over_mean = maximum.value() / mean.value();
  for (std::size_t e = 0; e < experts; ++e) {
    GpuSet hosts;
    for (const auto q : board.lanes_of(static_cast<std::int32_t>(e))) {
      for (const auto b : layout.classes[static_cast<std::size_t>(q)].blocks) {
        const auto& gpus = layout.gpus_of_block[static_cast<std::size_t>(b)];
        hosts.insert(hosts.end(), gpus.begin(), gpus.end());
      }
    }
    std::sort(hosts.begin(), hosts.end());
    layer.gpus.push_back(std::move(hosts));
  }
  return layer;
}

/// How many lanes beside the first each expert gets, by rank of falling load.
using Extra = std::vector<std::int32_t>;

/// Repeatedly a lane to the expert with the most tokens per lane: what EPLB does with replicas.
Extra extra_by_need(std::span<const std::int64_t> loads, const std::vector<std::int32_t>& order,
                    std::int64_t spare, std::int32_t most_each) {
  Extra extra(order.size());
  struct Need {
    std::int64_t tokens;
    std::int32_t lanes;
    std::int32_t rank;
    bool operator<(const Need& other) const {
      const GpuLoad mine{tokens, lanes};
      const GpuLoad its{other.tokens, other.lanes};
      if (mine < its) return true;
      return its < mine ? false : rank > other.rank;
    }
  };
  std::priority_queue<Need> heap;
  for (std::size_t i = 0; i < order.size(); ++i) {
    heap.push({loads[static_cast<std::size_t>(order[i])], 1, static_cast<std::int32_t>(i)});
  }
  while (spare > 0 && !heap.empty()) {
    auto need = heap.top();
    heap.pop();
    if (need.lanes > most_each) continue;
    ++extra[static_cast<std::size_t>(need.rank)];
    --spare;
    ++need.lanes;
    heap.push(need);
  }
  return extra;
}

/// All falling sequences of at most kHottest numbers up to `most_each` that sum to `spare`.
void partitions(std::int64_t spare, std::int32_t most_each, Extra& so_far, std::size_t experts,
                std::vector<Extra>& all) {
  if (spare == 0) {
    all.push_back(so_far);
    all.back().resize(experts);
    return;
  }
  if (so_far.size() == std::min(kHottest, experts)) return;
  for (std::int32_t next = static_cast<std::int32_t>(std::min<std::int64_t>(spare, most_each));
       next > 0; --next) {
    so_far.push_back(next);
    partitions(spare - next, next, so_far, experts, all);
    so_far.pop_back();
  }
}

std::vector<Extra> ways(std::span<const std::int64_t> loads, const std::vector<std::int32_t>& order,
                        std::int64_t spare, std::int32_t most_each) {
  std::vector<Extra> all{extra_by_need(loads, order, spare, most_each)};
  Extra each(order.size());
  const auto even = std::min<std::int64_t>(spare, static_cast<std::int64_t>(order.size()));
  std::fill(each.begin(), each.begin() + static_cast<std::ptrdiff_t>(even),
            std::min<std::int32_t>(1, most_each));
  all.push_back(std::move(each));
  if (spare <= kMostSpare && order.size() <= kFewExperts) {
    Extra so_far;
    partitions(spare, most_each, so_far, order.size(), all);
  }
  std::vector<Extra> distinct;
  for (auto& way : all) {
    if (std::find(distinct.begin(), distinct.end(), way) == distinct.end()) {
      distinct.push_back(std::move(way));
    }
  }
  return distinct;
}

/// Puts experts on lanes, the hottest first, each on those with the least load per GPU.
class Filling {
 public:
  Filling(const LaneLayout& layout, std::span<const std::int64_t> loads)
      : layout_(layout), loads_(loads), sizes_(layout.block_sizes()) {
    for (const auto& lanes : layout.classes) parts_.push_back(1.0 / lanes.gpus);
  }

  void run(const std::vector<std::int32_t>& order, const Extra& extra, LaneBoard& board) {
    board.clear();
    load_.assign(sizes_.size(), 0);
    std::int64_t spare = -static_cast<std::int64_t>(order.size());
    for (const auto& each : layout_.classes) spare += each.core ? each.count : 0;
    std::int32_t carried = 0;  // lanes that an expert had no use for go to the next
    for (std::size_t i = 0; i < order.size(); ++i) {
      const auto expert = order[i];
      const std::int32_t more = extra[i] + carried;
      const std::int64_t share =
          loads_[static_cast<std::size_t>(expert)] / (1 + std::int64_t{more});
      const auto first = least_loaded(expert, share, board, true, true);
      BETHANY_CHECK(first >= 0, "no core lane for expert {}", expert);
      put(expert, first, share, board);
      carried = more - put_more(expert, more, share, spare, board);
    }
    for (std::size_t i = 0; i < order.size() && carried > 0; ++i) {
      carried -= put_more(order[i], carried, 0, spare, board);
    }
  }

 private:
  /// Up to `lanes` further lanes for the expert, core ones as long as there are spare ones. Returns
  /// how many there were.
  std::int32_t put_more(std::int32_t expert, std::int32_t lanes, std::int64_t share,
                        std::int64_t& spare, LaneBoard& board) {
    for (std::int32_t i = 0; i < lanes; ++i) {
      const auto lane = least_loaded(expert, share, board, spare > 0, false);
      if (lane < 0) return i;
      if (layout_.classes[static_cast<std::size_t>(lane)].core) --spare;
      put(expert, lane, share, board);
    }
    return lanes;
  }

  std::int32_t least_loaded(std::int32_t expert, std::int64_t share, const LaneBoard& board,
                            bool core, bool only_core) const {
    std::int32_t best = -1;
    double least = 0;
    for (std::size_t q = 0; q < layout_.classes.size(); ++q) {
      const auto lane = static_cast<std::int32_t>(q);
      const auto& lanes = layout_.classes[q];
      if (board.free_lanes(lane) == 0 || (lanes.core ? !core : only_core)) continue;
      double load = static_cast<double>(share);
      for (const auto b : lanes.blocks) load += load_[static_cast<std::size_t>(b)];
      load *= parts_[q];
      if (best >= 0 && load >= least) continue;
      if (board.touches(expert, lane)) continue;
      best = lane;
      least = load;
    }
    return best;
  }

  void put(std::int32_t expert, std::int32_t lane, std::int64_t share, LaneBoard& board) {
    board.put(expert, lane);
    const auto& lanes = layout_.classes[static_cast<std::size_t>(lane)];
    for (const auto b : lanes.blocks) {
      load_[static_cast<std::size_t>(b)] +=
          static_cast<double>(share) * sizes_[static_cast<std::size_t>(b)] / lanes.gpus;
    }
  }

  const LaneLayout& layout_;
  std::span<const std::int64_t> loads_;
  std::vector<std::int32_t> sizes_;
  std::vector<double> parts_;  // by class: of a GPU, of its GPUs
  std::vector<double> load_;   // by block
};

/// Gives up lanes without which the maximum stays at most `most`, the coldest experts' first.
void drop_lanes(const LaneLayout& layout, const std::vector<std::int32_t>& order, GpuLoad most,
                LaneBoard& board) {
  const GpuLoad above{most.tokens + 1, most.gpus};
  for (auto expert = order.rbegin(); expert != order.rend(); ++expert) {
    auto lanes = board.lanes_of(*expert);
    std::sort(lanes.begin(), lanes.end(), std::greater<>());  // those outside the cores first
    for (const auto lane : lanes) {
      if (board.lanes_of(*expert).size() == 1) break;
      const auto others_core = [&](std::int32_t q) {
        return q != lane && layout.classes[static_cast<std::size_t>(q)].core;
      };
      const auto& own = board.lanes_of(*expert);
      if (std::none_of(own.begin(), own.end(), others_core)) continue;
      board.take(*expert, lane);
      if (!(board.maximum(most, above) < above)) board.put(*expert, lane);
    }
  }
}

/// The core lanes of a layer whose counts are given, the hottest first: each to the lane with the
/// least load per GPU that its count allows and that leaves the others a lane of theirs.
class BoundedCores {
 public:
  /// `lanes` ascend by size.
  BoundedCores(std::span<const GpuLanes> lanes, std::span<const std::int64_t> loads,
               std::span<const std::int32_t> replicas)
      : lanes_(lanes), loads_(loads), replicas_(replicas) {}

  struct Result {
    std::vector<std::int32_t> lane_of;  // by expert
    std::vector<std::int32_t> taken;    // by lane
  };

  Result run(const std::vector<std::int32_t>& order) {
    Result result{std::vector<std::int32_t>(order.size()),
                  std::vector<std::int32_t>(lanes_.size())};
    std::vector<double> load(lanes_.size());
    waiting_ = order;
    std::sort(waiting_.begin(), waiting_.end(), [&](std::int32_t a, std::int32_t b) {
      return std::pair(count(a), a) < std::pair(count(b), b);
    });
    for (const auto expert : order) {
      waiting_.erase(std::find(waiting_.begin(), waiting_.end(), expert));
      const double share = static_cast<double>(loads_[static_cast<std::size_t>(expert)]) /
                           static_cast<double>(count(expert));
      std::size_t best = lanes_.size();
      bool fits = false;
      for (std::size_t i = 0; i < lanes_.size() && size(i) <= count(expert); ++i) {
        if (result.taken[i] == lanes_[i].count) continue;
        if (i > 0 && fits && size(i) == size(i - 1) && load[i] >= load[best]) continue;
        // Whether the others fit depends on the size alone.
        ++result.taken[i];
        fits = others_fit(result.taken);
        --result.taken[i];
        if (fits && (best == lanes_.size() || load[i] < load[best])) best = i;
      }
      BETHANY_CHECK(best < lanes_.size(), "no core for expert {}", expert);
      ++result.taken[best];
      load[best] += share;
      result.lane_of[static_cast<std::size_t>(expert)] = static_cast<std::int32_t>(best);
    }
    return result;
  }

 private:
  std::int32_t count(std::int32_t expert) const {
    return replicas_[static_cast<std::size_t>(expert)];
  }
  std::int32_t size(std::size_t lane) const {
    return static_cast<std::int32_t>(lanes_[lane].gpus.size());
  }
  /// Lanes ascend by size and experts by count, so filling both in order decides it.
  bool others_fit(const std::vector<std::int32_t>& taken) const {
    std::size_t i = 0;
    std::int32_t used = taken[0];
    for (const auto expert : waiting_) {
      while (used == lanes_[i].count) {
        if (++i == taken.size()) return false;
        used = taken[i];
      }
      if (size(i) > count(expert)) return false;
      ++used;
    }
    return true;
  }

  std::span<const GpuLanes> lanes_;
  std::span<const std::int64_t> loads_;
  std::span<const std::int32_t> replicas_;
  std::vector<std::int32_t> waiting_;  // experts without a core, by count
};

/// The replicas beyond the cores: those of the expert with the most first, each on the GPU with the
/// most room, ties to the least loaded (then lowest) one, so that none is left without a GPU.
void put_beyond_cores(const LaneLayout& layout, std::span<const GpuLanes> cores,
                      std::span<const std::int64_t> loads, std::span<const std::int32_t> replicas,
                      const std::vector<std::int32_t>& order, LaneBoard& board) {
  std::vector<double> load(layout.gpus_of_block.size());
  const auto share = [&](std::int32_t e) {
    return static_cast<double>(loads[static_cast<std::size_t>(e)]) /
           replicas[static_cast<std::size_t>(e)];
  };
  std::vector<std::int32_t> left(replicas.begin(), replicas.end());
  for (const auto e : order) {
    const auto& core = cores[static_cast<std::size_t>(board.lanes_of(e).front())].gpus;
    for (const auto gpu : core) load[static_cast<std::size_t>(gpu)] += share(e);
    left[static_cast<std::size_t>(e)] -= static_cast<std::int32_t>(core.size());
  }
  auto by_left = order;
  std::stable_sort(by_left.begin(), by_left.end(), [&](std::int32_t a, std::int32_t b) {
    return left[static_cast<std::size_t>(a)] > left[static_cast<std::size_t>(b)];
  });
  const auto gpu_of = [&](std::int32_t lane) {
    return static_cast<std::size_t>(layout.classes[static_cast<std::size_t>(lane)].blocks.front());
  };
  std::vector<std::int32_t> lanes;
  for (const auto e : by_left) {
    const auto want = static_cast<std::size_t>(left[static_cast<std::size_t>(e)]);
    if (want == 0) break;
    lanes.clear();
    for (std::size_t q = cores.size(); q < layout.classes.size(); ++q) {
      const auto lane = static_cast<std::int32_t>(q);
      if (board.free_lanes(lane) > 0 && !board.touches(e, lane)) lanes.push_back(lane);
    }
    const auto middle = lanes.begin() + static_cast<std::ptrdiff_t>(std::min(want, lanes.size()));
    std::partial_sort(lanes.begin(), middle, lanes.end(), [&](std::int32_t a, std::int32_t b) {
      if (board.free_lanes(a) != board.free_lanes(b)) {
        return board.free_lanes(a) > board.free_lanes(b);
      }
      if (load[gpu_of(a)] != load[gpu_of(b)]) return load[gpu_of(a)] < load[gpu_of(b)];
      return a < b;
    });
    for (auto lane = lanes.begin(); lane != middle; ++lane) {
      board.put(e, *lane);
      load[gpu_of(*lane)] += share(e);
    }
  }
}

}  // namespace

std::vector<std::int64_t> scaled_loads(std::span<const std::int64_t> loads) {
  std::vector<std::int64_t> scaled(loads.begin(), loads.end());
  std::int64_t sum = std::accumulate(scaled.begin(), scaled.end(), std::int64_t{0});
  if (sum == 0) {
    std::fill(scaled.begin(), scaled.end(), 1);
    return scaled;
  }
  int shift = 0;
  while ((sum >> shift) >= BlockFlow::kMostTokens) ++shift;
  for (auto& load : scaled) load >>= shift;
  return scaled;
}

CoreLayer free_core_layer(const LaneLayout& layout, std::span<const std::int64_t> loads,
                          bool drop) {
  const auto order = by_falling_load(loads);
  const GpuLoad mean = mean_of(layout, loads);
  const GpuLoad enough = enough_of(mean);
  std::int64_t lanes = 0;
  std::int32_t most_each = -1;
  for (const auto& each : layout.classes) {
    lanes += each.count;
    ++most_each;
  }
  const std::int64_t spare = lanes - static_cast<std::int64_t>(loads.size());
  LaneBoard board(layout, loads);
  LaneBoard best(layout, loads);
  Filling filling(layout, loads);
  GpuLoad least = kNoLimit;
  int evaluations = 0;
  for (const auto& extra : ways(loads, order, spare, most_each)) {
    filling.run(order, extra, board);
    if (!(least < kNoLimit)) evaluations = evaluations_for(board);
    auto maximum = board.maximum(enough, kNoLimit);
    maximum = board.descend(enough, maximum, false, evaluations);
    if (!(maximum < least)) continue;
    least = maximum;
    best.copy(board);
    if (!(enough < least)) break;
  }
  if (drop) drop_lanes(layout, order, least, best);
  if (!(enough < least)) least = best.maximum(mean, kNoLimit);
  return layer_of(layout, best, loads.size(), least, mean);
}

CoreLayer bounded_core_layer(const PlacementShape& shape, const CoreFamily& family,
                             std::span<const std::int64_t> loads,
                             std::span<const std::int32_t> replicas) {
  const auto order = by_falling_load(loads);
  const auto lanes = gpu_lanes(shape, family);
  const auto cores = BoundedCores(lanes, loads, replicas).run(order);
  const auto layout = lanes_in_use(shape, lanes, cores.taken);
  LaneBoard board(layout, loads);
  for (const auto e : order) board.put(e, cores.lane_of[static_cast<std::size_t>(e)]);
  put_beyond_cores(layout, lanes, loads, replicas, order, board);
  const GpuLoad mean = mean_of(layout, loads);
  const GpuLoad enough = enough_of(mean);
  int evaluations = evaluations_for(board);
  auto maximum = board.maximum(enough, kNoLimit);
  maximum = board.descend(enough, maximum, true, evaluations);
  if (!(enough < maximum)) maximum = board.maximum(mean, kNoLimit);
  return layer_of(layout, board, loads.size(), maximum, mean);
}

}  // namespace bethany
