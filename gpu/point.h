#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace bethany {

/// What is measured alone on one device. The fields of a Point that each one reads are named here;
/// the others are 0.
enum class Operation {
  matmul,               // rows × inputs by inputs × outputs; variant: forward, dgrad or wgrad
  expert_forward,       // FFN of `experts` experts over `rows` rows; variant: how the GEMMs run
  expert_backward,      // its gradients: inputs and weights; variant as above
  gate,                 // rows × inputs by inputs × experts, softmax, top `size`
  routing_sort,         // rows (token, expert) pairs into expert order, with counts and offsets
  row_gather,           // rows of width inputs into expert order
  row_scatter_sum,      // rows back to rows / size tokens, weighted and summed
  row_dot,              // one number a routed row: the gradient of the gate's weights
  activation_forward,   // rows × outputs; gated: two inputs make one output
  activation_backward,  // its gradient
  adam,                 // size parameters: float master and moments, 16-bit gradient and weight
  slice_sum,            // size elements summed over `experts` float buffers, in a fixed order
  device_copy,          // size bytes read and written in device memory
  device_write,         // size bytes written
  host_to_device,       // size bytes from pinned host memory
  device_to_host,       // size bytes to pinned host memory
  kernel_launch,        // size empty kernels on one stream
  graph_launch,         // a graph of size empty kernels
  moe_layer,            // a whole layer on one rank, forward and backward: held out of all fits
};

std::string_view operation_name(Operation operation);
/// Throws InputError.
Operation parse_operation(std::string_view name);
std::vector<std::string> operation_names();

/// One question to a device: an operation at one size. Plain and flat: a row of the raw CSV.
struct Point {
  Operation operation = Operation::matmul;
  std::string shape = "-";    // what the sizes stand for: a model, or "-"
  std::string variant = "-";  // see Operation
  std::string skew = "-";     // how rows fall to experts: expert_rows()
  int inputs = 0;             // matrix width in; hidden size of an expert
  int outputs = 0;            // matrix width out; inner size of an expert
  bool gated = false;         // SwiGLU (three matrices) instead of GELU (two)
  int experts = 0;
  std::int64_t rows = 0;
  std::int64_t size = 0;

  friend bool operator==(const Point&, const Point&) = default;
};

/// "matmul gpt 4096x1024 forward rows=128 …": names a point in messages and orders points.
std::string describe(const Point& point);

/// The series a point belongs to: all of it but the sizes that vary along a fitted curve.
std::string series_of(const Point& point);

/// The rows each expert gets: `uniform` (largest remainder), `zipf` (exponent 1), `empty` (a
/// quarter of the experts gets none, the rest even), `odd` (even, but no count is a multiple of 8).
/// They sum to point.rows exactly. Requires: experts > 0. Throws InputError on an unknown skew.
std::vector<std::int64_t> expert_rows(const Point& point);

/// Floating-point operations the point must do: multiply and add count 2.
double point_flop(const Point& point);
/// Fewest bytes through device memory (for copies between host and device: over the link): each
/// input read once, each output written once, 16-bit elements where Operation does not say more.
double point_bytes(const Point& point);

/// The operations a moe_layer consists of, as points of their own. Requires: its shape is of the
/// zoo.
std::vector<Point> layer_parts(const Point& layer);

/// A MoE model's shapes, as far as they decide what a device computes.
struct ShapeZooEntry {
  std::string name;                 // used as Point::shape
  std::vector<std::string> models;  // built-in models of sim/model that have it
  int hidden = 0;
  int ffn = 0;
  bool gated = false;
  int experts = 0;  // routed, of one layer
  int top_k = 1;
  std::vector<std::pair<int, int>> dense;  // inputs × outputs of the matrices outside the experts
};

/// The shapes that are measured: gpt (Lazarus' GPT-M and GPT-L), mixtral, deepseek.
const std::vector<ShapeZooEntry>& shape_zoo();

}  // namespace bethany
