#include "sim/policy/parts.h"

namespace bethany {
namespace {

/// Checkpoint-restart: every loss goes back to the last usable checkpoint.
class Restart final : public OnLoss {
 public:
  bool recovers_in_place() const override { return false; }
  Recovery decide(const LossView&) const override { return Recovery::restart; }
};

const bool registered = on_loss_parts().add({
    .name = "restart",
    .summary = "restart from the last usable checkpoint with all ready nodes",
    .make = [](ObjectReader&) -> std::unique_ptr<OnLoss> { return std::make_unique<Restart>(); },
});

}  // namespace
}  // namespace bethany
