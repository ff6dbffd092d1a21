#pragma once

#include <array>
#include <span>
#include <string>
#include <string_view>

namespace bethany {

/// What a constant of the analytic cost model is measured in. Values are SI doubles.
enum class ConstantUnit { seconds, bytes, bytes_per_second, flop_per_second };

/// "s", "B", "B/s" or "FLOP/s", as profiles write it.
std::string_view unit_name(ConstantUnit unit);

/// The constants, in the order of constant_specs().
enum class Constant : std::size_t {
  dense_flop_rate,
  expert_flop_rate,
  expert_per_layer,
  all_to_all_latency,
  all_to_all_inside,
  all_to_all_outside,
  count_exchange_latency,
  all_reduce_latency,
  all_reduce_dense_inside,
  all_reduce_dense_outside,
  all_reduce_expert_inside,
  all_reduce_expert_outside,
  tensor_parallel_latency,
  tensor_parallel_bandwidth,
  optimizer_bytes,
  optimizer_bandwidth,
  fixed_per_step,
  fixed_per_micro_batch,
  detection,
  planning,
  communicator_base,
  communicator_per_node,
  rebalance_communicator_base,
  rebalance_communicator_per_node,
  migration_bandwidth,
  reschedule,
  process_start,
  group_init_base,
  group_init_per_node,
};

constexpr std::size_t kConstantCount = 29;

/// One constant: its key in a profile, which with "." as nesting is also its key below `cost`.
struct ConstantSpec {
  std::string_view key;
  ConstantUnit unit = ConstantUnit::seconds;
  std::string_view meaning;
};

std::span<const ConstantSpec, kConstantCount> constant_specs();

/// The values of all constants.
class ConstantValues {
 public:
  double operator[](Constant constant) const { return values_[static_cast<std::size_t>(constant)]; }
  double& operator[](Constant constant) { return values_[static_cast<std::size_t>(constant)]; }

 private:
  std::array<double, kConstantCount> values_{};
};

}  // namespace bethany
