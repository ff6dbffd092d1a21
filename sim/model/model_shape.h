#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sim/base/int128.h"
#include "sim/model/moe_model.h"

namespace bethany {

/// Parameters of one part. 128 bits, so that no figure of a hostile file overflows.
struct Parameters {
  Int128 matmul = 0;  // a token multiplies with them
  Int128 other = 0;   // norms, biases, tables that are looked up

  Int128 total() const { return matmul + other; }
  friend Parameters operator+(Parameters a, Parameters b) {
    return {a.matmul + b.matmul, a.other + b.other};
  }
  friend Parameters operator*(Parameters a, std::int64_t times) {
    return {a.matmul * times, a.other * times};
  }
};

/// A matrix and, where asked for, its bias.
Parameters linear(std::int64_t in, std::int64_t out, bool bias = false);
/// The scale of a norm without bias (RMSNorm).
Parameters norm(std::int64_t width);
/// The two matrices of a plain feed-forward network, or the three of a gated one.
Parameters plain_ffn(std::int64_t hidden, std::int64_t width, bool bias = false);
Parameters gated_ffn(std::int64_t hidden, std::int64_t width, bool bias = false);

/// The attention of one layer.
struct Attention {
  Parameters parameters;
  std::int64_t flop_per_context = 0;  // scores and values: MoeModel::attention_flop_per_context
};

/// Grouped-query attention; multi-head when `key_value_heads` equals `heads`.
struct GroupedQuery {
  std::int64_t heads = 0;
  std::int64_t key_value_heads = 0;
  std::int64_t head_size = 0;
  bool input_bias = false;  // of the query, key and value matrices
  bool output_bias = false;
};
Attention grouped_query(std::int64_t hidden, const GroupedQuery& shape);

/// Multi-head latent attention (DeepSeek-V2, arXiv 2405.04434): queries, keys and values come out
/// of low-rank projections, each with a norm.
struct Latent {
  std::int64_t heads = 0;
  std::int64_t query_rank = 0;  // 0: queries are projected directly
  std::int64_t key_value_rank = 0;
  std::int64_t plain = 0;   // head size without position
  std::int64_t rotary = 0;  // head size with position
  std::int64_t value = 0;   // head size of the values
  bool bias = false;
};
Attention latent(std::int64_t hidden, const Latent& shape);

/// A decoder-only transformer as built-ins and configuration files describe it, before anything is
/// counted. All layers have the same attention.
struct ModelShape {
  std::string name;
  std::string source;
  int hidden = 0;
  std::vector<bool> moe;  // for each layer: whether it has routed experts
  int experts = 0;
  int top_k = 1;
  Attention attention;  // of one layer
  Parameters norms;     // of one layer, those of the attention aside
  Parameters final_norm;
  Parameters dense_ffn;  // of a layer without routed experts
  Parameters shared;     // of a MoE layer: experts that every token visits, with their gate
  Parameters router;     // of a MoE layer
  Parameters expert;     // of one routed expert
  std::int64_t vocabulary = 0;
  bool tied = false;           // output and input embedding are one matrix
  std::int64_t positions = 0;  // learned positions
};

/// All parameters, routed experts included.
Int128 parameters_in_all(const ModelShape& shape);

/// The model with every part counted.
/// Requires: one MoE layer or more, at most kLargestModel parameters.
MoeModel counted(const ModelShape& shape);

}  // namespace bethany
