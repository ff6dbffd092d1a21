#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "sim/base/int128.h"
#include "sim/placement/host_bits.h"

namespace bethany {

/// Most nodes for which a profile is read off all loss sets: N · 2^N / 64 word steps.
constexpr int kWholeNodes = 12;
/// Most nodes of one component of overlapping sets that is enumerated when its unions are too many.
constexpr int kWholeComponentNodes = 20;
/// Word steps a profile may take beyond that, about 10 ms.
constexpr std::int64_t kProfileWork = 4'000'000;

/// What two families of host sets are compared by: (survive(1), survive(2), …), worked out only as
/// far as needed (placement.md §1).
///
/// Let g(x) = sum over subfamilies U of (-1)^|U| x^|union of U|, so that survive(k) = sum of
/// g_w · C(N-w, k-w). The coefficient of g_k is 1: the first k at which two families differ is the
/// first degree at which their g differ, and the larger g_k wins. g multiplies over components
/// (sets that share nodes) and begins with 1, so the same holds of x·g'(x)/g(x), whose integer
/// coefficients *add* over components: disjoint groups of thousands of nodes need no big numbers.
///
/// Exact as far as `known()`. Cost: N·2^N/64 up to kWholeNodes; else, by component and degree, the
/// number of different unions of at most that many nodes; nodes that lie in the same sets count as
/// one. Beyond kProfileWork (and kWholeComponentNodes) the profile ends before its last degree. The
/// first degree, the size of a smallest set, is always known.
class SurvivalProfile {
 public:
  /// Requires: no set empty unless it is alone.
  explicit SurvivalProfile(const HostBits& family, std::int64_t work = kProfileWork);

  /// Degrees 0..known() are exact.
  int known() const { return known_; }
  bool complete() const { return known_ >= nodes_; }
  /// Works out the next degrees; false when complete or too costly. Families are compared by
  /// deepening the shallower one.
  bool deepen();
  /// [x^degree] of x·g'/g, of survive() itself up to kWholeNodes nodes. Requires degree <= known().
  Int128 term(int degree) const;
  /// Word steps taken so far.
  std::int64_t work() const { return spent_; }

 private:
  /// Overlapping sets over classes of nodes that lie in the same sets.
  struct Part {
    std::vector<std::int32_t> weight;  // nodes of each class
    HostBits sets;                     // over classes
    int size = 0;                      // nodes of all classes
    std::vector<Int128> g;             // exact for all its degrees
    std::vector<std::size_t> nonzero;  // degrees from 1 on where g is not 0
    std::vector<Int128> terms;         // of x·g'/g, at most as many
  };

  void split();
  Part part_of(const std::vector<std::size_t>& sets) const;
  /// g of a part, exact up to `limit` and as far beyond as comes for free; false: out of reach.
  bool count(Part& part, int limit);
  /// Terms up to `limit` or where g ends; false when a number is too large.
  bool extend_terms(Part& part, int limit);

  int nodes_ = 0;
  HostBits family_;
  std::int64_t work_ = 0;
  std::int64_t spent_ = 0;
  int known_ = 0;
  int next_ = 0;
  bool stuck_ = false;
  std::vector<Int128> counts_;            // survive(k), up to kWholeNodes
  std::vector<std::int64_t> lone_terms_;  // of the components of one set
  std::vector<Part> parts_;
};

enum class Ranking { first, second, equal, unknown };

/// Which family survives more, lexicographically from k = 1; unknown when they agree as far as both
/// are affordable. Requires: families over equally many nodes.
Ranking rank(SurvivalProfile& a, SurvivalProfile& b);

/// By number of losses k = 0..nodes, how many loss sets leave every set a node, by looking at all
/// of them. Requires: at most kWholeComponentNodes nodes.
std::vector<std::int64_t> count_by_enumeration(const HostBits& family);

}  // namespace bethany
