#include "tests/gpu/rank_crowd.h"

#include <algorithm>
#include <cstring>
#include <thread>

#include "gpu/fabric/host_local.h"
#include "sim/base/check.h"
#include "sim/base/object_reader.h"

namespace bethany {
namespace {

std::size_t z(std::int64_t value) { return static_cast<std::size_t>(value); }

template <class Part>
std::unique_ptr<Part> part(Registry<Part>& registry, const std::string& name) {
  const auto* entry = registry.find(name);
  BETHANY_CHECK(entry != nullptr, "no {}", name);
  const JsonNode none;
  ObjectReader options(none, "");
  return entry->make(options);
}

class PlanRouter final : public Router {
 public:
  PlanRouter(const CrowdOptions& options, const Dispatch& dispatch)
      : options_(options), dispatch_(dispatch) {}

  std::vector<int> forced(int layer, int, std::int64_t tokens) const override {
    std::vector<int> ids;
    if (!options_.forced) return ids;
    const StackShape& shape = options_.shape;
    for (std::int64_t t = 0; t < tokens; ++t) {
      const std::int64_t place = t % shape.sequence_length;
      for (int k = 0; k < shape.top_k; ++k) {
        ids.push_back(static_cast<int>((place * place + layer + k) % shape.experts));
      }
    }
    return ids;
  }
  TokenMatrix matrix(int layer, const TokenCounts& routed) const override {
    auto made = dispatch_.matrix(options_.placement, options_.plan.layers[z(layer)], routed);
    BETHANY_CHECK(made.has_value(), "{} has no matrix", options_.dispatch);
    return *std::move(made);
  }

 private:
  const CrowdOptions& options_;
  const Dispatch& dispatch_;
};

std::vector<float> downloaded(const void* from, std::size_t bytes) {
  std::vector<float> values(bytes / sizeof(float));
  std::memcpy(values.data(), from, bytes);
  return values;
}

}  // namespace

struct RankCrowd::Rank {
  Rank(const StackShape& shape, Products products)
      : compute(make_compute("cpu", {.products = products})),
        state(make_rank_state(shape, *compute)),
        stack(make_stack(shape, *compute)) {}
  std::unique_ptr<Compute> compute;
  std::unique_ptr<RankState> state;
  std::unique_ptr<Stack> stack;
  PhaseLog log;
  double loss = 0;
};

RankCrowd::RankCrowd(CrowdOptions options)
    : options_(std::move(options)),
      dispatch_(part(dispatches(), options_.dispatch)),
      router_(std::make_unique<PlanRouter>(options_, *dispatch_)) {
  const PlacementPlan& plan = options_.plan;
  constexpr std::uint64_t kSeed = 11;
  for (int r = 0; r < plan.ranks(); ++r) {
    auto rank = std::make_unique<Rank>(options_.shape, options_.products);
    rank->state->initialise_dense(kSeed);
    for (int layer = 0; layer < options_.shape.layers; ++layer) {
      const auto& slots = plan.layers[z(layer)].expert_of_slot;
      for (int slot = 0; slot < plan.slots_per_gpu(); ++slot) {
        const int expert = slots[z(r) * z(plan.slots_per_gpu()) + z(slot)];
        if (expert == kVacant || rank->state->holds(layer, expert)) continue;
        rank->state->add_expert(layer, expert);
        rank->state->initialise_expert(layer, expert, kSeed);
      }
    }
    ranks_.push_back(std::move(rank));
  }
}

RankCrowd::~RankCrowd() = default;

double RankCrowd::gradients(int samples, int micro_batches) {
  const auto count = static_cast<int>(ranks_.size());
  // One rank computes or copies at a time, as when phases are timed.
  Turn turn;
  HostLocal host(count, &turn);
  std::vector<std::thread> threads;
  std::int64_t first = next_sample_;
  for (int r = 0; r < count; ++r) {
    // Rank 0 gets the rest: some ranks may have no sample at all.
    const int share = samples / count + (r == 0 ? samples % count : 0);
    threads.emplace_back([this, r, share, first, samples, micro_batches, &turn, &host] {
      Rank& rank = *ranks_[z(r)];
      auto fabric = host.fabric(r);
      if (options_.tamper) fabric = options_.tamper(std::move(fabric));
      rank.log = PhaseLog({.turn = &turn});
      rank.loss = 0;
      for (int m = 0; m < micro_batches; ++m) {
        rank.loss += rank.stack->forward_backward(
            *rank.state,
            {.seed = 5, .first_sample = first + std::int64_t{m} * samples, .samples = share},
            *router_, *fabric, rank.log);
      }
    });
    first += share;
  }
  for (auto& thread : threads) thread.join();
  next_sample_ += std::int64_t{micro_batches} * samples;
  reduce();
  double loss = 0;
  for (const auto& rank : ranks_) loss += rank->loss;
  return loss;
}

void RankCrowd::reduce() {
  const auto sum = [](const std::vector<std::span<float>>& parts, float factor) {
    std::vector<float> total(parts.front().size());
    for (const auto& values : parts) {
      for (std::size_t i = 0; i < total.size(); ++i) total[i] += factor * values[i];
    }
    for (const auto& values : parts) std::copy(total.begin(), total.end(), values.begin());
  };
  std::vector<std::span<float>> dense;
  for (const auto& rank : ranks_) dense.push_back(rank->state->dense_gradient());
  sum(dense, 1);
  for (int layer = 0; layer < options_.shape.layers; ++layer) {
    for (int expert = 0; expert < options_.shape.experts; ++expert) {
      std::vector<std::span<float>> parts;
      for (const int r : holders(layer, expert)) {
        parts.push_back(ranks_[z(r)]->state->expert_gradient(layer, expert));
      }
      sum(parts, options_.average ? 1 / static_cast<float>(parts.size()) : 1);
    }
  }
}

void RankCrowd::update(int samples) {
  for (const auto& rank : ranks_) rank->state->update(step_, samples);
  ++step_;
}

std::vector<int> RankCrowd::holders(int layer, int expert) const {
  std::vector<int> holders;
  for (std::size_t r = 0; r < ranks_.size(); ++r) {
    if (ranks_[r]->state->holds(layer, expert)) holders.push_back(static_cast<int>(r));
  }
  BETHANY_CHECK(!holders.empty(), "expert {} is nowhere", expert);
  return holders;
}

std::vector<float> RankCrowd::dense_gradient() {
  const auto values = ranks_.front()->state->dense_gradient();
  return {values.begin(), values.end()};
}

std::vector<float> RankCrowd::expert_gradient(int layer, int expert) {
  const auto values =
      ranks_[z(holders(layer, expert).front())]->state->expert_gradient(layer, expert);
  return {values.begin(), values.end()};
}

std::vector<float> RankCrowd::dense_state() {
  const std::size_t bytes = ranks_.front()->state->dense_bytes();
  auto values = downloaded(ranks_.front()->state->dense_state(), bytes);
  for (const auto& rank : ranks_) {
    BETHANY_CHECK(downloaded(rank->state->dense_state(), bytes) == values, "ranks differ");
  }
  return values;
}

std::vector<float> RankCrowd::expert_state(int layer, int expert) {
  const std::size_t bytes = ranks_.front()->state->expert_bytes();
  std::vector<float> values;
  for (const int r : holders(layer, expert)) {
    auto own = downloaded(ranks_[z(r)]->state->expert_state(layer, expert), bytes);
    BETHANY_CHECK(values.empty() || own == values, "replicas of {} differ", expert);
    values = std::move(own);
  }
  return values;
}

std::vector<float> RankCrowd::output(int rank) { return ranks_[z(rank)]->stack->output(); }

const std::vector<PhaseTime>& RankCrowd::phases(int rank) const {
  return ranks_[z(rank)]->log.times();
}

RankState& RankCrowd::state(int rank) { return *ranks_[z(rank)]->state; }

CrowdOptions alone(const StackShape& shape) {
  return crowd_of(shape, 1, 1, shape.experts, "proportional", "packed", "lazarus", 1);
}

CrowdOptions crowd_of(const StackShape& shape, int nodes, int gpus, int slots_per_gpu,
                      const std::string& allocation, const std::string& placement,
                      const std::string& dispatch, std::uint64_t seed) {
  CrowdOptions options{.shape = shape, .dispatch = dispatch};
  options.placement = {.nodes = nodes,
                       .gpus_per_node = gpus,
                       .slots_per_gpu = slots_per_gpu,
                       .experts = shape.experts};
  LoadMatrix loads(shape.layers, shape.experts);
  Rng rng = RngStreams(seed, 0).stream("test/crowd");
  for (auto& load : loads.values) load = static_cast<std::int64_t>(1 + rng.below(50));
  auto made = make_plan(*part(allocations(), allocation), *part(placements(), placement),
                        options.placement, LayerOrder::independent, loads, rng);
  BETHANY_CHECK(std::holds_alternative<PlacementPlan>(made), "no plan: {}",
                std::get<Infeasible>(made).reason);
  options.plan = std::get<PlacementPlan>(std::move(made));
  return options;
}

}  // namespace bethany
