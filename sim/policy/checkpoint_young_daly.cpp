#include "sim/base/object_reader.h"
#include "sim/policy/parts.h"
#include "sim/policy/young_daly.h"

namespace bethany {
namespace {

/// At the interval of daly_interval_s().
class YoungDaly final : public CheckpointRule {
 public:
  explicit YoungDaly(ObjectReader& options)
      : mean_time_between_losses_(options.duration("mtbf", {}, Duration(1))) {}

  CheckpointDue next(const CheckpointView& view) const override {
    const double interval =
        daly_interval_s(to_seconds(view.write_time), to_seconds(mean_time_between_losses_));
    return {.time = view.usable_since + round_to_duration(interval)};
  }

 private:
  Duration mean_time_between_losses_;
};

const bool registered = checkpoint_rules().add({
    .name = "young-daly",
    .summary = "at Daly's optimum interval for the job's mean time between losses, `mtbf`",
    .make = [](ObjectReader& options) -> std::unique_ptr<CheckpointRule> {
      return std::make_unique<YoungDaly>(options);
    },
});

}  // namespace
}  // namespace bethany
