#include "sim/placement/near_split.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "sim/base/check.h"

namespace bethany {
namespace {

constexpr std::int32_t kUnseen = -1;
constexpr std::int64_t kEndless = std::numeric_limits<std::int64_t>::max();

}  // namespace

NearSplit::NearSplit(const HostLists& hosts_by_rank, int ranks_per_node, const RoutedRows& routed,
                     std::int64_t capacity)
    : hosts_(hosts_by_rank),
      ranks_per_node_(ranks_per_node),
      routed_(routed),
      capacity_(capacity),
      rows_(hosts_by_rank.place.size()),
      excess_(static_cast<std::size_t>(hosts_by_rank.experts())),
      load_(static_cast<std::size_t>(hosts_by_rank.places)) {
  for (int e = 0; e < expert_count(); ++e) {
    excess_[static_cast<std::size_t>(e)] = routed.total(e);
    excess_sum_ += routed.total(e);
  }
  make_pairs();
  if (keep_own_rows()) fill_free_ranks();
  if (excess_sum_ == 0) return;
  index_ranks();
  finish();
}

void NearSplit::make_pairs() {
  pair_of_edge_.resize(rows_.size());
  first_pair_.reserve(excess_.size() + 1);
  first_edge_.reserve(rows_.size() + 1);
  own_.reserve(rows_.size());
  expert_of_pair_.reserve(rows_.size());
  for (std::int32_t e = 0; e < expert_count(); ++e) {
    first_pair_.push_back(pair_count());
    std::int32_t before = -1;
    for (auto edge = hosts_.first[static_cast<std::size_t>(e)];
         edge < hosts_.first[static_cast<std::size_t>(e) + 1]; ++edge) {
      const std::int32_t node = hosts_.place[static_cast<std::size_t>(edge)] / ranks_per_node_;
      if (node != before) {
        first_edge_.push_back(edge);
        expert_of_pair_.push_back(e);
        std::int64_t own = 0;
        for (int rank = node * ranks_per_node_; rank < (node + 1) * ranks_per_node_; ++rank) {
          own += routed_.at(rank, e);
        }
        own_.push_back(own);
        before = node;
      }
      pair_of_edge_[static_cast<std::size_t>(edge)] = pair_count() - 1;
    }
  }
  first_pair_.push_back(pair_count());
  first_edge_.push_back(static_cast<std::int32_t>(rows_.size()));
  pair_rows_.assign(own_.size(), 0);
}

/// Each rank its own rows, then its node's: ways of cost -1. Whether that is all there are.
bool NearSplit::keep_own_rows() {
  bool all = true;
  for (std::size_t q = 0; q < own_.size(); ++q) {
    const auto e = static_cast<std::size_t>(expert_of_pair_[q]);
    std::int64_t wanted = std::min(own_[q], excess_[e]);
    const auto give = [&](std::size_t edge, std::int64_t most) {
      const std::int32_t rank = hosts_.place[edge];
      const std::int64_t rows = std::min({wanted, most, room(rank)});
      rows_[edge] += rows;
      load_[static_cast<std::size_t>(rank)] += rows;
      pair_rows_[q] += rows;
      excess_[e] -= rows;
      excess_sum_ -= rows;
      wanted -= rows;
    };
    const auto first = static_cast<std::size_t>(first_edge_[q]);
    const auto last = static_cast<std::size_t>(first_edge_[q + 1]);
    for (std::size_t edge = first; edge < last; ++edge) {
      give(edge, routed_.at(hosts_.place[edge], expert_of_pair_[q]));
    }
    for (std::size_t edge = first; wanted > 0 && edge < last; ++edge) give(edge, kEndless);
    all = all && wanted == 0;
  }
  return all;
}

/// Experts with few hosts first; evenly as far as there is room, then wherever there is room. These
/// are ways of cost 0, cheapest when there are none of cost -1.
void NearSplit::fill_free_ranks() {
  std::vector<std::pair<std::int32_t, std::size_t>> order;  // (hosts, expert)
  for (std::size_t e = 0; e < excess_.size(); ++e) {
    if (excess_[e] > 0) order.emplace_back(hosts_.first[e + 1] - hosts_.first[e], e);
  }
  std::sort(order.begin(), order.end());
  for (const auto& [hosts, e] : order) {
    auto& excess = excess_[e];
    const auto first = static_cast<std::size_t>(hosts_.first[e]);
    const auto last = static_cast<std::size_t>(hosts_.first[e + 1]);
    const auto give = [&](std::size_t edge, std::int64_t most) {
      const std::int64_t rows = std::min(most, room(hosts_.place[edge]));
      rows_[edge] += rows;
      load_[static_cast<std::size_t>(hosts_.place[edge])] += rows;
      pair_rows_[static_cast<std::size_t>(pair_of_edge_[edge])] += rows;
      excess -= rows;
      excess_sum_ -= rows;
    };
    std::int64_t count = hosts;
    for (std::size_t edge = first; excess > 0 && edge < last; ++edge, --count) {
      give(edge, excess / count);
    }
    for (std::size_t edge = first; excess > 0 && edge < last; ++edge) give(edge, excess);
  }
}

void NearSplit::index_ranks() {
  first_at_.assign(load_.size() + 2, 0);
  for (const auto rank : hosts_.place) ++first_at_[static_cast<std::size_t>(rank) + 2];
  for (std::size_t r = 2; r < first_at_.size(); ++r) first_at_[r] += first_at_[r - 1];
  edge_at_.resize(rows_.size());
  for (std::size_t edge = 0; edge < rows_.size(); ++edge) {
    auto& at = first_at_[static_cast<std::size_t>(hosts_.place[edge]) + 1];
    edge_at_[static_cast<std::size_t>(at++)] = static_cast<std::int32_t>(edge);
  }
  first_at_.pop_back();
}

/// Calls visit(arc) for the arcs of the vertex from number `index` on until it says to stop;
/// `index` is then the number of that arc. Arcs of an expert: its pairs. Of a pair: its ranks, then
/// its expert. Of a rank: the pairs with rows on it.
template <class Visit>
void NearSplit::visit_arcs(std::int32_t vertex, std::int32_t& index, Visit visit) const {
  const std::int32_t pair = vertex - expert_count();
  const std::int32_t rank = pair - pair_count();
  if (pair < 0) {
    const std::int32_t first = first_pair_[static_cast<std::size_t>(vertex)];
    const std::int32_t end = first_pair_[static_cast<std::size_t>(vertex) + 1];
    for (; first + index < end; ++index) {
      const auto q = static_cast<std::size_t>(first + index);
      const std::int64_t own_left = own_[q] - pair_rows_[q];
      const std::int32_t to = expert_count() + first + index;
      if (visit(own_left > 0 ? Arc{to, -1, own_left} : Arc{to, 0, kEndless})) return;
    }
  } else if (rank < 0) {
    const auto q = static_cast<std::size_t>(pair);
    const std::int32_t first = first_edge_[q];
    const std::int32_t end = first_edge_[q + 1];
    for (; first + index < end; ++index) {
      const std::int32_t to = hosts_.place[static_cast<std::size_t>(first + index)];
      if (visit(Arc{rank_vertex(to), 0, kEndless})) return;
    }
    if (first + index > end || pair_rows_[q] == 0) return;
    const std::int64_t foreign = pair_rows_[q] - own_[q];
    const std::int32_t to = expert_of_pair_[q];
    if (!visit(foreign > 0 ? Arc{to, 0, foreign} : Arc{to, 1, pair_rows_[q]})) ++index;
  } else {
    const std::int32_t first = first_at_[static_cast<std::size_t>(rank)];
    const std::int32_t end = first_at_[static_cast<std::size_t>(rank) + 1];
    for (; first + index < end; ++index) {
      const auto edge = static_cast<std::size_t>(edge_at_[static_cast<std::size_t>(first + index)]);
      if (rows_[edge] == 0) continue;
      if (visit(Arc{expert_count() + pair_of_edge_[edge], 0, rows_[edge]})) return;
    }
  }
}

void NearSplit::move(std::int32_t vertex, std::int32_t index, std::int64_t rows) {
  const std::int32_t pair = vertex - expert_count();
  const std::int32_t rank = pair - pair_count();
  if (pair < 0) {
    const std::int32_t to = first_pair_[static_cast<std::size_t>(vertex)] + index;
    pair_rows_[static_cast<std::size_t>(to)] += rows;
  } else if (rank < 0) {
    const auto q = static_cast<std::size_t>(pair);
    const std::int32_t edge = first_edge_[q] + index;
    if (edge < first_edge_[q + 1]) {
      rows_[static_cast<std::size_t>(edge)] += rows;
    } else {
      pair_rows_[q] -= rows;
    }
  } else {
    const std::int32_t at = first_at_[static_cast<std::size_t>(rank)] + index;
    rows_[static_cast<std::size_t>(edge_at_[static_cast<std::size_t>(at)])] -= rows;
  }
}

void NearSplit::finish() {
  const auto vertices = static_cast<std::size_t>(rank_vertex(hosts_.places));
  // With all own rows kept no way is cheaper than 0; before that, -1 to what routes own rows.
  price_.assign(vertices, 0);
  bool all_kept = true;
  for (std::size_t q = 0; q < own_.size(); ++q) all_kept = all_kept && pair_rows_[q] >= own_[q];
  for (std::size_t q = 0; !all_kept && q < own_.size(); ++q) {
    if (own_[q] == 0) continue;
    price_[excess_.size() + q] = -1;
    for (auto edge = first_edge_[q]; edge < first_edge_[q + 1]; ++edge) {
      const std::int32_t rank = hosts_.place[static_cast<std::size_t>(edge)];
      price_[static_cast<std::size_t>(rank_vertex(rank))] = -1;
      exit_price_ = -1;
    }
  }
  level_.resize(vertices);
  next_.resize(vertices);
  while (excess_sum_ > 0) {
    while (excess_sum_ > 0 && find_levels()) {
      for (std::int32_t e = 0; e < expert_count(); ++e) {
        auto& excess = excess_[static_cast<std::size_t>(e)];
        if (excess == 0) continue;
        const std::int64_t moved = push(e, excess);
        excess -= moved;
        excess_sum_ -= moved;
      }
    }
    if (excess_sum_ == 0) return;
    raise_prices();
    if (exit_price_ == 0) fill_free_ranks();
  }
}

/// Adds the distance over arcs of reduced cost (cost + price of the tail - price of the head, never
/// negative) to each price, but no more than that of the nearest rank with room: Dial's buckets.
void NearSplit::raise_prices() {
  std::vector<std::int32_t> distance(price_.size(), std::numeric_limits<std::int32_t>::max());
  std::vector<std::vector<std::int32_t>> buckets(1);
  for (std::int32_t e = 0; e < expert_count(); ++e) {
    if (excess_[static_cast<std::size_t>(e)] == 0) continue;
    distance[static_cast<std::size_t>(e)] = 0;
    buckets[0].push_back(e);
  }
  std::int32_t nearest = std::numeric_limits<std::int32_t>::max();
  for (std::size_t d = 0; d < buckets.size() && static_cast<std::int32_t>(d) < nearest; ++d) {
    for (std::size_t i = 0; i < buckets[d].size(); ++i) {
      const std::int32_t from = buckets[d][i];
      const auto here = static_cast<std::int32_t>(d);
      if (distance[static_cast<std::size_t>(from)] != here) continue;
      if (from >= rank_vertex(0) && room(from - rank_vertex(0)) > 0) {
        nearest = std::min(nearest, here + price_[static_cast<std::size_t>(from)] - exit_price_);
      }
      std::int32_t index = 0;
      visit_arcs(from, index, [&](const Arc& way) {
        const std::int32_t there = here + way.cost + price_[static_cast<std::size_t>(from)] -
                                   price_[static_cast<std::size_t>(way.to)];
        auto& best = distance[static_cast<std::size_t>(way.to)];
        if (there >= best) return false;
        best = there;
        if (buckets.size() <= static_cast<std::size_t>(there)) {
          buckets.resize(static_cast<std::size_t>(there) + 1);
        }
        buckets[static_cast<std::size_t>(there)].push_back(way.to);
        return false;
      });
    }
  }
  BETHANY_CHECK(nearest < std::numeric_limits<std::int32_t>::max(),
                "{} rows over the capacity {} of the ranks", excess_sum_, capacity_);
  for (std::size_t v = 0; v < price_.size(); ++v) price_[v] += std::min(distance[v], nearest);
  exit_price_ += nearest;
}

/// Fewest arcs from experts with an excess over tight arcs; false when no rank with room is
/// reached at the exit's price.
bool NearSplit::find_levels() {
  std::fill(level_.begin(), level_.end(), kUnseen);
  queue_.clear();
  for (std::int32_t e = 0; e < expert_count(); ++e) {
    if (excess_[static_cast<std::size_t>(e)] == 0) continue;
    level_[static_cast<std::size_t>(e)] = 0;
    queue_.push_back(e);
  }
  std::int32_t last_level = std::numeric_limits<std::int32_t>::max();
  for (std::size_t i = 0; i < queue_.size(); ++i) {
    const std::int32_t from = queue_[i];
    const auto v = static_cast<std::size_t>(from);
    next_[v] = 0;
    if (level_[v] >= last_level) continue;
    std::int32_t index = 0;
    visit_arcs(from, index, [&](const Arc& way) {
      const auto w = static_cast<std::size_t>(way.to);
      if (level_[w] != kUnseen || way.cost + price_[v] != price_[w]) return false;
      level_[w] = level_[v] + 1;
      queue_.push_back(way.to);
      const std::int32_t rank = way.to - rank_vertex(0);
      if (rank >= 0 && room(rank) > 0 && price_[w] == exit_price_) last_level = level_[w];
      return false;
    });
  }
  return last_level != std::numeric_limits<std::int32_t>::max();
}

std::int64_t NearSplit::push(std::int32_t vertex, std::int64_t amount) {
  const auto v = static_cast<std::size_t>(vertex);
  std::int64_t moved = 0;
  if (vertex >= rank_vertex(0) && price_[v] == exit_price_) {
    const std::int32_t rank = vertex - rank_vertex(0);
    moved = std::min(amount, room(rank));
    load_[static_cast<std::size_t>(rank)] += moved;
  }
  if (moved == amount) return moved;
  visit_arcs(vertex, next_[v], [&](const Arc& way) {
    const auto w = static_cast<std::size_t>(way.to);
    if (level_[w] != level_[v] + 1 || way.cost + price_[v] != price_[w]) return false;
    const std::int64_t through = push(way.to, std::min(way.room, amount - moved));
    move(vertex, next_[v], through);
    moved += through;
    return moved == amount;  // the arc may have more
  });
  return moved;
}

}  // namespace bethany
