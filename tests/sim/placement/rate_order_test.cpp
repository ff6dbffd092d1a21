#include "sim/placement/rate_order.h"

#include <rapidcheck.h>

#include <algorithm>
#include <numeric>

#include "tests/support/catch.h"

namespace bethany {
namespace {

/// P(some set is lost whole), place i on the node order[i], from all 2^N losses.
double counted_loss(const std::vector<HostSet>& sets, const std::vector<double>& rates,
                    const std::vector<std::int32_t>& order) {
  double loss = 0;
  for (std::uint32_t lost = 0; lost < (1U << rates.size()); ++lost) {
    double probability = 1;
    for (std::size_t place = 0; place < rates.size(); ++place) {
      const double rate = rates[static_cast<std::size_t>(order[place])];
      probability *= (lost >> place & 1U) != 0 ? rate : 1 - rate;
    }
    const bool fatal = std::any_of(sets.begin(), sets.end(), [&](const HostSet& set) {
      return std::all_of(set.begin(), set.end(),
                         [&](std::int32_t place) { return (lost >> place & 1U) != 0; });
    });
    loss += fatal ? probability : 0;
  }
  return loss;
}

double least_loss(const std::vector<HostSet>& sets, const std::vector<double>& rates) {
  std::vector<std::int32_t> order(rates.size());
  std::iota(order.begin(), order.end(), 0);
  double least = 1;
  do {
    least = std::min(least, counted_loss(sets, rates, order));
  } while (std::next_permutation(order.begin(), order.end()));
  return least;
}

std::vector<std::int32_t> identity(std::size_t nodes) {
  std::vector<std::int32_t> order(nodes);
  std::iota(order.begin(), order.end(), 0);
  return order;
}

TEST_CASE("unreliable nodes do not share a group") {
  const std::vector<HostSet> sets = {{0, 1}, {2, 3}};
  const std::vector<double> rates = {0.5, 0.5, 0.1, 0.1};
  const auto order = *order_by_rates(sets, rates, {});
  CHECK(order.before.loss == Approx(1 - 0.75 * 0.99));
  CHECK(order.after.loss == Approx(1 - 0.95 * 0.95));
  CHECK(order.after.loss == Approx(counted_loss(sets, rates, order.node_of_place)));
  // Within their domains nothing can be exchanged that helps.
  const auto fixed = *order_by_rates(sets, rates, std::vector<std::int32_t>{0, 0, 1, 1});
  CHECK(fixed.node_of_place == identity(4));
  const auto crossed = *order_by_rates(sets, rates, std::vector<std::int32_t>{0, 1, 0, 1});
  CHECK(crossed.after.loss == Approx(1 - 0.95 * 0.95));
}

TEST_CASE("the least loss of all orders is found for groups, rings and cores of six nodes") {
  const std::vector<std::vector<HostSet>> plans = {
      {{0, 1}, {2, 3}, {4, 5}},
      {{0, 1, 2}, {3, 4, 5}},
      {{0, 1}, {1, 2}, {2, 3}, {3, 4}, {4, 5}, {0, 5}},
      {{0, 1}, {2, 3, 4}},
      {{0, 1, 2}, {2, 3, 4}, {0, 4, 5}},
  };
  const std::vector<std::vector<double>> rates = {
      {0.3, 0.2, 0.1, 0.05, 0.02, 0.01},
      {0.5, 0.5, 0.5, 0.01, 0.01, 0.01},
      {1, 0.1, 0.1, 0.1, 0.1, 0.1},
      {0.9, 0.02, 0.3, 0.04, 0.5, 0.06},
  };
  for (const auto& sets : plans) {
    for (const auto& of_node : rates) {
      const auto order = *order_by_rates(sets, of_node, {});
      CHECK(order.after.loss == Approx(least_loss(sets, of_node)));
    }
  }
}

TEST_CASE("an order is a permutation, within domains, never worse than it began") {
  CHECK(rc::check("on random sets and rates", [] {
    const auto nodes = *rc::gen::inRange<std::size_t>(2, 8);
    std::vector<HostSet> sets;
    for (int s = *rc::gen::inRange(1, 5); s > 0; --s) {
      HostSet set;
      for (std::size_t node = 0; node < nodes; ++node) {
        if (*rc::gen::arbitrary<bool>()) set.push_back(static_cast<std::int32_t>(node));
      }
      if (!set.empty()) sets.push_back(set);
    }
    if (sets.empty()) sets.push_back({0});
    std::vector<double> rates;
    std::vector<std::int32_t> domains;
    for (std::size_t node = 0; node < nodes; ++node) {
      rates.push_back(*rc::gen::inRange(0, 101) / 100.0);
      domains.push_back(*rc::gen::inRange(0, 2));
    }
    const bool in_domains = *rc::gen::arbitrary<bool>();
    const auto order =
        *order_by_rates(sets, rates, in_domains ? domains : std::vector<std::int32_t>());
    auto sorted = order.node_of_place;
    std::sort(sorted.begin(), sorted.end());
    RC_ASSERT(sorted == identity(nodes));
    for (std::size_t place = 0; in_domains && place < nodes; ++place) {
      RC_ASSERT(domains[static_cast<std::size_t>(order.node_of_place[place])] == domains[place]);
    }
    const double before = counted_loss(sets, rates, identity(nodes));
    const double after = counted_loss(sets, rates, order.node_of_place);
    RC_ASSERT(std::abs(order.before.loss - before) < 1e-12);
    RC_ASSERT(std::abs(order.after.loss - after) < 1e-12);
    RC_ASSERT(after <= before + 1e-12);
  }));
}

}  // namespace
}  // namespace bethany
