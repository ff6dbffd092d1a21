#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sim/base/quantities.h"

namespace bethany {

/// One part of the dense parameters: attention, dense_ffn, shared_experts, router, norms (those of
/// the attention belong to it) or embeddings.
struct ModelPart {
  std::string name;
  std::int64_t parameters = 0;
};

/// A Mixture-of-Experts transformer, as far as sizes and FLOP go.
struct MoeModel {
  std::string name;
  int layers = 0;      // transformer layers
  int moe_layers = 0;  // those with routed experts
  int hidden = 0;
  int experts = 0;  // routed experts of one MoE layer
  int top_k = 1;
  std::int64_t expert_parameters = 0;  // of one routed expert
  std::int64_t dense_parameters = 0;   // everything else: attention, gates, shared experts, …
  /// Parameters that every token multiplies with, routed experts aside: FLOP per token = 2 × this.
  std::int64_t dense_matmul_parameters = 0;
  /// FLOP per token, layer and token of context of scores and values: 4 × heads × head size.
  std::int64_t attention_flop_per_context = 0;
  std::string source;
  /// What the dense parameters consist of, in all layers; empty when only their sum is known.
  std::vector<ModelPart> dense_parts;
  /// For each layer '1' with routed experts, '0' without; empty when only their number is known.
  std::string moe_layer_mask;

  std::int64_t parameters() const {
    return dense_parameters + static_cast<std::int64_t>(moe_layers) * experts * expert_parameters;
  }
  /// Forward FLOP of one token outside the routed experts, at that sequence length.
  double dense_flop_per_token(std::int64_t sequence_length) const;
  /// Forward FLOP of one token in one routed expert.
  double expert_flop_per_token() const { return 2.0 * static_cast<double>(expert_parameters); }
};

/// Built-in models, by name; null when unknown.
const MoeModel* find_model(const std::string& name);
std::vector<std::string> model_names();

/// Bytes per parameter.
struct Precision {
  int weight_bytes = 2;
  int gradient_bytes = 2;
  int master_bytes = 4;
  int optimizer_bytes = 8;

  /// Moved and checkpointed: all but gradients.
  int state_bytes() const { return weight_bytes + master_bytes + optimizer_bytes; }
  /// Held in memory.
  int memory_bytes() const { return state_bytes() + gradient_bytes; }
};

/// How much one step trains.
struct Batch {
  bool global = false;            // false: per GPU
  std::int64_t sequences = 0;     // of one micro-batch: per rank, or in all (dealt out evenly)
  std::int64_t accumulation = 1;  // micro-batches per step
};

/// What is trained and how, policies aside.
struct Training {
  std::int64_t sequence_length = 1024;
  Batch batch;
  Precision precision;
  bool recompute = false;
  int tensor_parallel = 1;
  int zero = 0;
  bool warm_start = false;
};

/// Bytes on one GPU, summed as `check` prints them.
struct MemorySum {
  Bytes available;
  Bytes reserved;     // activations and buffers: a share of the memory, not modelled further
  Bytes dense;        // weights, gradients, master, optimizer of the dense part
  Bytes per_slot;     // of one slot: one replica in each MoE layer
  int slots_max = 0;  // largest number of slots that fits

  Bytes needed(int slots) const { return {reserved.value + dense.value + per_slot.value * slots}; }
};

/// `ranks` matters with zero 1 only (optimizer and master of the dense part are sharded).
MemorySum memory_sum(const MoeModel& model, const Training& training, Bytes gpu_memory, int ranks);

}  // namespace bethany
