#include "sim/placement/makespan.h"

#include <rapidcheck.h>

#include <numeric>
#include <queue>
#include <set>

#include "sim/base/int128.h"
#include "tests/sim/placement/naive.h"

namespace bethany {
namespace {

using naive::Loads;

HostLists host_lists(int places, const std::vector<std::vector<std::int32_t>>& lists) {
  HostLists hosts{.places = places, .first = {0}, .place = {}};
  for (const auto& list : lists) {
    hosts.place.insert(hosts.place.end(), list.begin(), list.end());
    hosts.first.push_back(static_cast<std::int32_t>(hosts.place.size()));
  }
  return hosts;
}

struct Case {
  HostLists hosts;
  Loads loads;
};

Case random_case(int most_places, int most_experts, std::int64_t most_load) {
  const int places = *rc::gen::inRange(1, most_places + 1);
  const int experts = *rc::gen::inRange(1, most_experts + 1);
  const int most_hosts = *rc::gen::inRange(1, places + 1);
  std::vector<std::vector<std::int32_t>> lists;
  Loads loads;
  for (int e = 0; e < experts; ++e) {
    const int set = *rc::gen::inRange(1, 1 << places);
    lists.emplace_back();
    for (int p = 0; p < places && static_cast<int>(lists.back().size()) < most_hosts; ++p) {
      if ((set >> p & 1) != 0) lists.back().push_back(p);
    }
    const bool idle = *rc::gen::inRange(0, 6) == 0;
    loads.push_back(idle ? 0 : *rc::gen::inRange<std::int64_t>(1, most_load));
  }
  return {host_lists(places, lists), loads};
}

struct Fraction {
  std::int64_t load = 0;
  std::int64_t places = 1;
};

bool less(const Fraction& a, const Fraction& b) {
  return static_cast<Int128>(a.load) * b.places < static_cast<Int128>(b.load) * a.places;
}

Fraction fraction_of(const HostLists& hosts, const Loads& loads,
                     const std::vector<std::int32_t>& experts) {
  std::set<std::int32_t> places;
  Fraction result;
  for (const auto e : experts) {
    result.load += loads[static_cast<std::size_t>(e)];
    places.insert(hosts.of(e).begin(), hosts.of(e).end());
  }
  result.places = std::max<std::int64_t>(1, static_cast<std::int64_t>(places.size()));
  return result;
}

/// The largest t(S) / |hosts(S)| by looking at every expert set.
Fraction by_subsets(const Case& at) {
  Fraction best;
  for (std::uint32_t set = 1; set < (1U << at.loads.size()); ++set) {
    std::vector<std::int32_t> experts;
    for (std::int32_t e = 0; e < at.hosts.experts(); ++e) {
      if ((set >> e & 1) != 0) experts.push_back(e);
    }
    const auto one = fraction_of(at.hosts, at.loads, experts);
    if (less(best, one)) best = one;
  }
  return best;
}

/// Whether `supply` units per token can be sent to places of `capacity` units, by augmenting along
/// breadth-first paths in a dense matrix (Edmonds and Karp).
bool flow_exists(const Case& at, std::int64_t supply, std::int64_t capacity) {
  const auto experts = at.loads.size();
  const std::size_t nodes = experts + static_cast<std::size_t>(at.hosts.places) + 2;
  const std::size_t source = nodes - 2;
  const std::size_t sink = nodes - 1;
  std::vector<std::vector<std::int64_t>> rest(nodes, std::vector<std::int64_t>(nodes));
  std::int64_t missing = 0;
  for (std::size_t e = 0; e < experts; ++e) {
    rest[source][e] = supply * at.loads[e];
    missing += supply * at.loads[e];
    for (const auto p : at.hosts.of(static_cast<int>(e))) {
      rest[e][experts + static_cast<std::size_t>(p)] = std::int64_t{1} << 62;
    }
  }
  for (std::size_t p = experts; p < source; ++p) rest[p][sink] = capacity;
  while (true) {
    std::vector<std::size_t> from(nodes, nodes);
    from[source] = source;
    std::queue<std::size_t> queue({source});
    while (!queue.empty() && from[sink] == nodes) {
      const auto v = queue.front();
      queue.pop();
      for (std::size_t w = 0; w < nodes; ++w) {
        if (rest[v][w] > 0 && from[w] == nodes) from[w] = v, queue.push(w);
      }
    }
    if (from[sink] == nodes) return missing == 0;
    std::int64_t amount = std::int64_t{1} << 62;
    for (auto w = sink; w != source; w = from[w]) amount = std::min(amount, rest[from[w]][w]);
    for (auto w = sink; w != source; w = from[w]) {
      rest[from[w]][w] -= amount;
      rest[w][from[w]] += amount;
    }
    missing -= amount;
  }
}

TEST_CASE("the makespan is the largest load per host of any set of experts") {
  MakespanSolver solver;  // one for all: what it keeps between questions must not matter
  CHECK(rc::check("subset scan", [&] {
    const auto at = random_case(8, 9, *rc::gen::element<std::int64_t>(3, 30, 1'000'000'000'000));
    const auto best = by_subsets(at);
    const auto made = solver.solve(at.hosts, at.loads);
    RC_ASSERT(static_cast<Int128>(made.load) * best.places ==
              static_cast<Int128>(best.load) * made.places);
    RC_ASSERT(std::is_sorted(made.experts.begin(), made.experts.end()));
    const auto own = fraction_of(at.hosts, at.loads, made.experts);
    RC_ASSERT(own.load == made.load);
    RC_ASSERT(own.places == made.places);
    RC_ASSERT(min_makespan(at.hosts, at.loads).experts == made.experts);
    RC_ASSERT(solver.solve_whole(at.hosts, at.loads) ==
              (best.load + best.places - 1) / best.places);
  }));
}

TEST_CASE("a flow exists at the makespan and not below it") {
  CHECK(rc::check("Edmonds and Karp", [] {
    const auto at = random_case(12, 24, *rc::gen::element<std::int64_t>(4, 1000));
    const auto made = min_makespan(at.hosts, at.loads);
    if (made.load == 0) return;
    RC_ASSERT(flow_exists(at, made.places, made.load));
    RC_ASSERT(!flow_exists(at, 1000 * made.places, 1000 * made.load - 1));
    const auto whole = MakespanSolver().solve_whole(at.hosts, at.loads);
    RC_ASSERT(flow_exists(at, 1, whole));
    RC_ASSERT(!flow_exists(at, 1, whole - 1));
  }));
}

TEST_CASE("solve_below is solve where that is below the limit") {
  MakespanSolver solver;
  CHECK(rc::check("limit", [&] {
    auto at = random_case(8, 12, *rc::gen::element<std::int64_t>(5, 1000));
    const auto before = solver.solve(at.hosts, at.loads);
    std::swap(at.loads.front(), at.loads.back());
    const auto after = solver.solve(at.hosts, at.loads);
    const auto below = solver.solve_below(at.hosts, at.loads, before);
    RC_ASSERT(below.has_value() == less({after.load, after.places}, {before.load, before.places}));
    if (!below) return;
    RC_ASSERT(below->load * after.places == after.load * below->places);
    const auto own = fraction_of(at.hosts, at.loads, below->experts);
    RC_ASSERT(own.load == below->load);
    RC_ASSERT(own.places == below->places);
  }));
}

TEST_CASE("makespans known in closed form") {
  const auto value = [](const HostLists& hosts, const Loads& loads) {
    return min_makespan(hosts, loads).value();
  };
  CHECK(value(host_lists(3, {{0}, {1}}), {0, 0}) == 0);
  CHECK(value(host_lists(3, {{}, {1}}), {0, 7}) == 7);
  CHECK(value(host_lists(3, {{0, 1, 2}}), {7}) == Approx(7.0 / 3));
  // A ring: the heavy pair has three places, all have four.
  CHECK(value(host_lists(4, {{0, 1}, {1, 2}, {2, 3}, {0, 3}}), {30, 30, 1, 1}) == 20);
  CHECK(value(host_lists(4, {{0, 1}, {1, 2}, {2, 3}, {0, 3}}), {30, 30, 20, 20}) == 25);
  // Loads of 2^40 tokens a place pass 64 bits when scaled; the answer stays exact.
  const std::int64_t large = (std::int64_t{1} << 60) + 1;
  const auto made = min_makespan(host_lists(3, {{0, 1, 2}, {0, 2}}), Loads{large, large});
  CHECK(made.load == 2 * large);
  CHECK(made.places == 3);
}

TEST_CASE("what full groups of MRO leave to the others cannot be repaired by any split") {
  // placement.md 5.1: a group of r nodes full of cold experts serves nothing else, so that
  // max/mean >= (share of the others) N / (N - r). Here the bound is met.
  const naive::Counts counts{2, 2, 8, 8};
  const auto plan = naive::plan("mro", 10, 2, counts);
  const Loads loads{1, 1, 10, 10};
  const auto made = min_makespan(hosts_by_node(plan, 0), loads);
  CHECK(made.experts == std::vector<std::int32_t>{2, 3});
  CHECK(made.load == 20);
  CHECK(made.places == 8);
}

TEST_CASE("the hosts of a plan: each place once, vacant slots left out") {
  PlacementPlan plan{
      .nodes = 2, .gpus_per_node = 2, .slots_per_node = 4, .experts = 4, .layers = {}};
  plan.layers.push_back({{3, 2, 2, 0}, {0, 0, 1, kVacant, 0, 2, 1, 2}});
  const auto ranks = hosts_by_rank(plan, 0);
  CHECK(ranks.places == 4);
  CHECK(ranks.first == std::vector<std::int32_t>{0, 2, 4, 6, 6});
  CHECK(ranks.place == std::vector<std::int32_t>{0, 2, 1, 3, 2, 3});
  const auto nodes = hosts_by_node(plan, 0);
  CHECK(nodes.places == 2);
  CHECK(nodes.first == std::vector<std::int32_t>{0, 2, 4, 5, 5});
  CHECK(nodes.place == std::vector<std::int32_t>{0, 1, 0, 1, 1});
}

}  // namespace
}  // namespace bethany
