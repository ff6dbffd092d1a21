#include "sim/policy/parts.h"

namespace bethany {
namespace {

/// Only step 0 can be gone back to.
class NoCheckpoints final : public CheckpointRule {
 public:
  CheckpointDue next(const CheckpointView&) const override { return {}; }
};

const bool registered = checkpoint_rules().add({
    .name = "none",
    .summary = "never; a restart begins again at step 0",
    .make = [](ObjectReader&) -> std::unique_ptr<CheckpointRule> {
      return std::make_unique<NoCheckpoints>();
    },
});

}  // namespace
}  // namespace bethany
