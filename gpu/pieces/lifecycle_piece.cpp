// What ranks cost besides training: plans, processes, connections, deaths, checkpoints.
#include <unistd.h>

#include <filesystem>
#include <numeric>

#include "gpu/elastic/crew.h"
#include "gpu/elastic/storage.h"
#include "gpu/pieces/pieces.h"
#include "gpu/protocol.h"
#include "sim/base/check.h"
#include "sim/placement/binding.h"
#include "sim/policy/policy.h"

namespace bethany {
namespace {

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
  Planning(const StackShape& stack, int nodes)
      : policy_(read_policy(lazarus(), "", "lazarus", nullptr)) {
    shape_.nodes = nodes + 1;
    shape_.slots_per_gpu = std::max(kSlots, (stack.experts + nodes - 1) / nodes);
    shape_.experts = stack.experts;
    shape_.fault_threshold = policy_.fault_threshold;
    loads_ = LoadMatrix(stack.layers, stack.experts);
    for (int layer = 0; layer < stack.layers; ++layer) {
      for (int expert = 0; expert < stack.experts; ++expert) {
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
class CrewPiece final : public PreparedOperation {
 public:
  CrewPiece(const StackShape& stack, const Point& point)
      : operation_(point.operation),
        crew_(make_process_crew(
            {.shape = stack, .placement = {.gpus_per_node = 1, .experts = stack.experts}},
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

/// Files of a checkpoint in the folder for temporary files, to and from a rank's memory as its
/// Worker does it.
class Storing final : public PreparedOperation {
 public:
  Storing(PieceRanks& ranks, const Point& point)
      : ranks_(ranks),
        clock_(ranks.clock != nullptr ? ranks.clock : wall_seconds),
        reads_(point.operation == Operation::checkpoint_read),
        host_(static_cast<std::size_t>(point.size / point.experts), std::byte{1}),
        folder_(std::filesystem::temp_directory_path().string() + "/bethany-storing-" +
                std::to_string(::getpid())) {
    std::filesystem::create_directories(folder_);
    for (int i = 0; i < point.experts; ++i) {
      states_.emplace_back(ranks_.at(0)).reserve(count());
      ranks_.at(0).upload(states_.back().data(), host_.data(), host_.size());
      paths_.push_back(expert_path(folder_, 0, i));
      if (reads_) write_state(paths_.back(), host_);
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
    for (int i = 0; i < repeats; ++i) seconds += reads_ ? read() : write();
    return {.seconds = seconds / repeats};
  }

 private:
  std::int64_t count() const { return static_cast<std::int64_t>(host_.size()); }

  /// A checkpoint is written to files that are not there yet, while the one before is still there.
  double write() {
    const std::string folder = folder_ + "/new";
    std::filesystem::create_directories(folder);
    std::vector<std::byte> host;
    spoil_caches();
    const double begin = clock_();
    for (std::size_t file = 0; file < states_.size(); ++file) {
      host.resize(host_.size());
      ranks_.at(0).download(host.data(), states_[file].data(), host.size());
      write_state(expert_path(folder, 0, static_cast<int>(file)), host);
    }
    const double took = clock_() - begin;
    std::filesystem::remove_all(folder_ + "/old");
    std::filesystem::rename(folder, folder_ + "/old");
    return took;
  }

  /// A rank that reads one is new: it has to find room for states and gradients.
  double read() {
    const auto fresh = ranks_.make(0);
    std::vector<std::byte> host;
    std::vector<DeviceArray<std::byte>> arrays;
    spoil_caches();
    const double begin = clock_();
    for (const auto& path : paths_) {
      std::byte* const state = arrays.emplace_back(*fresh).reserve(count());
      std::byte* const gradient = arrays.emplace_back(*fresh).reserve(count() / 3);
      fresh->clear(gradient, host_.size() / 3);
      host.resize(host_.size());
      read_state(path, host);
      fresh->upload(state, host.data(), host.size());
    }
    fresh->synchronize();
    return clock_() - begin;
  }

  PieceRanks& ranks_;
  PhaseClock clock_;
  bool reads_;
  std::vector<std::byte> host_;
  std::string folder_;
  std::vector<DeviceArray<std::byte>> states_;
  std::vector<std::string> paths_;
};

}  // namespace

std::unique_ptr<PreparedOperation> lifecycle_piece(PieceRanks& ranks, const Point& point) {
  switch (point.operation) {
    case Operation::planning:
      return std::make_unique<Planning>(ranks.trained, point.experts);
    case Operation::process_start:
    case Operation::communicator:
    case Operation::detection:
      return std::make_unique<CrewPiece>(ranks.trained, point);
    case Operation::checkpoint_write:
    case Operation::checkpoint_read:
      return std::make_unique<Storing>(ranks, point);
    default:
      return nullptr;
  }
}

}  // namespace bethany
