#include <fmt/format.h>

#include <algorithm>

#include "sim/base/int128.h"
#include "sim/base/object_reader.h"
#include "sim/base/text.h"
#include "sim/model/plan_file.h"
#include "sim/placement/answer_fields.h"
#include "sim/placement/answers.h"

namespace bethany {
namespace {

/// Rows that every rank routes when only the ratio of the results matters: rounding to whole rows
/// then changes nothing that a double shows.
constexpr std::int64_t kManyRows = std::int64_t{1} << 40;
constexpr std::int64_t kLargestSum = std::int64_t{1} << 62;

template <class Part>
std::unique_ptr<Part> part_of(const Registry<Part>& registry, std::string_view kind,
                              const std::string& name) {
  const auto* entry = registry.find(name);
  if (entry == nullptr) throw InputError(unknown_name(kind, name, registry.names()));
  const JsonNode no_options;
  ObjectReader options(no_options, "");
  return entry->make(options);
}

/// Replica counts that the user gives, layer after layer.
class GivenCounts final : public Allocation {
 public:
  explicit GivenCounts(const ReplicaRows& layers) : layers_(layers) {}

  std::variant<std::vector<std::int32_t>, Infeasible> allocate(
      const PlacementShape& shape, std::span<const std::int64_t> loads) const override {
    (void)shape, (void)loads;
    return layers_.front();
  }
  std::variant<ReplicaRows, Infeasible> allocate_layers(const PlacementShape& shape,
                                                        const LoadMatrix& loads) const override {
    (void)shape, (void)loads;
    return layers_;
  }

 private:
  const ReplicaRows& layers_;
};

void check_loads(const LoadMatrix& loads) {
  for (int layer = 0; layer < loads.layers; ++layer) {
    Int128 sum = 0;
    for (const std::int64_t load : loads.row(layer)) {
      if (load < 0) throw InputError(fmt::format("loads: layer {}: {} is negative", layer, load));
      sum += load;
    }
    if (sum == 0) throw InputError(fmt::format("loads: layer {} has no load", layer));
    if (sum >= kLargestSum) {
      throw InputError(fmt::format("loads: layer {}: the sum passes 2^62", layer));
    }
  }
}

/// The shape, after everything that was given has been checked.
PlacementShape shape_of(const PlaceRequest& request) {
  PlacementShape shape;
  shape.nodes = static_cast<int>(checked_range("nodes", request.nodes, 1, 1'000'000));
  checked_range("slots", request.slots_per_node, 1, 1'000'000);
  shape.gpus_per_node =
      static_cast<int>(checked_range("gpus per node", request.gpus_per_node, 1, 1'000'000));
  if (request.slots_per_node % request.gpus_per_node != 0) {
    throw InputError(fmt::format("{} slots cannot be shared equally by {} GPUs per node",
                                 request.slots_per_node, request.gpus_per_node));
  }
  shape.slots_per_gpu = request.slots_per_node / request.gpus_per_node;
  shape.fault_threshold =
      static_cast<int>(checked_range("fault threshold", request.fault_threshold, 1, 1'000'000));
  const auto layers = static_cast<std::int64_t>(request.replicas.empty()
                                                    ? static_cast<std::size_t>(request.loads.layers)
                                                    : request.replicas.size());
  if (layers == 0) throw InputError("neither loads nor replicas are given");
  if (shape.slots() > kLargestPlan / layers) {
    throw InputError(
        fmt::format("{} layers of {} slots are more than {}", layers, shape.slots(), kLargestPlan));
  }
  shape.experts = request.replicas.empty() ? request.loads.experts
                                           : static_cast<int>(request.replicas.front().size());
  checked_range("experts", shape.experts, 1, 1'000'000);
  for (const auto& row : request.replicas) {
    if (row.size() != request.replicas.front().size()) {
      throw InputError(fmt::format("replicas: {} experts in one layer, {} in another",
                                   request.replicas.front().size(), row.size()));
    }
    for (const std::int32_t count : row) checked_range("replicas", count, 1, INT32_MAX);
  }
  if (request.loads.layers > 0) {
    if (request.loads.layers != layers || request.loads.experts != shape.experts) {
      throw InputError(fmt::format("loads of {} layers x {} experts, replicas of {} x {}",
                                   request.loads.layers, request.loads.experts, layers,
                                   shape.experts));
    }
    check_loads(request.loads);
  }
  return shape;
}

JsonNode number_or_null(std::optional<int> value) {
  return value ? JsonNode::of(std::int64_t{*value}) : JsonNode();
}

JsonNode balance_json(std::optional<double> value) {
  return value ? JsonNode::of(*value) : JsonNode();
}

}  // namespace

std::variant<PlaceAnswer, Infeasible> answer_place(const PlaceRequest& request) {
  const auto shape = shape_of(request);
  const auto allocation = part_of(allocations(), "allocation", request.allocation);
  const auto placement = part_of(placements(), "placement", request.placement);
  const auto dispatch = part_of(dispatches(), "dispatch", request.dispatch);
  const bool given = !request.replicas.empty();
  const bool loaded = request.loads.layers > 0;
  const LoadMatrix loads =
      loaded ? request.loads : LoadMatrix(static_cast<int>(request.replicas.size()), shape.experts);
  const GivenCounts given_counts(request.replicas);
  const Allocation& counts = given ? static_cast<const Allocation&>(given_counts) : *allocation;
  Rng rng = RngStreams(request.seed, 0).stream("placement");
  auto made = make_plan(counts, *placement, shape, request.layer_order, loads, rng);
  if (auto* reason = std::get_if<Infeasible>(&made)) return std::move(*reason);

  PlaceAnswer answer{.request = request,
                     .plan = std::move(std::get<PlacementPlan>(made)),
                     .fault_threshold_effective = {},
                     .max_over_mean = {}};
  if (!given) answer.fault_threshold_effective = shape.effective_fault_threshold();
  const std::vector<std::int64_t> rows(static_cast<std::size_t>(shape.ranks()), kManyRows);
  for (int layer = 0; layer < loads.layers; ++layer) {
    answer.max_over_mean.emplace_back();
    if (!loaded) continue;
    const auto& plan = answer.plan.layers[static_cast<std::size_t>(layer)];
    answer.max_over_mean.back() =
        max_over_mean(dispatch->dispatch(shape, plan, rows, loads.row(layer)));
  }
  return answer;
}

JsonNode place_json(const PlaceAnswer& answer) {
  const auto& plan = answer.plan;
  const bool given = !answer.request.replicas.empty();
  JsonNode node;
  begin_answer(node, "bethany/place/1");
  node.member("nodes") = JsonNode::of(std::int64_t{plan.nodes});
  node.member("slots_per_node") = JsonNode::of(std::int64_t{plan.slots_per_node});
  node.member("gpus_per_node") = JsonNode::of(std::int64_t{plan.gpus_per_node});
  node.member("experts") = JsonNode::of(std::int64_t{plan.experts});
  node.member("allocation") = given ? JsonNode() : JsonNode::of(answer.request.allocation);
  node.member("placement") = JsonNode::of(answer.request.placement);
  node.member("dispatch") = JsonNode::of(answer.request.dispatch);
  node.member("seed") = JsonNode::of(static_cast<std::int64_t>(answer.request.seed));
  node.member("fault_threshold") =
      given ? JsonNode() : JsonNode::of(std::int64_t{answer.request.fault_threshold});
  node.member("fault_threshold_effective") = number_or_null(answer.fault_threshold_effective);
  std::vector<JsonNode> layers;
  for (int layer = 0; layer < static_cast<int>(plan.layers.size()); ++layer) {
    layers.push_back(layer_json(plan, layer));
    layers.back().member("max_over_mean_load") =
        balance_json(answer.max_over_mean[static_cast<std::size_t>(layer)]);
  }
  if (layers.size() > 1) {
    node.member("layers") = JsonNode::array_of(std::move(layers));
    return node;
  }
  for (auto& member : layers.front().members) node.member(member.key) = std::move(member.value);
  return node;
}

}  // namespace bethany
