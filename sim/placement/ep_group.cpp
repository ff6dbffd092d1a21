#include <algorithm>

#include "sim/base/check.h"
#include "sim/base/object_reader.h"
#include "sim/placement/parts.h"
#include "sim/placement/routed_rows.h"

namespace bethany {
namespace {

/// Rows stay in the EP group, on consecutive ranks, that holds every expert once. Padded, as in
/// DeepSpeed-MoE and by default: every rank of a group sends (`pad_tokens`) and computes
/// (`pad_compute`) the group's largest count for each expert, so E · C rows (reproduction.md §1).
/// Groups are packed by server: ranks of nodes_per_server consecutive nodes are inside.
/// `overlapped`, as Tutel: the all-to-alls of a layer run beside the experts' computation.
class EpGroup final : public Dispatch {
 public:
  explicit EpGroup(ObjectReader& options)
      : pad_tokens_(options.boolean("pad_tokens", true)),
        pad_compute_(options.boolean("pad_compute", true)),
        overlapped_(options.boolean("overlapped", false)) {}

  Capabilities capabilities() const override { return {.gives = {}, .needs = {kEpGroups}}; }

  LayerTraffic dispatch(const PlacementShape& shape, const LayerPlan& plan,
                        std::span<const std::int64_t> rows,
                        std::span<const std::int64_t> loads) const override {
    const RoutedRows routed(rows, loads);
    const int size = group_size(shape, plan);
    LayerTraffic traffic;
    for (auto* sums : {&traffic.computed, &traffic.sent_inside, &traffic.received_inside,
                       &traffic.sent_outside, &traffic.received_outside}) {
      sums->resize(static_cast<std::size_t>(shape.ranks()));
    }
    traffic.padded = pad_tokens_ || pad_compute_;
    traffic.overlapped = overlapped_;
    traffic.exchange_ranks = size;
    for (int first = 0; first < shape.ranks(); first += size) {
      if (!pad_tokens_ || !pad_compute_) exchange(shape, plan, routed, first, size, traffic);
      pad(shape, routed, first, size, traffic);
    }
    return traffic;
  }

  TokenCounts padded(const PlacementShape& shape, const LayerPlan& plan,
                     const TokenCounts& routed) const override {
    if (!pad_tokens_ && !pad_compute_) return routed;
    BETHANY_CHECK(pad_tokens_ && pad_compute_, "rows that are padded on one side only");
    TokenCounts counts = routed;
    const auto size = static_cast<std::ptrdiff_t>(group_size(shape, plan)) * shape.experts;
    for (auto first = counts.values.begin(); first != counts.values.end(); first += size) {
      std::fill(first, first + size, *std::max_element(first, first + size));
    }
    return counts;
  }

  std::optional<TokenMatrix> matrix(const PlacementShape& shape, const LayerPlan& plan,
                                    const TokenCounts& counts) const override {
    TokenMatrix matrix(shape.ranks(), shape.experts);
    const int size = group_size(shape, plan);
    for (int to = 0; to < shape.ranks(); ++to) {
      const int first = to / size * size;
      for (const std::int32_t expert : experts_of(shape, plan, to)) {
        for (int from = first; from < first + size; ++from) {
          matrix.at(expert, from, to) = counts.at(from, expert);
        }
      }
    }
    return matrix;
  }

 private:
  static std::span<const std::int32_t> experts_of(const PlacementShape& shape,
                                                  const LayerPlan& plan, int rank) {
    const auto slots = static_cast<std::size_t>(shape.slots_per_gpu);
    const std::int32_t* first = plan.expert_of_slot.data() + static_cast<std::size_t>(rank) * slots;
    return {first, std::find(first, first + slots, kVacant)};
  }

  /// Ranks of a group. That the plan is one of ep-groups is the policy's promise.
  static int group_size(const PlacementShape& shape, const LayerPlan& plan) {
    const int groups = plan.replicas.front();
    BETHANY_CHECK(groups > 0 && shape.ranks() % groups == 0, "{} EP groups of {} ranks", groups,
                  shape.ranks());
    return shape.ranks() / groups;
  }

  static void move(const PlacementShape& shape, int from, int to, std::int64_t rows,
                   LayerTraffic& traffic) {
    const auto i = static_cast<std::size_t>(from);
    const auto j = static_cast<std::size_t>(to);
    traffic.computed[j] += rows;
    if (from == to) return;
    const int server = shape.nodes_per_server * shape.gpus_per_node;
    const bool inside = from / server == to / server;
    (inside ? traffic.sent_inside : traffic.sent_outside)[i] += rows;
    (inside ? traffic.received_inside : traffic.received_outside)[j] += rows;
  }

  /// Padded, every pair of ranks exchanges equally many rows, so a rank's sums need no loop over
  /// its peers.
  void pad(const PlacementShape& shape, const RoutedRows& routed, int first, int size,
           LayerTraffic& traffic) const {
    const std::int64_t rows = routed.largest(first, first + size) * (shape.experts / size);
    const int server = shape.nodes_per_server * shape.gpus_per_node;
    for (int rank = first; rank < first + size; ++rank) {
      const int server_first = rank / server * server;
      const int inside = std::min(first + size, server_first + server) -
                         std::max(first, server_first) - 1;  // peers on the own server
      const auto i = static_cast<std::size_t>(rank);
      if (pad_compute_) traffic.computed[i] = rows * size;
      if (!pad_tokens_) continue;
      traffic.sent_inside[i] = traffic.received_inside[i] = rows * inside;
      traffic.sent_outside[i] = traffic.received_outside[i] = rows * (size - 1 - inside);
    }
  }

  static void exchange(const PlacementShape& shape, const LayerPlan& plan, const RoutedRows& routed,
                       int first, int size, LayerTraffic& traffic) {
    for (int to = first; to < first + size; ++to) {
      const auto experts = experts_of(shape, plan, to);
      for (int from = first; from < first + size; ++from) {
        std::int64_t rows = 0;
        for (const std::int32_t expert : experts) rows += routed.at(from, expert);
        move(shape, from, to, rows, traffic);
      }
    }
  }

  bool pad_tokens_;
  bool pad_compute_;
  bool overlapped_;
};

const bool registered = dispatches().add({
    .name = "ep-group",
    .summary = "tokens stay in the EP group, padded to the largest count (DeepSpeed-MoE)",
    .make = [](ObjectReader& options) -> std::unique_ptr<Dispatch> {
      return std::make_unique<EpGroup>(options);
    },
});

}  // namespace
}  // namespace bethany
