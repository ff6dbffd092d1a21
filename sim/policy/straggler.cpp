#include "sim/base/int128.h"
#include "sim/base/object_reader.h"
#include "sim/policy/parts.h"

namespace bethany {
namespace {

/// The job waits for its slowest rank, step by step.
class Ignore final : public StragglerRule {
 public:
  bool too_slow(double) const override { return false; }
  Duration patience() const override { return Duration(0); }
  std::size_t dismiss(std::span<const Team>) const override { return 0; }
};

/// Goes on without members that stay slow, if that leaves a faster job: more nodes / step time. Of
/// equally fast teams the largest is kept.
class Evict final : public StragglerRule {
 public:
  /// 0.7: where a step is all computation, one of four or more nodes that slow costs more than the
  /// node itself. 5 min: a slowness that passes sooner is not worth two changes. Both assumed.
  explicit Evict(ObjectReader& options)
      : below_(options.real("below", 0, 1, 0.7)),
        after_(options.duration("after", std::chrono::minutes(5))) {}

  bool too_slow(double speed) const override { return speed < below_; }
  Duration patience() const override { return after_; }
  std::size_t dismiss(std::span<const Team> teams) const override {
    std::size_t best = 0;
    for (std::size_t k = 1; k < teams.size(); ++k) {
      if (faster(teams[k], teams[best])) best = k;
    }
    return best;
  }

 private:
  static bool faster(const Team& a, const Team& b) {
    return Int128{a.nodes} * b.step.count() > Int128{b.nodes} * a.step.count();
  }

  double below_;
  Duration after_;
};

const bool ignore_registered = straggler_rules().add({
    .name = "ignore",
    .summary = "slow nodes stay: the job waits for its slowest rank",
    .make = [](ObjectReader&) -> std::unique_ptr<StragglerRule> {
      return std::make_unique<Ignore>();
    },
});

const bool evict_registered = straggler_rules().add({
    .name = "evict",
    .summary = "goes on without members slower than `below` for `after`, if that is faster",
    .make = [](ObjectReader& options) -> std::unique_ptr<StragglerRule> {
      return std::make_unique<Evict>(options);
    },
});

}  // namespace
}  // namespace bethany
