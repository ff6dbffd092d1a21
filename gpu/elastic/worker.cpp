#include "gpu/elastic/worker.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "gpu/elastic/plan_router.h"
#include "gpu/elastic/storage.h"
#include "gpu/fabric/reduce.h"
#include "sim/base/check.h"
#include "sim/base/digest.h"

namespace bethany {
namespace {

std::uint64_t digest_of(Compute& compute, const void* data, std::size_t bytes) {
  std::string host(bytes, '\0');
  compute.download(host.data(), data, bytes);
  Digest digest;
  digest.add(std::string_view(host));
  return digest.value();
}

/// A sum over the rank's samples, each with its number.
std::uint64_t output_digest(const std::vector<float>& output, std::int64_t first_sample,
                            std::int64_t samples) {
  std::uint64_t sum = 0;
  if (samples == 0) return sum;
  const std::size_t each = output.size() / static_cast<std::size_t>(samples);
  for (std::int64_t i = 0; i < samples; ++i) {
    Digest digest;
    digest.add(first_sample + i);
    const auto* begin = output.data() + static_cast<std::size_t>(i) * each;
    digest.add(std::string_view(reinterpret_cast<const char*>(begin), each * sizeof(float)));
    sum += digest.value();
  }
  return sum;
}

PhaseTiming with_waits(PhaseTiming timing, const Compute& compute) {
  if (compute.waited_seconds())
    timing.waited = [&] { return compute.waited_seconds().value_or(0); };
  return timing;
}

}  // namespace

Worker::Worker(const TrainingSetup& setup, std::unique_ptr<Compute> compute, PhaseTiming timing)
    : setup_(setup),
      compute_(std::move(compute)),
      log_(with_waits(std::move(timing), *compute_)),
      state_(make_rank_state(setup.shape, *compute_)),
      stack_(make_stack(setup.shape, *compute_)) {}

Worker::~Worker() = default;

void Worker::connect(std::unique_ptr<Fabric> fabric) { fabric_ = std::move(fabric); }

std::unique_ptr<Fabric> Worker::disconnect() { return std::move(fabric_); }

Reply Worker::obey(const Order& order) {
  Reply reply;
  log_.clear();
  try {
    if (fabric_ == nullptr && order.kind != Order::Kind::digest) throw PeerLost("not connected");
    switch (order.kind) {
      case Order::Kind::initialise:
        log_.compute("load", -1, [&] { initialise(order); });
        break;
      case Order::Kind::step:
        step(order, reply);
        break;
      case Order::Kind::commit:
        log_.compute("optimizer", -1, [&] {
          std::int64_t samples = 0;
          for (const auto of_rank : order.samples_of_rank) samples += of_rank;
          state_->update(order.step, samples * order.accumulation);
          compute_->synchronize();
        });
        break;
      case Order::Kind::discard:
        state_->clear_gradients();
        break;
      case Order::Kind::migrate:
        migrate(order);
        break;
      case Order::Kind::settle:
        settle(order);
        break;
      case Order::Kind::save:
        save(order);
        break;
      case Order::Kind::load:
        load(order);
        break;
      case Order::Kind::digest:
        digest(reply);
        break;
      case Order::Kind::meet:
        for (std::int64_t i = 0; i < order.step; ++i) fabric_->barrier();
        break;
    }
  } catch (const PeerLost&) {
    reply.lost = true;
    state_->clear_gradients();
  }
  reply.peak_bytes = static_cast<std::int64_t>(compute_->peak_bytes());
  for (const auto& phase : log_.times()) {
    reply.phases.push_back({std::string(phase.name), phase.layer, phase.seconds, phase.waited});
  }
  return reply;
}

std::vector<std::int32_t> Worker::experts_of(const PlacementPlan& plan, int layer, int rank) const {
  if (rank >= plan.ranks()) return {};
  const auto each = static_cast<std::size_t>(plan.slots_per_gpu());
  const auto slots = plan.node_slots(layer, rank / plan.gpus_per_node)
                         .subspan(static_cast<std::size_t>(rank % plan.gpus_per_node) * each, each);
  std::set<std::int32_t> experts(slots.begin(), slots.end());
  experts.erase(kVacant);
  return {experts.begin(), experts.end()};
}

void Worker::initialise(const Order& order) {
  settle(order);
  state_->initialise_dense(setup_.seed);
  for (int layer = 0; layer < setup_.shape.layers; ++layer) {
    for (const auto expert : experts_of(*order.plan, layer, fabric_->rank())) {
      state_->initialise_expert(layer, expert, setup_.seed);
    }
  }
}

void Worker::step(const Order& order, Reply& reply) {
  std::optional<PlanRouter> router;
  log_.on_host([&] { router.emplace(setup_, order); });
  std::int64_t before = 0;
  std::int64_t all = 0;
  const auto rank = static_cast<std::size_t>(fabric_->rank());
  for (std::size_t r = 0; r < order.samples_of_rank.size(); ++r) {
    if (r < rank) before += order.samples_of_rank[r];
    all += order.samples_of_rank[r];
  }
  const std::int64_t own = order.samples_of_rank[rank];
  for (std::int64_t batch = 0; batch < order.accumulation; ++batch) {
    const std::int64_t first = order.first_sample + batch * all + before;
    reply.loss += stack_->forward_backward(
        *state_, {.seed = setup_.seed, .first_sample = first, .samples = own}, *router, *fabric_,
        log_);
    if (!order.tells_outputs) continue;
    std::vector<float> output;
    log_.aside([&] { output = stack_->output(); });
    log_.on_host([&] { reply.output_digest += output_digest(output, first, own); });
  }
  if (fabric_->rank() == 0) reply.traffic = router->traffic();
  reduce(order);
}

void Worker::reduce(const Order& order) {
  const PlacementPlan& plan = *order.plan;
  const int rank = fabric_->rank();
  const auto sum = [this](std::span<const float* const> addends, std::int64_t values, float* out) {
    compute_->slice_sum(addends, values, out);
    compute_->synchronize();
  };
  const auto run = [&](std::vector<SharedGradient> gradients, const std::vector<float*>& data,
                       std::string_view phase) {
    const Reduction reduction(std::move(gradients), rank);
    DeviceArray<float> staging(*compute_);
    reduction.run(*fabric_, data,
                  staging.reserve(static_cast<std::int64_t>(reduction.staging_values())), sum, log_,
                  phase);
  };
  auto gradients = expert_gradients(plan, setup_.shape.expert_parameters());
  std::vector<float*> data;
  for (int layer = 0; layer < setup_.shape.layers; ++layer) {
    const auto own = experts_of(plan, layer, rank);
    for (int expert = 0; expert < plan.experts; ++expert) {
      const bool held = std::binary_search(own.begin(), own.end(), expert);
      data.push_back(held ? state_->expert_gradient(layer, expert).data() : nullptr);
    }
  }
  run(std::move(gradients), data, "reduce_expert");
  SharedGradient dense{.holders = {}, .values = setup_.shape.dense_parameters()};
  for (int r = 0; r < plan.ranks(); ++r) dense.holders.push_back(r);
  run({std::move(dense)}, {state_->dense_gradient().data()}, "reduce_dense");
}

void Worker::migrate(const Order& order) {
  std::vector<Send> sends;
  std::vector<Receive> receives;
  const int rank = fabric_->rank();
  for (const auto& move : order.moves) {
    const bool dense = move.expert < 0;
    const auto bytes = dense ? static_cast<std::size_t>(move.bytes) : state_->expert_bytes();
    const auto at = [&] {
      return dense ? state_->dense_state() + move.offset
                   : state_->expert_state(move.layer, move.expert);
    };
    if (move.from == rank) sends.push_back({move.to, at(), bytes});
    if (move.to != rank) continue;
    // What an interrupted change left is overwritten.
    if (!dense && !state_->holds(move.layer, move.expert)) {
      state_->add_expert(move.layer, move.expert);
    }
    receives.push_back({move.from, at(), bytes});
  }
  // Room is found before anything moves: on a GPU the one who asks for memory holds up the others.
  compute_->synchronize();
  fabric_->barrier();
  log_.book("transfer", -1, fabric_->exchange(sends, receives));
}

void Worker::settle(const Order& order) {
  for (int layer = 0; layer < setup_.shape.layers; ++layer) {
    const auto wanted = experts_of(*order.plan, layer, fabric_->rank());
    for (int expert = 0; expert < setup_.shape.experts; ++expert) {
      const bool held = state_->holds(layer, expert);
      const bool wants = std::binary_search(wanted.begin(), wanted.end(), expert);
      if (held && !wants) state_->drop_expert(layer, expert);
      if (!held && wants) {
        BETHANY_CHECK(order.kind != Order::Kind::settle, "expert {} of layer {} never came", expert,
                      layer);
        state_->add_expert(layer, expert);
      }
    }
  }
}

void Worker::save(const Order& order) {
  log_.compute("save", -1, [&] {
    const auto store = [&](const std::string& path, const std::byte* data, std::size_t bytes) {
      host_.resize(bytes);
      compute_->download(host_.data(), data, bytes);
      write_state(path, host_);
    };
    const int rank = fabric_->rank();
    const auto writers = writers_of(*order.plan, state_->dense_bytes(), state_->expert_bytes());
    if (writers.front() == rank) {
      store(dense_path(order.folder), state_->dense_state(), state_->dense_bytes());
    }
    auto writer = writers.begin();
    for (int layer = 0; layer < setup_.shape.layers; ++layer) {
      for (int expert = 0; expert < setup_.shape.experts; ++expert) {
        if (*++writer != rank) continue;
        store(expert_path(order.folder, layer, expert), state_->expert_state(layer, expert),
              state_->expert_bytes());
      }
    }
  });
}

void Worker::load(const Order& order) {
  log_.compute("load", -1, [&] {
    settle(order);
    const auto fetch = [&](const std::string& path, std::byte* data, std::size_t bytes) {
      host_.resize(bytes);
      read_state(path, host_);
      compute_->upload(data, host_.data(), bytes);
    };
    fetch(dense_path(order.folder), state_->dense_state(), state_->dense_bytes());
    for (int layer = 0; layer < setup_.shape.layers; ++layer) {
      for (const auto expert : experts_of(*order.plan, layer, fabric_->rank())) {
        fetch(expert_path(order.folder, layer, expert), state_->expert_state(layer, expert),
              state_->expert_bytes());
      }
    }
    compute_->synchronize();
  });
}

void Worker::digest(Reply& reply) {
  reply.held[{-1, -1}] = digest_of(*compute_, state_->dense_state(), state_->dense_bytes());
  for (int layer = 0; layer < setup_.shape.layers; ++layer) {
    for (int expert = 0; expert < setup_.shape.experts; ++expert) {
      if (!state_->holds(layer, expert)) continue;
      reply.held[{layer, expert}] =
          digest_of(*compute_, state_->expert_state(layer, expert), state_->expert_bytes());
    }
  }
}

}  // namespace bethany
