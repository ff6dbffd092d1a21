#include "sim/placement/overlap_starts.h"

#include <algorithm>
#include <bit>
#include <numeric>

#include "sim/base/check.h"

namespace bethany {
namespace {

/// Whether experts from some point of the ascending order on can still get their hosts, each on
/// different nodes: for all q, the q largest demands fit sum over nodes of min(room, q).
class Guard {
 public:
  explicit Guard(const HostPlan& plan)
      : slots_(static_cast<std::size_t>(plan.slots())),
        suffix_(static_cast<std::size_t>(plan.experts()) + 1) {
    for (int e = plan.experts(); e-- > 0;) {
      const auto at = static_cast<std::size_t>(e);
      suffix_[at] = suffix_[at + 1] + std::min(plan.replicas(e), plan.nodes());
    }
    for (int e = 0; e < plan.experts(); ++e) {
      demands_.push_back(std::min(plan.replicas(e), plan.nodes()));
    }
  }

  /// `with_room[r]`: nodes with r vacant slots. The experts from `first` on want at most `most`
  /// hosts each.
  bool passes(const std::vector<std::int32_t>& with_room, std::size_t first,
              std::int32_t most) const {
    const std::size_t left = demands_.size() - first;
    // Experts from `capped` on want `most`.
    const auto capped = static_cast<std::size_t>(
        std::upper_bound(demands_.begin(), demands_.end(), most) - demands_.begin());
    std::int64_t room = 0;
    std::int64_t nodes = 0;  // with at least q vacant slots
    for (std::size_t r = 1; r <= slots_; ++r) nodes += with_room[r];
    for (std::size_t q = 1; q <= slots_; ++q) {
      room += nodes;
      nodes -= with_room[q];
      // Beyond the slots of a node the room stays, so the last test takes all experts.
      const std::size_t largest = q < slots_ ? std::min(q, left) : left;
      if (wanted(demands_.size() - largest, capped, most) > room) return false;
    }
    return true;
  }

 private:
  std::int64_t wanted(std::size_t from, std::size_t capped, std::int32_t most) const {
    const auto at_most = static_cast<std::int64_t>(most);
    if (from >= capped) return at_most * static_cast<std::int64_t>(demands_.size() - from);
    return suffix_[from] - suffix_[capped] +
           at_most * static_cast<std::int64_t>(demands_.size() - capped);
  }

  std::size_t slots_;
  std::vector<std::int32_t> demands_;  // ascending
  std::vector<std::int64_t> suffix_;
};

class GreedyNesting {
 public:
  GreedyNesting(HostPlan& plan, const NestingRule& rule)
      : plan_(plan),
        rule_(rule),
        guard_(plan),
        with_room_(static_cast<std::size_t>(plan.slots()) + 1) {
    with_room_.back() = plan.nodes();
  }

  void run() {
    for (int expert = 0; expert < plan_.experts(); ++expert) {
      if (!join(expert)) open(expert);
    }
  }

 private:
  struct Set {
    std::vector<std::int32_t> nodes;
    int index = 0;
    int experts = 0;
  };

  bool passes(int expert) const {
    return guard_.passes(with_room_, static_cast<std::size_t>(expert) + 1,
                         plan_.replicas(expert) + rule_.reserve);
  }
  void count(const std::vector<std::int32_t>& nodes, std::size_t used, bool taken) {
    for (std::size_t i = 0; i < used; ++i) {
      const auto room = static_cast<std::size_t>(plan_.room(nodes[i]));
      with_room_[room] += taken ? -1 : 1;
      with_room_[room - 1] += taken ? 1 : -1;
    }
  }

  bool join(int expert) {
    const auto full = [&](const Set& set) {
      return std::any_of(set.nodes.begin(), set.nodes.end(),
                         [&](std::int32_t node) { return plan_.room(node) == 0; });
    };
    sets_.erase(std::remove_if(sets_.begin(), sets_.end(), full), sets_.end());
    for (auto& set : sets_) {
      if (static_cast<int>(set.nodes.size()) > plan_.replicas(expert)) continue;
      if (set.index >= rule_.full_sets && set.experts >= rule_.experts_each) continue;
      count(set.nodes, set.nodes.size(), true);
      if (passes(expert)) {
        for (const std::int32_t node : set.nodes) plan_.add(expert, node);
        ++set.experts;
        return true;
      }
      count(set.nodes, set.nodes.size(), false);
    }
    return false;
  }

  /// The nodes with room, most room first, ties by number.
  std::vector<std::int32_t> emptiest_first() const {
    std::vector<std::size_t> end(with_room_.size() + 1);  // of the nodes with more room
    for (std::size_t room = with_room_.size(); room-- > 1;) {
      end[room - 1] = end[room] + static_cast<std::size_t>(with_room_[room]);
    }
    std::vector<std::int32_t> nodes(end.front());
    for (std::int32_t node = 0; node < plan_.nodes(); ++node) {
      const auto room = static_cast<std::size_t>(plan_.room(node));
      if (room > 0) nodes[end[room]++] = node;
    }
    return nodes;
  }

  void open(int expert) {
    std::vector<std::int32_t> nodes = emptiest_first();
    BETHANY_CHECK(!nodes.empty(), "no slot for expert {}", expert);
    auto size = std::min(static_cast<std::size_t>(plan_.replicas(expert)), nodes.size());
    count(nodes, size, true);
    for (; size > 1 && !passes(expert); --size) {
      const auto room = static_cast<std::size_t>(plan_.room(nodes[size - 1]));
      ++with_room_[room];
      --with_room_[room - 1];
    }
    nodes.resize(size);
    for (const std::int32_t node : nodes) plan_.add(expert, node);
    sets_.push_back({std::move(nodes), opened_++, 1});
  }

  HostPlan& plan_;
  NestingRule rule_;
  Guard guard_;
  std::vector<std::int32_t> with_room_;
  std::vector<Set> sets_;  // whose nodes all have room, in order of creation
  int opened_ = 0;
};

/// 0 … count-1, without those between the first and the `last` last ones.
std::vector<int> ends(int count, int last) {
  std::vector<int> indices;
  for (int i = 0; i < count; ++i) {
    if (i == 0 || i >= count - last) indices.push_back(i);
  }
  return indices;
}

}  // namespace

HostPlan nest_greedily(int nodes, int slots_per_node,
                       std::span<const std::int32_t> ascending_replicas, const NestingRule& rule) {
  HostPlan plan(nodes, slots_per_node, ascending_replicas);
  GreedyNesting(plan, rule).run();
  plan.fill();
  return plan;
}

HostPlan shorten_group(int nodes, int slots_per_node,
                       std::span<const std::int32_t> ascending_replicas, int few, int cut) {
  HostPlan plan(nodes, slots_per_node, ascending_replicas);
  const int experts = plan.experts();
  const int groups = (experts + slots_per_node - 1) / slots_per_node;
  std::vector<int> first;  // expert of each group
  std::int64_t excess = -nodes;
  for (int group = 0, next = 0; group < groups; ++group) {
    first.push_back(next);
    excess += plan.replicas(next);
    next += group == few ? experts - (groups - 1) * slots_per_node : slots_per_node;
  }
  first.push_back(experts);
  if (excess > 0 && plan.replicas(first[static_cast<std::size_t>(cut)]) <= excess) return plan;
  int node = 0;
  for (int group = 0; group < groups; ++group) {
    const int begin = first[static_cast<std::size_t>(group)];
    const int end = first[static_cast<std::size_t>(group) + 1];
    auto size = static_cast<std::int64_t>(plan.replicas(begin));
    if (group == cut && excess > 0) size -= excess;
    for (std::int64_t i = 0; i < size; ++i, ++node) {
      for (int expert = begin; expert < end; ++expert) plan.add(expert, node);
    }
  }
  plan.fill();
  return plan;
}

HostPlan host_plan_of(int nodes, int slots_per_node,
                      std::span<const std::int32_t> ascending_replicas,
                      std::span<const std::int32_t> order, std::span<const std::int32_t> rows) {
  HostPlan plan(nodes, slots_per_node, ascending_replicas);
  std::vector<int> place_of(order.size());
  for (std::size_t i = 0; i < order.size(); ++i) {
    place_of[static_cast<std::size_t>(order[i])] = static_cast<int>(i);
  }
  for (std::size_t slot = 0; slot < rows.size(); ++slot) {
    if (rows[slot] == kVacant) continue;
    const int expert = place_of[static_cast<std::size_t>(rows[slot])];
    const auto node = static_cast<int>(slot / static_cast<std::size_t>(slots_per_node));
    if (!plan.hosts(expert, node)) plan.add(expert, node);
  }
  plan.fill();
  return plan;
}

std::vector<HostPlan> overlap_starts(int nodes, int slots_per_node,
                                     std::span<const std::int32_t> ascending_replicas) {
  const auto experts = static_cast<int>(ascending_replicas.size());
  const int groups = (experts + slots_per_node - 1) / slots_per_node;
  const bool all = experts <= kAllStartsExperts;
  const bool few_only = std::int64_t{nodes} * experts > kFewStartsSize;
  const auto group_choices = ends(groups, all ? groups : (few_only ? 1 : 3));
  std::vector<HostPlan> starts;
  const auto nest = [&](const NestingRule& rule) {
    starts.push_back(nest_greedily(nodes, slots_per_node, ascending_replicas, rule));
  };
  for (int reserve = 0; reserve <= 2; ++reserve) nest({reserve, slots_per_node, 0});
  for (const int few : group_choices) {
    for (const int cut : group_choices) {
      auto plan = shorten_group(nodes, slots_per_node, ascending_replicas, few, cut);
      if (plan.host_count(0) > 0) starts.push_back(std::move(plan));
    }
  }
  for (int reserve = 0; reserve <= (all ? 2 : 0); ++reserve) {
    for (int each = slots_per_node - 1; each >= 1; --each) {
      if (few_only && each > 1 && each < slots_per_node - 1) continue;
      for (const int full : group_choices) nest({reserve, each, full});
    }
  }
  return starts;
}

}  // namespace bethany
