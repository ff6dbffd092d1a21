#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "gpu/compute.h"
#include "gpu/fabric/fabric.h"
#include "gpu/phase.h"
#include "sim/model/plan.h"
#include "sim/placement/token_matrix.h"

namespace bethany {

/// The model that is really trained: `layers` transformer blocks (norm, causal attention, residual;
/// norm, MoE layer, residual) over given token vectors; no vocabulary. The loss is half the squared
/// distance to given target vectors, summed over all tokens of the global batch.
struct StackShape {
  int layers = 0;
  int hidden = 0;
  int ffn = 0;
  bool gated = false;  // SwiGLU, else GELU
  int experts = 0;
  int top_k = 1;
  int heads = 1;
  int sequence_length = 0;
  /// Integer arithmetic in floats: every value is a small integer and folded back into a small
  /// range after each product, so that all sums are exact in any order (gpu/layer/README.md).
  bool exact = false;

  std::int64_t expert_parameters() const;  // of one expert
  std::int64_t dense_parameters() const;   // attention, gates and norms of all blocks
};

/// The training state of one rank: the dense part and the experts it holds, each with its gradient
/// and what the optimizer keeps. State arrays are weights, first and second moment (with a float
/// master where weights are not floats).
class RankState {
 public:
  virtual ~RankState() = default;
  /// Bytes of the state (not the gradients) of one expert, of the dense part.
  virtual std::size_t expert_bytes() const = 0;
  virtual std::size_t dense_bytes() const = 0;
  /// The state in one piece, in device memory, to be moved or stored. Requires: held.
  virtual std::byte* expert_state(int layer, int expert) = 0;
  virtual std::byte* dense_state() = 0;
  /// The weights that products read (gpu/layer/parameters.h has the layout). Requires: held.
  virtual const float* expert_weights(int layer, int expert) = 0;
  virtual const float* dense_weights() = 0;
  virtual bool holds(int layer, int expert) const = 0;
  /// Makes room for an expert (state undefined, gradient 0), or drops it.
  virtual void add_expert(int layer, int expert) = 0;
  virtual void drop_expert(int layer, int expert) = 0;
  /// The state every run begins with: a function of the seed, the layer and the expert alone.
  virtual void initialise_expert(int layer, int expert, std::uint64_t seed) = 0;
  virtual void initialise_dense(std::uint64_t seed) = 0;
  /// Gradients, summed over the micro-batches of the step so far, in device memory; floats.
  virtual std::span<float> expert_gradient(int layer, int expert) = 0;
  virtual std::span<float> dense_gradient() = 0;
  /// Applies the gradients and clears them. `step` counts from 0; `samples`: of the global batch,
  /// all ranks.
  virtual void update(std::int64_t step, std::int64_t samples) = 0;
  virtual void clear_gradients() = 0;
};

std::unique_ptr<RankState> make_rank_state(const StackShape& shape, Compute& compute);

/// How a layer's rows find experts in one micro-batch.
class Router {
 public:
  virtual ~Router() = default;
  /// The experts of each of the rank's tokens, top_k for a token, different ones; empty: the gate
  /// chooses. `step`, `layer` and the rank's rows decide them.
  virtual std::vector<int> forced(int layer, int rank, std::int64_t tokens) const = 0;
  /// Where each routed row is computed. `routed`: what every rank routes to every expert.
  virtual TokenMatrix matrix(int layer, const TokenCounts& routed) const = 0;
};

/// What one rank does in one micro-batch.
struct MicroBatch {
  std::uint64_t seed = 0;
  std::int64_t first_sample = 0;  // of this rank: samples are numbered through the whole training
  std::int64_t samples = 0;       // may be 0
};

/// Forward and backward of the blocks on one rank: computes gradients into the state and answers
/// the rank's share of the loss.
class Stack {
 public:
  virtual ~Stack() = default;
  /// All ranks of the fabric call it at the same time, with batches of the same step. Phases go to
  /// the log. Throws PeerLost; the gradients are then worthless.
  virtual double forward_backward(RankState& state, const MicroBatch& batch, const Router& router,
                                  Fabric& fabric, PhaseLog& log) = 0;
  /// The output rows (samples · sequence_length × hidden) of the last batch, copied to the host.
  virtual std::vector<float> output() const = 0;
};

std::unique_ptr<Stack> make_stack(const StackShape& shape, Compute& compute);

}  // namespace bethany
