#include "sim/placement/rate_order.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <utility>

#include "sim/base/check.h"
#include "sim/placement/recovery_conditions.h"

namespace bethany {
namespace {

constexpr std::int64_t kWorkOfOne = std::int64_t{1} << 20;
constexpr int kMostQuestions = 20'000;

using Order = std::vector<std::int32_t>;  // node of each place

class Exchange {
 public:
  Exchange(const std::vector<HostSet>& sets, const std::vector<double>& rates,
           std::span<const std::int32_t> domain_of_node)
      : sets_(sets), rates_(rates), domain_of_node_(domain_of_node) {
    // Places in the same host sets are alike.
    std::vector<std::vector<std::int32_t>> member(rates.size());
    for (std::size_t s = 0; s < sets.size(); ++s) {
      for (const auto place : sets[s]) {
        member[static_cast<std::size_t>(place)].push_back(static_cast<std::int32_t>(s));
      }
    }
    std::map<std::vector<std::int32_t>, std::int32_t> kinds;
    for (const auto& of_place : member) {
      kind_of_place_.push_back(
          kinds.emplace(of_place, static_cast<std::int32_t>(kinds.size())).first->second);
    }
  }

  std::optional<RatedRecovery> recovery(const Order& order) {
    std::vector<double> by_place;
    for (const auto node : order) by_place.push_back(rates_[static_cast<std::size_t>(node)]);
    ++questions_;
    return rated_recovery(by_place, sets_, {.work = kWorkOfOne});
  }

  /// Exchanges nodes while P(loss) falls. Ensures: never above the loss it began with.
  void descend(Order& order, RatedRecovery& now) {
    while (true) {
      std::pair<std::size_t, std::size_t> best;
      RatedRecovery least = now;
      for (std::size_t a = 0; a < order.size(); ++a) {
        for (std::size_t b = a + 1; b < order.size(); ++b) {
          if (questions_ >= kMostQuestions) break;
          if (!worth_trying(order, a, b)) continue;
          std::swap(order[a], order[b]);
          const auto tried = recovery(order);
          std::swap(order[a], order[b]);
          if (tried && tried->loss < least.loss) {
            least = *tried;
            best = {a, b};
          }
        }
      }
      if (least.loss >= now.loss) return;
      std::swap(order[best.first], order[best.second]);
      now = least;
    }
  }

 private:
  bool worth_trying(const Order& order, std::size_t a, std::size_t b) const {
    const auto node_a = static_cast<std::size_t>(order[a]);
    const auto node_b = static_cast<std::size_t>(order[b]);
    return kind_of_place_[a] != kind_of_place_[b] && rates_[node_a] != rates_[node_b] &&
           (domain_of_node_.empty() || domain_of_node_[node_a] == domain_of_node_[node_b]);
  }

  const std::vector<HostSet>& sets_;
  const std::vector<double>& rates_;
  std::span<const std::int32_t> domain_of_node_;
  std::vector<std::int32_t> kind_of_place_;
  int questions_ = 0;
};

/// The most reliable nodes on the places that matter most when all nodes fail alike.
std::optional<Order> reliable_first(const std::vector<HostSet>& sets,
                                    const std::vector<double>& rates) {
  const double mean =
      std::accumulate(rates.begin(), rates.end(), 0.0) / static_cast<double>(rates.size());
  const auto importance =
      importance_by_rates(std::vector<double>(rates.size(), mean), sets, {.work = kWorkOfOne});
  if (!importance) return std::nullopt;
  std::vector<std::int32_t> places(rates.size());
  std::iota(places.begin(), places.end(), 0);
  std::stable_sort(places.begin(), places.end(), [&](std::int32_t a, std::int32_t b) {
    return (*importance)[static_cast<std::size_t>(a)] > (*importance)[static_cast<std::size_t>(b)];
  });
  std::vector<std::int32_t> nodes(rates.size());
  std::iota(nodes.begin(), nodes.end(), 0);
  std::stable_sort(nodes.begin(), nodes.end(), [&](std::int32_t a, std::int32_t b) {
    return rates[static_cast<std::size_t>(a)] < rates[static_cast<std::size_t>(b)];
  });
  Order order(rates.size());
  for (std::size_t i = 0; i < places.size(); ++i) {
    order[static_cast<std::size_t>(places[i])] = nodes[i];
  }
  return order;
}

}  // namespace

std::optional<RateOrder> order_by_rates(const std::vector<HostSet>& sets,
                                        const std::vector<double>& rates,
                                        std::span<const std::int32_t> domain_of_node) {
  BETHANY_CHECK(domain_of_node.empty() || domain_of_node.size() == rates.size(),
                "domains of {} nodes for {}", domain_of_node.size(), rates.size());
  Exchange exchange(sets, rates, domain_of_node);
  RateOrder result;
  result.node_of_place.resize(rates.size());
  std::iota(result.node_of_place.begin(), result.node_of_place.end(), 0);
  const auto before = exchange.recovery(result.node_of_place);
  if (!before) return std::nullopt;
  result.before = *before;
  result.after = *before;
  exchange.descend(result.node_of_place, result.after);
  if (!domain_of_node.empty()) return result;
  if (auto order = reliable_first(sets, rates)) {
    if (auto start = exchange.recovery(*order)) {
      exchange.descend(*order, *start);
      if (start->loss < result.after.loss) {
        result.node_of_place = std::move(*order);
        result.after = *start;
      }
    }
  }
  return result;
}

}  // namespace bethany
