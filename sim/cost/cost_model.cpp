#include "sim/cost/cost_model.h"

#include <optional>

#include "sim/base/text.h"
#include "sim/cost/step_table.h"

namespace bethany {
namespace {

/// Step durations as measured by the user; everything else from the model.
class StepTimeOverride final : public StepTimer {
 public:
  StepTimeOverride(std::unique_ptr<StepTimer> model, StepTable table)
      : model_(std::move(model)), table_(std::move(table)) {}

  bool looks_at_traffic() const override { return false; }
  CostBreakdown step(const StepQuery& query) const override {
    if (!table_.covers(query.nodes)) outside_.add();
    const Duration time = slowed(table_.at(query.nodes), query.slowest);
    return {.total = time, .terms = {{.name = "step_time", .time = time}}};
  }
  Duration checkpoint_write(std::int64_t bytes, int nodes) const override {
    return model_->checkpoint_write(bytes, nodes);
  }
  Duration detection() const override { return model_->detection(); }
  Duration planning(int nodes) const override { return model_->planning(nodes); }
  Duration communicator(int nodes) const override { return model_->communicator(nodes); }
  Duration transfer(const TransferSummary& summary) const override {
    return model_->transfer(summary);
  }
  Duration rebalance_communicator(int nodes) const override {
    return model_->rebalance_communicator(nodes);
  }
  Duration reschedule() const override { return model_->reschedule(); }
  Duration process_start() const override { return model_->process_start(); }
  Duration group_init(int nodes) const override { return model_->group_init(nodes); }
  Duration load(const LoadQuery& query) const override { return model_->load(query); }
  std::int64_t out_of_range_queries() const override {
    return outside_.count() + model_->out_of_range_queries();
  }

 private:
  std::unique_ptr<StepTimer> model_;
  StepTable table_;
  RangeCounter outside_;
};

}  // namespace

Registry<CostModel>& cost_models() {
  static Registry<CostModel> registry;
  return registry;
}

Cost read_cost(ObjectReader& cost, const CostContext& context) {
  const auto name = cost.string("model", "analytic");
  const auto* entry = cost_models().find(name);
  if (entry == nullptr) {
    cost.fail("model", unknown_name("cost model", name, cost_models().names()));
  }
  Cost result = entry->make(cost)->make(cost, context);
  if (cost.has("step_time")) {
    result.timer = std::make_unique<StepTimeOverride>(std::move(result.timer),
                                                      read_step_table(cost, "step_time"));
  } else {
    cost.raw("step_time");  // a known key, for the complaint about unknown ones
  }
  cost.finish();
  return result;
}

std::unique_ptr<StepTimer> make_step_timer(ObjectReader& cost, const CostContext& context) {
  return read_cost(cost, context).timer;
}

}  // namespace bethany
