#include "gpu/synthetic/truth.h"

#include <algorithm>

namespace bethany {
namespace {

/// The sum of its parts, each by its own formula.
double layer_seconds(const Point& layer) {
  double seconds = 0;
  for (const auto& part : layer_parts(layer)) seconds += true_seconds(part);
  return seconds;
}

double expert_seconds(const Point& point) {
  const SyntheticTruth& truth = kSyntheticTruth;
  const Work work = point_work(point);
  const double grouped = truth.grouped_start;
  const double loop = truth.start + work.count * truth.per_expert;
  const double start = point.variant == "grouped" ? grouped
                       : point.variant == "loop"  ? loop
                                                  : std::min(grouped, loop);
  return start + std::max(work.flop / truth.flop_rate, work.bytes / truth.bandwidth);
}

}  // namespace

double true_seconds(const Point& point) {
  const SyntheticTruth& truth = kSyntheticTruth;
  const Work work = point_work(point);
  switch (point.operation) {
    case Operation::host_to_device:
    case Operation::device_to_host:
      return truth.start + work.bytes / truth.link_bandwidth;
    case Operation::kernel_launch:
    case Operation::graph_launch:
      return truth.start + truth.kernel * work.count;
    case Operation::moe_layer:
      return layer_seconds(point);
    case Operation::expert_forward:
    case Operation::expert_backward:
      return expert_seconds(point);
    case Operation::all_to_all:
    case Operation::reduce:
    case Operation::migrate:
      return truth.network_start + truth.per_message * work.count +
             work.bytes / truth.network_bandwidth;
    default:
      return truth.start + std::max(work.flop / truth.flop_rate, work.bytes / truth.bandwidth);
  }
}

}  // namespace bethany
