#include <fmt/format.h>

#include <algorithm>

#include "sim/base/check.h"
#include "sim/model/moe_model.h"
#include "sim/model/readers.h"

namespace bethany {
namespace {

/// Share of a GPU's memory that is kept for activations, communication buffers and the framework.
/// An assumption: they depend on the batch and on the implementation, and are not modelled.
constexpr std::int64_t kReservedParts = 1;
constexpr std::int64_t kOfParts = 5;

std::int64_t divide_up(std::int64_t value, std::int64_t by) { return (value + by - 1) / by; }

std::string gigabytes(Bytes bytes) {
  return fmt::format("{:.2f} GB", static_cast<double>(bytes.value) / 1e9);
}

}  // namespace

MemorySum memory_sum(const MoeModel& model, const Training& training, Bytes gpu_memory, int ranks) {
  BETHANY_CHECK(ranks > 0 && training.tensor_parallel > 0, "{} ranks, tensor parallel {}", ranks,
                training.tensor_parallel);
  const Precision& precision = training.precision;
  // Tensor parallelism cuts the dense part; ZeRO-1 spreads what each data-parallel copy would hold
  // of master weights and optimizer state, so that all ranks together hold it once.
  const std::int64_t local = divide_up(model.dense_parameters, training.tensor_parallel);
  const std::int64_t updated =
      training.zero == 0 ? local : divide_up(model.dense_parameters, std::int64_t{ranks});
  MemorySum sum;
  sum.available = gpu_memory;
  sum.reserved = {divide_up(gpu_memory.value, kOfParts) * kReservedParts};
  sum.dense = {local * (precision.weight_bytes + precision.gradient_bytes) +
               updated * (precision.master_bytes + precision.optimizer_bytes)};
  sum.per_slot = {model.expert_parameters * model.moe_layers * precision.memory_bytes()};
  const std::int64_t room = gpu_memory.value - sum.reserved.value - sum.dense.value;
  constexpr std::int64_t kMostSlots = 1 << 20;
  sum.slots_max = static_cast<int>(
      std::clamp<std::int64_t>(room < 0 ? 0 : room / sum.per_slot.value, 0, kMostSlots));
  return sum;
}

std::string memory_text(const MemorySum& sum, int slots) {
  return fmt::format(
      "dense part {} + {} slots x {} + {} % for activations and buffers {} = {} of {} per GPU",
      gigabytes(sum.dense), slots, gigabytes(sum.per_slot), 100 * kReservedParts / kOfParts,
      gigabytes(sum.reserved), gigabytes(sum.needed(slots)), gigabytes(sum.available));
}

}  // namespace bethany
