#include "sim/cost/constants.h"

#include "sim/base/check.h"

namespace bethany {
namespace {

using Unit = ConstantUnit;

constexpr std::array<ConstantSpec, kConstantCount> kSpecs = {{
    {"dense.flop_rate", Unit::flop_per_second, "reached outside the routed experts, per GPU"},
    {"expert.flop_rate", Unit::flop_per_second, "reached in the routed experts, per GPU"},
    {"expert.per_layer", Unit::seconds, "added once per MoE layer and micro-batch"},
    {"all_to_all.latency", Unit::seconds, "of one all-to-all"},
    {"all_to_all.bandwidth_inside", Unit::bytes_per_second, "per GPU, inside a server"},
    {"all_to_all.bandwidth_outside", Unit::bytes_per_second, "per GPU, beyond the server"},
    {"count_exchange.latency", Unit::seconds, "of the exchange of token counts, per MoE layer"},
    {"all_reduce.latency", Unit::seconds, "of one all-reduce"},
    {"all_reduce.dense_bandwidth_inside", Unit::bytes_per_second, "per GPU, one server only"},
    {"all_reduce.dense_bandwidth_outside", Unit::bytes_per_second, "per node, several servers"},
    {"all_reduce.expert_bandwidth_inside", Unit::bytes_per_second, "per GPU, one server only"},
    {"all_reduce.expert_bandwidth_outside", Unit::bytes_per_second, "per GPU, several servers"},
    {"tensor_parallel.latency", Unit::seconds, "of one all-reduce of activations"},
    {"tensor_parallel.bandwidth", Unit::bytes_per_second, "per GPU, for activations"},
    {"optimizer.bytes_per_parameter", Unit::bytes, "moved in memory by one update"},
    {"optimizer.bandwidth", Unit::bytes_per_second, "memory bandwidth the update reaches"},
    {"fixed.per_step", Unit::seconds, "framework time of a step"},
    {"fixed.per_micro_batch", Unit::seconds, "framework time of a micro-batch"},
    {"detection", Unit::seconds, "from a loss until it is known"},
    {"planning", Unit::seconds, "of a new plan"},
    {"communicator.base", Unit::seconds, "of a rebuild after a loss or join"},
    {"communicator.per_node", Unit::seconds, "added for each node"},
    {"rebalance_communicator.base", Unit::seconds, "of a rebuild for a rebalance"},
    {"rebalance_communicator.per_node", Unit::seconds, "added for each node"},
    {"migration.bandwidth", Unit::bytes_per_second, "of one node's port while states move"},
    {"restart.reschedule", Unit::seconds, "until the scheduler starts the job again"},
    {"restart.process_start", Unit::seconds, "processes, imports, building the model"},
    {"restart.group_init.base", Unit::seconds, "of the process groups of a new job"},
    {"restart.group_init.per_node", Unit::seconds, "added for each node"},
}};

static_assert(static_cast<std::size_t>(Constant::group_init_per_node) + 1 == kConstantCount);

}  // namespace

std::string_view unit_name(ConstantUnit unit) {
  switch (unit) {
    case Unit::seconds:
      return "s";
    case Unit::bytes:
      return "B";
    case Unit::bytes_per_second:
      return "B/s";
    case Unit::flop_per_second:
      return "FLOP/s";
  }
  BETHANY_CHECK(false, "unit {}", static_cast<int>(unit));
}

std::span<const ConstantSpec, kConstantCount> constant_specs() { return kSpecs; }

}  // namespace bethany
