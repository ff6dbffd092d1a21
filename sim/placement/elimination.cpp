#include <algorithm>
#include <bit>
#include <cmath>

#include "sim/base/check.h"
#include "sim/placement/bits.h"
#include "sim/placement/exact_methods.h"

// Cells are decided one after another: some node lives, or all are lost. After each decision only
// the sets matter that are open (some cells decided, some not) and not hit yet; the loss sets that
// agree in these are counted together, by their number of losses. A set whose last cell is decided
// without a hit is fatal. This walks a decision diagram level by level, without storing it.
//
// Of two open sets, both not hit, the one whose undecided cells contain the other's is implied by
// it and forgotten. Then states are equal exactly when what remains to be hit is equal: for the
// order taken, there are no fewer states.

namespace bethany {
namespace {

constexpr std::size_t kMostOpen = 128;

/// Open sets that are not hit, by slot.
struct Key {
  std::uint64_t low = 0;
  std::uint64_t high = 0;

  Key operator|(const Key& o) const { return {low | o.low, high | o.high}; }
  Key operator&(const Key& o) const { return {low & o.low, high & o.high}; }
  Key without(const Key& o) const { return {low & ~o.low, high & ~o.high}; }
  bool any() const { return (low | high) != 0; }
  bool operator==(const Key&) const = default;
  void set(std::size_t slot) {
    (slot < kBitsPerWord ? low : high) |= std::uint64_t{1} << (slot % kBitsPerWord);
  }
  std::uint64_t hash() const {
    std::uint64_t mixed = (low ^ (high * 0x9E3779B97F4A7C15U)) * 0xBF58476D1CE4E5B9U;
    mixed ^= mixed >> 31;
    return mixed * 0x94D049BB133111EBU;
  }
};

template <class Visit>
void for_each_slot(const Key& key, Visit visit) {
  for (std::uint64_t bits = key.low; bits != 0; bits &= bits - 1) {
    visit(static_cast<std::size_t>(std::countr_zero(bits)));
  }
  for (std::uint64_t bits = key.high; bits != 0; bits &= bits - 1) {
    visit(kBitsPerWord + static_cast<std::size_t>(std::countr_zero(bits)));
  }
}

/// Greedy from one start: next the cell that leaves the fewest sets open; then the one in the sets
/// with the fewest undecided cells.
class GreedyOrder {
 public:
  GreedyOrder(const CellGraph& graph, std::int32_t start) : graph_(graph) {
    const auto cells = static_cast<std::size_t>(graph.cells());
    decided_.resize(cells);
    near_.resize(cells);
    for (const auto& members : graph.cells_of) left_.push_back(members.size());
    take(start);
    while (order_.size() < cells) take(next());
  }

  const std::vector<std::int32_t>& order() const { return order_; }
  /// Bounds the states, summed over the steps.
  double cost() const { return cost_; }

 private:
  bool is_open(std::size_t set) const {
    return left_[set] != 0 && left_[set] != graph_.cells_of[set].size();
  }

  void take(std::int32_t cell) {
    order_.push_back(cell);
    decided_[static_cast<std::size_t>(cell)] = 1;
    for (const std::int32_t set : graph_.sets_of[static_cast<std::size_t>(cell)]) {
      const auto s = static_cast<std::size_t>(set);
      if (!is_open(s)) {
        ++open_;
        for (const std::int32_t other : graph_.cells_of[s]) {
          auto& near = near_[static_cast<std::size_t>(other)];
          if (near == 0) candidates_.push_back(other);
          near = 1;
        }
      }
      if (--left_[s] == 0) --open_;
    }
    cost_ += std::exp2(static_cast<double>(open_));
  }

  std::int32_t next() {
    std::int32_t best = -1;
    std::int64_t best_growth = 0;
    double best_pull = 0;
    std::size_t kept = 0;
    for (const std::int32_t cell : candidates_) {
      if (decided_[static_cast<std::size_t>(cell)] != 0) continue;
      candidates_[kept++] = cell;
      std::int64_t growth = 0;
      double pull = 0;
      for (const std::int32_t set : graph_.sets_of[static_cast<std::size_t>(cell)]) {
        const auto s = static_cast<std::size_t>(set);
        if (!is_open(s)) ++growth;
        if (left_[s] == 1) --growth;
        if (is_open(s)) pull += 1 / static_cast<double>(left_[s]);
      }
      const bool better =
          best < 0 || growth < best_growth ||
          (growth == best_growth && (pull > best_pull || (pull == best_pull && cell < best)));
      if (!better) continue;
      best = cell;
      best_growth = growth;
      best_pull = pull;
    }
    candidates_.resize(kept);
    return best;
  }

  const CellGraph& graph_;
  std::vector<std::int32_t> order_;
  std::vector<std::uint8_t> decided_;
  std::vector<std::uint8_t> near_;
  std::vector<std::int32_t> candidates_;
  std::vector<std::size_t> left_;  // undecided cells of each set
  std::int64_t open_ = 0;
  double cost_ = 0;
};

constexpr std::int32_t kMostStarts = 16;

struct Order {
  std::vector<std::int32_t> cells;
  double cost = 0;
};

Order best_order(const CellGraph& graph) {
  Order best;
  const std::int32_t stride = std::max(1, graph.cells() / kMostStarts);
  for (std::int32_t start = 0; start < graph.cells(); start += stride) {
    const GreedyOrder greedy(graph, start);
    if (!best.cells.empty() && greedy.cost() >= best.cost) continue;
    best = {greedy.order(), greedy.cost()};
  }
  return best;
}

/// What a decision does to the states: the same to all of them.
class Frontier {
 public:
  explicit Frontier(const CellGraph& graph)
      : graph_(graph),
        words_(words_for(static_cast<std::size_t>(graph.cells()))),
        undecided_(static_cast<std::size_t>(graph.sets()) * words_),
        slot_of_(static_cast<std::size_t>(graph.sets()), kMostOpen),
        set_in_(kMostOpen, -1),
        implied_(kMostOpen) {
    for (std::size_t s = 0; s < graph.cells_of.size(); ++s) {
      for (const std::int32_t cell : graph.cells_of[s]) {
        set_bit(undecided(s), static_cast<std::size_t>(cell));
      }
    }
  }

  /// False when more than kMostOpen sets would be open.
  bool decide(std::int32_t cell) {
    for_each_slot(closing, [&](std::size_t slot) {
      slot_of_[static_cast<std::size_t>(set_in_[slot])] = kMostOpen;
      set_in_[slot] = -1;
      implied_[slot] = {};
      for (auto& implied : implied_) implied = implied.without(bit(slot));
    });
    hit = {};
    opened = {};
    closing = {};
    for (const std::int32_t set : graph_.sets_of[static_cast<std::size_t>(cell)]) {
      const auto s = static_cast<std::size_t>(set);
      if (slot_of_[s] == kMostOpen) {
        const auto free = std::find(set_in_.begin(), set_in_.end(), -1);
        if (free == set_in_.end()) return false;
        slot_of_[s] = static_cast<std::size_t>(free - set_in_.begin());
        *free = set;
        opened.set(slot_of_[s]);
      }
      hit.set(slot_of_[s]);
      const auto c = static_cast<std::size_t>(cell);
      undecided(s)[c / kBitsPerWord] &= ~(std::uint64_t{1} << (c % kBitsPerWord));
      const bool last = std::all_of(undecided(s), undecided(s) + words_,
                                    [](std::uint64_t word) { return word == 0; });
      if (last) closing.set(slot_of_[s]);
    }
    renew_implied();
    return true;
  }

  /// The state with what is implied by its other sets forgotten.
  Key reduced(Key key) const {
    for_each_slot(key & implying_, [&](std::size_t slot) {
      // What one that is forgotten itself implies, the one that implies it implies too.
      key = key.without(implied_[slot]);
    });
    return key;
  }

  Key hit;      // sets of the cell
  Key opened;   // those that it opens
  Key closing;  // those whose last cell it is

 private:
  static Key bit(std::size_t slot) {
    Key key;
    key.set(slot);
    return key;
  }
  std::uint64_t* undecided(std::size_t set) { return undecided_.data() + set * words_; }

  /// Only pairs with a set of the cell just decided can change.
  void renew_implied() {
    implying_ = {};
    for (std::size_t a = 0; a < kMostOpen; ++a) {
      if (set_in_[a] < 0) continue;
      for (std::size_t b = 0; b < kMostOpen; ++b) {
        if (a == b || set_in_[b] < 0) continue;
        if (!(hit & (bit(a) | bit(b))).any()) continue;
        const Key without = implied_[a].without(bit(b));
        implied_[a] = implies(a, b) ? without | bit(b) : without;
      }
      if (implied_[a].any()) implying_.set(a);
    }
  }

  bool implies(std::size_t a, std::size_t b) {
    const std::uint64_t* of_a = undecided(static_cast<std::size_t>(set_in_[a]));
    const std::uint64_t* of_b = undecided(static_cast<std::size_t>(set_in_[b]));
    bool equal = true;
    for (std::size_t w = 0; w < words_; ++w) {
      if ((of_a[w] & ~of_b[w]) != 0) return false;
      equal = equal && of_a[w] == of_b[w];
    }
    return !equal || set_in_[a] < set_in_[b];
  }

  const CellGraph& graph_;
  std::size_t words_;
  std::vector<std::uint64_t> undecided_;  // cells of each set
  std::vector<std::size_t> slot_of_;      // of each open set; kMostOpen: not open
  std::vector<std::int32_t> set_in_;      // each slot; -1: free
  std::vector<Key> implied_;              // by each slot
  Key implying_;                          // slots that imply something
};

/// States and their polynomials, in the order they were added.
template <class T>
class States {
 public:
  explicit States(std::size_t row) : row_(row) { clear(); }

  std::size_t size() const { return keys_.size(); }
  const Key& key(std::size_t state) const { return keys_[state]; }
  const T* row(std::size_t state) const { return values_.data() + state * row_; }
  /// The degrees that may be present.
  int low(std::size_t state) const { return low_[state]; }
  int high(std::size_t state) const { return high_[state]; }

  void clear() {
    keys_.clear();
    low_.clear();
    high_.clear();
    values_.clear();
    places_.assign(64, kNone);
  }

  /// The row of the state, zero when it is new, for degrees low..high to be added.
  T* at(const Key& key, int low, int high) {
    if (2 * keys_.size() >= places_.size()) grow();
    std::size_t place = key.hash() & (places_.size() - 1);
    while (places_[place] != kNone && !(keys_[places_[place]] == key)) {
      place = (place + 1) & (places_.size() - 1);
    }
    if (places_[place] == kNone) {
      places_[place] = static_cast<std::uint32_t>(keys_.size());
      keys_.push_back(key);
      low_.push_back(low);
      high_.push_back(high);
      values_.resize(values_.size() + row_);
    }
    const std::size_t state = places_[place];
    low_[state] = std::min(low_[state], low);
    high_[state] = std::max(high_[state], high);
    return values_.data() + state * row_;
  }

 private:
  static constexpr std::uint32_t kNone = UINT32_MAX;

  void grow() {
    places_.assign(places_.size() * 2, kNone);
    for (std::size_t i = 0; i < keys_.size(); ++i) {
      std::size_t place = keys_[i].hash() & (places_.size() - 1);
      while (places_[place] != kNone) place = (place + 1) & (places_.size() - 1);
      places_[place] = static_cast<std::uint32_t>(i);
    }
  }

  std::size_t row_;
  std::vector<Key> keys_;
  std::vector<int> low_;
  std::vector<int> high_;
  std::vector<T> values_;
  std::vector<std::uint32_t> places_;
};

/// Degrees of one polynomial that may be present.
struct Degrees {
  int low = 0;
  int high = 0;
};

/// target += source · weight · x^shift, up to degree_max.
template <class T>
void add_product(T* target, const T* source, Degrees of, const std::vector<T>& weight, int shift,
                 int degree_max) {
  for (std::size_t j = 0; j < weight.size(); ++j) {
    const int by = shift + static_cast<int>(j);
    const int end = std::min(of.high, degree_max - by);
    if (weight[j] == T{1}) {
      for (int k = of.low; k <= end; ++k) target[k + by] += source[k];
    } else {
      for (int k = of.low; k <= end; ++k) target[k + by] += source[k] * weight[j];
    }
  }
}

/// Most coefficients held at once, for two levels: 16 bytes each.
constexpr std::size_t kMostCoefficients = std::size_t{1} << 23;

}  // namespace

double elimination_cost(const CellGraph& graph) { return std::log2(best_order(graph).cost); }

template <class T>
std::optional<Outcome<T>> eliminate(const CellGraph& graph,
                                    const std::vector<CellWeight<T>>& weights, int degree_max,
                                    WorkBudget& budget) {
  const auto row = static_cast<std::size_t>(degree_max) + 1;
  States<T> states(row);
  States<T> next(row);
  *states.at({}, 0, 0) = 1;
  std::vector<T> fatal(row);
  std::vector<T> fatal_after(row);
  Frontier frontier(graph);
  const auto order = best_order(graph);
  for (const std::int32_t cell : order.cells) {
    if (!frontier.decide(cell)) return std::nullopt;
    const auto& weight = weights[static_cast<std::size_t>(cell)];
    const std::vector<T> lost{weight.lost};
    const auto terms = static_cast<std::int64_t>(weight.alive.size()) + 1;
    const int growth = static_cast<int>(weight.alive.size()) - 1;
    next.clear();
    fatal_after.assign(row, T{});
    const Degrees all{0, degree_max};
    add_product(fatal_after.data(), fatal.data(), all, weight.alive, 0, degree_max);
    add_product(fatal_after.data(), fatal.data(), all, lost, weight.lost_degree, degree_max);
    for (std::size_t state = 0; state < states.size(); ++state) {
      const Degrees of{states.low(state), states.high(state)};
      if (!budget.spend(32 + terms * (of.high - of.low + 1))) return std::nullopt;
      const Key alive = frontier.reduced(states.key(state).without(frontier.hit));
      T* target = next.at(alive, of.low, std::min(of.high + growth, degree_max));
      add_product(target, states.row(state), of, weight.alive, 0, degree_max);
      const int low = of.low + weight.lost_degree;
      if (low > degree_max) continue;
      const Key after = states.key(state) | frontier.opened;
      target = fatal_after.data();
      if (!(after & frontier.closing).any()) {
        target = next.at(frontier.reduced(after), low,
                         std::min(of.high + weight.lost_degree, degree_max));
      }
      add_product(target, states.row(state), of, lost, weight.lost_degree, degree_max);
    }
    if (next.size() * row > kMostCoefficients) return std::nullopt;
    std::swap(states, next);
    std::swap(fatal, fatal_after);
  }
  BETHANY_CHECK(states.size() == 1, "{} states at the end", states.size());
  return Outcome<T>{{states.row(0), states.row(0) + row}, std::move(fatal)};
}

template std::optional<Outcome<UInt128>> eliminate(const CellGraph& graph,
                                                   const std::vector<CellWeight<UInt128>>& weights,
                                                   int degree_max, WorkBudget& budget);
template std::optional<Outcome<double>> eliminate(const CellGraph& graph,
                                                  const std::vector<CellWeight<double>>& weights,
                                                  int degree_max, WorkBudget& budget);

}  // namespace bethany
