#include <algorithm>
#include <set>
#include <utility>

#include "sim/base/check.h"
#include "sim/base/object_reader.h"
#include "sim/placement/expert_order.h"
#include "sim/placement/parts.h"

namespace bethany {
namespace {

/// Deals replicas in rounds over all nodes, as `spread` does: no node gets its next replica before
/// all have as many. Within a round, each replica goes to the domain with fewest of its expert, of
/// these to the one with most nodes that are left in the round and lack it (ties: lowest), there to
/// the lowest such node. Only experts of more replicas than nodes meet a node twice.
class DomainRounds {
 public:
  explicit DomainRounds(const PlacementShape& shape)
      : slots_(static_cast<std::size_t>(shape.slots_per_node())),
        used_(static_cast<std::size_t>(shape.nodes)),
        last_expert_(used_.size(), kVacant),
        rows_(used_.size() * slots_, kVacant) {
    for (std::size_t node = 0; node < used_.size(); ++node) {
      const auto domain = static_cast<std::size_t>(shape.domain_of_node[node]);
      if (domain >= domains_.size()) domains_.resize(domain + 1);
      domains_[domain].nodes.push_back(node);
    }
  }

  void add(std::int32_t expert, std::int32_t replicas) {
    for (auto& domain : domains_) domain.held = domain.of_expert = 0;
    for (; replicas > 0; --replicas) {
      if (left_ == 0) begin_round(expert);
      take(expert, next_domain());
    }
  }

  std::vector<std::int32_t> rows() && { return std::move(rows_); }

 private:
  struct Domain {
    std::vector<std::size_t> nodes;
    std::vector<std::size_t> left;  // in this round
    std::size_t held = 0;           // of `left`, nodes with the expert in hand
    std::int32_t of_expert = 0;     // its replicas here
  };

  void begin_round(std::int32_t expert) {
    left_ = used_.size();
    for (auto& domain : domains_) {
      domain.left = domain.nodes;
      domain.held = static_cast<std::size_t>(
          std::count_if(domain.left.begin(), domain.left.end(),
                        [&](std::size_t node) { return last_expert_[node] == expert; }));
    }
  }

  Domain& next_domain() {
    Domain* best = nullptr;
    for (auto& domain : domains_) {
      if (domain.left.empty()) continue;
      if (best == nullptr || better(domain, *best)) best = &domain;
    }
    BETHANY_CHECK(best != nullptr, "a round over {} nodes without a node", used_.size());
    return *best;
  }
  static bool better(const Domain& a, const Domain& b) {
    const std::size_t lacking_a = a.left.size() - a.held;
    const std::size_t lacking_b = b.left.size() - b.held;
    if ((lacking_a == 0) != (lacking_b == 0)) return lacking_b == 0;
    return a.of_expert != b.of_expert ? a.of_expert < b.of_expert : lacking_a > lacking_b;
  }

  void take(std::int32_t expert, Domain& domain) {
    auto at = std::find_if(domain.left.begin(), domain.left.end(),
                           [&](std::size_t node) { return last_expert_[node] != expert; });
    if (at == domain.left.end()) {
      at = domain.left.begin();
      --domain.held;
    }
    const std::size_t node = *at;
    domain.left.erase(at);
    --left_;
    ++domain.of_expert;
    last_expert_[node] = expert;
    rows_[node * slots_ + used_[node]++] = expert;
  }

  std::size_t slots_;
  std::vector<Domain> domains_;
  std::size_t left_ = 0;  // nodes left in the round
  std::vector<std::size_t> used_;
  std::vector<std::int32_t> last_expert_;
  std::vector<std::int32_t> rows_;
};

/// Spread over failure domains first, over nodes second. Without domains, or with a domain for
/// every node, `spread` itself.
class DomainSpread final : public Placement {
 public:
  Capabilities capabilities() const override {
    return {.gives = {kAnyNodeCount, kDomainPlan}, .needs = {}};
  }

  std::variant<std::vector<std::int32_t>, Infeasible> place(const PlacementShape& shape,
                                                            std::span<const std::int32_t> replicas,
                                                            std::span<const std::int64_t> loads,
                                                            Rng& rng) const override {
    if (auto reason = refuse_replicas(shape, replicas)) return *reason;
    const std::set<std::int32_t> domains(shape.domain_of_node.begin(), shape.domain_of_node.end());
    if (domains.size() < 2 || domains.size() == static_cast<std::size_t>(shape.nodes)) {
      const auto* spread = placements().find("spread");
      BETHANY_CHECK(spread != nullptr, "no placement 'spread'");
      const JsonNode none;
      ObjectReader options(none, "");
      return spread->make(options)->place(shape, replicas, loads, rng);
    }
    DomainRounds rounds(shape);
    for (const std::int32_t expert : ascending_experts(replicas, loads)) {
      rounds.add(expert, replicas[static_cast<std::size_t>(expert)]);
    }
    return std::move(rounds).rows();
  }
};

const bool registered = placements().add({
    .name = "domain-spread",
    .summary = "replicas round robin over the failure domains, then over their nodes",
    .make = [](ObjectReader&) -> std::unique_ptr<Placement> {
      return std::make_unique<DomainSpread>();
    },
});

}  // namespace
}  // namespace bethany
