#include "sim/base/object_reader.h"
#include "sim/policy/parts.h"

namespace bethany {
namespace {

/// At the first step boundary `every` after the last checkpoint became usable.
class EveryInterval final : public CheckpointRule {
 public:
  explicit EveryInterval(ObjectReader& options)
      : every_(options.duration("every", {}, Duration(1))) {}

  CheckpointDue next(const CheckpointView& view) const override {
    return {.time = view.usable_since + every_};
  }

 private:
  Duration every_;
};

const bool registered = checkpoint_rules().add({
    .name = "interval",
    .summary = "when the time `every` has passed since the last checkpoint became usable",
    .make = [](ObjectReader& options) -> std::unique_ptr<CheckpointRule> {
      return std::make_unique<EveryInterval>(options);
    },
});

}  // namespace
}  // namespace bethany
