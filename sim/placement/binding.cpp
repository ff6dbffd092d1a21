#include "sim/placement/binding.h"

#include <algorithm>
#include <bit>

#include "sim/base/check.h"
#include "sim/placement/bits.h"

namespace bethany {
namespace {

/// For each row the experts of all layers that it holds, as bits layer · experts + expert.
class ExpertBits {
 public:
  ExpertBits(int rows, int layers, int experts)
      : words_(words_for(static_cast<std::size_t>(layers) * static_cast<std::size_t>(experts))),
        bits_(words_ * static_cast<std::size_t>(rows)) {}

  std::size_t words() const { return words_; }
  std::uint64_t* row(std::size_t i) { return bits_.data() + i * words_; }
  const std::uint64_t* row(std::size_t i) const { return bits_.data() + i * words_; }

  void add_node(const PlacementPlan& plan, int node, std::size_t into) {
    std::uint64_t* bits = row(into);
    for (int layer = 0; layer < static_cast<int>(plan.layers.size()); ++layer) {
      const auto first = static_cast<std::size_t>(layer) * static_cast<std::size_t>(plan.experts);
      for (const std::int32_t expert : plan.node_slots(layer, node)) {
        if (expert != kVacant) set_bit(bits, first + static_cast<std::size_t>(expert));
      }
    }
  }

 private:
  std::size_t words_;
  std::vector<std::uint64_t> bits_;
};

ExpertBits needs_of(const PlacementPlan& plan) {
  ExpertBits needs(plan.nodes, static_cast<int>(plan.layers.size()), plan.experts);
  for (int node = 0; node < plan.nodes; ++node) {
    needs.add_node(plan, node, static_cast<std::size_t>(node));
  }
  return needs;
}

ExpertBits held_by(const Holdings& holdings) {
  const auto& plan = *holdings.plan;
  ExpertBits held(static_cast<int>(holdings.place_of.size()), static_cast<int>(plan.layers.size()),
                  plan.experts);
  for (std::size_t machine = 0; machine < holdings.place_of.size(); ++machine) {
    const int place = holdings.place_of[machine];
    BETHANY_CHECK(place < plan.nodes, "place {} of {}", place, plan.nodes);
    if (place >= 0) held.add_node(plan, place, machine);
  }
  return held;
}

/// The published greedy rule over the pairs of places and machines that are free.
class GreedyBinding {
 public:
  GreedyBinding(const ExpertBits& needs, const ExpertBits& held, std::vector<int>& machine_of_place)
      : needs_(needs),
        held_(held),
        machine_of_place_(machine_of_place),
        taken_(machine_of_place.size()) {}

  /// Places whose experts are exactly what a machine holds cost nothing and waste nothing: bound
  /// first, so that an unchanged plan stays where it is. A machine's own old place comes first.
  void bind_equal(const std::vector<int>& place_of) {
    const std::size_t n = machine_of_place_.size();
    for (std::size_t machine = 0; machine < n; ++machine) {
      const int place = place_of[machine];
      if (place >= 0 && static_cast<std::size_t>(place) < n && free(place) &&
          equal(static_cast<std::size_t>(place), machine)) {
        bind(static_cast<std::size_t>(place), machine);
      }
    }
    std::vector<std::size_t> machines;  // free ones, in the order of what they hold
    for (std::size_t machine = 0; machine < n; ++machine) {
      if (!taken_[machine] && place_of[machine] >= 0) machines.push_back(machine);
    }
    std::sort(machines.begin(), machines.end(), [&](std::size_t a, std::size_t b) {
      const int order = compare(held_.row(a), held_.row(b));
      return order != 0 ? order < 0 : a < b;
    });
    for (std::size_t place = 0; place < n; ++place) {
      if (machine_of_place_[place] >= 0) continue;
      auto at = std::lower_bound(machines.begin(), machines.end(), place,
                                 [&](std::size_t machine, std::size_t p) {
                                   return compare(held_.row(machine), needs_.row(p)) < 0;
                                 });
      while (at != machines.end() && equal(place, *at) && taken_[*at]) ++at;
      if (at != machines.end() && equal(place, *at)) bind(place, *at);
    }
  }

  /// The rest: the pairs in order of newly assigned experts, place, machine.
  void bind_rest() {
    std::vector<std::uint32_t> places;
    std::vector<std::uint32_t> machines;
    for (std::size_t i = 0; i < machine_of_place_.size(); ++i) {
      if (machine_of_place_[i] < 0) places.push_back(static_cast<std::uint32_t>(i));
      if (!taken_[i]) machines.push_back(static_cast<std::uint32_t>(i));
    }
    if (places.empty()) return;
    // Costs are small whole numbers: a counting sort over all pairs, in order of place, machine.
    std::vector<std::uint32_t> cost;
    cost.reserve(places.size() * machines.size());
    std::vector<std::size_t> first_of_cost(1);
    for (const auto place : places) {
      for (const auto machine : machines) {
        cost.push_back(missing(place, machine));
        if (cost.back() + 2 > first_of_cost.size()) first_of_cost.resize(cost.back() + 2);
        ++first_of_cost[cost.back() + 1];
      }
    }
    for (std::size_t i = 1; i < first_of_cost.size(); ++i) first_of_cost[i] += first_of_cost[i - 1];
    std::vector<std::pair<std::uint32_t, std::uint32_t>> pairs(cost.size());
    std::size_t pair = 0;
    for (const auto place : places) {
      for (const auto machine : machines) pairs[first_of_cost[cost[pair++]]++] = {place, machine};
    }
    std::size_t left = places.size();
    for (const auto& [place, machine] : pairs) {
      if (machine_of_place_[place] >= 0 || taken_[machine]) continue;
      bind(place, machine);
      if (--left == 0) break;
    }
  }

 private:
  bool free(int place) const { return machine_of_place_[static_cast<std::size_t>(place)] < 0; }
  int compare(const std::uint64_t* a, const std::uint64_t* b) const {
    for (std::size_t w = 0; w < needs_.words(); ++w) {
      if (a[w] != b[w]) return a[w] < b[w] ? -1 : 1;
    }
    return 0;
  }
  bool equal(std::size_t place, std::size_t machine) const {
    return compare(needs_.row(place), held_.row(machine)) == 0;
  }
  std::uint32_t missing(std::size_t place, std::size_t machine) const {
    const std::uint64_t* needs = needs_.row(place);
    const std::uint64_t* held = held_.row(machine);
    std::uint32_t count = 0;
    for (std::size_t w = 0; w < needs_.words(); ++w) {
      count += static_cast<std::uint32_t>(count_bits(needs[w] & ~held[w]));
    }
    return count;
  }
  void bind(std::size_t place, std::size_t machine) {
    machine_of_place_[place] = static_cast<int>(machine);
    taken_[machine] = 1;
  }

  const ExpertBits& needs_;
  const ExpertBits& held_;
  std::vector<int>& machine_of_place_;
  std::vector<std::uint8_t> taken_;
};

/// Who fetches what from whom.
class TransferSchedule {
 public:
  TransferSchedule(const ExpertBits& held, int experts, const StateSizes& sizes, Binding& binding)
      : held_(held),
        experts_(experts),
        sizes_(sizes),
        binding_(binding),
        sent_(binding.machine_of_place.size()),
        received_(binding.machine_of_place.size()) {}

  /// The dense states, which are the largest, come first: then the experts even the ports out.
  void fetch_dense(const std::vector<int>& place_of) {
    std::vector<std::int32_t> owners;
    for (std::size_t machine = 0; machine < place_of.size(); ++machine) {
      if (place_of[machine] >= 0) owners.push_back(static_cast<std::int32_t>(machine));
    }
    for (const int machine : binding_.machine_of_place) {
      if (place_of[static_cast<std::size_t>(machine)] >= 0) continue;
      move(owners, machine, -1, -1, sizes_.dense_bytes);
      ++binding_.summary.dense_copies;
    }
  }

  void fetch_experts(const ExpertBits& needs) {
    for (std::size_t place = 0; place < binding_.machine_of_place.size(); ++place) {
      const int machine = binding_.machine_of_place[place];
      const std::uint64_t* held = held_.row(static_cast<std::size_t>(machine));
      for (std::size_t w = 0; w < needs.words(); ++w) {
        std::uint64_t missing = needs.row(place)[w] & ~held[w];
        for (; missing != 0; missing &= missing - 1) {
          const auto bit = static_cast<int>(w * kBitsPerWord) + std::countr_zero(missing);
          fetch_expert(machine, bit);
        }
      }
    }
  }

  void finish() {
    for (std::size_t machine = 0; machine < sent_.size(); ++machine) {
      auto& busiest = binding_.summary.busiest_port_bytes;
      busiest = std::max({busiest, sent_[machine], received_[machine]});
    }
  }

 private:
  void fetch_expert(int machine, int bit) {
    if (first_owner_.empty()) index_owners();
    const auto first = static_cast<std::size_t>(first_owner_[static_cast<std::size_t>(bit)]);
    const auto last = static_cast<std::size_t>(first_owner_[static_cast<std::size_t>(bit) + 1]);
    BETHANY_CHECK(first < last, "nobody holds expert {} of layer {}", bit % experts_,
                  bit / experts_);
    move({owners_.data() + first, last - first}, machine, bit / experts_, bit % experts_,
         sizes_.expert_bytes);
    ++binding_.summary.experts_moved;
  }

  /// The machines that hold each expert, ascending.
  void index_owners() {
    const std::size_t machines = sent_.size();
    first_owner_.resize(held_.words() * kBitsPerWord + 1);
    for (int pass = 0; pass < 2; ++pass) {
      for (std::size_t machine = 0; machine < machines; ++machine) {
        for (std::size_t w = 0; w < held_.words(); ++w) {
          for (std::uint64_t bits = held_.row(machine)[w]; bits != 0; bits &= bits - 1) {
            const std::size_t bit =
                w * kBitsPerWord + static_cast<std::size_t>(std::countr_zero(bits));
            if (pass == 0) {
              ++first_owner_[bit + 1];
            } else {
              owners_[static_cast<std::size_t>(next_[bit]++)] = static_cast<std::int32_t>(machine);
            }
          }
        }
      }
      if (pass == 1) break;
      for (std::size_t i = 1; i < first_owner_.size(); ++i) first_owner_[i] += first_owner_[i - 1];
      next_ = first_owner_;
      owners_.resize(static_cast<std::size_t>(first_owner_.back()));
    }
  }

  void move(std::span<const std::int32_t> owners, int to, int layer, int expert,
            std::int64_t bytes) {
    BETHANY_CHECK(!owners.empty(), "nobody holds the dense state");
    std::int32_t from = owners.front();
    for (const std::int32_t owner : owners) {
      if (sent_[static_cast<std::size_t>(owner)] < sent_[static_cast<std::size_t>(from)]) {
        from = owner;
      }
    }
    sent_[static_cast<std::size_t>(from)] += bytes;
    received_[static_cast<std::size_t>(to)] += bytes;
    binding_.summary.total_bytes += bytes;
    binding_.transfers.push_back({.from = from, .to = to, .layer = layer, .expert = expert});
  }

  const ExpertBits& held_;
  int experts_;
  const StateSizes& sizes_;
  Binding& binding_;
  std::vector<std::int64_t> sent_;
  std::vector<std::int64_t> received_;
  std::vector<std::int32_t> first_owner_;  // by bit, and the end
  std::vector<std::int32_t> next_;
  std::vector<std::int32_t> owners_;
};

}  // namespace

Binding bind_plan(const PlacementPlan& plan, const Holdings& holdings, const StateSizes& sizes) {
  Binding binding;
  const auto n = static_cast<std::size_t>(plan.nodes);
  binding.machine_of_place.assign(n, -1);
  if (holdings.plan == nullptr) {
    for (std::size_t place = 0; place < n; ++place) {
      binding.machine_of_place[place] = static_cast<int>(place);
    }
    return binding;
  }
  BETHANY_CHECK(holdings.place_of.size() == n, "{} machines for {} places",
                holdings.place_of.size(), n);
  BETHANY_CHECK(
      holdings.plan->experts == plan.experts && holdings.plan->layers.size() == plan.layers.size(),
      "a plan of {} x {} after one of {} x {}", plan.layers.size(), plan.experts,
      holdings.plan->layers.size(), holdings.plan->experts);
  const auto needs = needs_of(plan);
  const auto held = held_by(holdings);
  GreedyBinding greedy(needs, held, binding.machine_of_place);
  greedy.bind_equal(holdings.place_of);
  greedy.bind_rest();
  TransferSchedule schedule(held, plan.experts, sizes, binding);
  schedule.fetch_dense(holdings.place_of);
  schedule.fetch_experts(needs);
  schedule.finish();
  return binding;
}

bool state_is_complete(const Holdings& holdings) {
  if (holdings.plan == nullptr) return false;
  const auto& plan = *holdings.plan;
  const auto held = held_by(holdings);
  const auto experts = plan.layers.size() * static_cast<std::size_t>(plan.experts);
  std::vector<std::uint64_t> any(held.words());
  for (std::size_t machine = 0; machine < holdings.place_of.size(); ++machine) {
    for (std::size_t w = 0; w < any.size(); ++w) any[w] |= held.row(machine)[w];
  }
  int count = 0;
  for (const std::uint64_t word : any) count += count_bits(word);
  return static_cast<std::size_t>(count) == experts;
}

}  // namespace bethany
