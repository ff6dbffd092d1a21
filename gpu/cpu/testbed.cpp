// Ranks that train on this machine's processor: as threads that take turns, threads beside each
// other, or processes that can be killed.
#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>

#include "gpu/backend.h"
#include "gpu/elastic/real_machines.h"
#include "gpu/protocol.h"
#include "gpu/validate/testbed.h"
#include "sim/base/object_reader.h"

namespace bethany {
namespace {

/// A folder for checkpoints, gone with the run.
class ScratchFolder {
 public:
  ScratchFolder() {
    static std::atomic<int> number{0};
    path_ = fmt::format("{}/bethany-checkpoints-{}-{}",
                        std::filesystem::temp_directory_path().string(), ::getpid(), number++);
    std::filesystem::create_directories(path_);
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  ~ScratchFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

TrainingSetup setup_of(const CaseInput& input, const CaseWorld& world) {
  const auto& cluster = input.scenario.cluster;
  return {.shape = world.stack,
          .dispatch = input.policy.dispatch.get(),
          .placement = {.nodes = 0,
                        .gpus_per_node = cluster.node_type.gpus,
                        .slots_per_gpu = cluster.slots_per_gpu,
                        .experts = input.scenario.model.experts,
                        .nodes_per_server = cluster.node_type.nodes_per_server(),
                        .fault_threshold = input.policy.fault_threshold},
          .seed = input.scenario.seed};
}

class CpuMachines final : public ObservableMachines {
 public:
  CpuMachines(const CaseInput& input, std::unique_ptr<Crew> crew)
      : crew_(std::move(crew)),
        machines_(*crew_, {.measures = true,
                           .folder = folder_.path(),
                           .forced = &input.routing,
                           .accumulation = input.scenario.training.batch.accumulation,
                           .sink = [this](const Performed& what) { note(what); }}) {}

  void plan(const std::function<void()>& work) override { machines_.plan(work); }
  std::optional<Duration> step(const StepWork& work) override {
    const auto took = machines_.step(work);
    if (took) performed_ = dispatch_digest(*work.configuration.plan, traffic_);
    return took;
  }
  std::optional<Duration> stage(const StageWork& work) override { return machines_.stage(work); }
  std::optional<Duration> write(const WriteWork& work) override { return machines_.write(work); }
  Duration detect(const Configuration& configuration, Duration predicted) override {
    return machines_.detect(configuration, predicted);
  }
  void completed(const Configuration& configuration, PlanCause cause, std::int64_t step) override {
    machines_.completed(configuration, cause, step);
  }
  void lose(std::span<const NodeId> nodes) override { machines_.lose(nodes); }
  void join(std::span<const NodeId> nodes) override { machines_.join(nodes); }

  bool performs(Stage stage) const override {
    switch (stage) {
      case Stage::reschedule:
        return false;
      case Stage::detection:
      case Stage::process_start:
      case Stage::communicator:
      case Stage::group_init:
        return crew_->dies_for_real();
      default:
        return true;
    }
  }
  std::span<const std::vector<PhaseTime>> phases() const override { return phases_; }
  std::string performed() const override { return performed_; }

 private:
  void note(const Performed& what) {
    if (!what.is_step || what.cut) return;
    names_ = what.phases;
    phases_.clear();
    for (const auto& rank : names_) {
      auto& times = phases_.emplace_back();
      for (const auto& phase : rank) times.push_back({phase.name, phase.layer, phase.seconds});
    }
    // Every micro-batch sends its rows to the same places.
    traffic_ = what.traffic;
    traffic_.resize(what.traffic.size() / static_cast<std::size_t>(machines_.accumulation()));
  }

  ScratchFolder folder_;
  std::unique_ptr<Crew> crew_;
  RealMachines machines_;
  // Of the last step.
  std::vector<std::vector<ReplyPhase>> names_;  // hold the names that phases_ points to
  std::vector<std::vector<PhaseTime>> phases_;
  std::vector<LayerTraffic> traffic_;
  std::string performed_;
};

class Cpu final : public Testbed {
 public:
  explicit Cpu(ObjectReader& options)
      : mode_(mode_named(
            options.choice("mode", {"serialised", "threads", "processes"}, "serialised"))) {}

  Mode mode() const override { return mode_; }
  std::vector<std::pair<std::string, std::string>> facts() const override {
    return make_backend("cpu", 1)->machine().facts;
  }
  std::unique_ptr<ObservableMachines> machines(const CaseInput& input, const CaseWorld& world,
                                               int) override {
    const auto setup = setup_of(input, world);
    const auto compute = [] { return make_compute("cpu"); };
    auto crew = mode_ == Mode::processes
                    ? make_process_crew(setup, compute)
                    : make_thread_crew(setup, {.serialised = mode_ == Mode::serialised,
                                               .clock = thread_seconds,
                                               .compute = compute});
    return std::make_unique<CpuMachines>(input, std::move(crew));
  }

 private:
  Mode mode_;
};

const bool registered = testbeds().add({
    .name = "cpu",
    .summary = "really trains on this machine's processor: serialised, threads or processes",
    .make = [](ObjectReader& options) -> std::unique_ptr<Testbed> {
      return std::make_unique<Cpu>(options);
    },
});

}  // namespace
}  // namespace bethany
