#include <algorithm>
#include <numeric>

#include "sim/base/check.h"
#include "sim/base/int128.h"
#include "sim/base/object_reader.h"
#include "sim/placement/expert_order.h"
#include "sim/placement/parts.h"

namespace bethany {
namespace {

/// Replicas in proportion to load, at least f_eff: Lazarus' Eq. 1 (papers.md §1.1), in integers.
class Proportional final : public Allocation {
 public:
  Capabilities capabilities() const override { return {.gives = {kAnyNodeCount}, .needs = {}}; }

  std::variant<std::vector<std::int32_t>, Infeasible> allocate(
      const PlacementShape& shape, std::span<const std::int64_t> loads) const override {
    if (auto reason = refuse_experts(shape)) return *reason;
    std::vector<std::int32_t> order(loads.size());
    std::iota(order.begin(), order.end(), 0);
    std::sort(order.begin(), order.end(), [&](std::int32_t a, std::int32_t b) {
      const std::int64_t load_a = loads[static_cast<std::size_t>(a)];
      const std::int64_t load_b = loads[static_cast<std::size_t>(b)];
      return load_a != load_b ? load_a < load_b : a < b;
    });
    Int128 suffix = 0;
    for (const std::int64_t load : loads) suffix += load;
    const bool no_load = suffix == 0;  // then every expert counts the same
    if (no_load) suffix = static_cast<Int128>(loads.size());

    const std::int64_t least = shape.effective_fault_threshold();
    std::int64_t left = shape.slots();
    std::vector<std::int32_t> replicas(loads.size());
    for (const std::int32_t expert : order) {
      const auto e = static_cast<std::size_t>(expert);
      const Int128 load = no_load ? 1 : loads[e];
      const std::int64_t count = std::max(share(load, left, suffix), least);
      replicas[e] = static_cast<std::int32_t>(count);
      left -= count;
      suffix -= load;
    }
    // The lightest of m experts gets at most left / m, so at least (m - 1) · f_eff stay.
    BETHANY_CHECK(left == 0, "Eq. 1 left {} slots", left);
    return replicas;
  }

 private:
  /// floor(load · left / suffix). 128-bit division is slow, so 64 bits where they are enough.
  static std::int64_t share(Int128 load, std::int64_t left, Int128 suffix) {
    const Int128 product = load * left;
    if (product <= INT64_MAX && suffix <= INT64_MAX) {
      return static_cast<std::int64_t>(product) / static_cast<std::int64_t>(suffix);
    }
    return static_cast<std::int64_t>(product / suffix);
  }
};

const bool registered = allocations().add({
    .name = "proportional",
    .summary = "in proportion to load, at least f replicas each (Lazarus, Eq. 1)",
    .make = [](ObjectReader&) -> std::unique_ptr<Allocation> {
      return std::make_unique<Proportional>();
    },
});

}  // namespace
}  // namespace bethany
