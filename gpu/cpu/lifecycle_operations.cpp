// What ranks cost besides training: plans, processes, connections, deaths, checkpoints.
#include <unistd.h>

#include <filesystem>
#include <numeric>

#include "gpu/cpu/operations.h"
#include "gpu/elastic/crew.h"
#include "gpu/elastic/storage.h"
#include "gpu/protocol.h"
#include "sim/base/check.h"
#include "sim/placement/binding.h"
#include "sim/policy/policy.h"

namespace bethany::cpu {
namespace {

/// The stack that validation trains.
constexpr StackShape kShape{.layers = 2,
                            .hidden = 64,
                            .ffn = 128,
                            .experts = 8,
                            .top_k = 2,
                            .heads = 2,
                            .sequence_length = 64};
constexpr int kSlots = 4;

/// Reads more memory than caches hold: what comes next finds them as after a step of many ranks.
void spoil_caches() {
  static const std::vector<std::int64_t> memory(std::size_t{5} << 20, 1);
  volatile std::int64_t sum = 0;
  for (std::size_t i = 0; i < memory.size(); i += 8) sum = sum + memory[i];
}

/// The recovery of `lazarus` from the loss of a node: a plan for the others, and who takes which
/// place of it.
class Planning final : public PreparedOperation {
 public:
  explicit Planning(int nodes) : policy_(read_policy(lazarus(), "", "lazarus", nullptr)) {
    shape_.nodes = nodes + 1;
    shape_.slots_per_gpu = std::max(kSlots, (kShape.experts + nodes - 1) / nodes);
    shape_.experts = kShape.experts;
    shape_.fault_threshold = policy_.fault_threshold;
    loads_ = LoadMatrix(kShape.layers, kShape.experts);
    for (int layer = 0; layer < kShape.layers; ++layer) {
      for (int expert = 0; expert < kShape.experts; ++expert) {
        loads_.row(layer)[static_cast<std::size_t>(expert)] = 1000 / (expert + 1);
      }
    }
    before_ = make();
    shape_.nodes = nodes;
    holdings_.plan = &before_;
    holdings_.place_of.resize(static_cast<std::size_t>(nodes));
    std::iota(holdings_.place_of.begin(), holdings_.place_of.end(), 0);
  }

  Sample run(int repeats) override {
    double seconds = 0;
    for (int i = 0; i < repeats; ++i) {
      spoil_caches();
      const double begin = wall_seconds();
      const auto binding = bind_plan(make(), holdings_, {.dense_bytes = 1, .expert_bytes = 1},
                                     {.method = policy_.binding, .domain_of = {}});
      seconds += wall_seconds() - begin;
      BETHANY_CHECK(!binding.machine_of_place.empty(), "an empty plan");
    }
    return {.seconds = seconds / repeats};
  }

 private:
  static JsonNode lazarus() {
    JsonNode node;
    node.member("preset") = JsonNode::of("lazarus");
    return node;
  }
  PlacementPlan make() {
    auto rng = RngStreams(1, 0).stream("gpu/planning");
    return std::get<PlacementPlan>(make_plan(*policy_.allocation, *policy_.placement, shape_,
                                             policy_.layer_order, loads_, rng));
  }

  Policy policy_;
  PlacementShape shape_;
  LoadMatrix loads_;
  PlacementPlan before_;
  Holdings holdings_;
};

/// A crew of processes, one a node.
class CrewOperation final : public PreparedOperation {
 public:
  explicit CrewOperation(const Point& point)
      : operation_(point.operation),
        crew_(make_process_crew(
            {.shape = kShape, .placement = {.gpus_per_node = 1, .experts = kShape.experts}},
            [] { return make_compute("cpu"); })) {
    for (int i = 0; i < point.experts; ++i) {
      nodes_.push_back(NodeId(i));
      places_.push_back({NodeId(i), 0});
    }
    if (operation_ != Operation::process_start) crew_->start(nodes_);
  }

  Sample run(int repeats) override {
    double seconds = 0;
    for (int i = 0; i < repeats; ++i) seconds += once();
    return {.seconds = seconds / repeats};
  }

 private:
  double once() {
    const double begin = wall_seconds();
    if (operation_ == Operation::process_start) {
      crew_->start(nodes_);
      const double took = wall_seconds() - begin;
      crew_->kill(nodes_);
      return took;
    }
    if (operation_ == Operation::communicator) {
      crew_->connect(places_);
      return wall_seconds() - begin;
    }
    crew_->connect(places_);
    const std::vector<NodeId> victim{nodes_.back()};
    Order order;
    order.kind = Order::Kind::meet;
    order.step = std::int64_t{1} << 40;  // until somebody dies
    const auto reply =
        crew_->obey(order, Attack{.nodes = victim, .after = std::chrono::milliseconds(2)});
    BETHANY_CHECK(reply.lost, "nobody noticed a death");
    crew_->kill(victim);
    const double took = crew_->wait_for_detection();
    crew_->start(victim);
    return took;
  }

  Operation operation_;
  std::unique_ptr<Crew> crew_;
  std::vector<NodeId> nodes_;
  std::vector<RankPlace> places_;
};

/// Files of a checkpoint in the folder for temporary files, timed as serialised ranks are.
class Storing final : public PreparedOperation {
 public:
  explicit Storing(const Point& point)
      : reads_(point.operation == Operation::checkpoint_read),
        state_(static_cast<std::size_t>(point.size / point.experts), std::byte{1}),
        folder_(std::filesystem::temp_directory_path().string() + "/bethany-storing-" +
                std::to_string(::getpid())) {
    std::filesystem::create_directories(folder_);
    for (int i = 0; i < point.experts; ++i) {
      paths_.push_back(expert_path(folder_, 0, i));
      write_state(paths_.back(), state_);
    }
  }
  ~Storing() override {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  Storing(const Storing&) = delete;
  Storing& operator=(const Storing&) = delete;

  Sample run(int repeats) override {
    double seconds = 0;
    for (int i = 0; i < repeats; ++i) {
      // A checkpoint is written to files that are not there yet.
      if (!reads_) {
        for (const auto& path : paths_) std::filesystem::remove(path);
      }
      spoil_caches();
      const double begin = thread_seconds();
      for (const auto& path : paths_) {
        if (reads_) {
          read_state(path, state_);
        } else {
          write_state(path, state_);
        }
      }
      seconds += thread_seconds() - begin;
    }
    return {.seconds = seconds / repeats};
  }

 private:
  bool reads_;
  std::vector<std::byte> state_;
  std::string folder_;
  std::vector<std::string> paths_;
};

}  // namespace

std::unique_ptr<PreparedOperation> lifecycle_operation(const Point& point) {
  switch (point.operation) {
    case Operation::planning:
      return std::make_unique<Planning>(point.experts);
    case Operation::process_start:
    case Operation::communicator:
    case Operation::detection:
      return std::make_unique<CrewOperation>(point);
    case Operation::checkpoint_write:
    case Operation::checkpoint_read:
      return std::make_unique<Storing>(point);
    default:
      return nullptr;
  }
}

}  // namespace bethany::cpu
