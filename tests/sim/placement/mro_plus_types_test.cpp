// Few experts on more nodes than can be enumerated: a plan is how many nodes hold each set of
// experts (placement.md §3, "type search"). mro+ against all of them.

#include <algorithm>
#include <numeric>

#include "tests/sim/placement/enumerate_support.h"
#include "tests/sim/placement/naive.h"

namespace bethany {
namespace {

using naive::Counts;
using Survivors = std::vector<std::int64_t>;

/// Looks at every number of nodes of every type and keeps the lexicographically best survivors.
class TypeSearch {
 public:
  TypeSearch(int nodes, int slots, Counts counts)
      : nodes_(nodes), counts_(std::move(counts)), hosts_(std::size_t{1} << counts_.size()) {
    for (std::size_t type = 1; type < hosts_.size(); ++type) {
      if (__builtin_popcountll(type) <= slots) types_.push_back(type);
    }
  }

  Survivors best() {
    go(0, nodes_);
    Survivors survive(static_cast<std::size_t>(nodes_) + 1);
    for (int k = 0; k <= nodes_; ++k) {
      for (int w = 0; w <= nodes_; ++w) {
        survive[static_cast<std::size_t>(k)] +=
            best_[static_cast<std::size_t>(w)] * naive::choose(nodes_ - w, k - w);
      }
    }
    return survive;
  }

 private:
  /// `left` nodes for the types from `at` on.
  void go(std::size_t at, int left) {
    if (at == types_.size()) {
      // survive(k) = sum over sets S of experts of (-1)^|S| C(N - |H(S)|, k - |H(S)|).
      Survivors g(static_cast<std::size_t>(nodes_) + 1);
      for (std::size_t set = 0; set < hosts_.size(); ++set) {
        g[static_cast<std::size_t>(hosts_[set])] += __builtin_popcountll(set) % 2 == 0 ? 1 : -1;
      }
      best_ = std::max(best_, g);
      return;
    }
    const std::size_t type = types_[at];
    int most = left;
    for (std::size_t e = 0; e < counts_.size(); ++e) {
      if ((type >> e & 1) == 0) continue;
      most = std::min(most, counts_[e] - hosts_[std::size_t{1} << e]);
    }
    for (int n = most; n >= 0; --n) {
      add(type, n);
      go(at + 1, left - n);
      add(type, -n);
    }
  }
  void add(std::size_t type, int n) {
    for (std::size_t set = 1; set < hosts_.size(); ++set) {
      if ((set & type) != 0) hosts_[set] += n;
    }
  }

  int nodes_;
  Counts counts_;
  std::vector<std::size_t> types_;  // experts as bits
  std::vector<int> hosts_;          // by set of experts: nodes that host one of them
  Survivors best_;
};

int check_types(int experts, int slots, int nodes) {
  int cases = 0;
  for (const auto& counts : naive::all_counts(nodes, slots, experts)) {
    if (static_cast<int>(counts.size()) != experts) continue;
    INFO("N=" << nodes << " c=" << slots << " r=" << Catch::StringMaker<Counts>::convert(counts));
    const auto plan = naive::plan("mro+", nodes, slots, counts);
    REQUIRE(naive::survivors(plan) == TypeSearch(nodes, slots, counts).best());
    ++cases;
  }
  return cases;
}

TEST_CASE("mro+ is lexicographically best for three and four experts") {
  int cases = 0;
  for (int nodes = 3; nodes <= 14; ++nodes) cases += check_types(3, 2, nodes);
  for (int nodes = 3; nodes <= 7; ++nodes)
    cases += check_types(4, 2, nodes) + check_types(4, 3, nodes);
  CHECK(cases > 100);
}

// Minutes. unit_placement "[.slow]"
TEST_CASE("mro+ is lexicographically best for up to five experts on more nodes", "[.slow]") {
  for (int nodes = 15; nodes <= 20; ++nodes) check_types(3, 2, nodes);
  for (int nodes = 8; nodes <= 10; ++nodes) check_types(4, 3, nodes);
  for (int nodes = 5; nodes <= 6; ++nodes) check_types(5, 3, nodes);
}

}  // namespace
}  // namespace bethany
