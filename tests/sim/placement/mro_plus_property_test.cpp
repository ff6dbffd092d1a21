// What mro+ promises for any counts, and its ways of comparing and bounding beside plain programs.

#include <rapidcheck.h>

#include <numeric>

#include "sim/placement/optimality.h"
#include "sim/placement/survival_bound.h"
#include "sim/placement/survival_order.h"
#include "tests/sim/placement/naive.h"

namespace bethany {
namespace {

using naive::Counts;

struct Question {
  int nodes;
  int slots;
  Counts counts;
};

std::ostream& operator<<(std::ostream& out, const Question& at) {
  return out << "N=" << at.nodes << " c=" << at.slots
             << " r=" << Catch::StringMaker<Counts>::convert(at.counts);
}

/// Counts of any size that fit; often, but not always, they fill the slots.
rc::Gen<Question> questions(int most_nodes) {
  return rc::gen::exec([most_nodes] {
    Question at;
    at.nodes = *rc::gen::inRange(1, most_nodes + 1);
    at.slots = *rc::gen::inRange(1, 6);
    const int slots = at.nodes * at.slots;
    const int experts = *rc::gen::inRange(1, std::min(slots, 16) + 1);
    at.counts.assign(static_cast<std::size_t>(experts), 1);
    const int spare =
        *rc::gen::oneOf(rc::gen::just(slots - experts), rc::gen::inRange(0, slots - experts + 1));
    // Few different counts or many: a spare replica goes to one of the first `hot` experts.
    const int hot = *rc::gen::inRange(1, experts + 1);
    for (int i = 0; i < spare; ++i)
      ++at.counts[*rc::gen::inRange<std::size_t>(0, static_cast<std::size_t>(hot))];
    return at;
  });
}

template <class Property>
void check(const std::string& name, int most_nodes, const Property& property) {
  const auto result = rc::check(name, [&] { property(*questions(most_nodes)); });
  CHECK(result);
}

TEST_CASE("mro+ is never below mro, spread and packed, nor above the bound") {
  check("survival", 11, [](const Question& at) {
    const auto plan = naive::plan("mro+", at.nodes, at.slots, at.counts);
    RC_ASSERT(naive::counted(plan.layers[0], plan.experts) == at.counts);
    RC_ASSERT(plan == naive::plan("mro+", at.nodes, at.slots, at.counts));
    const auto ours = naive::survivors(plan);
    for (const std::string other : {"mro", "spread", "packed"}) {
      if (placements().find(other) == nullptr) continue;
      RC_ASSERT(ours >= naive::survivors(naive::plan(other, at.nodes, at.slots, at.counts)));
    }
    const auto sizes = group_representatives(at.counts, at.slots);
    const auto bound = survival_bound(at.nodes, sizes, at.nodes);
    RC_ASSERT(bound.has_value());
    bool meets = true;
    for (std::size_t k = 0; k < ours.size(); ++k) {
      RC_ASSERT(static_cast<UInt128>(ours[k]) <= (*bound)[k]);
      meets = meets && static_cast<UInt128>(ours[k]) == (*bound)[k];
    }
    RC_ASSERT((certify(plan, 0) == Optimality::proven) == meets);
    if (std::accumulate(sizes.begin(), sizes.end(), 0) <= at.nodes) RC_ASSERT(meets);
  });
}

TEST_CASE("mro+ survives any loss of fewer nodes than every expert has replicas") {
  check("fault threshold", 14, [](const Question& at) {
    const auto plan = naive::plan("mro+", at.nodes, at.slots, at.counts);
    const auto fewest = std::min(*std::min_element(at.counts.begin(), at.counts.end()), at.nodes);
    const auto survive = naive::survivors(plan);
    for (int k = 0; k < fewest; ++k) {
      RC_ASSERT(survive[static_cast<std::size_t>(k)] == naive::choose(at.nodes, k));
    }
  });
}

TEST_CASE("the bound of all placements is at most the bound over all allocations") {
  check("any counts", 9, [](const Question& at) {
    const auto experts = static_cast<int>(at.counts.size());
    const auto any = survival_bound_of_any_counts(at.nodes, at.slots, experts, at.nodes);
    if (!any) return;
    const auto bound =
        survival_bound(at.nodes, group_representatives(at.counts, at.slots), at.nodes);
    for (std::size_t k = 0; k < any->size(); ++k) RC_ASSERT((*bound)[k] <= (*any)[k]);
  });
}

/// The recursion of placement.md §2 as it stands there.
std::int64_t plain_bound(int n, std::vector<std::int32_t> sizes, int survivors) {
  if (survivors < 0) return 0;
  const int g = std::min(sizes.front(), n);
  if (sizes.size() == 1) {
    return naive::choose(n, survivors) - naive::choose(n - g, survivors);
  }
  sizes.erase(sizes.begin());
  std::int64_t sum = 0;
  for (int j = 1; j <= g; ++j) sum += plain_bound(n - j, sizes, survivors - 1);
  return sum;
}

TEST_CASE("the bound is the published recursion") {
  check("recursion", 12, [](const Question& at) {
    const auto sizes = group_representatives(at.counts, at.slots);
    const auto bound = survival_bound(at.nodes, sizes, at.nodes);
    for (int k = 0; k <= at.nodes; ++k) {
      RC_ASSERT((*bound)[static_cast<std::size_t>(k)] ==
                static_cast<UInt128>(plain_bound(at.nodes, sizes, at.nodes - k)));
    }
  });
}

/// Random families, some of them far larger than what is looked at as a whole.
std::vector<HostSet> random_family(int nodes) {
  std::vector<HostSet> sets(*rc::gen::inRange<std::size_t>(1, 9));
  const int width = *rc::gen::inRange(2, 8);
  for (auto& set : sets) {
    const int first = *rc::gen::inRange(0, nodes);
    for (int i = 0; i < width; ++i) {
      if (*rc::gen::inRange(0, 3) > 0 || i == 0) set.push_back((first + i) % nodes);
    }
    std::sort(set.begin(), set.end());
  }
  return sets;
}

TEST_CASE("two families are ranked by the first number of losses at which they differ") {
  const auto result = rc::check("rank", [] {
    const int nodes = *rc::gen::inRange(7, 18);
    const auto a = random_family(nodes);
    const auto b = random_family(nodes);
    const auto counts = [&](const std::vector<HostSet>& family) {
      std::vector<std::uint32_t> masks;
      for (const auto& set : family) {
        masks.push_back(0);
        for (const auto node : set) masks.back() |= 1U << node;
      }
      return naive::survivors(nodes, masks);
    };
    SurvivalProfile of_a(host_bits(nodes, a));
    SurvivalProfile of_b(host_bits(nodes, b));
    const auto of = counts(a) <=> counts(b);
    const auto ranking = rank(of_a, of_b);
    RC_ASSERT(ranking == (of > 0 ? Ranking::first : of < 0 ? Ranking::second : Ranking::equal));
    // A disjoint set beside both, on nodes of its own, changes nothing: g is multiplied. Families
    // that never differ may be left open, when the numbers of 200 degrees get too large.
    auto wide_a = a;
    auto wide_b = b;
    HostSet apart;
    for (int i = 0; i < 200; ++i) apart.push_back(nodes + i);
    wide_a.push_back(apart);
    wide_b.push_back(apart);
    SurvivalProfile of_wide_a(host_bits(nodes + 200, wide_a));
    SurvivalProfile of_wide_b(host_bits(nodes + 200, wide_b));
    const auto wide = rank(of_wide_a, of_wide_b);
    RC_ASSERT((wide == ranking || (wide == Ranking::unknown && ranking == Ranking::equal)));
  });
  CHECK(result);
}

TEST_CASE("a profile without steps to take is open beyond its smallest sets, not wrong") {
  std::vector<HostSet> ring;
  for (int i = 0; i < 40; ++i) {
    ring.push_back({i, (i + 1) % 40});
    std::sort(ring.back().begin(), ring.back().end());
  }
  SurvivalProfile poor(host_bits(40, ring), 0);
  SurvivalProfile rich(host_bits(40, ring));
  CHECK(poor.known() == 2);
  CHECK(rank(poor, rich) == Ranking::unknown);
  ring.pop_back();
  SurvivalProfile better(host_bits(40, ring));
  CHECK(rank(better, poor) == Ranking::first);
  CHECK(rank(poor, better) == Ranking::second);
}

}  // namespace
}  // namespace bethany
