#include "sim/placement/binding.h"

#include <algorithm>
#include <numeric>

#include "sim/base/check.h"
#include "sim/placement/bits.h"
#include "sim/placement/expert_bits.h"
#include "sim/placement/lazy_greedy.h"
#include "sim/placement/least_moved.h"
#include "sim/placement/transfer_schedule.h"

namespace bethany {
namespace {

ExpertBits needs_of(const PlacementPlan& plan) {
  ExpertBits needs(plan.nodes, static_cast<int>(plan.layers.size()), plan.experts);
  for (int node = 0; node < plan.nodes; ++node) {
    needs.add_node(plan, node, static_cast<std::size_t>(node));
  }
  return needs;
}

ExpertBits held_by(const Holdings& holdings) {
  const auto& plan = *holdings.plan;
  ExpertBits held(static_cast<int>(holdings.place_of.size()), static_cast<int>(plan.layers.size()),
                  plan.experts);
  for (std::size_t machine = 0; machine < holdings.place_of.size(); ++machine) {
    const int place = holdings.place_of[machine];
    BETHANY_CHECK(place < plan.nodes, "place {} of {}", place, plan.nodes);
    if (place >= 0) held.add_node(plan, place, machine);
  }
  return held;
}

/// Binds places to machines of their domains, rule after rule.
class Binder {
 public:
  Binder(const ExpertBits& needs, const ExpertBits& held,
         const std::vector<std::int32_t>& domain_of, std::vector<int>& machine_of_place)
      : needs_(needs),
        held_(held),
        domain_of_(domain_of),
        machine_of_place_(machine_of_place),
        taken_(machine_of_place.size()) {}

  /// Places whose experts are exactly what a machine holds cost nothing and waste nothing: bound
  /// first, so that an unchanged plan stays where it is. A machine's own old place comes first.
  /// Some assignment that moves least has such a pair (p, m): where another has p on m' and p' on
  /// m, exchanging the two adds at most |needs(p') - held(m')| <= |needs(p') - held(m)| +
  /// |held(m) - held(m')|, and held(m) = needs(p), so it costs no more.
  void bind_equal(const std::vector<int>& place_of) {
    const std::size_t n = machine_of_place_.size();
    for (std::size_t machine = 0; machine < n; ++machine) {
      const int place = place_of[machine];
      if (place >= 0 && static_cast<std::size_t>(place) < n && free(place) &&
          allowed(static_cast<std::size_t>(place), machine) &&
          equal(static_cast<std::size_t>(place), machine)) {
        bind(static_cast<std::size_t>(place), machine);
      }
    }
    std::vector<std::size_t> machines;  // free ones, in the order of what they hold
    for (std::size_t machine = 0; machine < n; ++machine) {
      if (!taken_[machine] && place_of[machine] >= 0) machines.push_back(machine);
    }
    std::sort(machines.begin(), machines.end(), [&](std::size_t a, std::size_t b) {
      const int order = compare(held_.row(a), held_.row(b));
      return order != 0 ? order < 0 : a < b;
    });
    for (std::size_t place = 0; place < n; ++place) {
      if (machine_of_place_[place] >= 0) continue;
      auto at = std::lower_bound(machines.begin(), machines.end(), place,
                                 [&](std::size_t machine, std::size_t p) {
                                   return compare(held_.row(machine), needs_.row(p)) < 0;
                                 });
      while (at != machines.end() && equal(place, *at) &&
             (taken_[*at] != 0 || !allowed(place, *at))) {
        ++at;
      }
      if (at != machines.end() && equal(place, *at)) bind(place, *at);
    }
  }

  /// The rest by the method, domain after domain. Whether no assignment moves less.
  bool bind_rest(BindingMethod method) {
    bool least_moved = method == BindingMethod::min_cost;
    std::vector<std::int32_t> domains = domain_of_;
    if (domains.empty()) domains.push_back(0);
    std::sort(domains.begin(), domains.end());
    domains.erase(std::unique(domains.begin(), domains.end()), domains.end());
    for (const std::int32_t domain : domains) {
      std::vector<std::uint32_t> places;
      std::vector<std::uint32_t> machines;
      for (std::size_t i = 0; i < machine_of_place_.size(); ++i) {
        if (!domain_of_.empty() && domain_of_[i] != domain) continue;
        if (machine_of_place_[i] < 0) places.push_back(static_cast<std::uint32_t>(i));
        if (taken_[i] == 0) machines.push_back(static_cast<std::uint32_t>(i));
      }
      if (places.empty()) continue;
      if (method == BindingMethod::min_cost) {
        const auto best = least_moved_assignment(needs_, held_, places, machines);
        for (std::size_t i = 0; i < best.size(); ++i) bind(places[i], best[i]);
        if (!best.empty()) continue;
      }
      if (places.size() <= kMostListed) {
        bind_greedily(places, machines);
      } else {
        const auto bound = lazy_greedy(needs_, held_, places, machines);
        for (std::size_t i = 0; i < bound.size(); ++i) bind(places[i], bound[i]);
      }
      least_moved = false;
    }
    return least_moved;
  }

 private:
  /// Up to so many places a table of all pairs is the fastest; it grows as their square.
  static constexpr std::size_t kMostListed = 256;

  /// The pairs in order of newly assigned experts, place, machine.
  void bind_greedily(const std::vector<std::uint32_t>& places,
                     const std::vector<std::uint32_t>& machines) {
    // Costs are small whole numbers: a counting sort over all pairs, in order of place, machine.
    std::vector<std::uint32_t> cost;
    cost.reserve(places.size() * machines.size());
    std::vector<std::size_t> first_of_cost(1);
    for (const auto place : places) {
      for (const auto machine : machines) {
        cost.push_back(missing(place, machine));
        if (cost.back() + 2 > first_of_cost.size()) first_of_cost.resize(cost.back() + 2);
        ++first_of_cost[cost.back() + 1];
      }
    }
    for (std::size_t i = 1; i < first_of_cost.size(); ++i) first_of_cost[i] += first_of_cost[i - 1];
    std::vector<std::pair<std::uint32_t, std::uint32_t>> pairs(cost.size());
    std::size_t pair = 0;
    for (const auto place : places) {
      for (const auto machine : machines) pairs[first_of_cost[cost[pair++]]++] = {place, machine};
    }
    std::size_t left = places.size();
    for (const auto& [place, machine] : pairs) {
      if (machine_of_place_[place] >= 0 || taken_[machine]) continue;
      bind(place, machine);
      if (--left == 0) break;
    }
  }

  bool allowed(std::size_t place, std::size_t machine) const {
    return domain_of_.empty() || domain_of_[place] == domain_of_[machine];
  }
  bool free(int place) const { return machine_of_place_[static_cast<std::size_t>(place)] < 0; }
  int compare(const std::uint64_t* a, const std::uint64_t* b) const {
    return compare_rows(a, b, needs_.words());
  }
  bool equal(std::size_t place, std::size_t machine) const {
    return compare(needs_.row(place), held_.row(machine)) == 0;
  }
  std::uint32_t missing(std::size_t place, std::size_t machine) const {
    const std::uint64_t* needs = needs_.row(place);
    const std::uint64_t* held = held_.row(machine);
    std::uint32_t count = 0;
    for (std::size_t w = 0; w < needs_.words(); ++w) {
      count += static_cast<std::uint32_t>(count_bits(needs[w] & ~held[w]));
    }
    return count;
  }
  void bind(std::size_t place, std::size_t machine) {
    machine_of_place_[place] = static_cast<int>(machine);
    taken_[machine] = 1;
  }

  const ExpertBits& needs_;
  const ExpertBits& held_;
  const std::vector<std::int32_t>& domain_of_;
  std::vector<int>& machine_of_place_;
  std::vector<std::uint8_t> taken_;
};

void check_before(const PlacementPlan& plan, const Holdings& holdings) {
  BETHANY_CHECK(holdings.place_of.size() >= static_cast<std::size_t>(plan.nodes),
                "{} machines for {} places", holdings.place_of.size(), plan.nodes);
  BETHANY_CHECK(
      holdings.plan->experts == plan.experts && holdings.plan->layers.size() == plan.layers.size(),
      "a plan of {} x {} after one of {} x {}", plan.layers.size(), plan.experts,
      holdings.plan->layers.size(), holdings.plan->experts);
}

}  // namespace

Binding bind_plan(const PlacementPlan& plan, const Holdings& holdings, const StateSizes& sizes,
                  const BindingRules& rules) {
  if (holdings.plan == nullptr) return keep_places(plan, holdings, sizes, rules.method);
  const auto n = static_cast<std::size_t>(plan.nodes);
  check_before(plan, holdings);
  BETHANY_CHECK(rules.domain_of.empty() || rules.domain_of.size() == n,
                "domains of {} of {} places", rules.domain_of.size(), n);
  Binding binding;
  binding.machine_of_place.assign(n, -1);
  const auto needs = needs_of(plan);
  const auto held = held_by(holdings);
  Binder binder(needs, held, rules.domain_of, binding.machine_of_place);
  binder.bind_equal(holdings.place_of);
  binding.least_moved = binder.bind_rest(rules.method);
  schedule_transfers(needs, held, holdings.place_of, sizes, plan.experts, rules.method, binding);
  return binding;
}

Binding transfers_of(const PlacementPlan& plan, std::vector<int> machine_of_place,
                     const Holdings& holdings, const StateSizes& sizes, BindingMethod method) {
  Binding binding;
  binding.machine_of_place = std::move(machine_of_place);
  if (holdings.plan == nullptr) return binding;
  check_before(plan, holdings);
  schedule_transfers(needs_of(plan), held_by(holdings), holdings.place_of, sizes, plan.experts,
                     method, binding);
  return binding;
}

Binding keep_places(const PlacementPlan& plan, const Holdings& holdings, const StateSizes& sizes,
                    BindingMethod method) {
  std::vector<int> same(static_cast<std::size_t>(plan.nodes));
  std::iota(same.begin(), same.end(), 0);
  return transfers_of(plan, std::move(same), holdings, sizes, method);
}

std::vector<int> machines_to_keep(const Holdings& holdings, int wanted) {
  const auto machines = static_cast<int>(holdings.place_of.size());
  BETHANY_CHECK(wanted <= machines, "{} of {} machines", wanted, machines);
  const ExpertBits held = held_by(holdings);
  std::vector<int> order(holdings.place_of.size());
  std::iota(order.begin(), order.end(), 0);
  const auto row = [&](int machine) { return held.row(static_cast<std::size_t>(machine)); };
  std::stable_sort(order.begin(), order.end(),
                   [&](int a, int b) { return compare_rows(row(a), row(b), held.words()) < 0; });
  // How many machines before it hold the same; machines that hold nothing are never wanted first.
  std::vector<int> rank(order.size());
  for (std::size_t i = 1; i < order.size(); ++i) {
    const bool same = compare_rows(row(order[i - 1]), row(order[i]), held.words()) == 0;
    rank[static_cast<std::size_t>(order[i])] =
        same ? rank[static_cast<std::size_t>(order[i - 1])] + 1 : 0;
  }
  for (int machine = 0; machine < machines; ++machine) {
    const auto i = static_cast<std::size_t>(machine);
    if (holdings.place_of[i] < 0) rank[i] = machines;
  }
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) {
    return rank[static_cast<std::size_t>(a)] < rank[static_cast<std::size_t>(b)];
  });
  order.resize(static_cast<std::size_t>(wanted));
  std::sort(order.begin(), order.end());
  return order;
}

bool state_is_complete(const Holdings& holdings) {
  if (holdings.plan == nullptr) return false;
  const auto& plan = *holdings.plan;
  const auto held = held_by(holdings);
  const auto experts = plan.layers.size() * static_cast<std::size_t>(plan.experts);
  std::vector<std::uint64_t> any(held.words());
  for (std::size_t machine = 0; machine < holdings.place_of.size(); ++machine) {
    for (std::size_t w = 0; w < any.size(); ++w) any[w] |= held.row(machine)[w];
  }
  int count = 0;
  for (const std::uint64_t word : any) count += count_bits(word);
  return static_cast<std::size_t>(count) == experts;
}

}  // namespace bethany
