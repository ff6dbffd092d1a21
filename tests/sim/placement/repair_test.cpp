// Parts that start from the plan in force: repair of elastic serving engines, and FlexMoE.

#include <rapidcheck.h>

#include <algorithm>
#include <numeric>

#include "sim/placement/flexmoe_schedule.h"
#include "tests/sim/placement/naive.h"

namespace bethany {
namespace {

using naive::Counts;
using naive::Loads;

PreviousPlan in_force(const PlacementShape& shape, const LayerRows& layers,
                      std::vector<std::int32_t> places) {
  const auto slots = static_cast<std::size_t>(shape.slots_per_node());
  PreviousPlan previous{.plan = {.nodes = static_cast<int>(layers.front().size() / slots),
                                 .gpus_per_node = shape.gpus_per_node,
                                 .slots_per_node = shape.slots_per_node(),
                                 .experts = shape.experts,
                                 .layers = {}},
                        .place_of = std::move(places)};
  for (const auto& rows : layers) {
    Counts counts(static_cast<std::size_t>(shape.experts));
    for (const auto e : rows) {
      if (e != kVacant) ++counts[static_cast<std::size_t>(e)];
    }
    previous.plan.layers.push_back({counts, rows});
  }
  return previous;
}

std::variant<PlacementPlan, Infeasible> planned(const std::string& allocation,
                                                const std::string& placement,
                                                const PlacementShape& shape,
                                                const LoadMatrix& loads,
                                                const std::string& options = "{}") {
  auto rng = RngStreams(1, 0).stream("test");
  const bool same = allocation == placement;
  return make_plan(*naive::part(allocations(), allocation, same ? options : "{}"),
                   *naive::part(placements(), placement, options), shape, LayerOrder::aligned,
                   loads, rng);
}

LayerPlan repaired(const PlacementShape& shape, const Loads& loads) {
  const auto made = planned("uniform", "repair", shape, naive::one_layer(loads));
  REQUIRE(std::holds_alternative<PlacementPlan>(made));
  return std::get<PlacementPlan>(made).layers.front();
}

/// What a new plan's slots held before, kVacant at newcomers.
Counts held_before(const PlacementShape& shape, const PreviousPlan& previous) {
  Counts held;
  for (const auto place : previous.place_of) {
    if (place < 0) {
      held.insert(held.end(), static_cast<std::size_t>(shape.slots_per_node()), kVacant);
    } else {
      const auto slots = previous.plan.node_slots(0, place);
      held.insert(held.end(), slots.begin(), slots.end());
    }
  }
  return held;
}

TEST_CASE("repair keeps what survives and gives the lost expert a slot of one with a spare") {
  // Node 1 of three is lost, and with it experts 2 and 3; 0 and 1 have spares, 1 the lighter load.
  auto shape = naive::shape(2, 3, 4);
  const auto previous = in_force(shape, {{0, 0, 1, 2, 3, 3, 0, 1, 1}}, {0, 2});
  shape.previous = &previous;
  const auto layer = repaired(shape, {90, 12, 30, 20});
  // 1 gives two of its three: its load per replica stays below that of 0. The first goes where two
  // are, the second from the node that carries more; the heavier lost expert goes to the other one.
  CHECK(layer.expert_of_slot == Counts{0, 0, 3, 0, 1, 2});
  CHECK(layer.replicas == Counts{3, 1, 1, 1});
}

TEST_CASE("a newcomer takes the lost experts first, then those with most load per replica") {
  auto shape = naive::shape(3, 3, 4);
  const auto previous = in_force(shape, {{0, 0, 1, 2, 3, 3, 0, 1, 1}}, {0, -1, 2});
  shape.previous = &previous;
  // 90/3 = 30 of expert 0 is then the most.
  CHECK(repaired(shape, {90, 12, 30, 20}).expert_of_slot == Counts{0, 0, 1, 0, 2, 3, 0, 1, 1});
}

TEST_CASE("nothing changes when nothing is lost, vacant slots included") {
  auto shape = naive::shape(2, 4, 3, 2);
  const Counts rows{0, kVacant, 1, 2, 2, kVacant, kVacant, kVacant};
  const auto previous = in_force(shape, {rows}, {0, 1});
  shape.previous = &previous;
  CHECK(repaired(shape, {5, 5, 50}).expert_of_slot == rows);
}

TEST_CASE("repair refuses too few slots and a plan in force of another shape") {
  auto shape = naive::shape(1, 3, 4);
  const auto previous = in_force(shape, {{0, 0, 1, 2, 3, 3}}, {1});
  shape.previous = &previous;
  auto made = planned("uniform", "repair", shape, naive::one_layer({1, 1, 1, 1}));
  REQUIRE(std::holds_alternative<Infeasible>(made));
  shape.slots_per_gpu = 4;
  auto rng = RngStreams(1, 0).stream("test");
  const auto placed =
      naive::part(placements(), "repair")->place(shape, Counts{1, 1, 1, 1}, Loads{1, 1, 1, 1}, rng);
  REQUIRE(std::holds_alternative<Infeasible>(placed));
  CHECK(std::get<Infeasible>(placed).reason ==
        "the plan in force has 1 layers of 4 experts on nodes of 1 GPUs and 3 slots; now there are "
        "1 layers of 4 experts on nodes of 1 GPUs and 4 slots");
}

/// How many slots differ from `held` at least, of those that held something, when every expert
/// lives: by looking at every filling of the slots.
int fewest_changes(const Counts& held, int experts) {
  int best = static_cast<int>(held.size()) + 1;
  Counts rows(held.size(), kVacant);
  for (;;) {
    int changed = 0;
    std::uint32_t alive = 0;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (rows[i] != kVacant) alive |= 1U << rows[i];
      if (held[i] != kVacant && rows[i] != held[i]) ++changed;
    }
    if (alive == (1U << experts) - 1) best = std::min(best, changed);
    std::size_t at = 0;
    while (at < rows.size() && rows[at] == experts - 1) rows[at++] = kVacant;
    if (at == rows.size()) return best;
    ++rows[at];
  }
}

Counts sorted(std::span<const std::int32_t> values) {
  Counts result(values.begin(), values.end());
  std::sort(result.begin(), result.end());
  return result;
}

/// How many of `held` a node does not hold any more, GPU by GPU.
int given_up(const PlacementShape& shape, const Counts& held, const Counts& rows) {
  int count = 0;
  const auto slots = static_cast<std::size_t>(shape.slots_per_gpu);
  for (std::size_t at = 0; at < rows.size(); at += slots) {
    const auto before = sorted(std::span(held).subspan(at, slots));
    const auto after = sorted(std::span(rows).subspan(at, slots));
    Counts missing;
    std::set_difference(before.begin(), before.end(), after.begin(), after.end(),
                        std::back_inserter(missing));
    count += static_cast<int>(
        std::count_if(missing.begin(), missing.end(), [](auto e) { return e != kVacant; }));
  }
  return count;
}

TEST_CASE("repair makes every expert live again with as few given-up replicas as can be") {
  CHECK(rc::check([] {
    const int gpus = *rc::gen::inRange(1, 3);
    const int slots = gpus == 1 ? *rc::gen::inRange(1, 4) : 1;
    const int nodes = *rc::gen::inRange(1, 7 / (gpus * slots) + 1);
    const int old_nodes = nodes + *rc::gen::inRange(0, 3);
    const int experts = *rc::gen::inRange(1, std::min(4, nodes * gpus * slots) + 1);
    auto shape = naive::shape(nodes, gpus * slots, experts, gpus);
    auto rows = *rc::gen::container<Counts>(static_cast<std::size_t>(old_nodes * gpus * slots),
                                            rc::gen::inRange(kVacant, experts));
    // Vacant slots are last on a GPU.
    for (auto at = rows.begin(); at != rows.end(); at += slots) {
      std::sort(at, at + slots, [](auto a, auto b) {
        return static_cast<std::uint32_t>(a) < static_cast<std::uint32_t>(b);
      });
    }
    std::vector<std::int32_t> places;
    for (int place = old_nodes - nodes; place < old_nodes; ++place) {
      places.push_back(*rc::gen::inRange(0, 4) == 0 ? -1 : place);
    }
    const auto previous = in_force(shape, {rows}, places);
    shape.previous = &previous;
    const auto loads = *rc::gen::container<Loads>(static_cast<std::size_t>(experts),
                                                  rc::gen::inRange<std::int64_t>(0, 9));
    const auto held = held_before(shape, previous);
    const auto layer = repaired(shape, loads);
    RC_ASSERT(*std::min_element(layer.replicas.begin(), layer.replicas.end()) >= 1);
    RC_ASSERT(given_up(shape, held, layer.expert_of_slot) == fewest_changes(held, experts));
    // A newcomer has no vacant slot; a survivor's stays vacant unless a lost expert needs it.
    for (std::size_t slot = 0; slot < held.size(); ++slot) {
      const auto node = slot / static_cast<std::size_t>(shape.slots_per_node());
      if (places[node] < 0) RC_ASSERT(layer.expert_of_slot[slot] != kVacant);
    }
  }));
}

TEST_CASE("without a plan in force repair keeps the counts it is given") {
  const auto shape = naive::shape(3, 4, 4, 2);
  const auto made = planned("eplb", "repair", shape, naive::one_layer({40, 30, 9, 9}));
  REQUIRE(std::holds_alternative<PlacementPlan>(made));
  const auto counts = naive::part(allocations(), "eplb")->allocate(shape, Loads{40, 30, 9, 9});
  CHECK(std::get<PlacementPlan>(made).layers.front().replicas == std::get<Counts>(counts));
}

FlexMoeSchedule schedule(const std::string& options) {
  const auto node = parse_json(options, "test");
  ObjectReader reader(node, "");
  FlexMoeSchedule made(reader);
  reader.finish();
  return made;
}

/// FlexMoE's cost of one layer, in seconds, with the default constants.
double cost(const PlacementShape& shape, const Counts& rows, const Loads& loads) {
  const auto experts = static_cast<std::size_t>(shape.experts);
  const auto slots = static_cast<std::size_t>(shape.slots_per_gpu);
  const double total = static_cast<double>(std::accumulate(loads.begin(), loads.end(), 0LL));
  const double gpus = shape.ranks();
  std::vector<double> copies(experts);
  std::vector<double> hosts(experts);
  for (std::size_t at = 0; at < rows.size(); ++at) {
    if (rows[at] == kVacant) continue;
    const auto e = static_cast<std::size_t>(rows[at]);
    ++copies[e];
    const auto begin = rows.begin() + static_cast<std::ptrdiff_t>(at / slots * slots);
    hosts[e] += std::find(begin, rows.begin() + static_cast<std::ptrdiff_t>(at), rows[at]) ==
                rows.begin() + static_cast<std::ptrdiff_t>(at);
  }
  double most = 0;
  for (std::size_t at = 0; at < rows.size(); at += slots) {
    double seconds = 0;
    for (std::size_t e = 0; e < experts; ++e) {
      const auto here = std::count(rows.begin() + static_cast<std::ptrdiff_t>(at),
                                   rows.begin() + static_cast<std::ptrdiff_t>(at + slots),
                                   static_cast<std::int32_t>(e));
      if (here == 0) continue;
      const double share =
          total == 0 ? 1.0 / static_cast<double>(experts) : static_cast<double>(loads[e]) / total;
      const double tokens = share * 8192 * gpus * static_cast<double>(here) / copies[e];
      seconds += tokens * (1.484e-6 + 4 * 8192.0 * (gpus - 1) / gpus / 89e9);
      if (hosts[e] > 1) seconds += 2 * 352321536.0 * (hosts[e] - 1) / hosts[e] / 89e9;
    }
    most = std::max(most, seconds);
  }
  return most;
}

TEST_CASE("flexmoe never costs more than where it started, and makes few changes") {
  CHECK(rc::check([] {
    const int nodes = *rc::gen::inRange(1, 5);
    const int gpus = *rc::gen::inRange(1, 3);
    const int slots = *rc::gen::inRange(1, 4);
    const int experts = *rc::gen::inRange(1, nodes * gpus * slots + 1);
    auto shape = naive::shape(nodes, gpus * slots, experts, gpus);
    const auto loads = *rc::gen::container<Loads>(static_cast<std::size_t>(experts),
                                                  rc::gen::inRange<std::int64_t>(0, 1000));
    const auto matrix = naive::one_layer(loads);
    const int limit = *rc::gen::inRange(0, 5);
    const auto run = [&](int iterations) {
      const auto made =
          schedule("{\"max_iterations\": " + std::to_string(iterations) + "}").run(shape, matrix);
      return std::get<FlexMoeSchedule::Result>(made);
    };
    const auto start = run(0);
    RC_ASSERT(start.changes == 0);
    PreviousPlan previous;
    if (*rc::gen::arbitrary<bool>()) {  // as the plan in force
      std::vector<std::int32_t> places(static_cast<std::size_t>(nodes));
      std::iota(places.begin(), places.end(), 0);
      previous = in_force(shape, start.rows, places);
      shape.previous = &previous;
      RC_ASSERT(run(0).rows == start.rows);
    }
    const auto result = run(limit);
    RC_ASSERT(result.changes <= limit);
    RC_ASSERT(cost(shape, result.rows[0], loads) <= cost(shape, start.rows[0], loads) * (1 + 1e-6));
    // A change touches two slots at most.
    const auto slots_per_gpu = static_cast<std::size_t>(slots);
    int moved = 0;
    for (std::size_t at = 0; at < start.rows[0].size(); at += slots_per_gpu) {
      const auto before = sorted(std::span(start.rows[0]).subspan(at, slots_per_gpu));
      const auto after = sorted(std::span(result.rows[0]).subspan(at, slots_per_gpu));
      Counts gained;
      std::set_difference(after.begin(), after.end(), before.begin(), before.end(),
                          std::back_inserter(gained));
      moved += static_cast<int>(gained.size());
    }
    RC_ASSERT(moved <= 2 * result.changes);
    for (int e = 0; e < experts; ++e) {
      RC_ASSERT(std::count(result.rows[0].begin(), result.rows[0].end(), e) >= 1);
    }
  }));
}

TEST_CASE("flexmoe expands the hot expert and shrinks the cold one, and its threshold stops it") {
  const auto shape = naive::shape(4, 2, 4);
  const auto loads = naive::one_layer({7000, 1000, 1000, 1000});
  const auto counts_with = [&](const std::string& options) {
    const auto made = planned("flexmoe", "flexmoe", shape, loads, options);
    return std::get<PlacementPlan>(made).layers[0].replicas;
  };
  const std::string cheap = R"("expert_bytes": "1MB")";
  CHECK(counts_with("{" + cheap + R"(, "max_iterations": 1})") == Counts{3, 1, 2, 2});
  CHECK(counts_with("{" + cheap + R"(, "threshold": 2})") == Counts{2, 2, 2, 2});
  // The gradients of the further replicas cost more than the tokens that they take.
  CHECK(counts_with(R"({"expert_bytes": "8GiB"})") == Counts{2, 2, 2, 2});
}

}  // namespace
}  // namespace bethany
