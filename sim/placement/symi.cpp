#include <algorithm>
#include <numeric>
#include <queue>

#include "sim/base/check.h"
#include "sim/base/int128.h"
#include "sim/base/object_reader.h"
#include "sim/placement/expert_order.h"
#include "sim/placement/parts.h"

namespace bethany {
namespace {

/// Symi (papers.md §2.1): the goal of an expert is its share of the slots, at least one replica;
/// goals are rounded down, then one replica at a time is taken from the expert furthest above its
/// goal (not its last one) or given to the one furthest below, ties by id.
class Symi final : public Allocation {
 public:
  Capabilities capabilities() const override { return {.gives = {kAnyNodeCount}, .needs = {}}; }

  std::variant<std::vector<std::int32_t>, Infeasible> allocate(
      const PlacementShape& shape, std::span<const std::int64_t> loads) const override {
    if (auto reason = refuse_experts(shape)) return *reason;
    Int128 total = std::accumulate(loads.begin(), loads.end(), Int128{0});
    const bool no_load = total == 0;  // then every expert counts the same
    if (no_load) total = static_cast<Int128>(loads.size());

    // Goals in units of 1 / total.
    std::vector<Int128> goals;
    std::vector<std::int32_t> counts;
    std::int64_t left = shape.slots();
    for (const std::int64_t load : loads) {
      goals.push_back(std::max((no_load ? Int128{1} : Int128{load}) * shape.slots(), total));
      counts.push_back(static_cast<std::int32_t>(goals.back() / total));
      left -= counts.back();
    }
    const std::int32_t step = left < 0 ? -1 : 1;
    std::priority_queue<Candidate> queue;
    const auto offer = [&](std::size_t e) {
      if (step < 0 && counts[e] == 1) return;
      queue.push({(goals[e] - counts[e] * total) * step, static_cast<std::int32_t>(e)});
    };
    if (left != 0) {
      for (std::size_t e = 0; e < loads.size(); ++e) offer(e);
    }
    for (; left != 0; left -= step) {
      BETHANY_CHECK(!queue.empty(), "{} replicas too many, one each", -left);
      const auto e = static_cast<std::size_t>(queue.top().expert);
      queue.pop();
      counts[e] += step;
      offer(e);
    }
    return counts;
  }

 private:
  struct Candidate {
    Int128 gap;  // how far from the goal, in the direction that the step mends
    std::int32_t expert;
    bool operator<(const Candidate& other) const {
      return gap != other.gap ? gap < other.gap : expert > other.expert;
    }
  };
};

const bool registered = allocations().add({
    .name = "symi",
    .summary = "shares of the slots rounded down, then mended one by one (Symi)",
    .make = [](ObjectReader&) -> std::unique_ptr<Allocation> { return std::make_unique<Symi>(); },
});

}  // namespace
}  // namespace bethany
