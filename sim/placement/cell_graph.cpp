#include "sim/placement/cell_graph.h"

#include <algorithm>
#include <numeric>

namespace bethany {

CellGraph merge_twins(const Component& part) {
  const auto n = static_cast<std::size_t>(part.nodes);
  std::vector<std::vector<std::int32_t>> sets_of(n);
  for (std::size_t s = 0; s < part.sets.size(); ++s) {
    for (const std::int32_t node : part.sets[s]) {
      sets_of[static_cast<std::size_t>(node)].push_back(static_cast<std::int32_t>(s));
    }
  }
  std::vector<std::int32_t> order(n);
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](std::int32_t a, std::int32_t b) {
    const auto& of_a = sets_of[static_cast<std::size_t>(a)];
    const auto& of_b = sets_of[static_cast<std::size_t>(b)];
    return of_a != of_b ? of_a < of_b : a < b;
  });
  CellGraph graph;
  graph.cells_of.resize(part.sets.size());
  for (std::size_t i = 0; i < n; ++i) {
    auto& sets = sets_of[static_cast<std::size_t>(order[i])];
    if (i == 0 || graph.sets_of.back() != sets) {
      for (const std::int32_t set : sets) {
        graph.cells_of[static_cast<std::size_t>(set)].push_back(graph.cells());
      }
      graph.nodes_of.emplace_back();
      graph.sets_of.push_back(sets);
    }
    graph.nodes_of.back().push_back(order[i]);
  }
  return graph;
}

template <class T>
std::vector<CellWeight<T>> uniform_weights(const CellGraph& graph) {
  std::vector<CellWeight<T>> weights;
  for (const auto& nodes : graph.nodes_of) {
    CellWeight<T> weight;
    const auto n = static_cast<int>(nodes.size());
    T ways = 1;
    for (int lost = 0; lost < n; ++lost) {
      weight.alive.push_back(ways);
      ways = ways * static_cast<T>(n - lost) / static_cast<T>(lost + 1);
    }
    weight.lost = 1;
    weight.lost_degree = n;
    weights.push_back(std::move(weight));
  }
  return weights;
}

template std::vector<CellWeight<UInt128>> uniform_weights(const CellGraph& graph);
template std::vector<CellWeight<double>> uniform_weights(const CellGraph& graph);

std::vector<CellWeight<double>> rated_weights(const CellGraph& graph,
                                              const std::vector<double>& rates) {
  std::vector<CellWeight<double>> weights;
  for (const auto& nodes : graph.nodes_of) {
    CellWeight<double> weight;
    // 1 - the product, without cancellation: the first that lives is the i-th.
    double lost = 1;
    double alive = 0;
    for (const std::int32_t node : nodes) {
      const double rate = rates[static_cast<std::size_t>(node)];
      alive += lost * (1 - rate);
      lost *= rate;
    }
    weight.alive = {alive};
    weight.lost = lost;
    weights.push_back(std::move(weight));
  }
  return weights;
}

}  // namespace bethany
