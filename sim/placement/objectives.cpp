#include "sim/placement/objectives.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <optional>
#include <utility>

#include "sim/base/check.h"
#include "sim/base/object_reader.h"
#include "sim/base/text.h"
#include "sim/placement/core_plan.h"
#include "sim/placement/makespan.h"
#include "sim/placement/plan_costs.h"
#include "sim/placement/recovery.h"

namespace bethany {
namespace {

/// Rows that every rank routes when only ratios matter.
constexpr std::int64_t kManyRows = std::int64_t{1} << 20;
constexpr char kCore[] = "core";
constexpr char kSplit[] = "min-makespan";
/// What is compared beside the core families, where registered.
constexpr const char* kAllocations[] = {"proportional", "uniform", "eplb"};
constexpr const char* kPlacements[] = {"mro", "mro+", "spread", "packed", kCore};

template <class Part>
std::unique_ptr<Part> part_of(const Registry<Part>& registry, const std::string& name) {
  const auto* entry = registry.find(name);
  if (entry == nullptr) return nullptr;
  const JsonNode no_options;
  ObjectReader options(no_options, "");
  return entry->make(options);
}

/// A plan that is already made, as parts of make_plan().
class MadeCounts final : public Allocation {
 public:
  explicit MadeCounts(ReplicaRows rows) : rows_(std::move(rows)) {}
  std::variant<std::vector<std::int32_t>, Infeasible> allocate(
      const PlacementShape&, std::span<const std::int64_t>) const override {
    return rows_.front();
  }
  std::variant<ReplicaRows, Infeasible> allocate_layers(const PlacementShape&,
                                                        const LoadMatrix&) const override {
    return rows_;
  }

 private:
  ReplicaRows rows_;
};

class MadeRows final : public Placement {
 public:
  explicit MadeRows(LayerRows rows) : rows_(std::move(rows)) {}
  std::variant<std::vector<std::int32_t>, Infeasible> place(const PlacementShape&,
                                                            std::span<const std::int32_t>,
                                                            std::span<const std::int64_t>,
                                                            Rng&) const override {
    return rows_.front();
  }
  std::variant<LayerRows, Infeasible> place_layers(const PlacementShape&,
                                                   std::span<const std::vector<std::int32_t>>,
                                                   const LoadMatrix&, Rng&) const override {
    return rows_;
  }
  bool decides_gpus() const override { return true; }

 private:
  LayerRows rows_;
};

/// Makes and measures candidates.
class Candidates {
 public:
  explicit Candidates(const ObjectiveRequest& request) : request_(request) {
    check_name(allocations(), "allocation", request.allocation);
    check_name(placements(), "placement", request.placement);
  }

  void add_all() {
    if (asked(request_.allocation, kCore) && asked(request_.placement, kCore)) add_families();
    for (const auto& allocation : names(request_.allocation, kAllocations)) {
      for (const auto& placement : names(request_.placement, kPlacements)) {
        add_parts(allocation, placement);
      }
    }
  }

  std::vector<FrontierPlan> plans;
  std::optional<Infeasible> refused;  // the first reason

 private:
  template <class Part>
  static void check_name(const Registry<Part>& registry, std::string_view kind,
                         const std::string& name) {
    if (name.empty() || registry.find(name) != nullptr) return;
    throw InputError(unknown_name(kind, name, registry.names()));
  }
  static bool asked(const std::string& given, std::string_view name) {
    return given.empty() || given == name;
  }
  template <std::size_t count>
  static std::vector<std::string> names(const std::string& given,
                                        const char* const (&candidates)[count]) {
    if (!given.empty()) return {given};
    return {std::begin(candidates), std::end(candidates)};
  }

  Rng rng() const { return RngStreams(request_.seed, 0).stream("placement"); }

  void refuse(Infeasible reason) {
    if (!refused) refused = std::move(reason);
  }

  void add_families() {
    const auto& shape = request_.shape;
    if (shape.slots() < shape.experts) return;  // the other parts say why
    for (const auto& family : core_families(shape, Overlaps::all)) {
      for (const bool drop : {false, true}) {
        const auto core = core_plan_on(shape, request_.loads, family, {.drop = drop});
        add({.allocation = kCore,
             .placement = kCore,
             .family = family.name() + (drop ? ", dropped" : "")},
            MadeCounts(core->replicas()), MadeRows(core->rows(shape)), shape);
      }
    }
  }

  void add_parts(const std::string& allocation_name, const std::string& placement_name) {
    const auto allocation = part_of(allocations(), allocation_name);
    const auto placement = part_of(placements(), placement_name);
    if (!allocation || !placement || allocation_name == kCore) return;
    auto shape = request_.shape;
    if (!fit(*allocation, *placement)) return;
    if (allocation->usable_nodes(shape, shape.nodes) != shape.nodes) return;
    add({.allocation = allocation_name, .placement = placement_name}, *allocation, *placement,
        shape);
  }

  static bool fit(const Allocation& allocation, const Placement& placement) {
    std::vector<std::string> given = allocation.capabilities().gives;
    const auto more = placement.capabilities().gives;
    given.insert(given.end(), more.begin(), more.end());
    auto needs = allocation.capabilities().needs;
    const auto further = placement.capabilities().needs;
    needs.insert(needs.end(), further.begin(), further.end());
    return std::all_of(needs.begin(), needs.end(), [&](const std::string& need) {
      return std::find(given.begin(), given.end(), need) != given.end();
    });
  }

  void add(FrontierPlan made, const Allocation& allocation, const Placement& placement,
           const PlacementShape& shape) {
    auto random = rng();
    auto result =
        make_plan(allocation, placement, shape, LayerOrder::aligned, request_.loads, random);
    if (auto* reason = std::get_if<Infeasible>(&result)) return refuse(std::move(*reason));
    made.plan = std::move(std::get<PlacementPlan>(result));
    const int losses = std::min(request_.k_max, shape.nodes);
    auto curve = recovery_curve(made.plan, losses);
    if (!curve) {
      return refuse({fmt::format("{} + {}: its recovery cannot be counted exactly", made.allocation,
                                 made.placement)});
    }
    made.recovery = std::move(curve->probability);
    measure(made);
    plans.push_back(std::move(made));
  }

  void measure(FrontierPlan& made) {
    const int ranks = made.plan.ranks();
    std::vector<double> traffic(static_cast<std::size_t>(made.plan.nodes));
    for (int l = 0; l < request_.loads.layers; ++l) {
      const auto loads = request_.loads.row(l);
      const auto tokens = std::accumulate(loads.begin(), loads.end(), std::int64_t{0});
      const auto busiest = solver_.solve(hosts_by_rank(made.plan, l), loads);
      made.max_over_mean.push_back(
          tokens == 0 ? 1.0 : busiest.value() * ranks / static_cast<double>(tokens));
      const auto of_layer = gradient_traffic(made.plan, l);
      for (std::size_t n = 0; n < traffic.size(); ++n) traffic[n] += of_layer[n];
    }
    made.gradient_traffic = *std::max_element(traffic.begin(), traffic.end());
    const auto& values = made.max_over_mean;
    made.worst_max_over_mean = *std::max_element(values.begin(), values.end());
    made.mean_max_over_mean =
        std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
  }

  const ObjectiveRequest& request_;
  MakespanSolver solver_;
};

/// What plans are compared by, in whole steps, so that "at least as good" is an order.
struct Rank {
  std::int64_t balance;                // less is better
  std::vector<std::int64_t> recovery;  // more is better
  std::int64_t traffic;                // less is better
};

Rank rank_of(const FrontierPlan& plan) {
  Rank rank{.balance = std::llround(plan.worst_max_over_mean / kEqualBalance),
            .recovery = {},
            .traffic = std::llround(plan.gradient_traffic * 1e6)};
  for (const double p : plan.recovery) rank.recovery.push_back(std::llround(p * 1e12));
  return rank;
}

bool as_good(const Rank& a, const Rank& b) {
  return a.balance <= b.balance && a.traffic <= b.traffic &&
         std::equal(a.recovery.begin(), a.recovery.end(), b.recovery.begin(), b.recovery.end(),
                    std::greater_equal<>());
}

bool more_balanced(const Rank& a, const Rank& b) {
  if (a.balance != b.balance) return a.balance < b.balance;
  if (a.recovery != b.recovery) return a.recovery > b.recovery;
  return a.traffic < b.traffic;
}

bool recovers_more(const Rank& a, const Rank& b) {
  if (a.recovery != b.recovery) return a.recovery > b.recovery;
  if (a.balance != b.balance) return a.balance < b.balance;
  return a.traffic < b.traffic;
}

/// The plans to show, most balanced first; those that another one beats marked, or left out.
std::vector<FrontierPlan> sorted(std::vector<FrontierPlan> plans, bool with_dominated) {
  std::vector<Rank> ranks;
  for (const auto& plan : plans) ranks.push_back(rank_of(plan));
  std::vector<std::size_t> kept;
  for (std::size_t i = 0; i < plans.size(); ++i) {
    bool dominated = false;
    for (std::size_t j = 0; j < plans.size() && !dominated; ++j) {
      if (j == i || !as_good(ranks[j], ranks[i])) continue;
      dominated = j < i || !as_good(ranks[i], ranks[j]);
    }
    plans[i].dominated = dominated;
    if (!dominated || with_dominated) kept.push_back(i);
  }
  std::stable_sort(kept.begin(), kept.end(),
                   [&](std::size_t a, std::size_t b) { return more_balanced(ranks[a], ranks[b]); });
  std::vector<FrontierPlan> result;
  for (const auto i : kept) result.push_back(std::move(plans[i]));
  return result;
}

/// Counted for the plans that are kept only: a split with the fewest rows between nodes is dear.
void count_off_node(const ObjectiveRequest& request, FrontierPlan& made) {
  const auto split = part_of(dispatches(), kSplit);
  BETHANY_CHECK(split != nullptr, "no dispatcher '{}'", kSplit);
  const std::vector<std::int64_t> rows(static_cast<std::size_t>(request.shape.ranks()), kManyRows);
  for (int l = 0; l < request.loads.layers; ++l) {
    const auto traffic = split->dispatch(
        request.shape, made.plan.layers[static_cast<std::size_t>(l)], rows, request.loads.row(l));
    made.off_node_share += off_node_share(traffic) / request.loads.layers;
  }
}

std::variant<std::vector<FrontierPlan>, Infeasible> candidates(const ObjectiveRequest& request) {
  BETHANY_CHECK(request.loads.layers > 0 && request.loads.experts == request.shape.experts,
                "{} layers, {} loads for {} experts", request.loads.layers, request.loads.experts,
                request.shape.experts);
  Candidates all(request);
  all.add_all();
  if (all.plans.empty()) {
    return all.refused.value_or(
        Infeasible{fmt::format("allocation '{}' and placement '{}' do not go together on {} nodes",
                               request.allocation, request.placement, request.shape.nodes)});
  }
  return std::move(all.plans);
}

}  // namespace

std::variant<std::vector<FrontierPlan>, Infeasible> frontier(const ObjectiveRequest& request) {
  auto made = candidates(request);
  auto* plans = std::get_if<std::vector<FrontierPlan>>(&made);
  if (plans == nullptr) return made;
  auto kept = sorted(std::move(*plans), request.dominated);
  for (auto& plan : kept) count_off_node(request, plan);
  return kept;
}

std::variant<FrontierPlan, Infeasible> choose_plan(Objective objective,
                                                   const ObjectiveRequest& request) {
  auto made = candidates(request);
  if (auto* reason = std::get_if<Infeasible>(&made)) return std::move(*reason);
  auto& plans = std::get<std::vector<FrontierPlan>>(made);
  std::vector<Rank> ranks;
  for (const auto& plan : plans) ranks.push_back(rank_of(plan));
  const auto better = objective == Objective::recovery ? recovers_more : more_balanced;
  const auto best = std::min_element(ranks.begin(), ranks.end(), better) - ranks.begin();
  auto& chosen = plans[static_cast<std::size_t>(best)];
  count_off_node(request, chosen);
  return std::move(chosen);
}

}  // namespace bethany
