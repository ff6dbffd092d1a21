#include "sim/policy/parts.h"

namespace bethany {
namespace {

/// Lazarus: go on with the survivors while every expert keeps a live replica, else restart.
class InPlace final : public OnLoss {
 public:
  Capabilities capabilities() const override { return {.gives = {}, .needs = {kAnyNodeCount}}; }
  bool recovers_in_place() const override { return true; }
  Recovery decide(const LossView& view) const override {
    return view.state_complete ? Recovery::in_place : Recovery::restart;
  }
};

const bool registered = on_loss_parts().add({
    .name = "in-place",
    .summary = "go on with the survivors if every expert keeps a live replica, else restart",
    .make = [](ObjectReader&) -> std::unique_ptr<OnLoss> { return std::make_unique<InPlace>(); },
});

}  // namespace
}  // namespace bethany
