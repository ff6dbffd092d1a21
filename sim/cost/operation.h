#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sim/cost/curve.h"

namespace bethany {

/// What is measured alone on one device, and what a calibrated step is made of. The sizes that each
/// one depends on (OperationSize) are named here; the others are 0.
enum class Operation {
  matmul,               // rows × inputs by inputs × outputs; variant: forward, dgrad or wgrad
  expert_forward,       // FFN of `experts` experts over `rows` rows; variant: how the GEMMs run
  expert_backward,      // its gradients: inputs and weights; variant as above
  attention_forward,    // norm, attention with `outputs` heads, residual, norm; sequences of `size`
  attention_backward,   // its gradients
  loss,                 // rows of width inputs against their targets
  gate,                 // rows × inputs by inputs × experts, softmax, top `size`
  gate_backward,        // from the gradients of the gate's weights to inputs and gate
  routing_sort,         // rows (token, expert) pairs into expert order, with counts and offsets
  row_gather,           // rows of width inputs into expert order
  row_scatter_sum,      // rows back to rows / size tokens, weighted and summed
  row_dot,              // one number a routed row: the gradient of the gate's weights
  activation_forward,   // rows × outputs; gated: two inputs make one output
  activation_backward,  // its gradient
  adam,                 // size parameters in `experts` arrays: float master and moments, 16-bit
                        // gradient and weight
  slice_sum,            // size elements summed over `experts` float buffers, in a fixed order
  device_copy,          // size bytes read and written in device memory
  device_write,         // size bytes written
  host_to_device,       // size bytes from pinned host memory
  device_to_host,       // size bytes to pinned host memory
  kernel_launch,        // size empty kernels on one stream
  graph_launch,         // a graph of size empty kernels
  all_to_all,           // `experts` ranks, each sends and receives size bytes, equal to all others
  reduce,               // size bytes of `rows` gradients summed over `experts` ranks, by slices
  migrate,              // size bytes from one rank to another, in `experts` messages
  planning,             // a plan for `experts` nodes, and the binding to those that stay
  process_start,        // `experts` ranks from nothing to their first word
  communicator,         // the connections among `experts` ranks
  detection,            // from the death of one of `experts` ranks until all others know
  checkpoint_write,     // size bytes of one rank to `experts` files
  checkpoint_read,      // and back
  moe_layer,            // a whole layer on one rank, forward and backward: held out of all fits
};

std::string_view operation_name(Operation operation);
/// Throws InputError.
Operation parse_operation(std::string_view name);
std::vector<std::string> operation_names();

/// Sizes of one operation; which count, Operation says.
struct OperationSize {
  double inputs = 0;   // matrix width in; hidden size of an expert
  double outputs = 0;  // matrix width out; inner size of an expert
  bool gated = false;  // SwiGLU (three matrices) instead of GELU (two)
  double experts = 0;
  double active = 0;  // experts with rows
  double rows = 0;
  double size = 0;
};

/// What must be done: multiply and add count 2 FLOP. Bytes are the fewest through device memory
/// (between host and device: over the link; between ranks: through the port of one): each input
/// read once, each output written once, 16-bit elements where Operation does not say more, on every
/// device, since a curve's bandwidth is in the same bytes. `count`: active experts, kernels, or
/// messages that a rank sends.
Work operation_work(Operation operation, const OperationSize& size);

/// What varies along a series of points and is its domain: rows, or size where there are no rows.
double operation_extent(Operation operation, const OperationSize& size);

/// A MoE model's shapes, as far as they decide what a device computes.
struct ShapeZooEntry {
  std::string name;                 // part of the keys of a profile's fits
  std::vector<std::string> models;  // built-in models of sim/model that have it
  int hidden = 0;
  int ffn = 0;
  bool gated = false;
  int experts = 0;  // routed, of one layer
  int top_k = 1;
  std::vector<std::pair<int, int>> dense;  // inputs × outputs of the matrices outside the experts
  int heads = 0;                           // of the attention, where it is measured; else 0
  int sequence_length = 0;                 // for which it is measured
};

/// The shapes that are measured: gpt (Lazarus' GPT-M and GPT-L), mixtral, deepseek; those that
/// validation trains: tiny and small on the CPU, medium on a GPU.
const std::vector<ShapeZooEntry>& shape_zoo();

}  // namespace bethany
