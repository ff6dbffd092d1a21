#include "sim/placement/least_moved.h"

#include <lemon/network_simplex.h>
#include <lemon/static_graph.h>

#include <algorithm>
#include <span>
#include <utility>

#include "sim/base/check.h"
#include "sim/placement/binding.h"
#include "sim/placement/row_kinds.h"

namespace bethany {
namespace {

/// Machine kinds that share experts with a place kind, and how many: what need not move.
struct Overlap {
  std::uint32_t machines = 0;
  std::int32_t experts = 0;
};

class Overlaps {
 public:
  Overlaps(const ExpertBits& needs, const ExpertBits& held, const RowKinds& places,
           const RowKinds& machines) {
    const auto holders = holders_of(held, machines);
    std::vector<std::int32_t> common(machines.size());
    std::vector<std::uint32_t> touched;
    first_.push_back(0);
    for (std::size_t t = 0; t < places.size() && affordable(); ++t) {
      each_bit(needs.row(places.row(t)), needs.words(), [&](std::size_t bit) {
        for (const std::uint32_t u : holders[bit]) {
          if (common[u]++ == 0) touched.push_back(u);
        }
      });
      std::sort(touched.begin(), touched.end());
      for (const std::uint32_t u : touched) {
        overlaps_.push_back({u, common[u]});
        common[u] = 0;
      }
      touched.clear();
      first_.push_back(overlaps_.size());
    }
  }

  bool affordable() const { return static_cast<std::int64_t>(overlaps_.size()) <= kMostOverlaps; }
  std::size_t size() const { return overlaps_.size(); }
  std::span<const Overlap> of(std::size_t place_kind) const {
    return {overlaps_.data() + first_[place_kind], overlaps_.data() + first_[place_kind + 1]};
  }

 private:
  std::vector<Overlap> overlaps_;
  std::vector<std::size_t> first_;
};

/// How many places of a kind go to machines of a kind.
struct Share {
  std::uint32_t machines = 0;
  std::int32_t count = 0;
};

/// A best assignment between kinds, and a dual solution that proves it.
struct Optimum {
  std::vector<std::vector<Share>> shares;   // of each place kind, counts above 0
  std::vector<std::int64_t> place_price;    // price(t) - price(u) >= overlap(t, u), and equal
  std::vector<std::int64_t> machine_price;  // exactly where a best assignment may use the pair
};

void add_share(std::vector<Share>& shares, std::uint32_t machines, std::int32_t count) {
  for (auto& share : shares) {
    if (share.machines == machines) {
      share.count += count;
      return;
    }
  }
  shares.push_back({machines, count});
}

Optimum solve(const RowKinds& places, const RowKinds& machines, const Overlaps& overlaps) {
  // Nodes: place kinds, the node between, machine kinds. Arcs in the order of their tails.
  using Graph = lemon::StaticDigraph;
  const auto between = static_cast<int>(places.size());
  std::vector<std::pair<int, int>> arcs;
  arcs.reserve(overlaps.size() + places.size() + machines.size());
  for (std::size_t t = 0; t < places.size(); ++t) {
    arcs.emplace_back(static_cast<int>(t), between);
    for (const auto& overlap : overlaps.of(t)) {
      arcs.emplace_back(static_cast<int>(t), between + 1 + static_cast<int>(overlap.machines));
    }
  }
  for (std::size_t u = 0; u < machines.size(); ++u) {
    arcs.emplace_back(between, between + 1 + static_cast<int>(u));
  }
  Graph graph;
  graph.build(between + 1 + static_cast<int>(machines.size()), arcs.begin(), arcs.end());
  Graph::ArcMap<std::int64_t> cost(graph, 0);
  Graph::NodeMap<std::int64_t> supply(graph, 0);
  int arc = 0;
  for (std::size_t t = 0; t < places.size(); ++t) {
    supply[Graph::node(static_cast<int>(t))] = static_cast<std::int64_t>(places.members[t].size());
    ++arc;
    for (const auto& overlap : overlaps.of(t)) cost[Graph::arc(arc++)] = -overlap.experts;
  }
  for (std::size_t u = 0; u < machines.size(); ++u) {
    supply[Graph::node(between + 1 + static_cast<int>(u))] =
        -static_cast<std::int64_t>(machines.members[u].size());
  }
  lemon::NetworkSimplex<Graph, std::int64_t, std::int64_t> simplex(graph);
  simplex.costMap(cost).supplyMap(supply);
  const auto status = simplex.run();
  BETHANY_CHECK(status == decltype(simplex)::OPTIMAL, "{} places have no machines",
                places.kind_of.size());

  Optimum optimum;
  optimum.shares.resize(places.size());
  std::vector<std::pair<std::size_t, std::int32_t>> free_places;  // those that keep nothing
  arc = 0;
  for (std::size_t t = 0; t < places.size(); ++t) {
    const auto none = static_cast<std::int32_t>(simplex.flow(Graph::arc(arc++)));
    if (none > 0) free_places.emplace_back(t, none);
    for (const auto& overlap : overlaps.of(t)) {
      const auto count = static_cast<std::int32_t>(simplex.flow(Graph::arc(arc++)));
      if (count > 0) optimum.shares[t].push_back({overlap.machines, count});
    }
    optimum.place_price.push_back(simplex.potential(Graph::node(static_cast<int>(t))));
  }
  auto next = free_places.begin();
  for (std::size_t u = 0; u < machines.size(); ++u) {
    auto left = static_cast<std::int32_t>(simplex.flow(Graph::arc(arc++)));
    while (left > 0) {
      const std::int32_t count = std::min(left, next->second);
      add_share(optimum.shares[next->first], static_cast<std::uint32_t>(u), count);
      left -= count;
      next->second -= count;
      if (next->second == 0) ++next;
    }
    optimum.machine_price.push_back(
        simplex.potential(Graph::node(between + 1 + static_cast<int>(u))));
  }
  return optimum;
}

/// Walks over the places and gives each the first machine that some best assignment, equal to what
/// was settled before, gives it.
class FirstOfTheBest {
 public:
  FirstOfTheBest(const RowKinds& places, const RowKinds& machines, const Overlaps& overlaps,
                 Optimum optimum)
      : places_(places),
        machines_(machines),
        shares_(std::move(optimum.shares)),
        words_(words_for(places.size())),
        usable_(words_ * machines.size()),
        taken_(machines.size()),
        reached_(machines.size()),
        steps_(machines.size()),
        unseen_(words_) {
    for (std::size_t t = 0; t < places.size(); ++t) {
      auto overlap = overlaps.of(t).begin();
      const auto end = overlaps.of(t).end();
      for (std::size_t u = 0; u < machines.size(); ++u) {
        const bool common = overlap != end && overlap->machines == u;
        const std::int64_t kept = common ? (overlap++)->experts : 0;
        const std::int64_t slack = optimum.place_price[t] - optimum.machine_price[u] - kept;
        BETHANY_CHECK(slack >= 0, "prices of an assignment that is not the best");
        if (slack == 0) set_bit(usable_.data() + u * words_, t);
      }
    }
  }

  std::vector<std::uint32_t> run() {
    std::vector<std::uint32_t> machine_of;
    machine_of.reserve(places_.kind_of.size());
    for (const std::uint32_t t : places_.kind_of) {
      const std::uint32_t u = settle(t);
      machine_of.push_back(machines_.members[u][taken_[u]++]);
    }
    return machine_of;
  }

 private:
  static constexpr std::uint32_t kNone = UINT32_MAX;
  /// How a place of the kind at hand can have a machine kind: places of kind `from` there go to
  /// kind `next` instead, and so on; kNone: the share is its own.
  struct Step {
    std::uint32_t from = kNone;
    std::uint32_t next = kNone;
  };

  bool usable(std::size_t t, std::size_t u) const {
    return has_bit(usable_.data() + u * words_, t);
  }
  /// The first machine left of a kind; kNone when there is none.
  std::uint32_t head(std::size_t u) const {
    return taken_[u] < machines_.members[u].size() ? machines_.members[u][taken_[u]] : kNone;
  }

  /// The kind of machine that a place of kind t gets. Takes it off the shares.
  std::uint32_t settle(std::uint32_t t) {
    std::uint32_t own = shares_[t].front().machines;
    for (const auto& share : shares_[t]) {
      if (head(share.machines) < head(own)) own = share.machines;
    }
    std::uint32_t wanted = own;
    for (std::uint32_t u = 0; u < machines_.size(); ++u) {
      if (head(u) < head(wanted) && usable(t, u)) wanted = u;
    }
    if (wanted == own) {
      take_share(t, own);
      return own;
    }
    std::uint32_t best = own;
    reach(t);
    for (const std::uint32_t u : queue_) {
      if (head(u) < head(best) && usable(t, u)) best = u;
    }
    std::uint32_t u = best;
    while (steps_[u].from != kNone) {
      take_share(steps_[u].from, u);
      add_share(shares_[steps_[u].from], steps_[u].next, 1);
      u = steps_[u].next;
    }
    take_share(t, u);
    return best;
  }

  /// All machine kinds that can be freed for a place of kind t, into queue_, breadth first from its
  /// own shares.
  void reach(std::uint32_t t) {
    for (const std::uint32_t u : queue_) reached_[u] = 0;
    queue_.clear();
    std::fill(unseen_.begin(), unseen_.end(), ~std::uint64_t{0});
    for (const auto& share : shares_[t]) enter(share.machines, {});
    for (std::size_t at = 0; at < queue_.size(); ++at) {
      const std::uint32_t next = queue_[at];
      const std::uint64_t* usable_here = usable_.data() + next * words_;
      for (std::size_t w = 0; w < words_; ++w) {
        for (std::uint64_t bits = usable_here[w] & unseen_[w]; bits != 0; bits &= bits - 1) {
          const auto from = static_cast<std::uint32_t>(w * kBitsPerWord + lowest_bit(bits));
          for (const auto& share : shares_[from]) enter(share.machines, {from, next});
        }
        unseen_[w] &= ~usable_here[w];
      }
    }
  }

  void enter(std::uint32_t u, Step step) {
    if (reached_[u] != 0) return;
    reached_[u] = 1;
    steps_[u] = step;
    queue_.push_back(u);
  }

  void take_share(std::uint32_t t, std::uint32_t u) {
    auto& shares = shares_[t];
    const auto share = std::find_if(shares.begin(), shares.end(),
                                    [&](const Share& one) { return one.machines == u; });
    if (--share->count == 0) {
      *share = shares.back();
      shares.pop_back();
    }
  }

  const RowKinds& places_;
  const RowKinds& machines_;
  std::vector<std::vector<Share>> shares_;
  std::size_t words_;
  std::vector<std::uint64_t> usable_;  // a row for each machine kind, a bit for each place kind
  std::vector<std::size_t> taken_;     // machines of each kind that are gone
  // One search.
  std::vector<std::uint32_t> queue_;
  std::vector<std::uint8_t> reached_;
  std::vector<Step> steps_;
  std::vector<std::uint64_t> unseen_;
};

}  // namespace

std::vector<std::uint32_t> least_moved_assignment(const ExpertBits& needs, const ExpertBits& held,
                                                  const std::vector<std::uint32_t>& places,
                                                  const std::vector<std::uint32_t>& machines) {
  BETHANY_CHECK(places.size() == machines.size(), "{} places for {} machines", places.size(),
                machines.size());
  if (places.empty()) return {};
  const auto place_kinds = kinds_of(needs, places);
  const auto machine_kinds = kinds_of(held, machines);
  const Overlaps overlaps(needs, held, place_kinds, machine_kinds);
  if (!overlaps.affordable()) return {};
  FirstOfTheBest first(place_kinds, machine_kinds, overlaps,
                       solve(place_kinds, machine_kinds, overlaps));
  return first.run();
}

}  // namespace bethany
