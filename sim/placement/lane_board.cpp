#include "sim/placement/lane_board.h"

#include <algorithm>
#include <map>

#include "sim/base/check.h"

namespace bethany {
namespace {

/// GPUs outside all groups are looked at in at most this many blocks.
constexpr std::int32_t kOutsideBlocks = 64;
/// Exchanges looked at for each step of the descent, and those that are then tried.
constexpr std::size_t kLookedAt = 1024;
constexpr std::size_t kTried = 48;

/// Which lanes each GPU is part of.
std::vector<std::vector<std::int32_t>> lanes_by_gpu(int gpus, std::span<const GpuLanes> lanes) {
  std::vector<std::vector<std::int32_t>> result(static_cast<std::size_t>(gpus));
  for (std::size_t i = 0; i < lanes.size(); ++i) {
    for (const auto gpu : lanes[i].gpus) {
      result[static_cast<std::size_t>(gpu)].push_back(static_cast<std::int32_t>(i));
    }
  }
  return result;
}

LaneClass core_class(const GpuLanes& lanes, std::int32_t count) {
  return {.blocks = {},
          .gpus = static_cast<std::int32_t>(lanes.gpus.size()),
          .count = count,
          .core = true};
}

LaneClass single_block(std::int32_t block, std::size_t gpus, std::int32_t count) {
  return {
      .blocks = {block}, .gpus = static_cast<std::int32_t>(gpus), .count = count, .core = false};
}

}  // namespace

std::vector<std::int32_t> LaneLayout::block_sizes() const {
  std::vector<std::int32_t> sizes;
  for (const auto& gpus : gpus_of_block) sizes.push_back(static_cast<std::int32_t>(gpus.size()));
  return sizes;
}

std::vector<GpuLanes> gpu_lanes(const PlacementShape& shape, const CoreFamily& family) {
  std::vector<GpuLanes> lanes;
  for (const auto& of_nodes : family.lanes) {
    for (int gpu = 0; gpu < shape.gpus_per_node; ++gpu) {
      lanes.push_back({{}, shape.gpus_per_node == 1 ? of_nodes.count : shape.slots_per_gpu});
      for (const auto node : of_nodes.nodes) {
        lanes.back().gpus.push_back(node * shape.gpus_per_node + gpu);
      }
    }
  }
  return lanes;
}

LaneLayout lanes_in_blocks(const PlacementShape& shape, std::span<const GpuLanes> lanes) {
  LaneLayout layout;
  std::map<std::vector<std::int32_t>, GpuSet> alike;
  const auto by_gpu = lanes_by_gpu(shape.ranks(), lanes);
  for (int gpu = 0; gpu < shape.ranks(); ++gpu) {
    alike[by_gpu[static_cast<std::size_t>(gpu)]].push_back(gpu);
  }
  for (const auto& each : lanes) layout.classes.push_back(core_class(each, each.count));
  const auto add_block = [&](GpuSet block, const std::vector<std::int32_t>& through) {
    const auto id = static_cast<std::int32_t>(layout.gpus_of_block.size());
    std::int32_t left = shape.slots_per_gpu;
    for (const auto i : through) {
      layout.classes[static_cast<std::size_t>(i)].blocks.push_back(id);
      left -= layout.classes[static_cast<std::size_t>(i)].count;
    }
    BETHANY_CHECK(left >= 0, "{} slots hold too many lanes", shape.slots_per_gpu);
    if (left > 0) layout.classes.push_back(single_block(id, block.size(), left));
    layout.gpus_of_block.push_back(std::move(block));
  };
  for (auto& [through, block] : alike) {
    if (!through.empty()) {
      add_block(std::move(block), through);
      continue;
    }
    const auto pieces = std::min<std::size_t>(block.size(), kOutsideBlocks);
    for (std::size_t i = 0; i < pieces; ++i) {
      const auto begin = block.begin() + static_cast<std::ptrdiff_t>(block.size() * i / pieces);
      const auto end = block.begin() + static_cast<std::ptrdiff_t>(block.size() * (i + 1) / pieces);
      add_block({begin, end}, {});
    }
  }
  return layout;
}

LaneLayout lanes_in_use(const PlacementShape& shape, std::span<const GpuLanes> lanes,
                        std::span<const std::int32_t> taken) {
  LaneLayout layout;
  std::vector<std::int32_t> left(static_cast<std::size_t>(shape.ranks()), shape.slots_per_gpu);
  for (std::size_t i = 0; i < lanes.size(); ++i) {
    layout.classes.push_back(core_class(lanes[i], taken[i]));
    layout.classes.back().blocks = lanes[i].gpus;
    for (const auto gpu : lanes[i].gpus) left[static_cast<std::size_t>(gpu)] -= taken[i];
  }
  for (int gpu = 0; gpu < shape.ranks(); ++gpu) {
    layout.gpus_of_block.push_back({gpu});
    const auto free = left[static_cast<std::size_t>(gpu)];
    BETHANY_CHECK(free >= 0, "{} slots hold too many lanes", shape.slots_per_gpu);
    if (free > 0) layout.classes.push_back(single_block(gpu, 1, free));
  }
  return layout;
}

LaneBoard::LaneBoard(const LaneLayout& layout, std::span<const std::int64_t> loads)
    : layout_(layout), loads_(loads), flow_(layout.block_sizes()), lanes_of_expert_(loads.size()) {
  clear();
}

void LaneBoard::clear() {
  free_.clear();
  for (const auto& each : layout_.classes) free_.push_back(each.count);
  for (auto& lanes : lanes_of_expert_) lanes.clear();
  fixed_.assign(layout_.gpus_of_block.size(), 0);
}

void LaneBoard::copy(const LaneBoard& other) {
  free_ = other.free_;
  lanes_of_expert_ = other.lanes_of_expert_;
  fixed_ = other.fixed_;
}

std::int32_t LaneBoard::only_block(std::int32_t expert) const {
  const auto& lanes = lanes_of(expert);
  if (lanes.size() != 1) return -1;
  const auto& blocks = layout_.classes[static_cast<std::size_t>(lanes.front())].blocks;
  return blocks.size() == 1 ? blocks.front() : -1;
}

void LaneBoard::count_fixed(std::int32_t expert, int sign) {
  const auto block = only_block(expert);
  if (block < 0) return;
  fixed_[static_cast<std::size_t>(block)] += sign * loads_[static_cast<std::size_t>(expert)];
}

void LaneBoard::put(std::int32_t expert, std::int32_t lane_class) {
  auto& free = free_[static_cast<std::size_t>(lane_class)];
  BETHANY_CHECK(free > 0, "no lane of class {} for expert {}", lane_class, expert);
  --free;
  count_fixed(expert, -1);
  lanes_of_expert_[static_cast<std::size_t>(expert)].push_back(lane_class);
  count_fixed(expert, 1);
}

void LaneBoard::take(std::int32_t expert, std::int32_t lane_class) {
  auto& lanes = lanes_of_expert_[static_cast<std::size_t>(expert)];
  const auto at = std::find(lanes.begin(), lanes.end(), lane_class);
  BETHANY_CHECK(at != lanes.end(), "expert {} has no lane of class {}", expert, lane_class);
  count_fixed(expert, -1);
  lanes.erase(at);
  count_fixed(expert, 1);
  ++free_[static_cast<std::size_t>(lane_class)];
}

bool LaneBoard::touches(std::int32_t expert, std::int32_t lane_class) const {
  const auto& blocks = layout_.classes[static_cast<std::size_t>(lane_class)].blocks;
  for (const auto own : lanes_of(expert)) {
    if (own == lane_class) return true;
    const auto& other = layout_.classes[static_cast<std::size_t>(own)].blocks;
    auto a = blocks.begin();
    auto b = other.begin();
    while (a != blocks.end() && b != other.end()) {
      if (*a == *b) return true;
      *a < *b ? ++a : ++b;
    }
  }
  return false;
}

std::int64_t LaneBoard::size() const {
  std::int64_t sum = static_cast<std::int64_t>(loads_.size()) +
                     static_cast<std::int64_t>(layout_.gpus_of_block.size());
  for (const auto& lanes : lanes_of_expert_) {
    for (const auto q : lanes) {
      sum += static_cast<std::int64_t>(layout_.classes[static_cast<std::size_t>(q)].blocks.size());
    }
  }
  return sum;
}

GpuLoad LaneBoard::maximum(GpuLoad least, GpuLoad limit) {
  flow_.begin(fixed_);
  for (std::size_t e = 0; e < loads_.size(); ++e) {
    if (only_block(static_cast<std::int32_t>(e)) >= 0) continue;
    blocks_.clear();
    for (const auto q : lanes_of_expert_[e]) {
      const auto& blocks = layout_.classes[static_cast<std::size_t>(q)].blocks;
      blocks_.insert(blocks_.end(), blocks.begin(), blocks.end());
    }
    flow_.add(loads_[e], blocks_);
  }
  return flow_.least_maximum(least, limit);
}

bool LaneBoard::keeps_core(std::int32_t expert, std::int32_t from, std::int32_t to) const {
  const auto core = [&](std::int32_t q) {
    return layout_.classes[static_cast<std::size_t>(q)].core;
  };
  if (!core(from) || core(to)) return true;
  const auto& lanes = lanes_of(expert);
  return std::any_of(lanes.begin(), lanes.end(),
                     [&](std::int32_t q) { return q != from && core(q); });
}

bool LaneBoard::allowed(const Exchange& x, bool same_sizes) const {
  const auto gpus = [&](std::int32_t q) {
    return layout_.classes[static_cast<std::size_t>(q)].gpus;
  };
  if (same_sizes && gpus(x.from) != gpus(x.to)) return false;
  if (!keeps_core(x.expert, x.from, x.to)) return false;
  return x.other < 0 || keeps_core(x.other, x.to, x.from);
}

void LaneBoard::apply(const Exchange& x) {
  take(x.expert, x.from);
  if (x.other >= 0) take(x.other, x.to);
  put(x.expert, x.to);
  if (x.other >= 0) put(x.other, x.from);
}

void LaneBoard::revert(const Exchange& x) {
  apply({.expert = x.expert, .from = x.to, .other = x.other, .to = x.from, .score = 0});
}

/// Only an exchange that takes an expert out of the bottleneck can lower the maximum: it gives the
/// expert a lane that reaches outside.
void LaneBoard::find_exchanges(GpuLoad current, GpuLoad enough, bool same_sizes) {
  std::vector<char> outside(layout_.classes.size());
  for (std::size_t q = 0; q < outside.size(); ++q) {
    const auto& blocks = layout_.classes[q].blocks;
    outside[q] = std::any_of(blocks.begin(), blocks.end(),
                             [&](std::int32_t b) { return !flow_.in_bottleneck(b); });
  }
  struct Inside {
    std::int32_t expert, lane;
  };
  std::vector<Inside> inside;
  std::vector<Exchange> beyond;  // `score`: tokens that come inside with the expert
  for (std::size_t e = 0; e < lanes_of_expert_.size(); ++e) {
    const auto expert = static_cast<std::int32_t>(e);
    const auto& lanes = lanes_of_expert_[e];
    const auto out = std::count_if(lanes.begin(), lanes.end(), [&](std::int32_t q) {
      return outside[static_cast<std::size_t>(q)] != 0;
    });
    for (const auto q : lanes) {
      if (out == 0 && loads_[e] > 0) {
        inside.push_back({expert, q});
      } else if (outside[static_cast<std::size_t>(q)] != 0) {
        beyond.push_back({-1, -1, expert, q, out == 1 ? loads_[e] : 0});
      }
    }
  }
  for (std::size_t q = 0; q < outside.size(); ++q) {
    if (outside[q] != 0 && free_[q] > 0) {
      beyond.push_back({-1, -1, -1, static_cast<std::int32_t>(q), 0});
    }
  }
  std::stable_sort(beyond.begin(), beyond.end(),
                   [](const Exchange& a, const Exchange& b) { return a.score < b.score; });
  // The tokens inside above what is enough there.
  const double excess = (current.value() - enough.value()) * static_cast<double>(current.gpus);
  const auto wanted = static_cast<std::int64_t>(excess);
  exchanges_.clear();
  const std::size_t window =
      std::max<std::size_t>(4, kLookedAt / std::max<std::size_t>(1, inside.size()));
  for (const auto& in : inside) {
    const std::int64_t load = loads_[static_cast<std::size_t>(in.expert)];
    const auto best =
        std::lower_bound(beyond.begin(), beyond.end(), load - wanted,
                         [](const Exchange& x, std::int64_t score) { return x.score < score; });
    const auto middle = static_cast<std::size_t>(best - beyond.begin());
    const std::size_t begin = middle > window / 2 ? middle - window / 2 : 0;
    for (std::size_t i = begin; i < std::min(beyond.size(), begin + window); ++i) {
      const std::int64_t gain = load - beyond[i].score;
      if (gain <= 0) break;
      Exchange x{in.expert, in.lane, beyond[i].other, beyond[i].to, std::abs(gain - wanted)};
      if (allowed(x, same_sizes)) exchanges_.push_back(x);
    }
  }
  const auto middle =
      exchanges_.begin() + static_cast<std::ptrdiff_t>(std::min(exchanges_.size(), kTried));
  const auto order = [](const Exchange& a, const Exchange& b) {
    if (a.score != b.score) return a.score < b.score;
    if (a.expert != b.expert) return a.expert < b.expert;
    if (a.from != b.from) return a.from < b.from;
    return a.other != b.other ? a.other < b.other : a.to < b.to;
  };
  std::partial_sort(exchanges_.begin(), middle, exchanges_.end(), order);
  exchanges_.erase(middle, exchanges_.end());
}

GpuLoad LaneBoard::descend(GpuLoad enough, GpuLoad start, bool same_sizes, int& evaluations) {
  GpuLoad current = start;
  while (enough < current && evaluations > 0) {
    find_exchanges(current, enough, same_sizes);
    bool better = false;
    for (const auto& x : exchanges_) {
      if (evaluations == 0) break;
      apply(x);
      // Overlaps show after the own lanes are gone.
      const auto overlap = [&](std::int32_t expert, std::int32_t lane) {
        take(expert, lane);
        const bool touching = touches(expert, lane);
        put(expert, lane);
        return touching;
      };
      if (!overlap(x.expert, x.to) && (x.other < 0 || !overlap(x.other, x.from))) {
        --evaluations;
        const auto next = maximum(enough, current);
        if (next < current) {
          current = next;
          better = true;
          break;
        }
      }
      revert(x);
    }
    if (!better) break;  // else the last evaluation has shown the new bottleneck
  }
  return current;
}

}  // namespace bethany
