#include "sim/placement/block_flow.h"

#include <algorithm>

#include "sim/base/check.h"
#include "sim/base/int128.h"

namespace bethany {
namespace {

/// Parts of a token that the flow is counted in: rounding a GPU's capacity up to whole parts is
/// then far below what any comparison of plans looks at.
constexpr std::int64_t kUnits = std::int64_t{1} << 20;
constexpr std::int32_t kUnseen = -1;

}  // namespace

bool GpuLoad::operator<(const GpuLoad& other) const {
  return static_cast<Int128>(tokens) * other.gpus < static_cast<Int128>(other.tokens) * gpus;
}

BlockFlow::BlockFlow(std::vector<std::int32_t> gpus_of_block)
    : gpus_(std::move(gpus_of_block)), inside_(gpus_.size()) {}

void BlockFlow::begin(const std::vector<std::int64_t>& fixed) {
  fixed_ = fixed;
  tokens_.clear();
  first_.assign(1, 0);
  block_.clear();
}

void BlockFlow::add(std::int64_t tokens, std::span<const std::int32_t> blocks) {
  if (tokens == 0) return;
  tokens_.push_back(tokens);
  block_.insert(block_.end(), blocks.begin(), blocks.end());
  first_.push_back(static_cast<std::int32_t>(block_.size()));
}

void BlockFlow::raise(GpuLoad to) {
  bound_ = to;
  const Int128 all = static_cast<Int128>(kMostTokens) * kUnits;  // more is never needed
  const Int128 units = static_cast<Int128>(to.tokens) * kUnits;
  const Int128 of_gpu = (units + to.gpus - 1) / to.gpus;
  capacity_.resize(gpus_.size());
  for (std::size_t b = 0; b < gpus_.size(); ++b) {
    capacity_[b] = static_cast<std::int64_t>(std::min(of_gpu * gpus_[b], all));
  }
}

GpuLoad BlockFlow::least_maximum(GpuLoad least, GpuLoad limit) {
  raise(least);
  std::size_t fullest = gpus_.size();
  for (std::size_t b = 0; b < gpus_.size(); ++b) {
    const GpuLoad alone{fixed_[b], gpus_[b]};
    if (!(bound_ < alone)) continue;
    bound_ = alone;
    fullest = b;
  }
  if (fullest < gpus_.size()) {
    raise(bound_);
    std::fill(inside_.begin(), inside_.end(), 0);
    inside_[fullest] = 1;
  }
  if (!(bound_ < limit)) return bound_;
  fill();
  if (all_excess_ == 0) return bound_;
  transpose();
  while (true) {
    while (find_levels()) {
      for (std::size_t e = 0; e < tokens_.size(); ++e) {
        if (excess_[e] == 0 || expert_level_[e] != 0) continue;
        const std::int64_t pushed = push(static_cast<std::int32_t>(e), excess_[e]);
        excess_[e] -= pushed;
        all_excess_ -= pushed;
      }
    }
    if (all_excess_ == 0) return bound_;
    raise_by_cut();
    if (!(bound_ < limit)) return bound_;
  }
}

/// Each expert evenly over its blocks as far as there is room, then wherever there is room.
void BlockFlow::fill() {
  load_.resize(gpus_.size());
  for (std::size_t b = 0; b < gpus_.size(); ++b) load_[b] = fixed_[b] * kUnits;
  flow_.resize(block_.size());
  excess_.resize(tokens_.size());
  all_excess_ = 0;
  for (std::size_t e = 0; e < tokens_.size(); ++e) {
    std::int64_t left = tokens_[e] * kUnits;
    auto edges = static_cast<std::int64_t>(first_[e + 1] - first_[e]);
    for (auto i = static_cast<std::size_t>(first_[e]); edges > 0; ++i, --edges) {
      const auto b = static_cast<std::size_t>(block_[i]);
      flow_[i] = std::min(room(b), left / edges);
      load_[b] += flow_[i];
      left -= flow_[i];
    }
    for (auto i = static_cast<std::size_t>(first_[e]);
         left > 0 && i < static_cast<std::size_t>(first_[e + 1]); ++i) {
      const auto b = static_cast<std::size_t>(block_[i]);
      const std::int64_t more = std::min(room(b), left);
      flow_[i] += more;
      load_[b] += more;
      left -= more;
    }
    excess_[e] = left;
    all_excess_ += left;
  }
}

/// The edges of each block.
void BlockFlow::transpose() {
  first_at_.assign(gpus_.size() + 2, 0);
  expert_of_.resize(block_.size());
  edge_at_.resize(block_.size());
  for (const auto b : block_) ++first_at_[static_cast<std::size_t>(b) + 2];
  for (std::size_t b = 2; b < first_at_.size(); ++b) first_at_[b] += first_at_[b - 1];
  for (std::size_t e = 0; e < tokens_.size(); ++e) {
    for (auto i = first_[e]; i < first_[e + 1]; ++i) {
      const auto b = static_cast<std::size_t>(block_[static_cast<std::size_t>(i)]);
      edge_at_[static_cast<std::size_t>(first_at_[b + 1]++)] = i;
      expert_of_[static_cast<std::size_t>(i)] = static_cast<std::int32_t>(e);
    }
  }
}

/// Levels of the shortest ways from experts with an excess to blocks with room (Dinic). False when
/// there is no way: the levels then show the blocks that are in it.
bool BlockFlow::find_levels() {
  if (all_excess_ == 0) return false;
  expert_level_.assign(tokens_.size(), kUnseen);
  block_level_.assign(gpus_.size(), kUnseen);
  expert_next_.assign(first_.begin(), first_.end() - 1);
  block_next_.assign(first_at_.begin(), first_at_.end() - 1);
  queue_.clear();
  for (std::size_t e = 0; e < tokens_.size(); ++e) {
    if (excess_[e] == 0) continue;
    expert_level_[e] = 0;
    queue_.push_back(static_cast<std::int32_t>(e));
  }
  std::int32_t last_level = INT32_MAX;
  for (std::size_t head = 0; head < queue_.size(); ++head) {
    const auto e = static_cast<std::size_t>(queue_[head]);
    const std::int32_t level = expert_level_[e];
    if (level >= last_level) break;
    for (auto i = first_[e]; i < first_[e + 1]; ++i) {
      const auto b = static_cast<std::size_t>(block_[static_cast<std::size_t>(i)]);
      if (block_level_[b] != kUnseen) continue;
      block_level_[b] = level + 1;
      if (room(b) > 0) last_level = level + 1;
      if (last_level <= level + 1) continue;
      for (auto at = first_at_[b]; at < first_at_[b + 1]; ++at) {
        const auto edge = static_cast<std::size_t>(edge_at_[static_cast<std::size_t>(at)]);
        const auto other = static_cast<std::size_t>(expert_of_[edge]);
        if (flow_[edge] == 0 || expert_level_[other] != kUnseen) continue;
        expert_level_[other] = level + 2;
        queue_.push_back(expert_of_[edge]);
      }
    }
  }
  return last_level != INT32_MAX;
}

std::int64_t BlockFlow::push(std::int32_t expert, std::int64_t amount) {
  const auto e = static_cast<std::size_t>(expert);
  std::int64_t left = amount;
  for (auto& i = expert_next_[e]; i < first_[e + 1]; ++i) {
    const auto edge = static_cast<std::size_t>(i);
    const auto b = static_cast<std::size_t>(block_[edge]);
    if (block_level_[b] != expert_level_[e] + 1) continue;
    const std::int64_t direct = std::min(room(b), left);
    load_[b] += direct;
    std::int64_t pushed = direct;
    if (pushed < left) pushed += reroute(block_[edge], left - pushed);
    flow_[edge] += pushed;
    left -= pushed;
    if (left == 0) break;
  }
  return amount - left;
}

/// Frees room on a full block: other experts move what they compute there elsewhere.
std::int64_t BlockFlow::reroute(std::int32_t block, std::int64_t amount) {
  const auto b = static_cast<std::size_t>(block);
  std::int64_t left = amount;
  for (auto& at = block_next_[b]; at < first_at_[b + 1]; ++at) {
    const auto edge = static_cast<std::size_t>(edge_at_[static_cast<std::size_t>(at)]);
    const auto other = expert_of_[edge];
    if (flow_[edge] == 0 || expert_level_[static_cast<std::size_t>(other)] != block_level_[b] + 1) {
      continue;
    }
    const std::int64_t moved = push(other, std::min(left, flow_[edge]));
    flow_[edge] -= moved;
    left -= moved;
    if (left == 0) break;
  }
  return amount - left;
}

/// No way is left: the blocks seen are full and everything on them must stay inside.
void BlockFlow::raise_by_cut() {
  GpuLoad cut{0, 0};
  for (std::size_t b = 0; b < gpus_.size(); ++b) {
    inside_[b] = block_level_[b] != kUnseen;
    if (!inside_[b]) continue;
    cut.gpus += gpus_[b];
    cut.tokens += fixed_[b];
  }
  for (std::size_t e = 0; e < tokens_.size(); ++e) {
    if (expert_level_[e] != kUnseen) cut.tokens += tokens_[e];
  }
  BETHANY_CHECK(bound_ < cut, "a cut of {} tokens on {} GPUs does not raise {} on {}", cut.tokens,
                cut.gpus, bound_.tokens, bound_.gpus);
  raise(cut);
}

}  // namespace bethany
