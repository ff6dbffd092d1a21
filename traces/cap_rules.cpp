#include "traces/cap_rules.h"

#include <algorithm>
#include <deque>
#include <set>
#include <utility>

#include "sim/base/check.h"
#include "sim/base/int128.h"

namespace bethany {
namespace {

/// Nodes in order of preference.
class Pool {
 public:
  explicit Pool(const std::vector<std::int32_t>& rank) : rank_(rank) {}

  void insert(NodeId node) { nodes_.emplace(rank_[node.index()], node); }
  void erase(NodeId node) { nodes_.erase({rank_[node.index()], node}); }
  bool empty() const { return nodes_.empty(); }
  NodeId take_first() {
    BETHANY_CHECK(!nodes_.empty(), "no node is left to fill a place");
    const NodeId node = nodes_.begin()->second;
    nodes_.erase(nodes_.begin());
    return node;
  }
  NodeId take_last() {
    BETHANY_CHECK(!nodes_.empty(), "no node is left to leave its place");
    const NodeId node = std::prev(nodes_.end())->second;
    nodes_.erase(std::prev(nodes_.end()));
    return node;
  }

 private:
  const std::vector<std::int32_t>& rank_;
  std::set<std::pair<std::int32_t, NodeId>> nodes_;
};

/// The `count` nodes with the lowest ranks, in the order given.
std::vector<NodeId> preferred(std::span<const NodeId> nodes, std::size_t count,
                              const std::vector<std::int32_t>& rank) {
  std::vector<NodeId> result(nodes.begin(), nodes.end());
  if (result.size() <= count) return result;
  std::vector<std::int32_t> ranks;
  for (const NodeId node : nodes) ranks.push_back(rank[node.index()]);
  std::nth_element(ranks.begin(), ranks.begin() + static_cast<std::ptrdiff_t>(count), ranks.end());
  const std::int32_t limit = ranks[count];
  std::erase_if(result, [&](NodeId node) { return rank[node.index()] >= limit; });
  return result;
}

/// `members`: machines outside the cluster are never looked at again unless they join anew.
class Members final : public Cap {
 public:
  Members(std::size_t places, std::vector<std::int32_t> rank)
      : places_(places), rank_(std::move(rank)), member_(rank_.size()) {}

  bool follows_machines() const override { return true; }

  CapStep step(const NetInstant& instant) override {
    CapStep step;
    for (const NodeId node : instant.losses) {
      if (!member_[node.index()]) continue;
      member_[node.index()] = false;
      --count_;
      step.out.push_back(node);
    }
    // Only at the start is there a choice; later, whom the trace names first comes first.
    step.in =
        std::exchange(started_, true) ? instant.joins : preferred(instant.joins, places_, rank_);
    if (step.in.size() > places_ - count_) step.in.resize(places_ - count_);
    for (const NodeId node : step.in) member_[node.index()] = true;
    count_ += step.in.size();
    return step;
  }

 private:
  std::size_t places_;
  std::vector<std::int32_t> rank_;
  std::vector<bool> member_;
  std::size_t count_ = 0;
  bool started_ = false;
};

/// `hot-surplus`: a free place is filled at once, by the preferred surplus machine, else by a join.
class HotSurplus final : public Cap {
 public:
  HotSurplus(std::size_t places, std::vector<std::int32_t> rank)
      : places_(places), rank_(std::move(rank)), member_(rank_.size()), surplus_(rank_) {}

  bool follows_machines() const override { return true; }

  CapStep step(const NetInstant& instant) override {
    CapStep step;
    for (const NodeId node : instant.losses) {
      if (member_[node.index()]) {
        member_[node.index()] = false;
        --count_;
        step.out.push_back(node);
      } else {
        surplus_.erase(node);
      }
    }
    while (count_ < places_ && !surplus_.empty()) enter(surplus_.take_first(), step);
    const auto chosen =
        std::exchange(started_, true) ? instant.joins : preferred(instant.joins, places_, rank_);
    for (const NodeId node : chosen) {
      if (count_ < places_) enter(node, step);
    }
    for (const NodeId node : instant.joins) {
      if (!member_[node.index()]) surplus_.insert(node);
    }
    return step;
  }

 private:
  void enter(NodeId node, CapStep& step) {
    member_[node.index()] = true;
    ++count_;
    step.in.push_back(node);
  }

  std::size_t places_;
  std::vector<std::int32_t> rank_;
  std::vector<bool> member_;
  std::size_t count_ = 0;
  Pool surplus_;
  bool started_ = false;
};

/// `level` and `scale`: how many places are filled follows from how many machines are alive, and
/// only a change of that number is seen. A place keeps the name of the machine that filled it, also
/// when that one is lost and another takes over unseen.
class Counted final : public Cap {
 public:
  Counted(std::int64_t places, std::int64_t peak, std::vector<std::int32_t> rank)
      : places_(places),
        peak_(peak),
        rank_(std::move(rank)),
        member_(rank_.size()),
        alive_(rank_.size()),
        surplus_(rank_),
        members_alive_(rank_),
        vacant_since_(rank_.size()) {}

  bool follows_machines() const override { return false; }

  CapStep step(const NetInstant& instant) override {
    CapStep step;
    const auto gone = lose(instant.losses);
    for (const NodeId node : instant.joins) {
      alive_[node.index()] = true;
      (member_[node.index()] ? members_alive_ : surplus_).insert(node);
    }
    const std::int64_t target = target_of(instant.alive);
    leave(gone, target, step);
    enter(instant.joins, target, step);
    for (const NodeId node : gone) {
      if (!member_[node.index()] || alive_[node.index()]) continue;
      vacant_since_[node.index()] = ++vacancies_;
      vacant_.emplace_back(vacancies_, node);
    }
    return step;
  }

 private:
  std::int64_t target_of(std::int64_t alive) const {
    if (peak_ == 0) return std::min(places_, alive);
    // A cap does not add machines: with N above the peak every one of them has a place.
    return std::min(alive, static_cast<std::int64_t>(Int128{alive} * places_ / peak_));
  }

  /// Marks the lost; returns the members among them.
  std::vector<NodeId> lose(std::span<const NodeId> losses) {
    std::vector<NodeId> gone;
    for (const NodeId node : losses) {
      alive_[node.index()] = false;
      if (member_[node.index()]) {
        members_alive_.erase(node);
        gone.push_back(node);
      } else {
        surplus_.erase(node);
      }
    }
    return gone;
  }

  /// Empties places down to the target: those whose machine is lost now, then those whose machine
  /// was lost before (longest ago first), then the least preferred.
  void leave(const std::vector<NodeId>& gone, std::int64_t target, CapStep& step) {
    const auto remove = [&](NodeId node) {
      member_[node.index()] = false;
      --count_;
      step.out.push_back(node);
    };
    for (const NodeId node : gone) {
      if (count_ > target && !alive_[node.index()]) remove(node);
    }
    while (count_ > target && !vacant_.empty()) {
      const auto [since, node] = vacant_.front();
      vacant_.pop_front();
      const bool still = member_[node.index()] && !alive_[node.index()];
      if (still && vacant_since_[node.index()] == since) remove(node);
    }
    while (count_ > target) {
      const NodeId node = members_alive_.take_last();
      remove(node);
      surplus_.insert(node);
    }
  }

  /// Fills places up to the target: by the joins of the instant in trace order, at the start and
  /// where they do not suffice by preference.
  void enter(const std::vector<NodeId>& joins, std::int64_t target, CapStep& step) {
    const auto take = [&](NodeId node) {
      member_[node.index()] = true;
      members_alive_.insert(node);
      ++count_;
      step.in.push_back(node);
    };
    const auto chosen = std::exchange(started_, true)
                            ? joins
                            : preferred(joins, static_cast<std::size_t>(target), rank_);
    for (const NodeId node : chosen) {
      if (count_ >= target || member_[node.index()]) continue;
      surplus_.erase(node);
      take(node);
    }
    while (count_ < target) take(surplus_.take_first());
  }

  std::int64_t places_;
  std::int64_t peak_;  // 0: level
  std::vector<std::int32_t> rank_;
  std::vector<bool> member_;
  std::vector<bool> alive_;
  std::int64_t count_ = 0;
  Pool surplus_;        // alive, no members
  Pool members_alive_;  // members whose machine is alive
  // Members whose machine is lost, oldest vacancy first; entries of machines that came back or of
  // an older vacancy are skipped.
  std::deque<std::pair<std::int64_t, NodeId>> vacant_;
  std::vector<std::int64_t> vacant_since_;
  std::int64_t vacancies_ = 0;
  bool started_ = false;
};

}  // namespace

std::unique_ptr<Cap> make_cap(CapRule rule, int places, std::vector<std::int32_t> rank,
                              std::int64_t peak) {
  const auto count = static_cast<std::size_t>(places);
  switch (rule) {
    case CapRule::members:
      return std::make_unique<Members>(count, std::move(rank));
    case CapRule::hot_surplus:
      return std::make_unique<HotSurplus>(count, std::move(rank));
    case CapRule::level:
      return std::make_unique<Counted>(places, 0, std::move(rank));
    case CapRule::scale:
      return std::make_unique<Counted>(places, std::max<std::int64_t>(peak, 1), std::move(rank));
  }
  return nullptr;
}

}  // namespace bethany
