#include "sim/base/object_reader.h"
#include "sim/policy/parts.h"

namespace bethany {
namespace {

/// Every K committed steps (DESIGN §4.5 rule 7); an interrupted write is retried at the next
/// boundary, because the last usable checkpoint is still K behind.
class EverySteps final : public CheckpointRule {
 public:
  explicit EverySteps(ObjectReader& options)
      : every_(options.integer("every", 1, 1'000'000'000'000)) {}

  CheckpointDue next(const CheckpointView& view) const override {
    return {.step = view.covered_step + every_};
  }

 private:
  std::int64_t every_;
};

const bool registered = checkpoint_rules().add({
    .name = "steps",
    .summary = "when `every` committed steps lie past the last usable checkpoint",
    .make = [](ObjectReader& options) -> std::unique_ptr<CheckpointRule> {
      return std::make_unique<EverySteps>(options);
    },
});

}  // namespace
}  // namespace bethany
