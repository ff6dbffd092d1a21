// Every registered allocation, placement and dispatcher keeps the promises of its kind
// (sim/placement/parts.h). A new part is tested here without an edit.

#include <algorithm>
#include <numeric>

#include "sim/base/object_reader.h"
#include "sim/placement/parts.h"
#include "sim/placement/recovery.h"
#include "tests/support/catch.h"

namespace bethany {
namespace {

using Counts = std::vector<std::int32_t>;

template <class Part>
std::unique_ptr<Part> part(const typename Registry<Part>::Entry& entry) {
  const JsonNode none;
  ObjectReader options(none, "");
  auto made = entry.make(options);
  options.finish();
  return made;
}

struct Case {
  PlacementShape shape;
  LoadMatrix loads;
};

/// Shapes of all kinds: one node, one GPU, ragged, tight, too small; skewed, equal and no loads.
std::vector<Case> cases() {
  std::vector<Case> all;
  const auto add = [&](int nodes, int gpus, int slots, int experts, int layers) {
    PlacementShape shape{.nodes = nodes,
                         .gpus_per_node = gpus,
                         .slots_per_gpu = slots,
                         .experts = experts,
                         .nodes_per_server = gpus == 1 ? 2 : 1,
                         .fault_threshold = 2};
    LoadMatrix loads(layers, experts);
    for (int l = 0; l < layers; ++l) {
      for (int e = 0; e < experts; ++e) {
        loads.row(l)[static_cast<std::size_t>(e)] =
            l % 3 == 2 ? (e == 0 ? 1 : 0) : (l % 3 == 1 ? 1 : 100000 / (1 + (e * 7 + l) % experts));
      }
    }
    all.push_back({shape, loads});
  };
  for (const int nodes : {1, 2, 3, 8, 10}) {
    for (const int experts : {1, 4, 8, 12, 16}) {
      add(nodes, 1, 6, experts, 3);
      add(nodes, 2, 3, experts, 2);
      add(nodes, 4, 1, experts, 1);
    }
  }
  add(16, 8, 4, 256, 3);
  return all;
}

Counts counted(const LayerPlan& layer, int experts) {
  Counts counts(static_cast<std::size_t>(experts));
  for (const auto e : layer.expert_of_slot) {
    if (e != kVacant) ++counts[static_cast<std::size_t>(e)];
  }
  return counts;
}

/// The plan, or nothing when a part gave a reason.
std::optional<PlacementPlan> planned(const Allocation& allocation, const Placement& placement,
                                     PlacementShape shape, const LoadMatrix& loads,
                                     LayerOrder order, std::uint64_t seed = 3) {
  shape.nodes = allocation.usable_nodes(shape, shape.nodes);
  if (shape.nodes == 0) return std::nullopt;
  Rng rng = RngStreams(seed, 0).stream("conformance");
  auto made = make_plan(allocation, placement, shape, order, loads, rng);
  if (const auto* reason = std::get_if<Infeasible>(&made)) {
    CHECK(reason->reason.size() > 10);
    return std::nullopt;
  }
  return std::get<PlacementPlan>(std::move(made));
}

/// Whether each need of a part is given by one of the parts.
bool fit(const std::vector<Capabilities>& parts) {
  std::vector<std::string> given;
  for (const auto& each : parts) given.insert(given.end(), each.gives.begin(), each.gives.end());
  return std::all_of(parts.begin(), parts.end(), [&](const Capabilities& each) {
    return std::all_of(each.needs.begin(), each.needs.end(), [&](const std::string& need) {
      return std::find(given.begin(), given.end(), need) != given.end();
    });
  });
}

TEST_CASE("every allocation fits the slots, serves every expert and knows its node counts") {
  for (const auto& entry : allocations().entries()) {
    INFO(entry.name);
    CHECK(!entry.summary.empty());
    const auto allocation = part<Allocation>(entry);
    for (auto at : cases()) {
      const int usable = allocation->usable_nodes(at.shape, at.shape.nodes);
      REQUIRE(usable >= 0);
      REQUIRE(usable <= at.shape.nodes);
      REQUIRE(allocation->usable_nodes(at.shape, usable) == usable);
      const int least = allocation->minimum_nodes(at.shape);
      REQUIRE(least >= 1);
      at.shape.nodes = usable;
      for (int l = 0; l < at.loads.layers && usable > 0; ++l) {
        const auto made = allocation->allocate(at.shape, at.loads.row(l));
        const auto again = allocation->allocate(at.shape, at.loads.row(l));
        REQUIRE(made.index() == again.index());
        if (const auto* reason = std::get_if<Infeasible>(&made)) {
          REQUIRE(reason->reason.size() > 10);
          continue;
        }
        const auto& counts = std::get<Counts>(made);
        REQUIRE(counts == std::get<Counts>(again));
        REQUIRE(usable >= least);
        REQUIRE(counts.size() == static_cast<std::size_t>(at.shape.experts));
        REQUIRE(*std::min_element(counts.begin(), counts.end()) >= 1);
        REQUIRE(std::accumulate(counts.begin(), counts.end(), std::int64_t{0}) <= at.shape.slots());
      }
    }
  }
}

TEST_CASE("every placement puts what was allocated, and the same input gives the same plan") {
  for (const auto& placement_entry : placements().entries()) {
    const auto placement = part<Placement>(placement_entry);
    int plans = 0;
    for (const auto& allocation_entry : allocations().entries()) {
      INFO(allocation_entry.name << " + " << placement_entry.name);
      const auto allocation = part<Allocation>(allocation_entry);
      if (!fit({allocation->capabilities(), placement->capabilities()})) continue;
      for (const auto& at : cases()) {
        for (const auto order : {LayerOrder::aligned, LayerOrder::independent}) {
          const auto plan = planned(*allocation, *placement, at.shape, at.loads, order);
          REQUIRE(plan == planned(*allocation, *placement, at.shape, at.loads, order));
          if (!plan) continue;
          ++plans;
          REQUIRE(plan->layers.size() == static_cast<std::size_t>(at.loads.layers));
          for (int l = 0; l < at.loads.layers; ++l) {
            const auto& layer = plan->layers[static_cast<std::size_t>(l)];
            REQUIRE(layer.expert_of_slot.size() ==
                    static_cast<std::size_t>(plan->nodes * plan->slots_per_node));
            REQUIRE(counted(layer, plan->experts) == layer.replicas);
            REQUIRE(*std::min_element(layer.replicas.begin(), layer.replicas.end()) >= 1);
          }
        }
      }
    }
    CHECK(plans > 0);
  }
}

TEST_CASE("only placements that say so draw random numbers") {
  for (const auto& entry : placements().entries()) {
    INFO(entry.name);
    const auto placement = part<Placement>(entry);
    const auto gives = placement->capabilities().gives;
    const bool says_so = std::find(gives.begin(), gives.end(), kRandomPlan) != gives.end();
    bool draws = false;
    for (const auto& allocation_entry : allocations().entries()) {
      const auto allocation = part<Allocation>(allocation_entry);
      if (!fit({allocation->capabilities(), placement->capabilities()})) continue;
      for (const auto& at : cases()) {
        const auto one = planned(*allocation, *placement, at.shape, at.loads, LayerOrder::aligned);
        draws = draws ||
                one != planned(*allocation, *placement, at.shape, at.loads, LayerOrder::aligned, 4);
      }
    }
    CHECK(draws == says_so);
  }
}

bool same(const LayerTraffic& a, const LayerTraffic& b) {
  return a.computed == b.computed && a.sent_inside == b.sent_inside &&
         a.received_inside == b.received_inside && a.sent_outside == b.sent_outside &&
         a.received_outside == b.received_outside && a.padded == b.padded;
}

std::int64_t sum(const std::vector<std::int64_t>& values) {
  return std::accumulate(values.begin(), values.end(), std::int64_t{0});
}

void check_traffic(const Dispatch& dispatch, const PlacementShape& shape, const LayerPlan& plan,
                   std::span<const std::int64_t> loads) {
  std::vector<std::int64_t> rows;
  for (int rank = 0; rank < shape.ranks(); ++rank) rows.push_back(rank % 2 == 0 ? 512 : 509);
  const auto traffic = dispatch.dispatch(shape, plan, rows, loads);
  REQUIRE(same(traffic, dispatch.dispatch(shape, plan, rows, loads)));
  for (const auto* values : {&traffic.computed, &traffic.sent_inside, &traffic.received_inside,
                             &traffic.sent_outside, &traffic.received_outside}) {
    REQUIRE(values->size() == rows.size());
    REQUIRE(*std::min_element(values->begin(), values->end()) >= 0);
  }
  REQUIRE(sum(traffic.sent_inside) == sum(traffic.received_inside));
  REQUIRE(sum(traffic.sent_outside) == sum(traffic.received_outside));
  REQUIRE(max_over_mean(traffic) >= 1.0);
  if (traffic.padded) {
    REQUIRE(sum(traffic.computed) >= sum(rows));
    return;
  }
  REQUIRE(sum(traffic.computed) == sum(rows));
  for (std::size_t i = 0; i < rows.size(); ++i) {
    // What a rank computes is what it keeps of its own and what it receives.
    const auto kept = rows[i] - traffic.sent_inside[i] - traffic.sent_outside[i];
    REQUIRE(kept >= 0);
    REQUIRE(traffic.computed[i] == kept + traffic.received_inside[i] + traffic.received_outside[i]);
  }
  const auto matrix = dispatch.matrix(shape, plan, routed_counts(rows, loads));
  if (!matrix) return;
  const auto summed = traffic_of(*matrix, shape.gpus_per_node);
  REQUIRE(summed.computed == traffic.computed);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    REQUIRE(summed.sent_inside[i] + summed.sent_outside[i] ==
            traffic.sent_inside[i] + traffic.sent_outside[i]);
  }
}

TEST_CASE("every dispatcher conserves rows under every plan it can serve") {
  for (const auto& dispatch_entry : dispatches().entries()) {
    const auto dispatch = part<Dispatch>(dispatch_entry);
    int plans = 0;
    for (const auto& placement_entry : placements().entries()) {
      const auto placement = part<Placement>(placement_entry);
      bool large_done = false;  // exact matrices of many ranks take long: one allocation has to do
      for (const auto& allocation_entry : allocations().entries()) {
        INFO(allocation_entry.name << " + " << placement_entry.name << " + "
                                   << dispatch_entry.name);
        const auto allocation = part<Allocation>(allocation_entry);
        if (!fit({allocation->capabilities(), placement->capabilities(),
                  dispatch->capabilities()})) {
          continue;
        }
        for (const auto& at : cases()) {
          const bool large = at.shape.ranks() > 64;
          if (large && large_done) continue;
          const auto plan =
              planned(*allocation, *placement, at.shape, at.loads, LayerOrder::aligned);
          if (!plan) continue;
          ++plans;
          large_done = large_done || large;
          auto shape = at.shape;
          shape.nodes = plan->nodes;
          for (int l = 0; l < at.loads.layers; ++l) {
            check_traffic(*dispatch, shape, plan->layers[static_cast<std::size_t>(l)],
                          at.loads.row(l));
          }
        }
      }
    }
    INFO(dispatch_entry.name);
    CHECK(plans > 0);
  }
}

// The bound is the suite's own time limit: what grows too fast never ends.
TEST_CASE("every part ends at 10,000 slots") {
  PlacementShape shape{.nodes = 1250, .gpus_per_node = 8, .slots_per_gpu = 1, .experts = 8};
  LoadMatrix loads(1, 8);
  for (int e = 0; e < 8; ++e) loads.values[static_cast<std::size_t>(e)] = 1 << e;
  int plans = 0;
  for (const auto& placement_entry : placements().entries()) {
    const auto placement = part<Placement>(placement_entry);
    for (const auto& allocation_entry : allocations().entries()) {
      const auto allocation = part<Allocation>(allocation_entry);
      if (!fit({allocation->capabilities(), placement->capabilities()})) continue;
      const auto plan = planned(*allocation, *placement, shape, loads, LayerOrder::aligned);
      REQUIRE(plan.has_value());
      ++plans;
      const std::vector<std::int64_t> rows(10000, 4096);
      for (const auto& dispatch_entry : dispatches().entries()) {
        const auto dispatch = part<Dispatch>(dispatch_entry);
        if (!fit({allocation->capabilities(), placement->capabilities(),
                  dispatch->capabilities()})) {
          continue;
        }
        dispatch->dispatch(shape, plan->layers[0], rows, loads.row(0));
      }
      recovery_curve(*plan, 8);
    }
  }
  CHECK(plans > 0);
}

}  // namespace
}  // namespace bethany
