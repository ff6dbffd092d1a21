// Exact binding and exact schedules against all permutations and all choices of owners.

#include <rapidcheck.h>

#include <functional>
#include <numeric>
#include <set>
#include <tuple>

#include "sim/placement/binding.h"
#include "sim/placement/lazy_greedy.h"
#include "tests/sim/placement/naive.h"

namespace bethany {
namespace {

using States = std::set<std::pair<int, int>>;  // (layer, expert)

/// A plan of which only the experts of each node matter; every slot may be vacant.
PlacementPlan random_plan(int nodes, int layers, int experts, int slots) {
  PlacementPlan plan{.nodes = nodes,
                     .gpus_per_node = 1,
                     .slots_per_node = slots,
                     .experts = experts,
                     .layers = {}};
  for (int l = 0; l < layers; ++l) {
    LayerPlan layer;
    for (int slot = 0; slot < nodes * slots; ++slot) {
      layer.expert_of_slot.push_back(*rc::gen::inRange(-1, experts));
    }
    layer.replicas = naive::counted(layer, experts);
    plan.layers.push_back(layer);
  }
  return plan;
}

States states_at(const PlacementPlan& plan, int place) {
  States states;
  for (int l = 0; place >= 0 && l < static_cast<int>(plan.layers.size()); ++l) {
    for (const auto e : plan.node_slots(l, place)) {
      if (e != kVacant) states.emplace(l, e);
    }
  }
  return states;
}

/// A plan change of few machines. Its state is complete: a last layer-wide holder has everything
/// that the others lack.
struct Change {
  PlacementPlan before, after;
  std::vector<int> place_of;
  std::vector<std::int32_t> domain_of;
  std::vector<States> needs, held;

  Holdings holdings() const { return {.plan = &before, .place_of = place_of}; }
  std::size_t missing(std::size_t place, std::size_t machine) const {
    return static_cast<std::size_t>(
        std::count_if(needs[place].begin(), needs[place].end(),
                      [&](const auto& state) { return held[machine].count(state) == 0; }));
  }
  std::size_t missing(const std::vector<int>& machine_of_place) const {
    std::size_t sum = 0;
    for (std::size_t p = 0; p < machine_of_place.size(); ++p) {
      sum += missing(p, static_cast<std::size_t>(machine_of_place[p]));
    }
    return sum;
  }
  bool allowed(std::size_t place, std::size_t machine) const {
    return domain_of.empty() || domain_of[place] == domain_of[machine];
  }
};

/// `most` machines at most. Few experts, so that ties abound. Empty when some state is lost.
std::optional<Change> random_change(int most, bool domains = false) {
  Change change;
  const int experts = *rc::gen::inRange(1, 6);
  const int layers = *rc::gen::inRange(1, 3);
  const int slots = *rc::gen::inRange(1, 4);
  const int n = *rc::gen::inRange(1, most + 1);
  const int old = *rc::gen::inRange(1, most + 1);
  change.before = random_plan(old, layers, experts, slots);
  change.after = random_plan(n, layers, experts, slots);
  if (*rc::gen::inRange(0, 3) == 0) {  // many nodes alike
    for (auto& layer : change.before.layers) {
      for (auto& expert : layer.expert_of_slot) expert = std::min(expert, 1);
    }
  }
  change.place_of.assign(static_cast<std::size_t>(n), -1);
  std::vector<int> places(static_cast<std::size_t>(std::max(n, old)));
  std::iota(places.begin(), places.end(), 0);
  for (std::size_t i = places.size(); i > 1; --i) {
    std::swap(places[i - 1], places[*rc::gen::inRange<std::size_t>(0, i)]);
  }
  States alive;
  States needed;
  for (std::size_t m = 0; m < change.place_of.size(); ++m) {
    if (places[m] < old && *rc::gen::inRange(0, 6) != 0) change.place_of[m] = places[m];
    change.held.push_back(states_at(change.before, change.place_of[m]));
    change.needs.push_back(states_at(change.after, static_cast<int>(m)));
    alive.insert(change.held.back().begin(), change.held.back().end());
    needed.insert(change.needs.back().begin(), change.needs.back().end());
  }
  // The schedule needs an owner for what is fetched; nothing else need be there.
  if (!std::includes(alive.begin(), alive.end(), needed.begin(), needed.end())) return {};
  const bool holder = std::any_of(change.place_of.begin(), change.place_of.end(),
                                  [](int place) { return place >= 0; });
  if (!holder) return {};
  if (domains) {
    for (int i = 0; i < n; ++i) change.domain_of.push_back(*rc::gen::inRange(0, 3));
  }
  return change;
}

/// The pairs that both methods bind first.
std::vector<int> equal_pairs(const Change& change) {
  const std::size_t n = change.needs.size();
  std::vector<int> machine_of(n, -1);
  std::vector<bool> taken(n);
  const auto fits = [&](std::size_t p, std::size_t m) {
    return machine_of[p] < 0 && !taken[m] && change.place_of[m] >= 0 && change.allowed(p, m) &&
           change.needs[p] == change.held[m];
  };
  for (std::size_t m = 0; m < n; ++m) {
    const auto place = static_cast<std::size_t>(change.place_of[m]);
    if (change.place_of[m] >= 0 && place < n && fits(place, m)) {
      machine_of[place] = static_cast<int>(m);
      taken[m] = true;
    }
  }
  for (std::size_t p = 0; p < n; ++p) {
    for (std::size_t m = 0; m < n; ++m) {
      if (!fits(p, m)) continue;
      machine_of[p] = static_cast<int>(m);
      taken[m] = true;
    }
  }
  return machine_of;
}

constexpr StateSizes kSizes{.dense_bytes = 1000, .expert_bytes = 10, .checkpoint_bytes = 0};

TEST_CASE("min-cost binding is the first of the best of all permutations") {
  int compared = 0;
  CHECK(rc::check([&] {
    const auto found = random_change(7, *rc::gen::arbitrary<bool>());
    if (!found) return;
    const auto& change = *found;
    const std::size_t n = change.needs.size();
    const auto fixed = equal_pairs(change);
    std::vector<int> permutation(n);
    std::iota(permutation.begin(), permutation.end(), 0);
    std::size_t least = SIZE_MAX;
    std::size_t least_with_equal = SIZE_MAX;
    std::vector<int> first;
    do {
      bool legal = true;
      bool keeps_equal = true;
      for (std::size_t p = 0; p < n; ++p) {
        legal = legal && change.allowed(p, static_cast<std::size_t>(permutation[p]));
        keeps_equal = keeps_equal && (fixed[p] < 0 || fixed[p] == permutation[p]);
      }
      if (!legal) continue;
      const std::size_t cost = change.missing(permutation);
      least = std::min(least, cost);
      if (keeps_equal && cost < least_with_equal) least_with_equal = cost, first = permutation;
    } while (std::next_permutation(permutation.begin(), permutation.end()));
    const auto binding =
        bind_plan(change.after, change.holdings(), kSizes,
                  {.method = BindingMethod::min_cost, .domain_of = change.domain_of});
    RC_ASSERT(least_with_equal == least);
    RC_ASSERT(binding.machine_of_place == first);
    RC_ASSERT(binding.least_moved);
    RC_ASSERT(static_cast<std::size_t>(binding.summary.experts_moved) == least);
    const auto greedy = bind_plan(change.after, change.holdings(), kSizes,
                                  {.method = BindingMethod::greedy, .domain_of = change.domain_of});
    RC_ASSERT(greedy.summary.experts_moved >= binding.summary.experts_moved);
    for (std::size_t p = 0; p < n; ++p) {
      RC_ASSERT(change.allowed(p, static_cast<std::size_t>(greedy.machine_of_place[p])));
    }
    ++compared;
  }));
  CHECK(compared > 20);
}

/// The busiest port over all choices of owners, the dense state being spread at will.
std::int64_t least_busiest(const Change& change, const std::vector<int>& machine_of_place,
                           const StateSizes& sizes) {
  const std::size_t n = change.needs.size();
  std::vector<std::int64_t> received(n);
  std::vector<std::vector<std::size_t>> owners_of_request;
  std::int64_t dense = 0;
  for (std::size_t p = 0; p < n; ++p) {
    const auto m = static_cast<std::size_t>(machine_of_place[p]);
    if (change.place_of[m] < 0) {
      received[m] += sizes.dense_bytes;
      dense += sizes.dense_bytes;
    }
    for (const auto& state : change.needs[p]) {
      if (change.held[m].count(state) > 0) continue;
      received[m] += sizes.expert_bytes;
      owners_of_request.emplace_back();
      for (std::size_t owner = 0; owner < n; ++owner) {
        if (change.held[owner].count(state) > 0) owners_of_request.back().push_back(owner);
      }
    }
  }
  std::vector<std::int64_t> sent(n);
  std::int64_t best = INT64_MAX;
  const std::function<void(std::size_t)> choose = [&](std::size_t request) {
    if (request < owners_of_request.size()) {
      for (const std::size_t owner : owners_of_request[request]) {
        sent[owner] += sizes.expert_bytes;
        choose(request + 1);
        sent[owner] -= sizes.expert_bytes;
      }
      return;
    }
    std::int64_t level = *std::max_element(sent.begin(), sent.end());
    for (;; ++level) {
      std::int64_t room = 0;
      for (std::size_t m = 0; m < n; ++m) room += change.place_of[m] >= 0 ? level - sent[m] : 0;
      if (room >= dense) break;
    }
    best = std::min(best, std::max(level, *std::max_element(received.begin(), received.end())));
  };
  choose(0);
  return best;
}

/// Every machine has in the end what its place needs, and nobody sends what it has not.
void check_complete(const Change& change, const Binding& binding, const StateSizes& sizes) {
  auto has = change.held;
  std::vector<std::int64_t> dense(has.size());
  for (const auto& transfer : binding.transfers) {
    const auto from = static_cast<std::size_t>(transfer.from);
    const auto to = static_cast<std::size_t>(transfer.to);
    RC_ASSERT(transfer.bytes > 0);
    if (transfer.expert < 0) {
      RC_ASSERT(change.place_of[from] >= 0);
      RC_ASSERT(change.place_of[to] < 0);
      dense[to] += transfer.bytes;
    } else {
      RC_ASSERT(change.held[from].count({transfer.layer, transfer.expert}) == 1U);
      RC_ASSERT(has[to].insert({transfer.layer, transfer.expert}).second);
      RC_ASSERT(transfer.bytes == sizes.expert_bytes);
    }
  }
  for (std::size_t p = 0; p < has.size(); ++p) {
    const auto m = static_cast<std::size_t>(binding.machine_of_place[p]);
    RC_ASSERT(std::includes(has[m].begin(), has[m].end(), change.needs[p].begin(),
                            change.needs[p].end()));
    RC_ASSERT(dense[m] == (change.place_of[m] < 0 ? sizes.dense_bytes : 0));
  }
}

TEST_CASE("the exact schedule has the least busiest port of all schedules") {
  int compared = 0;
  CHECK(rc::check([&] {
    const auto found = random_change(5);
    if (!found) return;
    const StateSizes sizes{.dense_bytes = *rc::gen::element<std::int64_t>(1, 7, 25, 100),
                           .expert_bytes = *rc::gen::element<std::int64_t>(1, 10),
                           .checkpoint_bytes = 0};
    const auto binding = bind_plan(found->after, found->holdings(), sizes,
                                   {.method = BindingMethod::min_cost, .domain_of = {}});
    if (binding.summary.experts_moved > 9) return;  // at most 5^9 choices
    ++compared;
    check_complete(*found, binding, sizes);
    const auto best = least_busiest(*found, binding.machine_of_place, sizes);
    RC_ASSERT(binding.summary.busiest_port_bytes == best);
  }));
  CHECK(compared > 20);
}

TEST_CASE("of one assignment, the exact schedule is never busier than the published one") {
  CHECK(rc::check([&] {
    const auto found = random_change(12);
    if (!found) return;
    auto change = *found;
    // Binding to itself: place i goes to machine i in both.
    const auto published =
        keep_places(change.after, change.holdings(), kSizes, BindingMethod::greedy);
    const auto exact =
        keep_places(change.after, change.holdings(), kSizes, BindingMethod::min_cost);
    RC_ASSERT(exact.machine_of_place == published.machine_of_place);
    RC_ASSERT(exact.summary.total_bytes == published.summary.total_bytes);
    RC_ASSERT(exact.summary.busiest_port_bytes <= published.summary.busiest_port_bytes);
    check_complete(change, exact, kSizes);
    check_complete(change, published, kSizes);
  }));
}

TEST_CASE("where the greedy rule moves more") {
  // Greedy gives place 0 the machine that place 1 needs: both cost 1 to it, and ties go by place.
  const auto plan_of = [](const std::vector<std::int32_t>& slots) {
    PlacementPlan plan{
        .nodes = 2, .gpus_per_node = 1, .slots_per_node = 3, .experts = 6, .layers = {}};
    plan.layers.push_back({{}, slots});
    plan.layers[0].replicas = naive::counted(plan.layers[0], 6);
    return plan;
  };
  const auto before = plan_of({0, 1, 2, 0, 3, kVacant});
  const auto after = plan_of({0, 1, 3, 1, 2, 3});
  const Holdings holdings{.plan = &before, .place_of = {0, 1}};
  const auto greedy = bind_plan(after, holdings, kSizes);
  CHECK(greedy.machine_of_place == std::vector<int>{0, 1});
  CHECK(greedy.summary.experts_moved == 3);
  CHECK_FALSE(greedy.least_moved);
  const auto exact = bind_plan(after, holdings, kSizes, {BindingMethod::min_cost, {}});
  CHECK(exact.machine_of_place == std::vector<int>{1, 0});
  CHECK(exact.summary.experts_moved == 2);
  CHECK(exact.least_moved);
}

/// The published rule by looking at all pairs again and again.
std::vector<int> plain_greedy(const Change& change) {
  auto machine_of = equal_pairs(change);
  std::vector<bool> taken(machine_of.size());
  for (const int machine : machine_of) {
    if (machine >= 0) taken[static_cast<std::size_t>(machine)] = true;
  }
  for (;;) {
    std::tuple<std::size_t, std::size_t, std::size_t> best{SIZE_MAX, 0, 0};
    for (std::size_t p = 0; p < machine_of.size(); ++p) {
      for (std::size_t m = 0; machine_of[p] < 0 && m < machine_of.size(); ++m) {
        if (!taken[m]) best = std::min(best, {change.missing(p, m), p, m});
      }
    }
    const auto [cost, place, machine] = best;
    if (cost == SIZE_MAX) return machine_of;
    machine_of[place] = static_cast<int>(machine);
    taken[machine] = true;
  }
}

TEST_CASE("the greedy rule without a table of pairs binds as the rule says") {
  CHECK(rc::check([&] {
    const auto found = random_change(20);
    if (!found) return;
    auto change = *found;
    const auto n = static_cast<int>(change.needs.size());
    const auto layers = static_cast<int>(change.after.layers.size());
    ExpertBits needs(n, layers, change.after.experts);
    ExpertBits held(n, layers, change.after.experts);
    std::vector<std::uint32_t> all;
    for (int i = 0; i < n; ++i) {
      const auto row = static_cast<std::size_t>(i);
      needs.add_node(change.after, i, row);
      if (change.place_of[row] >= 0) held.add_node(change.before, change.place_of[row], row);
      all.push_back(static_cast<std::uint32_t>(i));
    }
    const auto bound = lazy_greedy(needs, held, all, all);
    change.place_of.assign(change.place_of.size(), -1);  // no pair comes first
    const auto plain = plain_greedy(change);
    RC_ASSERT(std::equal(bound.begin(), bound.end(), plain.begin(), plain.end(),
                         [](std::uint32_t a, int b) { return static_cast<int>(a) == b; }));
  }));
}

TEST_CASE("the dense state comes in pieces from all that have it") {
  // Three holders that send nothing else, one newcomer: a third each.
  PlacementPlan plan{
      .nodes = 4, .gpus_per_node = 1, .slots_per_node = 1, .experts = 1, .layers = {}};
  plan.layers.push_back({{3}, {0, 0, 0, kVacant}});
  const Holdings holdings{.plan = &plan, .place_of = {0, 1, 2, -1}};
  const StateSizes sizes{.dense_bytes = 100, .expert_bytes = 10, .checkpoint_bytes = 0};
  const auto exact = bind_plan(plan, holdings, sizes, {BindingMethod::min_cost, {}});
  REQUIRE(exact.transfers.size() == 3);
  CHECK(exact.transfers[0].bytes == 34);
  CHECK(exact.transfers[1].bytes == 34);
  CHECK(exact.transfers[2].bytes == 32);
  CHECK(exact.summary.dense_copies == 1);
  CHECK(exact.summary.busiest_port_bytes == 100);  // what the newcomer receives
}

TEST_CASE("an unchanged plan moves nothing with exact binding either") {
  CHECK(rc::check([] {
    const int n = *rc::gen::inRange(1, 30);
    const auto plan = random_plan(n, *rc::gen::inRange(1, 4), 6, 3);
    std::vector<int> place_of(static_cast<std::size_t>(n));
    std::iota(place_of.begin(), place_of.end(), 0);
    for (std::size_t i = place_of.size(); i > 1; --i) {
      std::swap(place_of[i - 1], place_of[*rc::gen::inRange<std::size_t>(0, i)]);
    }
    const auto binding = bind_plan(plan, {.plan = &plan, .place_of = place_of}, kSizes,
                                   {BindingMethod::min_cost, {}});
    RC_ASSERT(binding.transfers.empty());
    RC_ASSERT(binding.least_moved);
  }));
}

}  // namespace
}  // namespace bethany
