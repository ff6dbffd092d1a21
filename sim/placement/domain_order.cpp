#include "sim/placement/domain_order.h"

#include <algorithm>
#include <bit>
#include <functional>
#include <numeric>
#include <utility>

#include "sim/placement/layer_nesting.h"

namespace bethany {
namespace {

/// Word steps of the exchanges, some milliseconds.
constexpr std::int64_t kExchangeWork = 4'000'000;

/// Plan nodes on domains, and which sets lie within one. Exchanging two nodes' domains keeps the
/// domains' sizes.
class Exchanges {
 public:
  Exchanges(const HostBits& sets, std::vector<std::int32_t> domain_of)
      : sets_(sets), domain_of_(std::move(domain_of)), sets_with_(domain_of_.size()) {
    const auto last = std::max_element(domain_of_.begin(), domain_of_.end());
    const auto domains = static_cast<std::size_t>(*last) + 1;
    members_ = empty_host_bits(sets.nodes, domains);
    inside_.assign(domains, 0);
    for (std::size_t n = 0; n < domain_of_.size(); ++n) set_bit(members(n), n);
    for (std::size_t i = 0; i < sets.sets(); ++i) {
      for (std::size_t w = 0; w < sets.words; ++w) {
        for (std::uint64_t bits = sets.set(i)[w]; bits != 0; bits &= bits - 1) {
          const auto node = w * kBitsPerWord + static_cast<std::size_t>(std::countr_zero(bits));
          sets_with_[node].push_back(i);
        }
      }
      count(i, 1);
    }
  }

  DomainExposure exposure() const { return exposure_; }
  const std::vector<std::int32_t>& domain_of() const { return domain_of_; }

  void improve() {
    bool better = true;
    while (better && exposure_.sets_inside > 0) {
      better = false;
      for (std::size_t i = 0; i < sets_.sets() && work_ > 0; ++i) {
        if (home_of(i) >= 0) better = free_set(i) || better;
      }
    }
  }

 private:
  std::uint64_t* members(std::size_t node) {
    return members_.set(static_cast<std::size_t>(domain_of_[node]));
  }

  /// The domain that holds the whole set, or -1.
  std::int32_t home_of(std::size_t i) const {
    const std::uint64_t* set = sets_.set(i);
    for (std::size_t w = 0; w < sets_.words; ++w) {
      if (set[w] == 0) continue;
      const auto node = w * kBitsPerWord + static_cast<std::size_t>(std::countr_zero(set[w]));
      const std::int32_t home = domain_of_[node];
      const std::uint64_t* in = members_.set(static_cast<std::size_t>(home));
      for (; w < sets_.words; ++w) {
        if ((set[w] & ~in[w]) != 0) return -1;
      }
      return home;
    }
    return -1;
  }

  void count(std::size_t i, int sign) {
    const std::int32_t home = home_of(i);
    work_ -= static_cast<std::int64_t>(sets_.words);
    if (home < 0) return;
    auto& inside = inside_[static_cast<std::size_t>(home)];
    exposure_.fatal_domains -= inside > 0 ? 1 : 0;
    inside += sign;
    exposure_.fatal_domains += inside > 0 ? 1 : 0;
    exposure_.sets_inside += sign;
  }

  void exchange(std::size_t a, std::size_t b) {
    recount(a, b, -1);
    const auto flip = [&](std::size_t node) {
      members(node)[node / kBitsPerWord] ^= std::uint64_t{1} << (node % kBitsPerWord);
    };
    flip(a), flip(b);
    std::swap(domain_of_[a], domain_of_[b]);
    flip(a), flip(b);
    recount(a, b, 1);
  }
  void recount(std::size_t a, std::size_t b, int sign) {
    for (const auto i : sets_with_[a]) count(i, sign);
    for (const auto i : sets_with_[b]) {
      if (!has_bit(sets_.set(i), a)) count(i, sign);
    }
  }

  /// The first exchange of one of the set's nodes that is a gain.
  bool free_set(std::size_t i) {
    for (std::size_t a = 0; a < domain_of_.size(); ++a) {
      if (!has_bit(sets_.set(i), a)) continue;
      for (std::size_t b = 0; b < domain_of_.size() && work_ > 0; ++b) {
        if (domain_of_[a] == domain_of_[b]) continue;
        const auto before = exposure_;
        exchange(a, b);
        if (exposure_ < before) return true;
        exchange(a, b);
      }
    }
    return false;
  }

  const HostBits& sets_;
  std::vector<std::int32_t> domain_of_;
  std::vector<std::vector<std::size_t>> sets_with_;  // by node
  HostBits members_;                                 // by domain
  std::vector<int> inside_;                          // by domain: sets within it
  DomainExposure exposure_;
  std::int64_t work_ = kExchangeWork;
};

/// The nodes of each domain, ascending.
std::vector<std::vector<std::int32_t>> nodes_of_domains(std::span<const std::int32_t> domain_of) {
  std::vector<std::vector<std::int32_t>> nodes;
  for (std::size_t n = 0; n < domain_of.size(); ++n) {
    const auto domain = static_cast<std::size_t>(domain_of[n]);
    if (domain >= nodes.size()) nodes.resize(domain + 1);
    nodes[domain].push_back(static_cast<std::int32_t>(n));
  }
  return nodes;
}

/// Domains one after another, as long as each has nodes left.
std::vector<std::int32_t> dealt(std::span<const std::int32_t> domain_of) {
  const auto nodes = nodes_of_domains(domain_of);
  std::vector<std::int32_t> order;
  for (std::size_t turn = 0; order.size() < domain_of.size(); ++turn) {
    for (std::size_t d = 0; d < nodes.size(); ++d) {
      if (turn < nodes[d].size()) order.push_back(static_cast<std::int32_t>(d));
    }
  }
  return order;
}

}  // namespace

DomainExposure domain_exposure(const HostBits& sets, std::span<const std::int32_t> domain_of_node) {
  return Exchanges(sets, {domain_of_node.begin(), domain_of_node.end()}).exposure();
}

std::vector<std::int32_t> cross_domains(const HostBits& sets,
                                        std::span<const std::int32_t> domain_of_node) {
  std::vector<std::int32_t> target(domain_of_node.size());
  std::iota(target.begin(), target.end(), 0);
  Exchanges as_is(sets, {domain_of_node.begin(), domain_of_node.end()});
  as_is.improve();
  Exchanges from_deal(sets, dealt(domain_of_node));
  from_deal.improve();
  const auto& best = from_deal.exposure() < as_is.exposure() ? from_deal : as_is;
  // Nodes whose domain is the one they have already stay; the rest take what is left, in order.
  auto left = nodes_of_domains(domain_of_node);
  for (auto& nodes : left) {
    nodes.erase(std::remove_if(nodes.begin(), nodes.end(),
                               [&](std::int32_t n) {
                                 const auto at = static_cast<std::size_t>(n);
                                 return best.domain_of()[at] == domain_of_node[at];
                               }),
                nodes.end());
    std::reverse(nodes.begin(), nodes.end());
  }
  for (std::size_t n = 0; n < target.size(); ++n) {
    if (best.domain_of()[n] == domain_of_node[n]) continue;
    auto& nodes = left[static_cast<std::size_t>(best.domain_of()[n])];
    target[n] = nodes.back();
    nodes.pop_back();
  }
  return target;
}

void cross_domains(const PlacementShape& shape, LayerRows& layers) {
  const auto& domains = shape.domain_of_node;
  if (std::adjacent_find(domains.begin(), domains.end(), std::not_equal_to<>()) == domains.end()) {
    return;
  }
  HostBits sets = empty_host_bits(shape.nodes, 0);
  for (const auto& rows : layers) {
    const auto of =
        minimal_sets(hosts_of_rows(shape.nodes, shape.slots_per_node(), shape.experts, rows));
    sets.bits.insert(sets.bits.end(), of.bits.begin(), of.bits.end());
  }
  const auto target = cross_domains(minimal_sets(sets), domains);
  for (auto& rows : layers) renumber_nodes(shape, target, rows);
}

}  // namespace bethany
