#include <algorithm>
#include <bit>
#include <functional>
#include <utility>

#include "sim/base/check.h"
#include "sim/base/object_reader.h"
#include "sim/placement/expert_order.h"
#include "sim/placement/layer_nesting.h"
#include "sim/placement/parts.h"

namespace bethany {
namespace {

constexpr std::size_t kWord = 64;

/// Puts the replicas that the groups leave over into vacant slots, one at a time: the expert with
/// the fewest hosts (ties: id) goes to the emptiest node that does not host it yet (ties: lowest
/// id), or to the emptiest node when all with room do.
class LeftoverFill {
 public:
  LeftoverFill(const PlacementShape& shape, std::vector<std::int32_t>& rows)
      : slots_(shape.slots_per_node()),
        words_((static_cast<std::size_t>(shape.nodes) + kWord - 1) / kWord),
        rows_(rows),
        with_room_(words_ * (static_cast<std::size_t>(slots_) + 1)),
        count_with_room_(static_cast<std::size_t>(slots_) + 1) {
    waiting_.reserve(static_cast<std::size_t>(shape.experts));
    hosted_.reserve(words_ * static_cast<std::size_t>(shape.experts));
  }

  /// Node `node` has `used` slots taken, the first ones.
  void add_node(std::int32_t node, int used) { insert(node, slots_ - used); }

  /// Nodes [first, last) host the expert, of which `left` replicas are still to be placed.
  void add_expert(std::int32_t expert, std::int32_t first, std::int32_t last, std::int32_t left) {
    if (left == 0) return;
    Waiting waiting;
    waiting.hosts = last - first;
    waiting.expert = expert;
    waiting.left = left;
    waiting.hosted = hosted_.size();
    hosted_.resize(hosted_.size() + words_);
    for (std::int32_t node = first; node < last; ++node) set(&hosted_[waiting.hosted], node);
    waiting_.push_back(waiting);
  }

  void run() {
    std::vector<std::pair<std::int32_t, std::size_t>> heap;  // (hosts, index), fewest on top
    heap.reserve(waiting_.size());
    std::sort(waiting_.begin(), waiting_.end(),
              [](const Waiting& a, const Waiting& b) { return a.expert < b.expert; });
    for (std::size_t i = 0; i < waiting_.size(); ++i) heap.emplace_back(waiting_[i].hosts, i);
    std::make_heap(heap.begin(), heap.end(), std::greater<>());
    while (!heap.empty()) {
      std::pop_heap(heap.begin(), heap.end(), std::greater<>());
      Waiting& next = waiting_[heap.back().second];
      place(next);
      if (next.left == 0) {
        heap.pop_back();
        continue;
      }
      heap.back().first = next.hosts;
      std::push_heap(heap.begin(), heap.end(), std::greater<>());
    }
  }

 private:
  struct Waiting {
    std::int32_t hosts = 0;
    std::int32_t expert = 0;
    std::int32_t left = 0;
    bool everywhere = false;  // every node with room hosts it; stays so, room only shrinks
    std::size_t hosted = 0;   // its words in hosted_ begin here
  };

  static void set(std::uint64_t* bits, std::int32_t node) {
    bits[static_cast<std::size_t>(node) / kWord] |= std::uint64_t{1} << (node & 63);
  }
  std::uint64_t* nodes_with(int room) {
    return with_room_.data() + static_cast<std::size_t>(room) * words_;
  }
  void insert(std::int32_t node, int room) {
    set(nodes_with(room), node);
    ++count_with_room_[static_cast<std::size_t>(room)];
    if (room > most_room_) most_room_ = room;
  }

  /// The emptiest node outside `hosted` (null: any), with its room; room 0 when there is none.
  std::pair<std::int32_t, int> emptiest(const std::uint64_t* hosted) {
    for (int room = most_room_; room > 0; --room) {
      if (count_with_room_[static_cast<std::size_t>(room)] == 0) continue;
      const std::uint64_t* nodes = nodes_with(room);
      for (std::size_t w = 0; w < words_; ++w) {
        const std::uint64_t free = nodes[w] & ~(hosted == nullptr ? 0 : hosted[w]);
        if (free != 0) {
          return {static_cast<std::int32_t>(w * kWord) + std::countr_zero(free), room};
        }
      }
    }
    return {-1, 0};
  }

  void place(Waiting& next) {
    std::pair<std::int32_t, int> found{-1, 0};
    if (!next.everywhere) found = emptiest(&hosted_[next.hosted]);
    if (found.second > 0) {
      set(&hosted_[next.hosted], found.first);
      ++next.hosts;
    } else {
      next.everywhere = true;
      found = emptiest(nullptr);
    }
    const auto [node, room] = found;
    BETHANY_CHECK(room > 0, "no slot for a replica of expert {}", next.expert);
    rows_[static_cast<std::size_t>(node) * static_cast<std::size_t>(slots_) +
          static_cast<std::size_t>(slots_ - room)] = next.expert;
    nodes_with(room)[static_cast<std::size_t>(node) / kWord] &= ~(std::uint64_t{1} << (node & 63));
    --count_with_room_[static_cast<std::size_t>(room)];
    insert(node, room - 1);
    while (most_room_ > 0 && count_with_room_[static_cast<std::size_t>(most_room_)] == 0) {
      --most_room_;
    }
    --next.left;
  }

  int slots_;
  std::size_t words_;
  std::vector<std::int32_t>& rows_;
  std::vector<std::uint64_t> with_room_;  // [room][word]: the nodes with that many vacant slots
  std::vector<std::int32_t> count_with_room_;
  int most_room_ = 0;
  std::vector<Waiting> waiting_;
  std::vector<std::uint64_t> hosted_;
};

/// Maximum rank overlap as published (papers.md §1.2): groups of c consecutive experts in
/// ascending order; all experts of group i on every node of S_i; the S_i disjoint, as large as the
/// least replicated expert of the group allows, the last one cut to the nodes that are left.
class MaximumRankOverlap final : public Placement {
 public:
  Capabilities capabilities() const override { return {.gives = {kAnyNodeCount}, .needs = {}}; }

  std::variant<std::vector<std::int32_t>, Infeasible> place(const PlacementShape& shape,
                                                            std::span<const std::int32_t> replicas,
                                                            std::span<const std::int64_t> loads,
                                                            Rng& rng) const override {
    (void)rng;
    if (auto reason = refuse_replicas(shape, replicas)) return *reason;
    return rows_of_layer(shape, replicas, loads);
  }

  std::variant<LayerRows, Infeasible> place_layers(
      const PlacementShape& shape, std::span<const std::vector<std::int32_t>> replicas,
      const LoadMatrix& loads, Rng& rng) const override {
    auto placed = Placement::place_layers(shape, replicas, loads, rng);
    auto* layers = std::get_if<LayerRows>(&placed);
    if (layers == nullptr || layers->size() < 2) return placed;
    std::vector<std::vector<std::int32_t>> sizes;
    for (const auto& counts : replicas) sizes.push_back(group_sizes(shape, counts));
    nest_groups(shape, sizes, *layers);
    return placed;
  }

 private:
  static std::vector<std::int32_t> group_sizes(const PlacementShape& shape,
                                               std::vector<std::int32_t> replicas) {
    std::sort(replicas.begin(), replicas.end());
    std::vector<std::int32_t> sizes;
    std::int32_t nodes_left = shape.nodes;
    for (std::size_t first = 0; first < replicas.size();
         first += static_cast<std::size_t>(shape.slots_per_node())) {
      // c · (sizes so far) replicas fill whole nodes and this group has some, so a node is left.
      BETHANY_CHECK(nodes_left > 0, "no node for the group of expert {}", first);
      sizes.push_back(std::min(replicas[first], nodes_left));
      nodes_left -= sizes.back();
    }
    return sizes;
  }

  static std::vector<std::int32_t> rows_of_layer(const PlacementShape& shape,
                                                 std::span<const std::int32_t> replicas,
                                                 std::span<const std::int64_t> loads) {
    const auto order = ascending_experts(replicas, loads);
    const auto sizes = group_sizes(shape, {replicas.begin(), replicas.end()});
    const auto slots = static_cast<std::size_t>(shape.slots_per_node());
    std::vector<std::int32_t> rows(static_cast<std::size_t>(shape.slots()), kVacant);
    LeftoverFill fill(shape, rows);
    std::int32_t node = 0;
    for (std::size_t group = 0; group < sizes.size(); ++group) {
      const auto begin = order.begin() + static_cast<std::ptrdiff_t>(group * slots);
      const auto count = std::min(slots, order.size() - group * slots);
      const std::int32_t first = node;
      for (; node < first + sizes[group]; ++node) {
        std::copy_n(
            begin, count,
            rows.begin() + static_cast<std::ptrdiff_t>(static_cast<std::size_t>(node) * slots));
        fill.add_node(node, static_cast<int>(count));
      }
      for (std::size_t i = 0; i < count; ++i) {
        const std::int32_t expert = *(begin + static_cast<std::ptrdiff_t>(i));
        fill.add_expert(expert, first, node,
                        replicas[static_cast<std::size_t>(expert)] - sizes[group]);
      }
    }
    for (; node < shape.nodes; ++node) fill.add_node(node, 0);
    fill.run();
    return rows;
  }
};

const bool registered = placements().add({
    .name = "mro",
    .summary = "maximum rank overlap: nested groups of experts on disjoint node groups (Lazarus)",
    .make = [](ObjectReader&) -> std::unique_ptr<Placement> {
      return std::make_unique<MaximumRankOverlap>();
    },
});

}  // namespace
}  // namespace bethany
