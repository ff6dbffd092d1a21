#include "gpu/rank_testbed.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>

#include "gpu/backend.h"
#include "gpu/elastic/launched_device.h"
#include "gpu/elastic/memory_forecast.h"
#include "gpu/elastic/real_machines.h"
#include "sim/base/statistics.h"

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

class RankMachines final : public ObservableMachines {
 public:
  RankMachines(const CaseInput& input, const CaseWorld& world, std::unique_ptr<Crew> crew)
      : crew_(std::move(crew)),
        forecast_(world.stack),
        machines_(*crew_, {.measures = true,
                           .folder = folder_.path(),
                           .forced = &input.routing,
                           .accumulation = input.scenario.training.batch.accumulation,
                           .tells_outputs = false,
                           .sink = [this](const Performed& what) { note(what); }}) {}

  void plan(const std::function<void()>& work) override { machines_.plan(work); }
  std::optional<Duration> step(const StepWork& work) override {
    const auto took = machines_.step(work);
    if (took) performed_ = dispatch_digest(*work.configuration.plan, traffic_);
    // Threads do all of a step before it is known that a loss undid it.
    if (took || !crew_->dies_for_real()) forecast_.step(work);
    return took;
  }
  std::optional<Duration> stage(const StageWork& work) override {
    if (work.stage == Stage::process_start) forecast_.lose_all();
    const auto took = machines_.stage(work);
    if (took && work.stage == Stage::transfer) forecast_.transfer(work.before, work.after);
    return took;
  }
  std::optional<Duration> write(const WriteWork& work) override { return machines_.write(work); }
  Duration detect(const Configuration& configuration, Duration predicted) override {
    return machines_.detect(configuration, predicted);
  }
  void completed(const Configuration& configuration, PlanCause cause, std::int64_t step) override {
    machines_.completed(configuration, cause, step);
  }
  void lose(std::span<const NodeId> nodes) override {
    machines_.lose(nodes);
    forecast_.lose(nodes);
  }
  void join(std::span<const NodeId> nodes) override { machines_.join(nodes); }

  bool performs(Stage stage, std::int64_t step) const override {
    switch (stage) {
      case Stage::reschedule:
        return false;
      case Stage::detection:
      case Stage::process_start:
      case Stage::communicator:
      case Stage::group_init:
        return crew_->dies_for_real();
      case Stage::load:
        return step > 0;
      default:
        return true;
    }
  }
  std::span<const std::vector<PhaseTime>> phases() const override { return phases_; }
  std::string performed() const override { return performed_; }
  std::optional<MemoryObservation> memory() const override {
    if (peak_bytes_ == 0 || forecast_.most() == 0) return {};
    return MemoryObservation{static_cast<double>(forecast_.most()),
                             static_cast<double>(peak_bytes_)};
  }

 private:
  void note(const Performed& what) {
    if (!what.is_step || what.cut) return;
    peak_bytes_ = std::max(peak_bytes_, what.peak_bytes);
    names_ = what.phases;
    phases_.clear();
    for (const auto& rank : names_) {
      auto& times = phases_.emplace_back();
      for (const auto& phase : rank) {
        times.push_back({phase.name, phase.layer, phase.seconds, phase.waited});
      }
    }
    // Every micro-batch sends its rows to the same places.
    traffic_ = what.traffic;
    traffic_.resize(what.traffic.size() / static_cast<std::size_t>(machines_.accumulation()));
  }

  ScratchFolder folder_;
  std::unique_ptr<Crew> crew_;
  MemoryForecast forecast_;
  RealMachines machines_;
  std::int64_t peak_bytes_ = 0;
  // Of the last step.
  std::vector<std::vector<ReplyPhase>> names_;  // hold the names that phases_ points to
  std::vector<std::vector<PhaseTime>> phases_;
  std::vector<LayerTraffic> traffic_;
  std::string performed_;
};

std::string described(std::map<std::string, std::vector<double>> connections) {
  std::string text;
  for (auto& [origin, seconds] : connections) {
    std::sort(seconds.begin(), seconds.end());
    text += fmt::format("{}{} {}, median {:.3g} s", text.empty() ? "" : "; ", seconds.size(),
                        origin, quantile_sorted(seconds, 0.5));
  }
  return text;
}

/// Writes more than the caches of a GPU hold, and of most processors.
class EmptyCaches {
 public:
  explicit EmptyCaches(std::unique_ptr<Compute> compute)
      : compute_(std::move(compute)), memory_(*compute_) {
    memory_.reserve(kBytes);
  }
  void operator()() {
    compute_->clear(memory_.data(), kBytes);
    compute_->synchronize();
  }

 private:
  static constexpr std::int64_t kBytes = 64 << 20;

  std::unique_ptr<Compute> compute_;
  DeviceArray<std::byte> memory_;
};

class RankTestbed final : public Testbed {
 public:
  explicit RankTestbed(RankTestbedOptions options) : options_(std::move(options)) {
    if (options_.cold) {
      if (options_.mode != Mode::serialised) {
        throw InputError("only in the mode 'serialised' can caches be emptied before each phase");
      }
      options_.facts.emplace_back("caches", "emptied before each phase");
    }
    options_.facts.emplace_back("products", name_of(options_.products));
    if (options_.mode != Mode::cluster) return;
    const auto launched = launched_options(options_.compute, options_.products, options_.kill);
    processes_ = std::make_unique<LaunchedProcesses>(launched);
    options_.facts.emplace_back("processes", fmt::format("{}", launched.launch.ranks));
    options_.facts.emplace_back("kill", options_.kill == Kill::hard ? "hard" : "soft");
    const auto device = launched_device(options_.compute);
    options_.facts.emplace_back("fabric", device ? device->fabric_name() : "sockets");
  }

  Mode mode() const override { return options_.mode; }
  CaseWorld world() const override { return options_.world; }
  int nodes_max() const override { return processes_ == nullptr ? 0 : processes_->free(); }
  std::vector<std::pair<std::string, std::string>> facts() const override {
    auto facts = options_.facts;
    if (processes_ != nullptr && !processes_->connections().empty()) {
      facts.emplace_back("connections", described(processes_->connections()));
    }
    return facts;
  }
  std::unique_ptr<ObservableMachines> machines(const CaseInput& input, const CaseWorld& world,
                                               int) override {
    return std::make_unique<RankMachines>(input, world, crew(setup_of(input, world), input));
  }

 private:
  std::unique_ptr<Crew> crew(const TrainingSetup& setup, const CaseInput& input) const {
    if (processes_ != nullptr) return make_launched_crew(*processes_, setup, input.policy.name);
    if (options_.mode == Mode::processes) {
      return make_process_crew(setup, [name = options_.compute, products = options_.products] {
        return make_compute(name, {.products = products});
      });
    }
    const int ranks = std::max(input.scenario.cluster.nodes * input.scenario.cluster.node_type.gpus,
                               options_.parts);
    const bool partitioned = options_.mode == Mode::partitioned;
    return make_thread_crew(setup, {.serialised = options_.mode == Mode::serialised,
                                    .clock = options_.clock,
                                    .compute =
                                        [name = options_.compute, products = options_.products,
                                         ranks, partitioned](int place) {
                                          return make_compute(name, {.rank = place,
                                                                     .ranks = ranks,
                                                                     .partitioned = partitioned,
                                                                     .products = products});
                                        },
                                    .before = before(),
                                    .device_memory = options_.device_memory,
                                    .waiting = options_.device_memory
                                                   ? waiting_beside_device(ranks)
                                                   : Waiting::asleep});
  }

  std::function<void()> before() const {
    if (!options_.cold) return {};
    const auto empty = std::make_shared<EmptyCaches>(make_compute(options_.compute));
    return [empty] { (*empty)(); };
  }

  RankTestbedOptions options_;
  std::unique_ptr<LaunchedProcesses> processes_;  // of mode cluster
};

}  // namespace

LaunchedOptions launched_options(const std::string& compute, Products products, Kill kill) {
  LaunchedOptions options{.launch = launch_of_this_process(), .kill = kill};
  int number = 0;
  if (const auto device = launched_device(compute)) {
    options.fabric = device->fabric(options.launch);
    number = device->number(options.launch);
  }
  options.compute = [compute, number, products] {
    return make_compute(compute, {.device = number, .products = products});
  };
  return options;
}

std::unique_ptr<Testbed> make_rank_testbed(RankTestbedOptions options) {
  return std::make_unique<RankTestbed>(std::move(options));
}

bool serve_if_launched(const std::string& compute, Products products, const std::string& kill) {
  const auto options =
      launched_options(compute, products, kill == "hard" ? Kill::hard : Kill::soft);
  if (options.launch.rank == 0) return false;
  serve_launched_rank(options);
  return true;
}

}  // namespace bethany
