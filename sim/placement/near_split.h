#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "sim/placement/makespan.h"
#include "sim/placement/routed_rows.h"

namespace bethany {

/// How many rows of each expert each of its hosts computes: no rank more than `capacity`, and as
/// many rows as possible on the node that routed them.
///
/// Rows of e that node n both routes and computes are min(T_{e,n}, X_{e,n}), so a pair (e, n) is an
/// arc of cost -1 for its first T_{e,n} rows and of cost 0 beyond. A cheapest flow from experts
/// over pairs to ranks is found by successive shortest ways (primal-dual): path costs are small
/// integers that only rise, so there are few rounds, each a maximum flow over tight arcs.
class NearSplit {
 public:
  /// Requires: ranks `ranks_per_node` to a node; capacity at least the makespan of the totals.
  NearSplit(const HostLists& hosts_by_rank, int ranks_per_node, const RoutedRows& routed,
            std::int64_t capacity);

  /// By index of hosts_by_rank.place. Sums over an expert's hosts to its total.
  const std::vector<std::int64_t>& rows() const { return rows_; }

 private:
  struct Arc {
    std::int32_t to = 0;
    std::int32_t cost = 0;
    std::int64_t room = 0;
  };

  void make_pairs();
  void index_ranks();
  bool keep_own_rows();
  void fill_free_ranks();
  void finish();
  void raise_prices();
  bool find_levels();
  std::int64_t push(std::int32_t vertex, std::int64_t amount);

  // Vertices: experts, then (expert, node) pairs, then ranks.
  std::int32_t expert_count() const { return hosts_.experts(); }
  std::int32_t pair_count() const { return static_cast<std::int32_t>(own_.size()); }
  std::int32_t rank_vertex(std::int32_t rank) const { return expert_count() + pair_count() + rank; }
  template <class Visit>
  void visit_arcs(std::int32_t vertex, std::int32_t& index, Visit visit) const;
  void move(std::int32_t vertex, std::int32_t index, std::int64_t rows);
  std::int64_t room(std::int32_t rank) const {
    return capacity_ - load_[static_cast<std::size_t>(rank)];
  }

  const HostLists& hosts_;
  int ranks_per_node_;
  const RoutedRows& routed_;
  std::int64_t capacity_;
  std::int64_t excess_sum_ = 0;
  std::vector<std::int64_t> rows_;    // by edge: an index of hosts_.place
  std::vector<std::int64_t> excess_;  // by expert
  std::vector<std::int64_t> load_;    // by rank
  std::vector<std::int32_t> pair_of_edge_;
  std::vector<std::int32_t> first_pair_;  // of each expert, and the end
  std::vector<std::int32_t> first_edge_;  // of each pair, and the end
  std::vector<std::int32_t> expert_of_pair_;
  std::vector<std::int64_t> own_;        // T_{e,n} by pair
  std::vector<std::int64_t> pair_rows_;  // X_{e,n}
  std::vector<std::int32_t> first_at_;   // edges by rank, and the end
  std::vector<std::int32_t> edge_at_;
  // Vertices by number:
  std::vector<std::int32_t> price_;  // of the cheapest way from an expert with an excess
  std::vector<std::int32_t> level_;
  std::vector<std::int32_t> next_;
  std::vector<std::int32_t> queue_;
  std::int32_t exit_price_ = 0;  // of the cheapest way to a rank with room
};

}  // namespace bethany
