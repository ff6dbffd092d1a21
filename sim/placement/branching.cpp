#include <algorithm>

#include "sim/placement/exact_methods.h"

// Where an elimination would hold too many states, one node is decided first: alive, its sets are
// hit and gone; lost, they shrink, and what contains a shrunk one is implied by it. Both halves are
// smaller and often fall apart into components, whose outcomes multiply. The node in most sets goes
// first, sets of few nodes counting more. Work grows about twofold per node that must be decided
// so.

namespace bethany {
namespace {

template <class T>
std::vector<T> product(const std::vector<T>& a, const std::vector<T>& b, std::size_t most) {
  std::vector<T> result(std::min(a.size() + b.size() - 1, most));
  for (std::size_t i = 0; i < std::min(a.size(), most); ++i) {
    for (std::size_t j = 0; j < b.size() && i + j < most; ++j) result[i + j] += a[i] * b[j];
  }
  return result;
}

template <class T>
void add(std::vector<T>& target, const std::vector<T>& more) {
  if (target.size() < more.size()) target.resize(more.size());
  for (std::size_t k = 0; k < more.size(); ++k) target[k] += more[k];
}

template <class T>
class Brancher {
 public:
  Brancher(const std::vector<double>& rates, int degree_max, WorkBudget& budget)
      : rates_(rates), most_(static_cast<std::size_t>(degree_max) + 1), budget_(budget) {}

  /// `part` is connected; its members number the nodes that rates are for.
  std::optional<Outcome<T>> solve(const Component& part) {
    const CellGraph graph = merge_twins(part);
    std::vector<double> rates;
    if (!rates_.empty()) {
      for (const auto node : part.members) rates.push_back(rates_[static_cast<std::size_t>(node)]);
    }
    const auto size = static_cast<std::int64_t>(graph.cells());
    if (!budget_.spend(100 * size)) return std::nullopt;
    if (elimination_cost(graph) <= kEliminated) {
      const auto degree = std::min(static_cast<int>(most_) - 1, rates.empty() ? part.nodes : 0);
      return eliminate(graph, weights_of<T>(graph, rates), degree, budget_);
    }
    const std::int32_t pivot = busiest(part);
    const auto alive = decided(part, pivot, true);
    const auto lost = decided(part, pivot, false);
    if (!alive || !lost) return std::nullopt;
    const double rate = rates.empty() ? 0 : rates[static_cast<std::size_t>(pivot)];
    const std::vector<T> if_alive = {rates.empty() ? T{1} : static_cast<T>(1 - rate)};
    const std::vector<T> if_lost =
        rates.empty() ? std::vector<T>{0, 1} : std::vector<T>{static_cast<T>(rate)};
    Outcome<T> both{product(alive->survived, if_alive, most_),
                    product(alive->fatal, if_alive, most_)};
    add(both.survived, product(lost->survived, if_lost, most_));
    add(both.fatal, product(lost->fatal, if_lost, most_));
    return both;
  }

 private:
  /// log2 of the states that are eliminated rather than decided.
  static constexpr double kEliminated = 20;

  static std::int32_t busiest(const Component& part) {
    std::vector<double> weight(static_cast<std::size_t>(part.nodes));
    for (const auto& set : part.sets) {
      const double each = 1 / static_cast<double>(set.size() * set.size());
      for (const std::int32_t node : set) weight[static_cast<std::size_t>(node)] += each;
    }
    return static_cast<std::int32_t>(std::max_element(weight.begin(), weight.end()) -
                                     weight.begin());
  }

  /// The outcome over all nodes but the pivot.
  std::optional<Outcome<T>> decided(const Component& part, std::int32_t pivot, bool alive) {
    std::vector<HostSet> kept;
    std::vector<HostSet> shrunk;
    for (const auto& set : part.sets) {
      if (std::find(set.begin(), set.end(), pivot) == set.end()) {
        kept.push_back(set);
      } else if (!alive) {
        shrunk.push_back(set);
        shrunk.back().erase(std::find(shrunk.back().begin(), shrunk.back().end(), pivot));
        if (shrunk.back().empty()) return Outcome<T>{{T{}}, all_ways(part.nodes - 1)};
      }
    }
    // Two shrunk sets do not contain each other: they did not before.
    std::erase_if(kept, [&](const HostSet& set) {
      return std::any_of(shrunk.begin(), shrunk.end(), [&](const HostSet& small) {
        return std::includes(set.begin(), set.end(), small.begin(), small.end());
      });
    });
    kept.insert(kept.end(), shrunk.begin(), shrunk.end());
    auto components = components_of(part.nodes, kept);
    Outcome<T> joint{all_ways(components.free_nodes - 1), {T{}}};  // without the pivot
    for (auto& each : components.parts) {
      for (auto& node : each.members) node = part.members[static_cast<std::size_t>(node)];
      const auto outcome = solve(each);
      if (!outcome) return std::nullopt;
      const auto all = all_ways(each.nodes);
      if (!budget_.spend(static_cast<std::int64_t>(2 * joint.survived.size() * all.size()))) {
        return std::nullopt;
      }
      joint.fatal = product(joint.fatal, all, most_);
      add(joint.fatal, product(joint.survived, outcome->fatal, most_));
      joint.survived = product(joint.survived, outcome->survived, most_);
    }
    return joint;
  }

  std::vector<T> all_ways(int nodes) const {
    std::vector<T> row{1};
    if (!rates_.empty()) return row;
    for (int k = 1; k <= nodes && row.size() < most_; ++k) {
      row.push_back(row.back() * static_cast<T>(nodes - k + 1) / static_cast<T>(k));
    }
    return row;
  }

  const std::vector<double>& rates_;
  std::size_t most_;
  WorkBudget& budget_;
};

}  // namespace

template <class T>
std::optional<Outcome<T>> branch(const Component& part, const std::vector<double>& rates,
                                 int degree_max, WorkBudget& budget) {
  Component whole = part;
  for (std::size_t i = 0; i < whole.members.size(); ++i) {
    whole.members[i] = static_cast<std::int32_t>(i);
  }
  auto outcome = Brancher<T>(rates, degree_max, budget).solve(whole);
  if (!outcome) return std::nullopt;
  outcome->survived.resize(static_cast<std::size_t>(degree_max) + 1);
  outcome->fatal.resize(static_cast<std::size_t>(degree_max) + 1);
  return outcome;
}

template std::optional<Outcome<UInt128>> branch(const Component& part,
                                                const std::vector<double>& rates, int degree_max,
                                                WorkBudget& budget);
template std::optional<Outcome<double>> branch(const Component& part,
                                               const std::vector<double>& rates, int degree_max,
                                               WorkBudget& budget);

}  // namespace bethany
