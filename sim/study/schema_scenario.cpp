#include <fmt/format.h>

#include <map>

#include "sim/cost/constants.h"
#include "sim/study/schemas.h"

namespace bethany {
namespace {

/// Of every trace, whatever it comes from.
constexpr char kReplayOptions[] = R"(from?: duration, keep?: {every?: int, first?: int},
  join_order?: 'trace'|'random', cap?: {rule?: 'members'|'hot-surplus'|'level'|'scale',
    order?: 'random'|'name', seed?: int}, coalesce?: duration, at_end?: 'hold'|'stop'|'repeat')";

constexpr char kLognormal[] = "median?: duration, mean?: duration, sigma?: num";

/// The options of each trace generator beside its name.
std::vector<std::pair<std::string, std::string>> generator_options() {
  const std::string fleet = fmt::format(
      R"(nodes?: int, length?: duration, rate?: num, lemons?: {{share?: num, factor?: num}},
        restart?: {{{0}}}, reboot?: {{{0}}}, replace?: {{{0}}},
        slow?: {{mtbf: duration, factor?: num, {0}}})",
      kLognormal);
  return {
      {"'spot'", R"(nodes?: int, initial?: int, length?: duration, grid?: duration,
        loss_gap_median?: duration, loss_gap_sigma?: num, loss_sizes?: [int],
        join_wait_median?: duration, join_wait_sigma?: num, join_sizes?: [int])"},
      {"'bamboo'", "nodes?: int, p: num, q?: num, start_hour?: int, length?: duration"},
      {"'interval'", R"(nodes: int, every: duration, first?: duration, bulk?: int|[int],
        victims?: 'random'|'first'|'last'|[str], repair?: 'never'|duration, losses?: int,
        length?: duration)"},
      {"'poisson'", R"(nodes: int, mtbf: duration, mttr?: duration,
        repair?: 'exponential'|'fixed', length: duration)"},
      {"'repair-shop'", R"(nodes: int, mtbf: duration, repair: duration, repairmen?: int,
        second_share?: num, second_repair?: duration, lemons?: num, lemon_factor?: num,
        cure?: num, second_cure?: num, length: duration)"},
      {"'failures'", fmt::format(R"(nodes: int, length: duration, mtbf: duration,
        distribution?: 'exponential'|'weibull'|'lognormal', shape?: num,
        age?: 'steady'|'fresh'|'kept', repair: 'never'|{{*: {{share?: num, {0}}}}},
        lemons?: {{share?: num, factor?: num}}, slow?: {{mtbf: duration, factor?: num, {0}}},
        domains?: {{*: {{size: int, mtbf: duration, share?: num, {0}}}}},
        bulks?: {{every: duration, sizes?: [int], {0}}})",
                                 kLognormal)},
      {"'llama3'", fleet},
      {"'rsc1'", fleet},
      {"'rsc2'", fleet},
  };
}

std::string trace_shape() {
  auto shape = fmt::format(
      "'none'|{{file: str, importer?: #importer, unit?: str, fleet?: int, "
      "system?: int, start?: str, end?: str, {}}}",
      kReplayOptions);
  for (const auto& [generator, options] : generator_options()) {
    shape += fmt::format("|{{generator: {}, {}, {}}}", generator, options, kReplayOptions);
  }
  return shape;
}

/// The keys of an analytic cost model are its constants, with "." as nesting.
std::string analytic_keys() {
  std::map<std::string, std::map<std::string, std::string>> groups;
  std::string text;
  for (const auto& spec : constant_specs()) {
    const std::string word = spec.unit == ConstantUnit::seconds            ? "duration"
                             : spec.unit == ConstantUnit::bytes            ? "bytes"
                             : spec.unit == ConstantUnit::bytes_per_second ? "bandwidth"
                                                                           : "flops";
    const std::string key(spec.key);
    const auto dot = key.rfind('.');
    if (dot == std::string::npos) text += fmt::format("{}?: {}, ", key, word);
    if (dot != std::string::npos) groups[key.substr(0, dot)][key.substr(dot + 1)] = word;
  }
  const auto object_of = [&](const std::string& group) {
    std::string keys;
    for (const auto& [key, word] : groups[group]) keys += fmt::format("{}?: {}, ", key, word);
    // What grows with the nodes may be given as one duration.
    const bool one = groups[group].count("per_node") > 0;
    return fmt::format("{}{{{}}}", one ? "duration|" : "", keys);
  };
  std::string restart;
  for (const auto& [key, word] : groups["restart"]) restart += fmt::format("{}?: {}, ", key, word);
  for (const auto& [group, keys] : std::map(groups)) {
    const auto dot = group.find('.');
    if (dot != std::string::npos) {
      restart += fmt::format("{}?: {}, ", group.substr(dot + 1), object_of(group));
    } else if (group != "restart") {
      text += fmt::format("{}?: {}, ", group, object_of(group));
    }
  }
  return text + fmt::format("restart?: {{{}}}", restart);
}

std::string cost_shape() {
  return fmt::format(R"({{model?: 'analytic'|'calibrated', profile?: str, step_time?: @step_table,
      restart_read?: str, {}}}
    |{{model: 'fixed', step: @step_table, step_time?: @step_table, checkpoint?: duration,
      detection?: duration, planning?: duration, communicator?: duration, transfer?: duration,
      reschedule?: duration, process_start?: duration, group_init?: duration, load?: duration,
      rebalance_communicator?: duration}})",
                     analytic_keys());
}

/// Parts that are one of several kinds, each with options; what options a kind has is checked by
/// the program.
constexpr char kPolicy[] = R"({preset?: #preset,
  allocation?: #allocation|{kind?: #allocation, ep_size?: int, groups?: int, drop?: bool,
    minimum?: int, threshold?: num, max_iterations?: int, tokens_per_gpu?: int,
    token_time?: duration, token_bytes?: bytes, bandwidth?: bandwidth, expert_bytes?: bytes},
  placement?: #placement|{kind?: #placement, ep_size?: int, groups?: int, drop?: bool,
    even_alternative?: bool, threshold?: num, max_iterations?: int, tokens_per_gpu?: int,
    token_time?: duration, token_bytes?: bytes, bandwidth?: bandwidth, expert_bytes?: bytes},
  dispatch?: #dispatch|{kind?: #dispatch, pad_tokens?: bool, pad_compute?: bool,
    overlapped?: bool, slack?: num},
  on_loss?: #on_loss|{kind?: #on_loss, reuse_idle?: bool},
  checkpoint?: #checkpoint|{kind?: #checkpoint, every?: int|duration, mtbf?: duration},
  rebalance?: #rebalance|{kind?: #rebalance, every?: int},
  membership?: #membership|{kind?: #membership, wait?: duration},
  notice?: #notice|{kind?: #notice},
  straggler?: #straggler|{kind?: #straggler, below?: num, after?: duration},
  fault_threshold?: int, minimum_nodes?: int, layer_order?: 'aligned'|'independent',
  binding?: 'greedy'|'min-cost'})";

}  // namespace

std::vector<NamedShape> scenario_shapes() {
  return {
      {"scenario", "a scenario file; what `check --format json` prints is one", R"({
        bethany_scenario?: int, name?: str, seed?: int, replication?: int, model: @model,
        training?: @training, cluster?: @cluster, trace: @replayed_trace,
        routing?: @routing_source, cost?: @cost, policies?: {*: @policy}})"},
      {"model", "", R"(#model|{config: str, name?: str}|{name?: str, layers: int, moe_layers?: int,
        hidden: int, experts: int, top_k?: int, expert_parameters: int, dense_parameters: int,
        dense_matmul_parameters?: int, attention_flop_per_context?: int})"},
      {"training", "", R"({sequence_length?: int,
        batch?: {mode?: 'per_gpu'|'global', sequences?: int, accumulation?: int},
        precision?: {weight_bytes?: int, gradient_bytes?: int, master_bytes?: int,
          optimizer_bytes?: int},
        recompute?: bool, tensor_parallel?: int, zero?: int, start?: 'cold'|'warm',
        until?: {time: duration}|{samples: int}|{tokens: int}})"},
      {"cluster", "", R"({nodes?: int, node_type?: #node_type|@node_type, slots_per_gpu?: int,
        memory_check?: 'refuse'|'warn', storage?: {read?: bandwidth, write?: bandwidth},
        startup_delay?: duration, domains?: [@domain]})"},
      {"node_type", "", R"({base?: #node_type, name?: str, gpus?: int, gpu_memory?: bytes,
        peak?: {*: flops}, hbm?: bandwidth, nvlink?: bandwidth, nvlink_latency?: duration,
        nic?: bandwidth, nic_latency?: duration, nic_shared_by?: int, host_link?: bandwidth,
        usd_per_hour?: num, source?: str})"},
      {"domain", "", "{name: str, nodes?: [str], domains?: [@domain]}"},
      {"replayed_trace", "", trace_shape()},
      {"routing_source", "", R"({file: str, importer?: #routing_importer, every?: int,
          layers?: int, experts?: int, top_k?: int, passes?: str, ranks?: str}
        |{generator?: #routing_generator, exponent?: num, every?: int, until_step?: int,
          drift?: num, half_life?: int, cutoff?: num, spread?: num, uniform_steps?: int,
          concentration?: num, loads?: [int], hot_share?: num, ranks?: int, hot_experts?: int,
          period?: int, length?: int})"},
      {"step_table", "", "duration|{*: duration}"},
      {"cost", "", cost_shape()},
      {"policy", "", kPolicy},
  };
}

}  // namespace bethany
