#include "gpu/point.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "sim/base/check.h"
#include "sim/base/error.h"
#include "sim/base/text.h"

namespace bethany {
namespace {

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

}  // namespace

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
    case Operation::attention_forward:
    case Operation::attention_backward:
      return fmt::format("{}/{}/{}", name, p.shape, p.size);
    case Operation::loss:
    case Operation::gate:
    case Operation::gate_backward:
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

OperationSize point_size(const Point& p) {
  OperationSize size{.inputs = static_cast<double>(p.inputs),
                     .outputs = static_cast<double>(p.outputs),
                     .gated = p.gated,
                     .experts = static_cast<double>(p.experts),
                     .active = 0,
                     .rows = static_cast<double>(p.rows),
                     .size = static_cast<double>(p.size)};
  if (is_expert(p.operation)) {
    for (const auto count : expert_rows(p)) size.active += count > 0 ? 1 : 0;
  }
  return size;
}

Work point_work(const Point& p) { return operation_work(p.operation, point_size(p)); }

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
  for (const auto operation : {Operation::gate, Operation::gate_backward}) {
    if (operation == Operation::gate_backward && entry->heads == 0) continue;  // not measured
    add(operation);
    parts.back().rows = std::max<std::int64_t>(1, layer.rows / entry->top_k);
    parts.back().skew = "-";
  }
  return parts;
}

}  // namespace bethany
