#include "sim/base/object_reader.h"
#include "sim/policy/parts.h"

namespace bethany {
namespace {

class Waits final : public MembershipRule {
 public:
  explicit Waits(std::optional<Duration> wait) : wait_(wait) {}
  std::optional<Duration> wait() const override { return wait_; }

 private:
  std::optional<Duration> wait_;
};

const bool eager_registered = membership_rules().add({
    .name = "eager",
    .summary = "candidates join at the next step boundary",
    .make = [](ObjectReader&) -> std::unique_ptr<MembershipRule> {
      return std::make_unique<Waits>(Duration(0));
    },
});

const bool gather_registered = membership_rules().add({
    .name = "gather",
    .summary = "candidates join together, `wait` after the first of them",
    .make = [](ObjectReader& options) -> std::unique_ptr<MembershipRule> {
      return std::make_unique<Waits>(options.duration("wait"));
    },
});

const bool at_restart_registered = membership_rules().add({
    .name = "at-restart",
    .summary = "candidates only come in with a recovery or restart",
    .make = [](ObjectReader&) -> std::unique_ptr<MembershipRule> {
      return std::make_unique<Waits>(std::nullopt);
    },
});

}  // namespace
}  // namespace bethany
