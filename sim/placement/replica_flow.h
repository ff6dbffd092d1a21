#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "sim/placement/parts.h"
#include "sim/placement/routed_rows.h"

namespace bethany {

/// Whether a rank's own replicas serve its own rows before others'.
enum class Locality { first, ignored };

/// Where the rows of each expert go when every replica computes the same share p_e = t_e / r_e
/// (papers.md §1.3), in whole rows and without a rank × rank matrix.
///
/// Rounding, in this order, so that the summary and the matrix agree: (1) each of the r_e replicas
/// computes floor or ceil of p_e; a rank's target is the sum over its replicas. (2) With
/// Locality::first a rank keeps min(own rows, target). What is left is a rank's surplus a_i and
/// residual b_i, A = sum a = sum b, and would ideally move as a_i · b_j / A. (3) A node keeps
/// floor(a · b / A) of its ranks' surplus and residual sums; that is shared out among its ranks in
/// proportion to a_i and to b_i; of it a rank keeps floor(rows · columns / sum). Rounding these
/// diagonal blocks down always leaves a solution in whole rows for the rest: with fractions phi cut
/// off, the rows that neither come from nor go to node s are more than -phi_s, so at least 0, which
/// is the condition for a matrix with an empty diagonal block to exist.
class ReplicaFlow {
 public:
  ReplicaFlow(const PlacementShape& shape, const LayerPlan& plan, const RoutedRows& routed,
              Locality locality);
  ~ReplicaFlow();
  ReplicaFlow(const ReplicaFlow&) = delete;
  ReplicaFlow& operator=(const ReplicaFlow&) = delete;

  /// The sums by rank. Inside means the same node: plan nodes are bound to machines wherever these
  /// stand, so plan neighbours need not share a server. O(slots + experts · nodes that host ·
  /// GPUs per node).
  LayerTraffic summary();
  TokenMatrix matrix();

 private:
  struct Host {
    std::int32_t rank = 0;
    std::int64_t target = 0;
    std::int64_t kept = 0;
  };
  /// A node with hosts of the expert; its ranks' entries begin at `first`.
  struct Block {
    std::int32_t node = 0;
    std::size_t first = 0;
  };

  void index_replicas(const LayerPlan& plan);
  void follow(int expert);
  void find_hosts(int expert);
  void fill_block(int expert, std::size_t first_host, std::size_t last_host, std::int64_t surplus);
  void fill_matrix(int expert, TokenMatrix& matrix);

  const PlacementShape& shape_;
  const RoutedRows& routed_;
  Locality locality_;
  /// Kept by the thread from one flow to the next: one is made for every layer of every new plan
  /// or load, and asking for memory took longer than the rest.
  struct Buffers {
    std::vector<std::int32_t> rank_of_replica;  // by expert, then ascending
    std::vector<std::int32_t> end_of_replicas;  // of each expert, in rank_of_replica
    // Of the expert followed last:
    std::vector<Host> hosts;
    std::vector<Block> blocks;
    std::vector<std::int64_t> sent_inside;  // of each block's ranks
    std::vector<std::int64_t> received_inside;
  };
  static Buffers& spare_buffers();
  Buffers buffers_;
};

}  // namespace bethany
