#include "sim/base/object_reader.h"
#include "sim/policy/parts.h"

namespace bethany {
namespace {

class Never final : public RebalanceRule {
 public:
  std::optional<std::int64_t> every_steps() const override { return {}; }
};

/// Lazarus: a new plan every M committed steps (papers.md §1.5: 200).
class EverySteps final : public RebalanceRule {
 public:
  explicit EverySteps(ObjectReader& options)
      : every_(options.integer("every", 1, 1'000'000'000'000)) {}
  std::optional<std::int64_t> every_steps() const override { return every_; }

 private:
  std::int64_t every_;
};

const bool never_registered = rebalance_rules().add({
    .name = "never",
    .summary = "the plan changes only with the members",
    .make = [](ObjectReader&) -> std::unique_ptr<RebalanceRule> {
      return std::make_unique<Never>();
    },
});

const bool steps_registered = rebalance_rules().add({
    .name = "steps",
    .summary = "`every` committed steps after the last plan change",
    .make = [](ObjectReader& options) -> std::unique_ptr<RebalanceRule> {
      return std::make_unique<EverySteps>(options);
    },
});

}  // namespace
}  // namespace bethany
