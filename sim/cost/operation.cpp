#include "sim/cost/operation.h"

#include <algorithm>
#include <array>

#include "sim/base/check.h"
#include "sim/base/error.h"
#include "sim/base/text.h"

namespace bethany {
namespace {

struct Name {
  Operation operation;
  std::string_view name;
};

constexpr std::array<Name, 32> kNames = {{
    {Operation::matmul, "matmul"},
    {Operation::expert_forward, "expert_forward"},
    {Operation::expert_backward, "expert_backward"},
    {Operation::attention_forward, "attention_forward"},
    {Operation::attention_backward, "attention_backward"},
    {Operation::loss, "loss"},
    {Operation::gate, "gate"},
    {Operation::gate_backward, "gate_backward"},
    {Operation::routing_sort, "routing_sort"},
    {Operation::row_gather, "row_gather"},
    {Operation::row_scatter_sum, "row_scatter_sum"},
    {Operation::row_dot, "row_dot"},
    {Operation::activation_forward, "activation_forward"},
    {Operation::activation_backward, "activation_backward"},
    {Operation::adam, "adam"},
    {Operation::slice_sum, "slice_sum"},
    {Operation::device_copy, "device_copy"},
    {Operation::device_write, "device_write"},
    {Operation::host_to_device, "host_to_device"},
    {Operation::device_to_host, "device_to_host"},
    {Operation::kernel_launch, "kernel_launch"},
    {Operation::graph_launch, "graph_launch"},
    {Operation::all_to_all, "all_to_all"},
    {Operation::reduce, "reduce"},
    {Operation::migrate, "migrate"},
    {Operation::planning, "planning"},
    {Operation::process_start, "process_start"},
    {Operation::communicator, "communicator"},
    {Operation::detection, "detection"},
    {Operation::checkpoint_write, "checkpoint_write"},
    {Operation::checkpoint_read, "checkpoint_read"},
    {Operation::moe_layer, "moe_layer"},
}};

double expert_parameters(const OperationSize& s) {
  return (s.gated ? 3 : 2) * s.inputs * s.outputs;
}

double flop_of(Operation operation, const OperationSize& s) {
  switch (operation) {
    case Operation::matmul:
      return 2 * s.rows * s.inputs * s.outputs;
    case Operation::expert_forward:
      return 2 * s.rows * expert_parameters(s);
    case Operation::expert_backward:
      return 4 * s.rows * expert_parameters(s);
    case Operation::moe_layer:
      return 6 * s.rows * expert_parameters(s);
    case Operation::attention_forward:  // four matrices; scores and values of whole sequences
      return s.rows * s.inputs * (8 * s.inputs + 4 * s.size);
    case Operation::attention_backward:
      return 2 * s.rows * s.inputs * (8 * s.inputs + 4 * s.size);
    case Operation::gate:
      return 2 * s.rows * s.inputs * s.experts;
    case Operation::gate_backward:
      return 4 * s.rows * s.inputs * s.experts;
    default:
      return 0;
  }
}

double bytes_of(Operation operation, const OperationSize& s) {
  const double width = s.gated ? 2 : 1;  // inner columns before the activation, per column after it
  switch (operation) {
    case Operation::matmul:
      return 2 * (s.rows * (s.inputs + s.outputs) + s.inputs * s.outputs);
    case Operation::expert_forward:  // weights; in and out; inner activations written and read
      return 2 * (s.active * expert_parameters(s) + s.rows * 2 * s.inputs +
                  s.rows * s.outputs * 2 * (width + 1));
    case Operation::expert_backward:  // weights read, their gradients written for every expert
      return 2 * ((s.active + s.experts) * expert_parameters(s) + s.rows * 4 * s.inputs +
                  s.rows * s.outputs * (4 * width + 3));
    case Operation::moe_layer:  // of the experts, forward and backward; reordering comes on top
      return 2 * ((2 * s.active + s.experts) * expert_parameters(s) + s.rows * 6 * s.inputs +
                  s.rows * s.outputs * (6 * width + 5));
    case Operation::attention_forward:  // weights, queries to output, scores written and read
      return 2 *
             (4 * s.inputs * s.inputs + s.rows * 12 * s.inputs + 2 * s.rows * s.outputs * s.size);
    case Operation::attention_backward:
      return 2 *
             (8 * s.inputs * s.inputs + s.rows * 20 * s.inputs + 4 * s.rows * s.outputs * s.size);
    case Operation::loss:  // values and targets read, gradient written
      return 2 * s.rows * s.inputs * 3;
    case Operation::gate:
      return 2 * (s.rows * s.inputs + s.inputs * s.experts) + s.rows * (8 * s.experts) +
             s.rows * s.size * 8;
    case Operation::gate_backward:  // inputs read, their gradient read and written
      return 2 * (s.rows * 3 * s.inputs + 3 * s.inputs * s.experts) + s.rows * (8 * s.experts) +
             s.rows * s.size * 8;
    case Operation::routing_sort:  // keys and values, in and out
      return s.rows * (2 + 4) * 2;
    case Operation::row_gather:
      return s.rows * s.inputs * 2 * 2 + s.rows * 4;
    case Operation::row_dot:
      return s.rows * s.inputs * 2 * 2 + s.rows * 8;
    case Operation::row_scatter_sum:  // rows read, rows / size written
      return s.rows * s.inputs * 2 * (1 + 1 / std::max(s.size, 1.0)) + s.rows * 8;
    case Operation::activation_forward:
      return s.rows * s.outputs * 2 * (width + 1);
    case Operation::activation_backward:  // inner values and gradient read, gradient written
      return s.rows * s.outputs * 2 * (2 * width + 1);
    case Operation::adam:  // gradient read and cleared 4, master and moments read and written 24
      return s.size * 30;
    case Operation::slice_sum:
      return s.size * 4 * (s.experts + 1);
    case Operation::device_copy:
      return s.size * 2;
    case Operation::device_write:
    case Operation::host_to_device:
    case Operation::device_to_host:
    case Operation::all_to_all:
    case Operation::migrate:
    case Operation::checkpoint_write:
    case Operation::checkpoint_read:
      return s.size;
    case Operation::reduce:  // slices to their owners, sums back to all
      return s.size * 2 * (s.experts - 1) / std::max(s.experts, 1.0);
    case Operation::kernel_launch:
    case Operation::graph_launch:
    case Operation::planning:
    case Operation::process_start:
    case Operation::communicator:
    case Operation::detection:
      return 0;
  }
  BETHANY_CHECK(false, "operation {}", static_cast<int>(operation));
}

double count_of(Operation operation, const OperationSize& s) {
  switch (operation) {
    case Operation::expert_forward:
    case Operation::expert_backward:
      return s.active;
    case Operation::kernel_launch:
    case Operation::graph_launch:
      return s.size;
    case Operation::all_to_all:
      return s.experts - 1;
    case Operation::reduce:
      return 2 * (s.experts - 1) * std::max(s.rows, 1.0);
    case Operation::migrate:
    case Operation::adam:
    case Operation::planning:
    case Operation::process_start:
    case Operation::communicator:
    case Operation::detection:
    case Operation::checkpoint_write:
    case Operation::checkpoint_read:
      return s.experts;
    default:
      return 0;
  }
}

}  // namespace

std::string_view operation_name(Operation operation) {
  for (const auto& entry : kNames) {
    if (entry.operation == operation) return entry.name;
  }
  BETHANY_CHECK(false, "operation {}", static_cast<int>(operation));
}

std::vector<std::string> operation_names() {
  std::vector<std::string> names;
  for (const auto& entry : kNames) names.emplace_back(entry.name);
  return names;
}

Operation parse_operation(std::string_view name) {
  for (const auto& entry : kNames) {
    if (entry.name == name) return entry.operation;
  }
  throw InputError(unknown_name("operation", name, operation_names()));
}

Work operation_work(Operation operation, const OperationSize& size) {
  return {.count = count_of(operation, size),
          .bytes = bytes_of(operation, size),
          .flop = flop_of(operation, size)};
}

double operation_extent(Operation operation, const OperationSize& size) {
  switch (operation) {
    case Operation::adam:
    case Operation::slice_sum:
    case Operation::device_copy:
    case Operation::device_write:
    case Operation::host_to_device:
    case Operation::device_to_host:
    case Operation::kernel_launch:
    case Operation::graph_launch:
    case Operation::all_to_all:
    case Operation::reduce:
    case Operation::migrate:
    case Operation::checkpoint_write:
    case Operation::checkpoint_read:
      return size.size;
    case Operation::planning:
    case Operation::process_start:
    case Operation::communicator:
    case Operation::detection:
      return size.experts;
    default:
      return size.rows;
  }
}

const std::vector<ShapeZooEntry>& shape_zoo() {
  // Dense matrices: attention projections; of DeepSeek-V3 the large ones of its latent attention.
  static const std::vector<ShapeZooEntry> zoo = {
      {"gpt", {"gpt-l", "gpt-m"}, 1024, 4096, false, 16, 1, {{1024, 3072}, {1024, 1024}}, 0, 0},
      {"mixtral", {"mixtral-8x7b"}, 4096, 14336, true, 8, 2, {{4096, 4096}, {4096, 1024}}, 0, 0},
      {"deepseek",
       {"deepseek-v3"},
       7168,
       2048,
       true,
       256,
       8,
       {{7168, 1536}, {1536, 24576}, {512, 32768}, {16384, 7168}},
       0,
       0},
      {"tiny", {}, 64, 128, false, 8, 2, {{64, 192}, {64, 64}}, 2, 64},
      {"small", {}, 256, 512, false, 8, 1, {{256, 768}, {256, 256}}, 4, 64},
      {"medium", {}, 512, 2048, false, 8, 1, {{512, 1536}, {512, 512}}, 8, 256},
  };
  return zoo;
}

}  // namespace bethany
