#include "sim/placement/survival_order.h"

#include <algorithm>
#include <array>
#include <bit>
#include <numeric>

#include "sim/base/check.h"
#include "sim/placement/union_counts.h"

namespace bethany {
namespace {

/// Products of two terms must fit 128 bits with room for their sum.
constexpr Int128 kLargestTerm = Int128{1} << 56;

/// Word steps of the attempt to count all unions of a part at once.
constexpr std::int64_t kAttemptWork = 20'000;

bool large(Int128 value) { return value > kLargestTerm || value < -kLargestTerm; }

/// g of a family whose survivors are counted: survive(k) = sum of g_w · C(n-w, k-w), solved for
/// one g_k after another.
std::vector<Int128> polynomial_of(const std::vector<std::int64_t>& survive) {
  const std::size_t n = survive.size() - 1;
  std::vector<Int128> rest(survive.begin(), survive.end());
  std::vector<Int128> g(n + 1);
  for (std::size_t w = 0; w <= n; ++w) {
    g[w] = rest[w];
    Int128 ways = 1;
    for (std::size_t k = w; k <= n; ++k) {
      rest[k] -= g[w] * ways;
      ways = ways * static_cast<Int128>(n - k) / static_cast<Int128>(k - w + 1);
    }
  }
  return g;
}

std::size_t root_of(std::vector<std::size_t>& parent, std::size_t at) {
  while (parent[at] != at) {
    parent[at] = parent[parent[at]];
    at = parent[at];
  }
  return at;
}

template <class Visit>
void for_each_bit(const std::uint64_t* set, std::size_t words, Visit visit) {
  for (std::size_t w = 0; w < words; ++w) {
    for (std::uint64_t bits = set[w]; bits != 0; bits &= bits - 1) {
      visit(w * kBitsPerWord + static_cast<std::size_t>(std::countr_zero(bits)));
    }
  }
}

}  // namespace

std::vector<std::int64_t> count_by_enumeration(const HostBits& family) {
  const auto n = static_cast<std::size_t>(family.nodes);
  BETHANY_CHECK(n <= static_cast<std::size_t>(kWholeComponentNodes), "all losses of {} nodes", n);
  constexpr std::array<std::uint64_t, 6> kWithout = {0x5555555555555555U, 0x3333333333333333U,
                                                     0x0F0F0F0F0F0F0F0FU, 0x00FF00FF00FF00FFU,
                                                     0x0000FFFF0000FFFFU, 0x00000000FFFFFFFFU};
  // Words of a loss set's low six nodes, by number of them lost.
  constexpr std::array<std::uint64_t, 7> kOfSize = {
      0x0000000000000001U, 0x0000000100010116U, 0x0001011601161668U, 0x0116166816686880U,
      0x1668688068808000U, 0x6880800080000000U, 0x8000000000000000U};
  std::vector<std::uint64_t> fatal(n <= 6 ? 1 : std::size_t{1} << (n - 6));
  for (std::size_t i = 0; i < family.sets(); ++i) {
    set_bit(fatal.data(), static_cast<std::size_t>(family.words == 0 ? 0 : family.set(i)[0]));
  }
  for (std::size_t node = 0; node < std::min<std::size_t>(n, kWithout.size()); ++node) {
    for (auto& word : fatal) word |= (word & kWithout[node]) << (std::size_t{1} << node);
  }
  for (std::size_t node = kWithout.size(); node < n; ++node) {
    const std::size_t step = std::size_t{1} << (node - kWithout.size());
    for (std::size_t at = 0; at < fatal.size(); at += 2 * step) {
      for (std::size_t i = at; i < at + step; ++i) fatal[i + step] |= fatal[i];
    }
  }
  const std::uint64_t existing =
      n >= 6 ? ~std::uint64_t{0} : (std::uint64_t{1} << (std::size_t{1} << n)) - 1;
  std::vector<std::int64_t> counts(n + 1);
  for (std::size_t at = 0; at < fatal.size(); ++at) {
    const std::uint64_t alive = ~fatal[at] & existing;
    if (alive == 0) continue;
    const auto high = static_cast<std::size_t>(count_bits(at));
    for (std::size_t low = 0; low < kOfSize.size() && high + low <= n; ++low) {
      counts[high + low] += count_bits(alive & kOfSize[low]);
    }
  }
  return counts;
}

SurvivalProfile::SurvivalProfile(const HostBits& family, std::int64_t work)
    : nodes_(family.nodes), family_(minimal_sets(family)), work_(work) {
  const auto count = static_cast<std::int64_t>(family.sets());
  // Small families look at all pairs, large ones at sets that share their first node.
  const auto compared = static_cast<std::int64_t>(family_.words == 1 ? family_.sets() : 8);
  spent_ += count * compared * static_cast<std::int64_t>(family_.words);
  if (nodes_ <= kWholeNodes) {
    const auto survive = count_by_enumeration(family_);
    counts_.assign(survive.begin(), survive.end());
    known_ = nodes_;
    spent_ += (std::int64_t{nodes_ + 8} << nodes_) / 64;
    return;
  }
  lone_terms_.assign(static_cast<std::size_t>(nodes_) + 1, 0);
  split();
}

void SurvivalProfile::split() {
  const auto sets = family_.sets();
  if (sets == 0 || family_.size_of(0) == 0) {
    // An expert without a host: below every other family.
    if (sets > 0) std::fill(lone_terms_.begin(), lone_terms_.end(), -kLargestTerm);
    known_ = nodes_;
    return;
  }
  std::vector<std::size_t> parent(sets);
  std::iota(parent.begin(), parent.end(), std::size_t{0});
  std::vector<std::size_t> set_with(static_cast<std::size_t>(nodes_), sets);
  for (std::size_t i = 0; i < sets; ++i) {
    for_each_bit(family_.set(i), family_.words, [&](std::size_t node) {
      auto& other = set_with[node];
      if (other == sets) {
        other = i;
        return;
      }
      const auto a = root_of(parent, i);
      const auto b = root_of(parent, other);
      parent[std::max(a, b)] = std::min(a, b);
    });
  }
  std::vector<std::vector<std::size_t>> members(sets);
  for (std::size_t i = 0; i < sets; ++i) members[root_of(parent, i)].push_back(i);
  // Unions of two sets, of which neither contains the other, are larger than the smaller one.
  next_ = nodes_ + 1;
  for (const auto& part : members) {
    if (part.empty()) continue;
    if (part.size() == 1) {
      // x·g'/g of 1 - x^s is -s at every multiple of s.
      const int size = family_.size_of(part.front());
      for (int w = size; w <= nodes_; w += size) lone_terms_[static_cast<std::size_t>(w)] -= size;
      continue;
    }
    parts_.push_back(part_of(part));
    auto& made = parts_.back();
    const int least = family_.size_of(part.front());
    made.terms.assign(static_cast<std::size_t>(least) + 1, 0);
    for (const auto i : part) made.terms.back() -= family_.size_of(i) == least ? least : 0;
    next_ = std::min(next_, least + 1);
  }
  known_ = next_ - 1;
}

SurvivalProfile::Part SurvivalProfile::part_of(const std::vector<std::size_t>& sets) const {
  // Classes by refinement: a set splits each class that it meets.
  constexpr std::int32_t kNone = -1;
  std::vector<std::int32_t> class_of(static_cast<std::size_t>(nodes_), kNone);
  std::vector<std::int32_t> split_into;
  std::int32_t classes = 0;
  for (const auto i : sets) {
    split_into.assign(static_cast<std::size_t>(classes) + 1, kNone);
    for_each_bit(family_.set(i), family_.words, [&](std::size_t node) {
      auto& into = split_into[static_cast<std::size_t>(class_of[node] + 1)];
      if (into == kNone) into = classes++;
      class_of[node] = into;
    });
  }
  // Classes that lost all their nodes leave gaps: number anew by first node.
  std::vector<std::int32_t> number(static_cast<std::size_t>(classes), kNone);
  Part part;
  for (auto& of : class_of) {
    if (of == kNone) continue;
    auto& to = number[static_cast<std::size_t>(of)];
    if (to == kNone) {
      to = static_cast<std::int32_t>(part.weight.size());
      part.weight.push_back(0);
    }
    ++part.weight[static_cast<std::size_t>(to)];
    of = to;
    ++part.size;
  }
  part.sets = empty_host_bits(static_cast<int>(part.weight.size()), sets.size());
  for (std::size_t i = 0; i < sets.size(); ++i) {
    for_each_bit(family_.set(sets[i]), family_.words, [&](std::size_t node) {
      set_bit(part.sets.set(i), static_cast<std::size_t>(class_of[node]));
    });
  }
  return part;
}

bool SurvivalProfile::count(Part& part, int limit) {
  const auto attempt = std::min(kAttemptWork, work_ - spent_);
  auto counted = count_unions(part.sets, part.weight, part.size, attempt);
  spent_ += counted.work;
  if (!counted.exact) {
    counted = count_unions(part.sets, part.weight, limit, work_ - spent_);
    spent_ += counted.work;
  }
  if (!counted.exact) {
    if (part.size > kWholeComponentNodes) return false;
    spent_ += (std::int64_t{part.size} << part.size) / 64;
    HostBits nodes = empty_host_bits(part.size, part.sets.sets());
    for (std::size_t i = 0; i < part.sets.sets(); ++i) {
      std::size_t node = 0;
      for (std::size_t of = 0; of < part.weight.size(); ++of) {
        for (std::int32_t j = 0; j < part.weight[of]; ++j, ++node) {
          if (has_bit(part.sets.set(i), of)) set_bit(nodes.set(i), node);
        }
      }
    }
    counted.by_size = polynomial_of(count_by_enumeration(nodes));
    counted.next_size = part.size + 1;
  }
  if (std::any_of(counted.by_size.begin(), counted.by_size.end(), large)) return false;
  part.g = std::move(counted.by_size);
  // g ends with the part's nodes, g'/g does not.
  const int reach = counted.next_size > part.size ? nodes_ : counted.next_size - 1;
  part.g.resize(static_cast<std::size_t>(reach) + 1);
  part.nonzero.clear();
  for (std::size_t w = 1; w < part.g.size(); ++w) {
    if (part.g[w] != 0) part.nonzero.push_back(w);
  }
  return true;
}

bool SurvivalProfile::extend_terms(Part& part, int limit) {
  const auto end = std::min(part.g.size(), static_cast<std::size_t>(limit) + 1);
  for (std::size_t w = part.terms.size(); w < end; ++w) {
    Int128 term = static_cast<Int128>(w) * part.g[w];
    for (const std::size_t i : part.nonzero) {
      if (i >= w) break;
      term -= part.g[i] * part.terms[w - i];
      ++spent_;
    }
    if (large(term)) return false;
    part.terms.push_back(term);
  }
  return true;
}

bool SurvivalProfile::deepen() {
  if (complete() || stuck_) return false;
  const int goal = next_ + next_ / 2;
  int next = nodes_ + 1;
  for (auto& part : parts_) {
    const bool counted = static_cast<int>(part.g.size()) > next_ || count(part, next_);
    if (!counted || !extend_terms(part, goal)) {
      stuck_ = true;
      return false;
    }
    next = std::min(next, static_cast<int>(part.terms.size()));
  }
  next_ = next;
  known_ = std::min(next_ - 1, nodes_);
  return true;
}

Int128 SurvivalProfile::term(int degree) const {
  const auto w = static_cast<std::size_t>(degree);
  if (!counts_.empty()) return counts_[w];
  if (degree == 0) return 0;
  Int128 sum = lone_terms_[w];
  for (const auto& part : parts_) sum += part.terms[w];
  return sum;
}

Ranking rank(SurvivalProfile& a, SurvivalProfile& b) {
  int degree = 1;
  while (true) {
    for (; degree <= std::min(a.known(), b.known()); ++degree) {
      const Int128 of_a = a.term(degree);
      const Int128 of_b = b.term(degree);
      if (of_a != of_b) return of_a > of_b ? Ranking::first : Ranking::second;
    }
    if (a.complete() && b.complete()) return Ranking::equal;
    auto& shallower = a.known() <= b.known() ? a : b;
    if (!shallower.deepen()) return Ranking::unknown;
  }
}

}  // namespace bethany
