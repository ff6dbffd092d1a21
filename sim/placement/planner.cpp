#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "sim/base/check.h"
#include "sim/base/int128.h"
#include "sim/placement/layer_nesting.h"
#include "sim/placement/parts.h"
#include "sim/placement/replica_weights.h"

namespace bethany {
namespace {

/// Puts a node's replicas on its GPUs: heaviest first onto the least loaded GPU with room, ties by
/// id (DESIGN §4.4). Within a GPU experts ascend and vacant slots are last.
class GpuPass {
 public:
  GpuPass(const PlacementShape& shape, std::span<const std::int32_t> replicas,
          std::span<const std::int64_t> loads)
      : gpus_(static_cast<std::size_t>(shape.gpus_per_node)),
        slots_(static_cast<std::size_t>(shape.slots_per_gpu)) {
    if (gpus_ > 1) weights_ = replica_weights(replicas, loads);
  }

  void run(std::span<std::int32_t> node) {
    const auto vacant = std::stable_partition(node.begin(), node.end(),
                                              [](std::int32_t e) { return e != kVacant; });
    const std::span<std::int32_t> held(node.begin(), vacant);
    if (gpus_ == 1) {
      std::sort(held.begin(), held.end());
      return;
    }
    std::sort(held.begin(), held.end(), [&](std::int32_t a, std::int32_t b) {
      const Int128 weight_a = weights_[static_cast<std::size_t>(a)];
      const Int128 weight_b = weights_[static_cast<std::size_t>(b)];
      return weight_a != weight_b ? weight_a > weight_b : a < b;
    });
    heaviest_first_.assign(held.begin(), held.end());
    std::fill(node.begin(), node.end(), kVacant);
    load_.assign(gpus_, 0);
    used_.assign(gpus_, 0);
    for (const std::int32_t expert : heaviest_first_) {
      std::size_t best = gpus_;
      for (std::size_t gpu = 0; gpu < gpus_; ++gpu) {
        if (used_[gpu] < slots_ && (best == gpus_ || load_[gpu] < load_[best])) best = gpu;
      }
      node[best * slots_ + used_[best]++] = expert;
      load_[best] += weights_[static_cast<std::size_t>(expert)];
    }
    for (std::size_t gpu = 0; gpu < gpus_; ++gpu) {
      const auto begin = node.begin() + static_cast<std::ptrdiff_t>(gpu * slots_);
      std::sort(begin, begin + static_cast<std::ptrdiff_t>(used_[gpu]));
    }
  }

 private:
  std::size_t gpus_;
  std::size_t slots_;
  std::vector<Int128> weights_;
  std::vector<std::int32_t> heaviest_first_;
  std::vector<Int128> load_;
  std::vector<std::size_t> used_;
};

/// Gives every layer a node order of its own, all orders equally likely.
void shuffle_nodes(const PlacementShape& shape, LayerRows& layers, Rng& rng) {
  std::vector<std::int32_t> target(static_cast<std::size_t>(shape.nodes));
  for (auto& rows : layers) {
    std::iota(target.begin(), target.end(), 0);
    rng.shuffle(target);
    renumber_nodes(shape, target, rows);
  }
}

/// The replicas that the rows hold.
void count_replicas(std::span<const std::int32_t> rows, std::vector<std::int32_t>& replicas) {
  std::fill(replicas.begin(), replicas.end(), 0);
  for (const std::int32_t expert : rows) {
    if (expert != kVacant) ++replicas[static_cast<std::size_t>(expert)];
  }
}

}  // namespace

std::variant<PlacementPlan, Infeasible> make_plan(const Allocation& allocation,
                                                  const Placement& placement,
                                                  const PlacementShape& shape, LayerOrder order,
                                                  const LoadMatrix& loads, Rng& rng) {
  BETHANY_CHECK(shape.nodes > 0 && shape.gpus_per_node > 0 && shape.slots_per_gpu > 0,
                "a plan for {} nodes of {} GPUs of {} slots", shape.nodes, shape.gpus_per_node,
                shape.slots_per_gpu);
  BETHANY_CHECK(loads.experts == shape.experts && loads.layers > 0, "{} layers, {} loads for {}",
                loads.layers, loads.experts, shape.experts);
  BETHANY_CHECK(shape.domain_of_node.empty() ||
                    shape.domain_of_node.size() == static_cast<std::size_t>(shape.nodes),
                "domains of {} nodes for {}", shape.domain_of_node.size(), shape.nodes);
  auto allocated = allocation.allocate_layers(shape, loads);
  if (auto* reason = std::get_if<Infeasible>(&allocated)) return std::move(*reason);
  auto& replicas = std::get<ReplicaRows>(allocated);

  const bool independent = order == LayerOrder::independent && !placement.decides_gpus();
  auto placed = independent ? placement.Placement::place_layers(shape, replicas, loads, rng)
                            : placement.place_layers(shape, replicas, loads, rng);
  if (auto* reason = std::get_if<Infeasible>(&placed)) return std::move(*reason);
  auto& rows = std::get<LayerRows>(placed);
  if (independent) shuffle_nodes(shape, rows, rng);

  PlacementPlan plan{.nodes = shape.nodes,
                     .gpus_per_node = shape.gpus_per_node,
                     .slots_per_node = shape.slots_per_node(),
                     .experts = shape.experts,
                     .layers = {}};
  plan.layers.reserve(rows.size());
  const auto node_slots = static_cast<std::size_t>(shape.slots_per_node());
  for (std::size_t layer = 0; layer < rows.size(); ++layer) {
    BETHANY_CHECK(rows[layer].size() == static_cast<std::size_t>(shape.slots()),
                  "a placement of {} slots for {}", rows[layer].size(), shape.slots());
    if (!placement.decides_gpus()) {
      GpuPass pass(shape, replicas[layer], loads.row(static_cast<int>(layer)));
      for (std::size_t slot = 0; slot < rows[layer].size(); slot += node_slots) {
        pass.run({rows[layer].data() + slot, node_slots});
      }
    }
    if (!placement.keeps_counts()) count_replicas(rows[layer], replicas[layer]);
    plan.layers.push_back({std::move(replicas[layer]), std::move(rows[layer])});
  }
  return plan;
}

}  // namespace bethany
