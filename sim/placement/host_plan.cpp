#include "sim/placement/host_plan.h"

#include <algorithm>
#include <bit>
#include <functional>
#include <utility>

#include "sim/base/check.h"
#include "sim/model/plan.h"

namespace bethany {
namespace {

/// Nodes by vacant slots.
class Rooms {
 public:
  Rooms(const HostPlan& plan, int most)
      : words_(plan.host_bits().words), with_(static_cast<std::size_t>(most) + 1) {
    for (auto& nodes : with_) nodes.assign(words_, 0);
    for (int node = 0; node < plan.nodes(); ++node) {
      set_bit(with_[static_cast<std::size_t>(plan.room(node))].data(),
              static_cast<std::size_t>(node));
    }
  }

  /// The emptiest node with room outside `hosted` (null: any), ties lowest; -1 when there is none.
  int emptiest(const std::uint64_t* hosted) {
    while (with_.size() > 1 && none(with_.back())) with_.pop_back();
    for (std::size_t room = with_.size() - 1; room > 0; --room) {
      for (std::size_t w = 0; w < words_; ++w) {
        const std::uint64_t free = with_[room][w] & ~(hosted == nullptr ? 0 : hosted[w]);
        if (free == 0) continue;
        const int node = static_cast<int>(w * kBitsPerWord) + std::countr_zero(free);
        const std::uint64_t bit = std::uint64_t{1} << (node % static_cast<int>(kBitsPerWord));
        with_[room][w] &= ~bit;
        with_[room - 1][w] |= bit;
        return node;
      }
    }
    return -1;
  }

 private:
  static bool none(const std::vector<std::uint64_t>& nodes) {
    return std::all_of(nodes.begin(), nodes.end(), [](std::uint64_t word) { return word == 0; });
  }

  std::size_t words_;
  std::vector<std::vector<std::uint64_t>> with_;  // [room]
};

}  // namespace

HostPlan::HostPlan(int nodes, int slots_per_node, std::span<const std::int32_t> ascending_replicas)
    : slots_(slots_per_node),
      replicas_(ascending_replicas.begin(), ascending_replicas.end()),
      room_(static_cast<std::size_t>(nodes), slots_per_node),
      counts_(replicas_.size()),
      hosts_(empty_host_bits(nodes, replicas_.size())) {}

void HostPlan::add(int expert, int node) {
  set_bit(hosts_.set(static_cast<std::size_t>(expert)), static_cast<std::size_t>(node));
  --room_[static_cast<std::size_t>(node)];
  ++counts_[static_cast<std::size_t>(expert)];
}

void HostPlan::remove(int expert, int node) {
  hosts_.set(static_cast<std::size_t>(expert))[static_cast<std::size_t>(node) / kBitsPerWord] &=
      ~(std::uint64_t{1} << (static_cast<std::size_t>(node) % kBitsPerWord));
  ++room_[static_cast<std::size_t>(node)];
  --counts_[static_cast<std::size_t>(expert)];
}

void HostPlan::fill() {
  std::vector<std::pair<std::int32_t, int>> heap;  // (hosts, expert), fewest on top
  for (int expert = 0; expert < experts(); ++expert) {
    if (waits(expert)) heap.emplace_back(host_count(expert), expert);
  }
  if (heap.empty()) return;
  const auto most = *std::max_element(room_.begin(), room_.end());
  if (most == 0) return;
  Rooms rooms(*this, most);
  std::make_heap(heap.begin(), heap.end(), std::greater<>());
  while (!heap.empty()) {
    const int expert = heap.front().second;
    std::pop_heap(heap.begin(), heap.end(), std::greater<>());
    heap.pop_back();
    // An expert on every node with room stays so: room only shrinks.
    const int node = rooms.emptiest(hosts_.set(static_cast<std::size_t>(expert)));
    if (node < 0) continue;
    add(expert, node);
    if (!waits(expert)) continue;
    heap.emplace_back(host_count(expert), expert);
    std::push_heap(heap.begin(), heap.end(), std::greater<>());
  }
}

std::vector<std::int32_t> HostPlan::rows() const {
  const auto slots = static_cast<std::size_t>(slots_);
  std::vector<std::int32_t> rows(room_.size() * slots, kVacant);
  std::vector<std::size_t> used(room_.size());
  for (int expert = 0; expert < experts(); ++expert) {
    const std::uint64_t* set = hosts_.set(static_cast<std::size_t>(expert));
    for (std::size_t w = 0; w < hosts_.words; ++w) {
      for (std::uint64_t bits = set[w]; bits != 0; bits &= bits - 1) {
        const auto node = w * kBitsPerWord + static_cast<std::size_t>(std::countr_zero(bits));
        rows[node * slots + used[node]++] = expert;
      }
    }
  }
  Rooms rooms(*this, slots_);
  for (int expert = 0; expert < experts(); ++expert) {
    for (std::int32_t left = replicas(expert) - host_count(expert); left > 0; --left) {
      const int found = rooms.emptiest(nullptr);
      BETHANY_CHECK(found >= 0, "no slot for a replica of expert {}", expert);
      const auto node = static_cast<std::size_t>(found);
      rows[node * slots + used[node]++] = expert;
    }
  }
  return rows;
}

}  // namespace bethany
