#include <fmt/format.h>

#include "sim/base/digest.h"
#include "sim/cost/cost_model.h"
#include "sim/cost/step_table.h"

namespace bethany {
namespace {

/// Every duration but the step, by name.
struct Durations {
  Duration checkpoint{0};
  Duration detection{0};
  Duration planning{0};
  Duration communicator{0};
  Duration transfer{0};
  Duration reschedule{0};
  Duration process_start{0};
  Duration group_init{0};
  Duration load{0};
  Duration rebalance_communicator{0};
};

/// Every duration is a key: the model of hand-computed tests. A stage that happens costs its key,
/// however much is moved.
class FixedTimer final : public StepTimer {
 public:
  FixedTimer(StepTable step, const Durations& durations)
      : step_(std::move(step)), durations_(durations) {}

  bool looks_at_traffic() const override { return false; }
  CostBreakdown step(const StepQuery& query) const override {
    if (!step_.covers(query.nodes)) outside_.add();
    const Duration time = slowed(step_.at(query.nodes), query.slowest);
    return {.total = time, .terms = {{.name = "step", .time = time}}};
  }
  Duration checkpoint_write(std::int64_t, int) const override { return durations_.checkpoint; }
  Duration detection() const override { return durations_.detection; }
  Duration planning(int) const override { return durations_.planning; }
  Duration communicator(int) const override { return durations_.communicator; }
  Duration transfer(const TransferSummary&) const override { return durations_.transfer; }
  Duration rebalance_communicator(int) const override { return durations_.rebalance_communicator; }
  Duration reschedule() const override { return durations_.reschedule; }
  Duration process_start() const override { return durations_.process_start; }
  Duration group_init(int) const override { return durations_.group_init; }
  Duration load(const LoadQuery&) const override { return durations_.load; }
  std::int64_t out_of_range_queries() const override { return outside_.count(); }

 private:
  StepTable step_;
  Durations durations_;
  RangeCounter outside_;
};

class Fixed final : public CostModel {
 public:
  Cost make(ObjectReader& cost, const CostContext&) const override {
    StepTable step = read_step_table(cost, "step");
    // The fingerprint of the profile: the durations in the order they are read.
    std::string canonical = "step=" + step.text();
    const auto read = [&](std::string_view key) {
      const Duration duration = cost.duration(key, Duration(0));
      canonical += fmt::format(" {}={}", key, to_text(duration));
      return duration;
    };
    Durations durations;
    durations.checkpoint = read("checkpoint");
    durations.detection = read("detection");
    durations.planning = read("planning");
    durations.communicator = read("communicator");
    durations.transfer = read("transfer");
    durations.reschedule = read("reschedule");
    durations.process_start = read("process_start");
    durations.group_init = read("group_init");
    durations.load = read("load");
    durations.rebalance_communicator = read("rebalance_communicator");
    Cost result;
    result.timer = std::make_unique<FixedTimer>(std::move(step), durations);
    result.profile = {
        .name = "fixed", .sha256 = sha256(canonical), .kind = "assumed", .assumed = {}};
    return result;
  }
};

const bool registered = cost_models().add({
    .name = "fixed",
    .summary = "every duration is a key; for hand-computed cases and own measurements",
    .make = [](ObjectReader&) -> std::unique_ptr<CostModel> { return std::make_unique<Fixed>(); },
});

}  // namespace
}  // namespace bethany
