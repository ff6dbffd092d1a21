#pragma once

#include <cstdint>
#include <type_traits>
#include <vector>

#include "sim/placement/set_components.h"

namespace bethany {

/// A component whose twins are merged: nodes that are in the same sets are one cell, which keeps
/// its sets alive as long as one of its nodes lives.
struct CellGraph {
  std::vector<std::vector<std::int32_t>> nodes_of;  // nodes of each cell, ascending
  std::vector<std::vector<std::int32_t>> sets_of;   // sets of each cell, ascending
  std::vector<std::vector<std::int32_t>> cells_of;  // cells of each set, ascending

  std::int32_t cells() const { return static_cast<std::int32_t>(nodes_of.size()); }
  std::int32_t sets() const { return static_cast<std::int32_t>(cells_of.size()); }
};

CellGraph merge_twins(const Component& part);

/// What a cell contributes: polynomials in the number of lost nodes, by degree. With loss
/// probabilities by node all is of degree 0.
template <class T>
struct CellWeight {
  std::vector<T> alive;  // some node lives
  T lost{};              // all are lost, times x^lost_degree
  int lost_degree = 0;
};

/// All loss sets alike: C(n, j) x^j for j < n, and x^n.
template <class T>
std::vector<CellWeight<T>> uniform_weights(const CellGraph& graph);

/// Loss probabilities of the component's nodes, independent.
std::vector<CellWeight<double>> rated_weights(const CellGraph& graph,
                                              const std::vector<double>& rates);

/// The weights of `rates`, or the uniform ones when there are none. Rates are for doubles only.
template <class T>
std::vector<CellWeight<T>> weights_of(const CellGraph& graph, const std::vector<double>& rates) {
  if constexpr (std::is_same_v<T, double>) {
    if (!rates.empty()) return rated_weights(graph, rates);
  }
  return uniform_weights<T>(graph);
}

/// By degree up to a limit: what is survived and what is fatal. Both are sums of positive terms, so
/// each keeps its relative precision.
template <class T>
struct Outcome {
  std::vector<T> survived;
  std::vector<T> fatal;
};

}  // namespace bethany
