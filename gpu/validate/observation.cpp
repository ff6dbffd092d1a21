#include "gpu/validate/observation.h"

#include <algorithm>
#include <array>
#include <utility>

#include "sim/base/check.h"

namespace bethany {
namespace {

using PhaseOfTerm = std::pair<std::string_view, std::string_view>;

constexpr auto kTerms = std::to_array<PhaseOfTerm>({
    {"attention_forward", "dense"},
    {"attention_backward", "dense"},
    {"loss", "dense"},
    {"gate", "expert"},
    {"routing_sort", "expert"},
    {"gather", "expert"},
    {"expert_forward", "expert"},
    {"expert_backward", "expert"},
    {"combine", "expert"},
    {"gate_backward", "expert"},
    {"counts", "count_exchange"},
    {"dispatch", "all_to_all"},
    {"collect", "all_to_all"},
    {"dispatch_backward", "all_to_all"},
    {"collect_backward", "all_to_all"},
    {"reduce_dense", "all_reduce_dense"},
    {"reduce_expert", "all_reduce_expert"},
    {"sum", "all_reduce_expert"},
    {"optimizer", "optimizer"},
});

template <class Part>
Part& named(std::vector<Part>& parts, std::string_view name) {
  for (auto& part : parts) {
    if (part.name == name) return part;
  }
  parts.push_back({});
  parts.back().name = name;
  return parts.back();
}

}  // namespace

std::string_view term_of_phase(std::string_view phase) {
  for (const auto& [name, term] : kTerms) {
    if (name == phase) return term;
  }
  BETHANY_CHECK(false, "no term for the phase {}", phase);
}

void fill_parts(Observation& observation, const CostBreakdown& predicted,
                std::span<const std::vector<PhaseTime>> ranks) {
  for (const auto& term : predicted.terms) {
    if (term.time.count() > 0) {
      named(observation.terms, term.name).predicted += to_seconds(term.time);
    }
  }
  if (ranks.empty()) return;
  for (std::size_t i = 0; i < ranks.front().size(); ++i) {
    const auto& first = ranks.front()[i];
    const PhaseTime* slowest = &first;
    for (const auto& rank : ranks) {
      BETHANY_CHECK(rank.size() == ranks.front().size() && rank[i].name == first.name &&
                        rank[i].layer == first.layer,
                    "ranks went through different phases");
      if (rank[i].seconds > slowest->seconds) slowest = &rank[i];
    }
    auto& phase = named(observation.phases, first.name);
    phase.measured += slowest->seconds;
    if (slowest->waited) phase.waited = phase.waited.value_or(0) + *slowest->waited;
    named(observation.terms, term_of_phase(first.name)).measured += slowest->seconds;
  }
}

}  // namespace bethany
