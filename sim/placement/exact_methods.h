#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "sim/placement/cell_graph.h"
#include "sim/placement/set_components.h"

// The ways to count what a component of overlapping host sets survives. Each gives up when its
// budget ends; exact_counts.h chooses among them.

namespace bethany {

/// What a computation may spend, in elementary steps of about a nanosecond. Counted, not timed:
/// equal on every machine.
class WorkBudget {
 public:
  explicit WorkBudget(std::int64_t steps) : left_(steps) {}
  /// False when it is spent.
  bool spend(std::int64_t steps) {
    left_ -= steps;
    return left_ >= 0;
  }

 private:
  std::int64_t left_;
};

/// g of placement.md §1 by inclusion and exclusion: by size w = 0..min(nodes, k_max), the families
/// of an even number of sets whose union has w nodes less those of an odd number. Then survive(k) =
/// Σ g_w · C(nodes-w, k-w). Work grows with the families whose union has at most k_max nodes.
std::optional<std::vector<std::int64_t>> count_unions(const Component& part, int k_max,
                                                      WorkBudget& budget);

/// Most nodes whose loss sets are enumerated: memory is 2^nodes bits, work nodes · 2^nodes / 64.
constexpr int kEnumeratedNodes = 24;

/// By number of losses, how many loss sets are fatal to no set. Empty beyond kEnumeratedNodes.
std::optional<std::vector<std::uint64_t>> enumerate_survivors(const Component& part,
                                                              WorkBudget& budget);

/// Counts over an elimination order of the cells (docs in elimination.cpp). Empty when the budget
/// ends first or too many sets would be open at once. T: UInt128 or double.
template <class T>
std::optional<Outcome<T>> eliminate(const CellGraph& graph,
                                    const std::vector<CellWeight<T>>& weights, int degree_max,
                                    WorkBudget& budget);

/// log2 of a bound of the states that eliminate() goes through.
double elimination_cost(const CellGraph& graph);

/// Nodes are decided one by one, those in most sets first, until what is left falls apart or can be
/// eliminated (docs in branching.cpp). `rates` are loss probabilities by node of the component;
/// empty: all loss sets alike, by number of losses up to degree_max. Empty when the budget ends
/// first.
template <class T>
std::optional<Outcome<T>> branch(const Component& part, const std::vector<double>& rates,
                                 int degree_max, WorkBudget& budget);

}  // namespace bethany
