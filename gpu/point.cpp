#include "gpu/point.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "sim/base/check.h"
#include "sim/base/error.h"
#include "sim/base/text.h"

namespace bethany {
namespace {

struct Name {
  Operation operation;
  std::string_view name;
};

constexpr std::array<Name, 19> kNames = {{
    {Operation::matmul, "matmul"},
    {Operation::expert_forward, "expert_forward"},
    {Operation::expert_backward, "expert_backward"},
    {Operation::gate, "gate"},
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
    {Operation::moe_layer, "moe_layer"},
}};

/// `total` split by weights, by largest remainder; ties to the lower index.
std::vector<std::int64_t> split(std::int64_t total, const std::vector<double>& weights) {
  const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
  std::vector<std::int64_t> counts;
  std::vector<std::pair<double, std::size_t>> remainders;
  std::int64_t left = total;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const double exact = static_cast<double>(total) * weights[i] / sum;
    counts.push_back(static_cast<std::int64_t>(exact));
    remainders.emplace_back(-(exact - std::floor(exact)), i);
    left -= counts.back();
  }
  std::sort(remainders.begin(), remainders.end());
  for (std::size_t i = 0; left > 0; ++i, --left) ++counts[remainders[i % counts.size()].second];
  return counts;
}

bool is_expert(Operation operation) {
  return operation == Operation::expert_forward || operation == Operation::expert_backward ||
         operation == Operation::moe_layer;
}

double expert_parameters(const Point& point) {
  return (point.gated ? 3.0 : 2.0) * point.inputs * point.outputs;
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

std::string describe(const Point& p) {
  return fmt::format("{} {} {} {} {}x{}{} experts={} rows={} size={}", operation_name(p.operation),
                     p.shape, p.variant, p.skew, p.inputs, p.outputs, p.gated ? " gated" : "",
                     p.experts, p.rows, p.size);
}

std::string series_of(const Point& p) {
  const auto name = operation_name(p.operation);
  switch (p.operation) {
    case Operation::matmul:
      return fmt::format("{}/{}x{}/{}", name, p.inputs, p.outputs, p.variant);
    case Operation::expert_forward:
    case Operation::expert_backward:
    case Operation::moe_layer:
      return fmt::format("{}/{}/{}", name, p.shape, p.variant);
    case Operation::gate:
    case Operation::row_gather:
    case Operation::row_scatter_sum:
    case Operation::row_dot:
      return fmt::format("{}/{}", name, p.shape);
    case Operation::activation_forward:
    case Operation::activation_backward:
      return fmt::format("{}/{}", name, p.gated ? "swiglu" : "gelu");
    case Operation::slice_sum:
    case Operation::routing_sort:
      return fmt::format("{}/{}", name, p.experts);
    default:
      return std::string(name);
  }
}

std::vector<std::int64_t> expert_rows(const Point& point) {
  BETHANY_CHECK(point.experts > 0, "rows of {} experts", point.experts);
  const auto experts = static_cast<std::size_t>(point.experts);
  std::vector<double> weights(experts, 1);
  if (point.skew == "zipf") {
    for (std::size_t e = 0; e < experts; ++e) weights[e] = 1.0 / static_cast<double>(e + 1);
  } else if (point.skew == "empty") {
    for (std::size_t e = 0; e < experts / 4; ++e) weights[e * 4 + 3] = 0;
  } else if (point.skew != "uniform" && point.skew != "odd") {
    throw InputError(unknown_name("skew", point.skew, {"uniform", "zipf", "empty", "odd"}));
  }
  auto counts = split(point.rows, weights);
  if (point.skew == "odd") {
    // Rows move between neighbours until no count is a multiple of 8, where there are enough.
    for (std::size_t e = 0; e + 1 < experts; e += 2) {
      if (counts[e] >= 8 && counts[e] % 8 == 0 && counts[e + 1] % 8 != 3) {
        counts[e] -= 3;
        counts[e + 1] += 3;
      }
    }
  }
  return counts;
}

double point_flop(const Point& p) {
  const auto rows = static_cast<double>(p.rows);
  switch (p.operation) {
    case Operation::matmul:
      return 2 * rows * p.inputs * p.outputs;
    case Operation::expert_forward:
      return 2 * rows * expert_parameters(p);
    case Operation::expert_backward:
      return 4 * rows * expert_parameters(p);
    case Operation::moe_layer:
      return 6 * rows * expert_parameters(p);
    case Operation::gate:
      return 2 * rows * p.inputs * p.experts;
    default:
      return 0;
  }
}

double point_bytes(const Point& p) {
  const auto rows = static_cast<double>(p.rows);
  const auto size = static_cast<double>(p.size);
  const double width = p.gated ? 2 : 1;  // inner columns before the activation, per column after it
  double active = 0;
  if (is_expert(p.operation)) {
    for (const auto count : expert_rows(p)) active += count > 0 ? 1 : 0;
  }
  switch (p.operation) {
    case Operation::matmul:
      return 2 * (rows * (p.inputs + p.outputs) + 1.0 * p.inputs * p.outputs);
    case Operation::expert_forward:  // weights; in and out; inner activations written and read
      return 2 * (active * expert_parameters(p) + rows * 2 * p.inputs +
                  rows * p.outputs * 2 * (width + 1));
    case Operation::expert_backward:  // weights read, their gradients written for every expert
      return 2 * ((active + p.experts) * expert_parameters(p) + rows * 4 * p.inputs +
                  rows * p.outputs * (4 * width + 3));
    case Operation::gate:
      return 2 * (rows * p.inputs + 1.0 * p.inputs * p.experts) + rows * (8.0 * p.experts) +
             rows * size * 8;
    case Operation::routing_sort:  // keys and values, in and out
      return rows * (2 + 4) * 2;
    case Operation::row_gather:
      return rows * p.inputs * 2 * 2 + rows * 4;
    case Operation::row_dot:
      return rows * p.inputs * 2 * 2 + rows * 8;
    case Operation::moe_layer:  // of the experts, forward and backward; reordering comes on top
      return 2 * ((2 * active + p.experts) * expert_parameters(p) + rows * 6 * p.inputs +
                  rows * p.outputs * (6 * width + 5));
    case Operation::row_scatter_sum:  // rows read, rows / size written
      return rows * p.inputs * 2 * (1 + 1 / std::max(size, 1.0)) + rows * 8;
    case Operation::activation_forward:
      return rows * p.outputs * 2 * (width + 1);
    case Operation::activation_backward:  // inner values and gradient read, gradient written
      return rows * p.outputs * 2 * (2 * width + 1);
    case Operation::adam:  // gradient read and cleared 4, master and moments read and written 24
      return size * 30;
    case Operation::slice_sum:
      return size * 4 * (p.experts + 1);
    case Operation::device_copy:
      return size * 2;
    case Operation::device_write:
    case Operation::host_to_device:
    case Operation::device_to_host:
      return size;
    case Operation::kernel_launch:
    case Operation::graph_launch:
      return 0;
  }
  BETHANY_CHECK(false, "operation {}", static_cast<int>(p.operation));
}

std::vector<Point> layer_parts(const Point& layer) {
  const ShapeZooEntry* entry = nullptr;
  for (const auto& e : shape_zoo()) {
    if (e.name == layer.shape) entry = &e;
  }
  BETHANY_CHECK(entry != nullptr, "no shape '{}'", layer.shape);
  std::vector<Point> parts;
  for (const auto pass : {Operation::expert_forward, Operation::expert_backward}) {
    parts.push_back(layer);
    parts.back().operation = pass;
    parts.back().size = 0;
  }
  Point around = layer;
  around.variant = "-";
  around.outputs = 0;
  around.gated = false;
  around.experts = entry->experts;
  around.size = entry->top_k;
  const auto add = [&](Operation operation) {
    parts.push_back(around);
    parts.back().operation = operation;
  };
  for (int pass = 0; pass < 2; ++pass) {
    add(Operation::row_gather);
    add(Operation::row_scatter_sum);
  }
  add(Operation::row_dot);
  add(Operation::routing_sort);
  parts.back().inputs = 0;
  parts.back().size = 0;
  parts.back().shape = "-";
  add(Operation::gate);
  parts.back().rows = std::max<std::int64_t>(1, layer.rows / entry->top_k);
  parts.back().skew = "-";
  return parts;
}

const std::vector<ShapeZooEntry>& shape_zoo() {
  // Dense matrices: attention projections; of DeepSeek-V3 the large ones of its latent attention.
  static const std::vector<ShapeZooEntry> zoo = {
      {"gpt", {"gpt-l", "gpt-m"}, 1024, 4096, false, 16, 1, {{1024, 3072}, {1024, 1024}}},
      {"mixtral", {"mixtral-8x7b"}, 4096, 14336, true, 8, 2, {{4096, 4096}, {4096, 1024}}},
      {"deepseek",
       {"deepseek-v3"},
       7168,
       2048,
       true,
       256,
       8,
       {{7168, 1536}, {1536, 24576}, {512, 32768}, {16384, 7168}}},
  };
  return zoo;
}

}  // namespace bethany
