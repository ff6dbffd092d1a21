#include "sim/base/object_reader.h"
#include "sim/policy/parts.h"

namespace bethany {
namespace {

/// DeepSpeed-MoE on Lazarus' runtime, DS(FT) (papers.md §1.6): while a full set of experts
/// survives, the survivors form whole EP groups again and copy the states they lack. Who fills no
/// group stays out until a restart, or with `reuse_idle` until other nodes join.
class Regroup final : public OnLoss {
 public:
  explicit Regroup(ObjectReader& options) : reuse_idle_(options.boolean("reuse_idle", false)) {}

  Capabilities capabilities() const override { return {.gives = {}, .needs = {kEpGroups}}; }
  bool recovers_in_place() const override { return true; }
  bool takes_idle_nodes() const override { return false; }
  bool readmits_left_out() const override { return reuse_idle_; }
  Recovery decide(const LossView& view) const override {
    return view.state_complete && view.nodes >= view.minimum_nodes ? Recovery::regroup
                                                                   : Recovery::restart;
  }

 private:
  bool reuse_idle_;
};

const bool registered = on_loss_parts().add({
    .name = "regroup",
    .summary = "surviving members form whole EP groups while they hold every expert, else restart",
    .make = [](ObjectReader& options) -> std::unique_ptr<OnLoss> {
      return std::make_unique<Regroup>(options);
    },
});

}  // namespace
}  // namespace bethany
