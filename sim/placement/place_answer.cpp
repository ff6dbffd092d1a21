#include <fmt/format.h>

#include <algorithm>

#include "sim/base/int128.h"
#include "sim/base/object_reader.h"
#include "sim/base/text.h"
#include "sim/model/plan_file.h"
#include "sim/placement/answer_fields.h"
#include "sim/placement/answers.h"
#include "sim/placement/domains.h"
#include "sim/placement/layer_nesting.h"
#include "sim/placement/plan_costs.h"
#include "sim/placement/rate_order.h"

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
  shape.expert_groups =
      static_cast<int>(checked_range("expert groups", request.expert_groups, 0, 1'000'000));
  if (shape.expert_groups > 0 && shape.experts % shape.expert_groups != 0) {
    throw InputError(fmt::format("{} experts cannot be shared equally by {} expert groups",
                                 shape.experts, shape.expert_groups));
  }
  shape.domain_of_node = domain_of_nodes(request.domains, shape.nodes);
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

template <class Part>
bool gives(const Part& part, std::string_view word) {
  const auto given = part.capabilities().gives;
  return std::find(given.begin(), given.end(), word) != given.end();
}

/// What each GPU computes of a layer, as shares of all.
std::vector<double> shares_of(const LayerTraffic& traffic) {
  double sum = 0;
  for (const std::int64_t rows : traffic.computed) sum += static_cast<double>(rows);
  std::vector<double> shares;
  for (const std::int64_t rows : traffic.computed) {
    shares.push_back(sum > 0 ? static_cast<double>(rows) / sum : 0);
  }
  return shares;
}

/// The shares of place p's GPUs become those of node number[p].
void renumber_shares(const std::vector<int>& number, int gpus, std::vector<double>& shares) {
  const auto before = shares;
  const auto width = static_cast<std::ptrdiff_t>(gpus);
  for (std::size_t place = 0; place < number.size(); ++place) {
    const auto from = before.begin() + static_cast<std::ptrdiff_t>(place) * width;
    std::copy(from, from + width, shares.begin() + number[place] * width);
  }
}

/// Renumbers the nodes of the answer so that little state moves. A reason when none can.
std::optional<Infeasible> come_from(const PreviousPlan& previous, const Placement& placement,
                                    const PlacementShape& shape, PlaceAnswer& answer) {
  const auto& change = *answer.request.change;
  // The plan of a part that looks back is made for these machines, unless others move less.
  const bool stays = change.method == BindingMethod::greedy && gives(placement, kHistoryPlan);
  const auto domain_of =
      gives(placement, kDomainPlan) ? shape.domain_of_node : std::vector<std::int32_t>{};
  auto made = reconfigure(change, previous.place_of, domain_of, stays, answer.plan);
  if (auto* reason = std::get_if<Infeasible>(&made)) return std::move(*reason);
  answer.reconfiguration = std::move(std::get<Reconfiguration>(made));
  for (auto& shares : answer.gpu_share) {
    renumber_shares(answer.reconfiguration->binding.machine_of_place, shape.gpus_per_node, shares);
  }
  return {};
}

/// The plan of the parts that are named or stand for those that are not.
std::optional<Infeasible> make_by_parts(const PlacementShape& shape, PlaceAnswer& answer) {
  auto& request = answer.request;
  if (request.placement.empty()) request.placement = "mro";
  if (request.allocation.empty()) {
    request.allocation = request.placement == "core" ? "core" : "proportional";
  }
  if (request.dispatch.empty()) request.dispatch = "even";
  const auto allocation = part_of(allocations(), "allocation", request.allocation);
  const auto placement = part_of(placements(), "placement", request.placement);
  const GivenCounts given_counts(request.replicas);
  const bool given = !request.replicas.empty();
  const Allocation& counts = given ? static_cast<const Allocation&>(given_counts) : *allocation;
  const bool loaded = request.loads.layers > 0;
  const LoadMatrix loads =
      loaded ? request.loads : LoadMatrix(static_cast<int>(request.replicas.size()), shape.experts);
  Rng rng = RngStreams(request.seed, 0).stream("placement");
  auto made = make_plan(counts, *placement, shape, request.layer_order, loads, rng);
  if (auto* reason = std::get_if<Infeasible>(&made)) return std::move(*reason);
  answer.plan = std::move(std::get<PlacementPlan>(made));
  return {};
}

ObjectiveRequest objective_request(const PlacementShape& shape, const PlaceRequest& request) {
  if (!request.replicas.empty()) {
    throw InputError("an objective chooses the replicas: it excludes given ones");
  }
  return {.shape = shape,
          .loads = request.loads,
          .allocation = request.allocation,
          .placement = request.placement,
          .k_max = request.losses_max,
          .seed = request.seed};
}

std::optional<Infeasible> choose_by_objective(const PlacementShape& shape, PlaceAnswer& answer) {
  auto& request = answer.request;
  const std::vector<std::string> names = {"recovery", "balance", "frontier"};
  if (std::find(names.begin(), names.end(), request.objective) == names.end()) {
    throw InputError(unknown_name("objective", request.objective, names));
  }
  if (request.objective == "frontier") {
    throw InputError("the frontier has several plans: choose recovery or balance");
  }
  const auto objective = request.objective == "recovery" ? Objective::recovery : Objective::balance;
  auto made = choose_plan(objective, objective_request(shape, request));
  if (auto* reason = std::get_if<Infeasible>(&made)) return std::move(*reason);
  auto& chosen = std::get<FrontierPlan>(made);
  request.allocation = chosen.allocation;
  request.placement = chosen.placement;
  if (request.dispatch.empty()) request.dispatch = "min-makespan";
  answer.core_family = std::move(chosen.family);
  answer.plan = std::move(chosen.plan);
  return {};
}

/// What the plan gives and costs, layer by layer.
void weigh(const PlacementShape& shape, PlaceAnswer& answer) {
  const auto& loads = answer.request.loads;
  const auto dispatch = part_of(dispatches(), "dispatch", answer.request.dispatch);
  const std::vector<std::int64_t> rows(static_cast<std::size_t>(shape.ranks()), kManyRows);
  for (int layer = 0; layer < static_cast<int>(answer.plan.layers.size()); ++layer) {
    answer.optimal.push_back(certify(answer.plan, layer));
    answer.gradient_traffic.push_back(busiest_gradient_traffic(answer.plan, layer));
    answer.max_over_mean.emplace_back();
    answer.off_node_share.emplace_back();
    if (loads.layers == 0) continue;
    const auto& plan = answer.plan.layers[static_cast<std::size_t>(layer)];
    const auto traffic = dispatch->dispatch(shape, plan, rows, loads.row(layer));
    answer.max_over_mean.back() = max_over_mean(traffic);
    answer.off_node_share.back() = off_node_share(traffic);
    answer.gpu_share.push_back(shares_of(traffic));
  }
}

/// Gives the plan's places to nodes by their rates.
std::optional<Infeasible> order_places(const PlacementShape& shape, PlaceAnswer& answer) {
  const auto& rates = answer.request.rates;
  if (rates.empty()) return {};
  if (answer.request.change) {
    throw InputError("a previous plan says which node takes which place: it excludes rates");
  }
  if (rates.size() != static_cast<std::size_t>(shape.nodes)) {
    throw InputError(fmt::format("{} rates for {} nodes", rates.size(), shape.nodes));
  }
  for (const double rate : rates) {
    if (!(rate >= 0 && rate <= 1)) throw InputError(fmt::format("rates: {} is outside 0..1", rate));
  }
  const auto order = order_by_rates(minimal_host_sets(answer.plan), rates, shape.domain_of_node);
  if (!order) return Infeasible{"the plan's exact recovery by rates is not affordable"};
  for (auto& layer : answer.plan.layers) {
    renumber_nodes(shape, order->node_of_place, layer.expert_of_slot);
  }
  answer.recovery_by_rates = order->after;
  answer.recovery_unordered = order->before;
  return {};
}

JsonNode number_or_null(std::optional<int> value) {
  return value ? JsonNode::of(std::int64_t{*value}) : JsonNode();
}

JsonNode real_or_null(std::optional<double> value) {
  return value ? JsonNode::of(*value) : JsonNode();
}

void add_costs(const PlaceAnswer& answer, std::size_t layer, JsonNode& node) {
  node.member("optimal") = JsonNode::of(std::string(name_of(answer.optimal[layer])));
  node.member("off_node_share") = real_or_null(answer.off_node_share[layer]);
  const double traffic = answer.gradient_traffic[layer];
  node.member("gradient_traffic") = JsonNode::of(traffic);
  const auto& bytes = answer.request.expert_gradient_bytes;
  node.member("gradient_bytes_per_node") =
      bytes ? JsonNode::of(traffic * static_cast<double>(*bytes)) : JsonNode();
}

}  // namespace

std::variant<PlaceAnswer, Infeasible> answer_place(const PlaceRequest& request) {
  auto shape = shape_of(request);
  PreviousPlan previous;
  if (request.change) {
    previous = {request.change->previous, previous_nodes(*request.change, shape.nodes)};
    shape.previous = &previous;
  }
  PlaceAnswer answer;
  answer.request = request;
  auto reason =
      request.objective.empty() ? make_by_parts(shape, answer) : choose_by_objective(shape, answer);
  if (!reason) reason = order_places(shape, answer);
  if (reason) return std::move(*reason);
  if (request.replicas.empty()) {
    answer.fault_threshold_effective = shape.effective_fault_threshold();
  }
  weigh(shape, answer);
  if (!request.change) return answer;
  const auto placement = part_of(placements(), "placement", answer.request.placement);
  reason = come_from(previous, *placement, shape, answer);
  if (reason) return std::move(*reason);
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
  if (!answer.request.objective.empty()) {
    node.member("objective") = JsonNode::of(answer.request.objective);
    if (!answer.core_family.empty()) node.member("core_family") = JsonNode::of(answer.core_family);
  }
  node.member("seed") = JsonNode::of(static_cast<std::int64_t>(answer.request.seed));
  node.member("fault_threshold") =
      given ? JsonNode() : JsonNode::of(std::int64_t{answer.request.fault_threshold});
  node.member("fault_threshold_effective") = number_or_null(answer.fault_threshold_effective);
  std::vector<JsonNode> layers;
  for (int layer = 0; layer < static_cast<int>(plan.layers.size()); ++layer) {
    layers.push_back(layer_json(plan, layer));
    layers.back().member("max_over_mean_load") =
        real_or_null(answer.max_over_mean[static_cast<std::size_t>(layer)]);
    add_costs(answer, static_cast<std::size_t>(layer), layers.back());
  }
  if (layers.size() > 1) {
    node.member("layers") = JsonNode::array_of(std::move(layers));
  } else {
    for (auto& member : layers.front().members) node.member(member.key) = std::move(member.value);
  }
  if (answer.recovery_by_rates) {
    auto& by_rates = node.member("recovery_by_rates");
    by_rates.member("probability") = JsonNode::of(answer.recovery_by_rates->probability);
    by_rates.member("loss") = JsonNode::of(answer.recovery_by_rates->loss);
    by_rates.member("loss_unordered") = JsonNode::of(answer.recovery_unordered->loss);
  }
  if (answer.reconfiguration) {
    node.member("reconfiguration") = reconfiguration_json(*answer.reconfiguration);
  }
  return node;
}

std::variant<std::vector<FrontierPlan>, Infeasible> answer_frontier(const PlaceRequest& request) {
  if (request.change) throw InputError("the frontier is of plans from nothing: no previous plan");
  if (!request.rates.empty()) throw InputError("the frontier is for uniform losses: no rates");
  const auto shape = shape_of(request);
  return frontier(objective_request(shape, request));
}

JsonNode frontier_json(const PlaceRequest& request, const std::vector<FrontierPlan>& plans) {
  JsonNode node;
  begin_answer(node, "bethany/place/1");
  node.member("nodes") = JsonNode::of(std::int64_t{request.nodes});
  node.member("slots_per_node") = JsonNode::of(std::int64_t{request.slots_per_node});
  node.member("gpus_per_node") = JsonNode::of(std::int64_t{request.gpus_per_node});
  node.member("experts") = JsonNode::of(std::int64_t{request.loads.experts});
  node.member("objective") = JsonNode::of("frontier");
  node.member("dispatch") = JsonNode::of("min-makespan");
  std::vector<JsonNode> entries;
  for (const auto& made : plans) {
    JsonNode entry;
    entry.kind = JsonNode::Kind::object;
    entry.member("allocation") = JsonNode::of(made.allocation);
    entry.member("placement") = JsonNode::of(made.placement);
    entry.member("core_family") = made.family.empty() ? JsonNode() : JsonNode::of(made.family);
    std::vector<JsonNode> layers;
    for (int layer = 0; layer < static_cast<int>(made.plan.layers.size()); ++layer) {
      layers.push_back(layer_json(made.plan, layer));
      layers.back().member("max_over_mean_load") =
          JsonNode::of(made.max_over_mean[static_cast<std::size_t>(layer)]);
    }
    if (layers.size() > 1) {
      entry.member("layers") = JsonNode::array_of(std::move(layers));
      entry.member("max_over_mean_load") = JsonNode::of(made.worst_max_over_mean);
    } else {
      for (auto& member : layers.front().members) {
        entry.member(member.key) = std::move(member.value);
      }
    }
    std::vector<JsonNode> recovery;
    for (const double p : made.recovery) recovery.push_back(JsonNode::of(p));
    entry.member("recovery") = JsonNode::array_of(std::move(recovery));
    entry.member("gradient_traffic") = JsonNode::of(made.gradient_traffic);
    entry.member("gradient_bytes_per_node") =
        request.expert_gradient_bytes
            ? JsonNode::of(made.gradient_traffic *
                           static_cast<double>(*request.expert_gradient_bytes))
            : JsonNode();
    entry.member("off_node_share") = JsonNode::of(made.off_node_share);
    entries.push_back(std::move(entry));
  }
  node.member("plans") = JsonNode::array_of(std::move(entries));
  return node;
}

}  // namespace bethany
