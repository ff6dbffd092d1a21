#include <algorithm>

#include "sim/base/int128.h"
#include "sim/base/object_reader.h"
#include "sim/placement/makespan.h"
#include "sim/placement/near_split.h"
#include "sim/placement/parts.h"
#include "sim/placement/routed_rows.h"
#include "sim/placement/transport.h"

namespace bethany {
namespace {

/// The split of one layer, expert by expert: what its hosts keep, what moves inside each node that
/// hosts it, and what leaves or enters nodes. A rank's own rows stay with it first; then as many as
/// possible stay on the node, so that a node never both sends and receives rows of one expert.
class SplitFlow {
 public:
  SplitFlow(const PlacementShape& shape, const LayerPlan& plan, const RoutedRows& routed,
            double slack)
      : shape_(shape), routed_(routed), hosts_(hosts_of(plan, shape.experts, shape.ranks())) {
    std::vector<std::int64_t> totals;
    for (int e = 0; e < shape.experts; ++e) totals.push_back(routed.total(e));
    const std::int64_t least = MakespanSolver().solve_whole(hosts_, totals);
    const auto relaxed =
        static_cast<std::int64_t>(std::min(static_cast<double>(least) * slack, 0x1p62));
    rows_ = NearSplit(hosts_, shape.gpus_per_node, routed, std::max(least, relaxed)).rows();
  }

  LayerTraffic summary() {
    const auto ranks = static_cast<std::size_t>(shape_.ranks());
    LayerTraffic traffic;
    for (auto* rows : {&traffic.computed, &traffic.sent_inside, &traffic.received_inside,
                       &traffic.sent_outside, &traffic.received_outside}) {
      rows->resize(ranks);
    }
    for (int rank = 0; rank < shape_.ranks(); ++rank) {
      traffic.sent_outside[static_cast<std::size_t>(rank)] = routed_.of_rank(rank);
    }
    for (int expert = 0; expert < shape_.experts; ++expert) {
      for_each_node(expert, [&](int first_rank) {
        for (std::size_t g = 0; g < node_.size(); ++g) {
          const std::size_t i = static_cast<std::size_t>(first_rank) + g;
          const Rank& rank = node_[g];
          traffic.computed[i] += rank.kept + rank.received + rank.residual;
          traffic.sent_inside[i] += rank.sent;
          traffic.received_inside[i] += rank.received;
          traffic.sent_outside[i] -= rank.kept + rank.sent;
          traffic.received_outside[i] += rank.residual;
        }
      });
    }
    return traffic;
  }

  TokenMatrix matrix() {
    TokenMatrix matrix(shape_.ranks(), shape_.experts);
    for (int expert = 0; expert < shape_.experts; ++expert) {
      TransportProblem across;
      for (std::int32_t rank = 0; rank < shape_.ranks(); ++rank) {
        across.rows.push_back(routed_.at(rank, expert));
        across.group.push_back(rank / shape_.gpus_per_node);
      }
      across.columns.resize(across.rows.size());
      for_each_node(expert, [&](int first_rank) {
        fill_node(expert, first_rank, matrix);
        for (std::size_t g = 0; g < node_.size(); ++g) {
          const std::size_t i = static_cast<std::size_t>(first_rank) + g;
          across.rows[i] = node_[g].surplus;
          across.columns[i] = node_[g].residual;
        }
      });
      move(across, [&](std::size_t i, std::size_t j, std::int64_t rows) {
        matrix.at(expert, static_cast<int>(i), static_cast<int>(j)) += rows;
      });
    }
    return matrix;
  }

 private:
  /// Rows of the expert at hand on one rank of the node at hand.
  struct Rank {
    std::int64_t kept = 0;
    std::int64_t sent = 0;  // inside the node
    std::int64_t received = 0;
    std::int64_t surplus = 0;   // to other nodes
    std::int64_t residual = 0;  // from other nodes
  };

  /// Fills node_ for every node that hosts the expert and calls visit(its first rank).
  template <class Visit>
  void for_each_node(int expert, Visit visit) {
    const auto end = static_cast<std::size_t>(hosts_.first[static_cast<std::size_t>(expert) + 1]);
    auto edge = static_cast<std::size_t>(hosts_.first[static_cast<std::size_t>(expert)]);
    while (edge < end) {
      const int first_rank = hosts_.place[edge] / shape_.gpus_per_node * shape_.gpus_per_node;
      node_.assign(static_cast<std::size_t>(shape_.gpus_per_node), {});
      for (std::size_t g = 0; g < node_.size(); ++g) {
        node_[g].surplus = routed_.at(first_rank + static_cast<int>(g), expert);
      }
      for (; edge < end && hosts_.place[edge] < first_rank + shape_.gpus_per_node; ++edge) {
        Rank& rank = node_[static_cast<std::size_t>(hosts_.place[edge] - first_rank)];
        rank.kept = std::min(rank.surplus, rows_[edge]);
        rank.surplus -= rank.kept;
        rank.residual = rows_[edge] - rank.kept;
      }
      if (shape_.gpus_per_node > 1) move_inside();
      visit(first_rank);
    }
  }

  /// min(surplus, residual) rows of the node move inside it, shared out in proportion.
  void move_inside() {
    std::int64_t surplus = 0;
    std::int64_t residual = 0;
    for (const Rank& rank : node_) surplus += rank.surplus, residual += rank.residual;
    const std::int64_t inside = std::min(surplus, residual);
    if (inside == 0) return;
    std::int64_t surplus_upto = 0;
    std::int64_t residual_upto = 0;
    std::int64_t sent_upto = 0;
    std::int64_t received_upto = 0;
    for (Rank& rank : node_) {
      surplus_upto += rank.surplus;
      residual_upto += rank.residual;
      rank.sent = floor_share(inside, surplus_upto, surplus) - sent_upto;
      rank.received = floor_share(inside, residual_upto, residual) - received_upto;
      sent_upto += rank.sent;
      received_upto += rank.received;
      rank.surplus -= rank.sent;
      rank.residual -= rank.received;
    }
  }

  void fill_node(int expert, int first_rank, TokenMatrix& matrix) const {
    TransportProblem within;
    for (std::size_t g = 0; g < node_.size(); ++g) {
      const int rank = first_rank + static_cast<int>(g);
      matrix.at(expert, rank, rank) = node_[g].kept;
      within.rows.push_back(node_[g].sent);
      within.columns.push_back(node_[g].received);
      within.group.push_back(static_cast<std::int32_t>(g));
    }
    move(within, [&](std::size_t i, std::size_t j, std::int64_t rows) {
      matrix.at(expert, first_rank + static_cast<int>(i), first_rank + static_cast<int>(j)) += rows;
    });
  }

  /// Each sender's rows to the receivers in proportion to what these receive.
  template <class Put>
  static void move(TransportProblem& problem, Put put) {
    std::int64_t sum = 0;
    for (const std::int64_t rows : problem.rows) sum += rows;
    if (sum == 0) return;
    problem.row_weights = problem.rows;
    problem.column_weights = problem.columns;
    problem.weight_sum = sum;
    solve_transport(problem, put);
  }

  const PlacementShape& shape_;
  const RoutedRows& routed_;
  HostLists hosts_;
  std::vector<std::int64_t> rows_;  // by index of hosts_.place
  std::vector<Rank> node_;
};

/// The least maximum of rows over GPUs that any split over the hosts reaches, in whole rows
/// (placement.md §5.1); among those splits one with the fewest rows that leave their node. `slack`
/// (at least 1) lets the busiest GPU have that many times the least, for fewer such rows still.
class MinMakespan final : public Dispatch {
 public:
  explicit MinMakespan(ObjectReader& options) : slack_(options.real("slack", 1, 1e3, 1.0)) {}

  LayerTraffic dispatch(const PlacementShape& shape, const LayerPlan& plan,
                        std::span<const std::int64_t> rows,
                        std::span<const std::int64_t> loads) const override {
    const RoutedRows routed(rows, loads);
    return SplitFlow(shape, plan, routed, slack_).summary();
  }

  std::optional<TokenMatrix> matrix(const PlacementShape& shape, const LayerPlan& plan,
                                    const TokenCounts& counts) const override {
    const RoutedRows routed(counts);
    return SplitFlow(shape, plan, routed, slack_).matrix();
  }

 private:
  double slack_;
};

const bool registered = dispatches().add({
    .name = "min-makespan",
    .summary = "the least load of the busiest GPU, then the fewest rows between nodes",
    .make = [](ObjectReader& options) -> std::unique_ptr<Dispatch> {
      return std::make_unique<MinMakespan>(options);
    },
});

}  // namespace
}  // namespace bethany
