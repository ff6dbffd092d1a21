#include "gpu/rank_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <exception>
#include <limits>
#include <map>
#include <thread>

#include "gpu/compute.h"
#include "gpu/fabric/host_local.h"
#include "gpu/fabric/reduce.h"
#include "gpu/layer/stack.h"
#include "sim/base/error.h"

namespace bethany {
namespace {

constexpr int kSteps = 2;
constexpr int kSamples = 7;
constexpr StackShape kShape = kSmallExactStack;

std::size_t z(std::int64_t value) { return static_cast<std::size_t>(value); }

/// Every expert on two neighbours, where there are two.
std::vector<int> holders_of(int expert, int ranks) {
  std::vector<int> holders = {expert % ranks};
  if (ranks > 1) holders.push_back((expert + 1) % ranks);
  std::sort(holders.begin(), holders.end());
  return holders;
}

/// The gate chooses; each rank sends to one of an expert's holders.
class PairRouter final : public Router {
 public:
  std::vector<int> forced(int, int, std::int64_t) const override { return {}; }
  TokenMatrix matrix(int, const TokenCounts& routed) const override {
    TokenMatrix matrix(routed.ranks, routed.experts);
    for (int expert = 0; expert < routed.experts; ++expert) {
      const auto holders = holders_of(expert, routed.ranks);
      for (int rank = 0; rank < routed.ranks; ++rank) {
        matrix.at(expert, rank, holders[z(rank) % holders.size()]) = routed.at(rank, expert);
      }
    }
    return matrix;
  }
};

/// What a rank ends with: the state of each expert it holds by number, under -1 the dense part.
struct Trained {
  std::map<int, std::vector<float>> states;
  double loss = 0;
};

struct Mode {
  const char* name;
  bool serialised;
  bool partitioned;
};

class Rank {
 public:
  Rank(const std::string& compute, const Mode& mode, int rank, int ranks)
      : compute_(
            make_compute(compute, {.rank = rank, .ranks = ranks, .partitioned = mode.partitioned})),
        state_(make_rank_state(kShape, *compute_)),
        stack_(make_stack(kShape, *compute_)),
        staging_(*compute_),
        rank_(rank),
        ranks_(ranks) {}

  Compute& compute() { return *compute_; }

  Trained train(Fabric& fabric, Turn* turn, std::uint64_t seed) {
    initialise(seed);
    const Reduction reduction(shared_gradients(), rank_);
    float* staging = staging_.reserve(static_cast<std::int64_t>(reduction.staging_values()));
    const int share = kSamples / ranks_ + (rank_ == 0 ? kSamples % ranks_ : 0);
    const int first = rank_ == 0 ? 0 : kSamples % ranks_ + rank_ * (kSamples / ranks_);
    Trained trained;
    PhaseLog log({.turn = turn});
    for (int step = 0; step < kSteps; ++step) {
      trained.loss += stack_->forward_backward(
          *state_, {.seed = seed, .first_sample = step * kSamples + first, .samples = share},
          PairRouter(), fabric, log);
      reduction.run(fabric, gradients(), staging, slice_sum(), log, "reduce");
      log.compute("optimizer", -1, [&] {
        state_->update(step, kSamples);
        compute_->synchronize();
      });
    }
    download(trained);
    return trained;
  }

 private:
  /// Calls work(number, layer, expert) for all experts of all layers.
  template <class Work>
  static void each_expert(const Work& work) {
    for (int layer = 0; layer < kShape.layers; ++layer) {
      for (int expert = 0; expert < kShape.experts; ++expert) {
        work(layer * kShape.experts + expert, layer, expert);
      }
    }
  }

  void initialise(std::uint64_t seed) {
    state_->initialise_dense(seed);
    each_expert([&](int, int layer, int expert) {
      const auto holders = holders_of(expert, ranks_);
      if (std::find(holders.begin(), holders.end(), rank_) == holders.end()) return;
      state_->add_expert(layer, expert);
      state_->initialise_expert(layer, expert, seed);
    });
  }

  /// Of all experts, then of the dense part; gradients() has the same order.
  std::vector<SharedGradient> shared_gradients() const {
    std::vector<SharedGradient> shared;
    each_expert([&](int, int, int expert) {
      shared.push_back(
          {.holders = holders_of(expert, ranks_), .values = kShape.expert_parameters()});
    });
    SharedGradient dense{.values = kShape.dense_parameters()};
    for (int rank = 0; rank < ranks_; ++rank) dense.holders.push_back(rank);
    shared.push_back(dense);
    return shared;
  }
  std::vector<float*> gradients() {
    std::vector<float*> gradients;
    each_expert([&](int, int layer, int expert) {
      const bool held = state_->holds(layer, expert);
      gradients.push_back(held ? state_->expert_gradient(layer, expert).data() : nullptr);
    });
    gradients.push_back(state_->dense_gradient().data());
    return gradients;
  }
  SliceSum slice_sum() {
    return [this](std::span<const float* const> addends, std::int64_t values, float* sum) {
      compute_->slice_sum(addends, values, sum);
      compute_->synchronize();
    };
  }

  void download(Trained& trained) {
    const auto read = [&](int number, const std::byte* state, std::size_t bytes) {
      auto& values = trained.states[number];
      values.resize(bytes / sizeof(float));
      compute_->download(values.data(), state, bytes);
    };
    read(-1, state_->dense_state(), state_->dense_bytes());
    each_expert([&](int number, int layer, int expert) {
      if (!state_->holds(layer, expert)) return;
      read(number, state_->expert_state(layer, expert), state_->expert_bytes());
    });
  }

  std::unique_ptr<Compute> compute_;
  std::unique_ptr<RankState> state_;
  std::unique_ptr<Stack> stack_;
  DeviceArray<float> staging_;
  int rank_;
  int ranks_;
};

/// Trains on threads; throws what the first rank that failed by itself threw.
std::vector<Trained> train(const std::string& compute, const Mode& mode, int ranks,
                           std::uint64_t seed) {
  Turn turn;
  Turn* const shared_turn = mode.serialised ? &turn : nullptr;
  HostLocal local(ranks, shared_turn);
  std::vector<Trained> trained(z(ranks));
  std::vector<std::exception_ptr> failures(z(ranks));
  std::vector<std::thread> threads;
  for (int r = 0; r < ranks; ++r) {
    threads.emplace_back([&, r] {
      try {
        Rank rank(compute, mode, r, ranks);
        const auto fabric = local.fabric(r, [&rank](void* to, const void* from, std::size_t bytes) {
          rank.compute().copy_now(to, from, bytes);
        });
        trained[z(r)] = rank.train(*fabric, shared_turn, seed);
      } catch (const PeerLost&) {
      } catch (...) {
        failures[z(r)] = std::current_exception();
        local.abort("a rank failed");
      }
    });
  }
  for (auto& thread : threads) thread.join();
  for (const auto& failure : failures) {
    if (failure != nullptr) std::rethrow_exception(failure);
  }
  return trained;
}

/// The largest difference of any value; infinite when something is missing.
double difference(const std::vector<Trained>& tested, const Trained& trusted) {
  constexpr double kWrong = std::numeric_limits<double>::infinity();
  double worst = 0;
  double loss = 0;
  std::map<int, std::vector<float>> seen;
  for (const auto& rank : tested) {
    loss += rank.loss;
    for (const auto& [number, state] : rank.states) {
      const auto& expected = trusted.states.at(number);
      if (state.size() != expected.size()) return kWrong;
      for (std::size_t i = 0; i < state.size(); ++i) {
        const double apart = std::abs(static_cast<double>(state[i]) - expected[i]);
        worst = apart <= kWrong ? std::max(worst, apart) : kWrong;  // NaN
      }
      seen[number];
    }
  }
  if (seen.size() != trusted.states.size() || !std::isfinite(loss)) return kWrong;
  return std::max(worst, std::abs(loss - trusted.loss));
}

}  // namespace

std::vector<CheckResult> check_ranks(const std::string& compute, std::uint64_t seed) {
  if (computes().find(compute) == nullptr) return {};
  const auto trusted = train("cpu", {"alone", true, false}, 1, seed).front();
  std::vector<CheckResult> results;
  for (const Mode& mode :
       {Mode{"serialised", true, false}, {"streams", false, false}, {"partitioned", false, true}}) {
    for (const int ranks : {1, 2, 4}) {
      const auto what =
          fmt::format("training on {} rank{}, {}", ranks, ranks == 1 ? "" : "s", mode.name);
      try {
        results.push_back({what, difference(train(compute, mode, ranks, seed), trusted), 0});
      } catch (const MachineError& error) {
        results.push_back({what + ": " + error.what(), std::numeric_limits<double>::infinity(), 0});
      }
    }
  }
  return results;
}

}  // namespace bethany
