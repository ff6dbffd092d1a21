#include "sim/placement/lane_board.h"

#include <algorithm>
#include <map>

#include "sim/base/check.h"

namespace bethany {
namespace {

/// Nodes outside all groups are looked at in at most this many blocks.
constexpr std::int32_t kOutsideBlocks = 64;
/// Exchanges looked at for each step of the descent, and those that are then tried.
constexpr std::size_t kLookedAt = 1024;
constexpr std::size_t kTried = 48;

/// Which lanes each node is part of.
std::vector<std::vector<std::int32_t>> lanes_by_node(int nodes, const CoreFamily& family) {
  std::vector<std::vector<std::int32_t>> result(static_cast<std::size_t>(nodes));
  for (std::size_t i = 0; i < family.lanes.size(); ++i) {
    for (const auto node : family.lanes[i].nodes) {
      result[static_cast<std::size_t>(node)].push_back(static_cast<std::int32_t>(i));
    }
  }
  return result;
}

LaneClass single_block(std::int32_t block, std::size_t nodes, std::int32_t count) {
  return {
      .blocks = {block}, .nodes = static_cast<std::int32_t>(nodes), .count = count, .core = false};
}

}  // namespace

std::vector<std::int32_t> LaneLayout::block_sizes() const {
  std::vector<std::int32_t> sizes;
  for (const auto& nodes : nodes_of_block) sizes.push_back(static_cast<std::int32_t>(nodes.size()));
  return sizes;
}

LaneLayout lanes_of_family(int nodes, int slots, const CoreFamily& family) {
  LaneLayout layout;
  std::map<std::vector<std::int32_t>, HostSet> alike;
  const auto by_node = lanes_by_node(nodes, family);
  for (int node = 0; node < nodes; ++node)
    alike[by_node[static_cast<std::size_t>(node)]].push_back(node);
  for (const auto& lanes : family.lanes) {
    layout.classes.push_back({.blocks = {},
                              .nodes = static_cast<std::int32_t>(lanes.nodes.size()),
                              .count = lanes.count,
                              .core = true});
  }
  const auto add_block = [&](HostSet block, const std::vector<std::int32_t>& lanes) {
    const auto id = static_cast<std::int32_t>(layout.nodes_of_block.size());
    std::int32_t left = slots;
    for (const auto i : lanes) {
      layout.classes[static_cast<std::size_t>(i)].blocks.push_back(id);
      left -= layout.classes[static_cast<std::size_t>(i)].count;
    }
    BETHANY_CHECK(left >= 0, "{} slots hold too many lanes", slots);
    if (left > 0) layout.classes.push_back(single_block(id, block.size(), left));
    layout.nodes_of_block.push_back(std::move(block));
  };
  for (auto& [lanes, block] : alike) {
    if (!lanes.empty()) {
      add_block(std::move(block), lanes);
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

LaneLayout lanes_of_nodes(int nodes, int slots, const CoreFamily& family,
                          std::span<const std::int32_t> lanes_taken) {
  LaneLayout layout;
  std::vector<std::int32_t> left(static_cast<std::size_t>(nodes), slots);
  for (std::size_t i = 0; i < family.lanes.size(); ++i) {
    const auto& lanes = family.lanes[i];
    layout.classes.push_back({.blocks = lanes.nodes,
                              .nodes = static_cast<std::int32_t>(lanes.nodes.size()),
                              .count = lanes_taken[i],
                              .core = true});
    for (const auto node : lanes.nodes) left[static_cast<std::size_t>(node)] -= lanes_taken[i];
  }
  for (int node = 0; node < nodes; ++node) {
    layout.nodes_of_block.push_back({node});
    const auto free = left[static_cast<std::size_t>(node)];
    BETHANY_CHECK(free >= 0, "{} slots hold too many lanes", slots);
    if (free > 0) layout.classes.push_back(single_block(node, 1, free));
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
  fixed_.assign(layout_.nodes_of_block.size(), 0);
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
                     static_cast<std::int64_t>(layout_.nodes_of_block.size());
  for (const auto& lanes : lanes_of_expert_) {
    for (const auto q : lanes) {
      sum += static_cast<std::int64_t>(layout_.classes[static_cast<std::size_t>(q)].blocks.size());
    }
  }
  return sum;
}

NodeLoad LaneBoard::maximum(NodeLoad least, NodeLoad limit) {
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
  const auto nodes = [&](std::int32_t q) {
    return layout_.classes[static_cast<std::size_t>(q)].nodes;
  };
  if (same_sizes && nodes(x.from) != nodes(x.to)) return false;
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
void LaneBoard::find_exchanges(NodeLoad current, NodeLoad enough, bool same_sizes) {
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
  const double excess = (current.value() - enough.value()) * static_cast<double>(current.nodes);
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

NodeLoad LaneBoard::descend(NodeLoad enough, NodeLoad start, bool same_sizes, int& evaluations) {
  NodeLoad current = start;
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
