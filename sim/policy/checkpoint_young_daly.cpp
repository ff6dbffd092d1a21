#include <cmath>

#include "sim/base/object_reader.h"
#include "sim/policy/parts.h"

namespace bethany {
namespace {

/// Daly's higher-order optimum for a write of δ and a mean time M between losses (papers.md §4):
/// √(2δM)·[1 + ⅓√(δ/2M) + δ/(9·2M)] − δ for δ < 2M, else M.
class YoungDaly final : public CheckpointRule {
 public:
  explicit YoungDaly(ObjectReader& options)
      : mean_time_between_losses_(options.duration("mtbf", {}, Duration(1))) {}

  CheckpointDue next(const CheckpointView& view) const override {
    const double write = to_seconds(view.write_time);
    const double mtbf = to_seconds(mean_time_between_losses_);
    double interval = mtbf;
    if (write < 2 * mtbf) {
      const double x = write / (2 * mtbf);
      interval = std::sqrt(2 * write * mtbf) * (1 + std::sqrt(x) / 3 + x / 9) - write;
    }
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
