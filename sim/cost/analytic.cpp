#include "sim/cost/analytic.h"

#include <algorithm>

#include "sim/base/check.h"
#include "sim/cost/analytic_keys.h"
#include "sim/cost/held_experts.h"
#include "sim/model/readers.h"

namespace bethany {
namespace {

Duration rounded(double seconds) {
  return round_to_duration(std::min(seconds, to_seconds(kLongest)));
}

/// What the formulas need of the context, worked out once.
struct Sizes {
  double dense_flop = 0;      // per token, forward
  double expert_flop = 0;     // per row, forward
  double compute_passes = 3;  // κ: forward 1, backward 2, recomputed forward 1
  double row_bytes = 0;       // of one token's activation on the wire
  double dense_parameters = 0;
  double dense_gradient_bytes = 0;
  double expert_gradient_bytes = 0;
  double expert_parameters = 0;
  int layers = 0;
  int tensor_parallel = 1;
  bool zero = false;
  int ranks_per_server = 1;
  Storage storage;
  double node_nic = 0;  // bytes per second of one node's share of its NICs

  explicit Sizes(const CostContext& context) {
    const MoeModel& model = context.model;
    const Training& training = context.training;
    const NodeType& type = context.cluster.node_type;
    dense_flop = model.dense_flop_per_token(training.sequence_length);
    expert_flop = model.expert_flop_per_token();
    compute_passes = training.recompute ? 4 : 3;
    // Activations travel in the precision of the weights.
    row_bytes = static_cast<double>(model.hidden) * training.precision.weight_bytes;
    dense_parameters = static_cast<double>(model.dense_parameters);
    dense_gradient_bytes = dense_parameters * training.precision.gradient_bytes;
    expert_parameters = static_cast<double>(model.expert_parameters);
    expert_gradient_bytes = expert_parameters * training.precision.gradient_bytes;
    layers = model.layers;
    tensor_parallel = training.tensor_parallel;
    zero = training.zero > 0;
    ranks_per_server = type.gpus * type.nodes_per_server();
    storage = context.cluster.storage;
    node_nic = type.nic.bytes_per_second * type.gpus / type.nic_shared_by;
  }
};

/// What the traffic alone decides, for one micro-batch.
struct TrafficSums {
  double computed_rows = 0;       // Σ over layers of the most rows / speed of a rank
  double all_to_all_seconds = 0;  // Σ over layers of the longest link of one all-to-all
  double hidden_seconds = 0;      // of the all-to-alls, behind the computation of their layer
};

std::int64_t largest(const std::vector<std::int64_t>& values) {
  std::int64_t result = 0;
  for (const std::int64_t value : values) result = std::max(result, value);
  return result;
}

/// The most rows that a rank computes, in rows of a rank at full speed.
double longest(const std::vector<std::int64_t>& rows, std::span<const double> speeds) {
  if (speeds.empty()) return static_cast<double>(largest(rows));
  double result = 0;
  for (std::size_t rank = 0; rank < rows.size(); ++rank) {
    result = std::max(result, static_cast<double>(rows[rank]) / speeds[rank]);
  }
  return result;
}

/// One ring all-reduce of an expert's gradients over the g ranks that hold it: 2(g-1)/g · bytes /
/// B. A step asks for it once per layer and expert, so the usual answers are worked out beforehand.
class ExpertReduce {
 public:
  ExpertReduce(double bytes, const ConstantValues& constants)
      : latency_(constants[Constant::all_reduce_latency]),
        inside_(bytes / constants[Constant::all_reduce_expert_inside]),
        outside_(bytes / constants[Constant::all_reduce_expert_outside]) {
    for (std::int32_t ranks = 0; ranks < kKnown; ++ranks) {
      known_inside_.push_back(work_out(ranks, inside_));
      known_outside_.push_back(work_out(ranks, outside_));
    }
  }

  double seconds(std::int32_t ranks, bool inside) const {
    if (ranks >= kKnown) return work_out(ranks, inside ? inside_ : outside_);
    return (inside ? known_inside_ : known_outside_)[static_cast<std::size_t>(ranks)];
  }

 private:
  static constexpr std::int32_t kKnown = 512;

  double work_out(std::int32_t ranks, double once) const {
    return ranks < 2 ? 0 : latency_ + 2.0 * (ranks - 1) / ranks * once;
  }

  double latency_;
  double inside_;  // seconds for the bytes once
  double outside_;
  std::vector<double> known_inside_;
  std::vector<double> known_outside_;
};

/// The analytic model (sim/cost/README.md has the formulas and their sources).
class AnalyticTimer final : public StepTimer {
 public:
  AnalyticTimer(const CostContext& context, const ConstantValues& constants, bool reads_once)
      : sizes_(context),
        constants_(constants),
        reads_once_(reads_once),
        expert_reduce_(sizes_.expert_gradient_bytes, constants) {}

  bool looks_at_traffic() const override { return true; }
  CostBreakdown step(const StepQuery& query) const override;

  Duration checkpoint_write(std::int64_t bytes, int nodes) const override {
    BETHANY_CHECK(bytes >= 0 && nodes > 0, "{} bytes written by {} nodes", bytes, nodes);
    const auto all = static_cast<double>(bytes);
    return rounded(
        std::max(all / sizes_.storage.write.bytes_per_second, all / nodes / sizes_.node_nic));
  }
  Duration detection() const override { return rounded(constants_[Constant::detection]); }
  Duration planning(int) const override { return rounded(constants_[Constant::planning]); }
  Duration communicator(int nodes) const override {
    return rounded(constants_[Constant::communicator_base] +
                   constants_[Constant::communicator_per_node] * nodes);
  }
  Duration transfer(const TransferSummary& summary) const override {
    return rounded(static_cast<double>(summary.busiest_port_bytes) /
                   constants_[Constant::migration_bandwidth]);
  }
  Duration rebalance_communicator(int nodes) const override {
    return rounded(constants_[Constant::rebalance_communicator_base] +
                   constants_[Constant::rebalance_communicator_per_node] * nodes);
  }
  Duration reschedule() const override { return rounded(constants_[Constant::reschedule]); }
  Duration process_start() const override { return rounded(constants_[Constant::process_start]); }
  Duration group_init(int nodes) const override {
    return rounded(constants_[Constant::group_init_base] +
                   constants_[Constant::group_init_per_node] * nodes);
  }
  Duration load(const LoadQuery& query) const override {
    const std::int64_t read = reads_once_ ? query.checkpoint_bytes : query.total_bytes;
    return rounded(std::max(static_cast<double>(read) / sizes_.storage.read.bytes_per_second,
                            static_cast<double>(query.busiest_node_bytes) / sizes_.node_nic));
  }

 private:
  static constexpr double kAllToAlls = 4;  // dispatch and combine, forward and backward

  double expert_seconds(double rows) const {
    return rows * sizes_.expert_flop * sizes_.compute_passes /
           constants_[Constant::expert_flop_rate];
  }
  double expert_reduce_seconds(const PlacementPlan& plan) const;
  TrafficSums sum_traffic(const StepQuery& query) const;
  double dense_reduce_seconds(int ranks) const;
  double tensor_parallel_seconds(std::int64_t tokens) const;
  double optimizer_seconds(const StepQuery& query) const;

  Sizes sizes_;
  ConstantValues constants_;
  bool reads_once_;  // the storage delivers each byte of a checkpoint once, not once a reader
  ExpertReduce expert_reduce_;
};

/// Which ranks hold an expert of a layer.
struct Holders {
  std::int32_t ranks = 0;
  std::int32_t first_server = 0;
  bool outside = false;
};

/// Of a rank, over all layers.
std::int64_t occupied_slots(const PlacementPlan& plan, std::size_t rank) {
  const auto slots = static_cast<std::size_t>(plan.slots_per_gpu());
  std::int64_t occupied = 0;
  for (const auto& layer : plan.layers) {
    // Vacant slots are a GPU's last.
    const std::int32_t* slot = layer.expert_of_slot.data() + rank * slots;
    std::size_t held = slots;
    while (held > 0 && slot[held - 1] == kVacant) --held;
    occupied += static_cast<std::int64_t>(held);
  }
  return occupied;
}

/// Replicas of an expert on one rank are summed there first and count once. Layers do not wait for
/// each other, so the rank with the longest sum over all layers decides.
double AnalyticTimer::expert_reduce_seconds(const PlacementPlan& plan) const {
  std::vector<Holders> holders(static_cast<std::size_t>(plan.experts));
  std::vector<double> expert_seconds(holders.size());
  std::vector<double> rank_seconds(static_cast<std::size_t>(plan.ranks()));
  for (const auto& layer : plan.layers) {
    std::fill(holders.begin(), holders.end(), Holders{});
    std::size_t last_rank = 0;
    std::int32_t server = 0;
    visit_experts(plan, layer, [&](std::size_t rank, std::size_t expert) {
      if (rank != last_rank) {  // a division for each visit would take most of the time
        last_rank = rank;
        server = static_cast<std::int32_t>(rank) / sizes_.ranks_per_server;
      }
      Holders& held = holders[expert];
      if (held.ranks == 0) held.first_server = server;
      held.outside = held.outside || server != held.first_server;
      ++held.ranks;
    });
    for (std::size_t e = 0; e < holders.size(); ++e) {
      expert_seconds[e] = expert_reduce_.seconds(holders[e].ranks, !holders[e].outside);
    }
    visit_experts(plan, layer, [&](std::size_t rank, std::size_t expert) {
      rank_seconds[rank] += expert_seconds[expert];
    });
  }
  double most = 0;
  for (const double seconds : rank_seconds) most = std::max(most, seconds);
  return most;
}

/// Overlap is decided layer by layer: of an overlapped layer the longer of its four all-to-alls and
/// of its experts' computation counts.
TrafficSums AnalyticTimer::sum_traffic(const StepQuery& query) const {
  const double inside = sizes_.row_bytes / constants_[Constant::all_to_all_inside];
  const double outside = sizes_.row_bytes / constants_[Constant::all_to_all_outside];
  TrafficSums sums;
  for (const auto& layer : query.layers) {
    BETHANY_CHECK(layer.computed.size() == static_cast<std::size_t>(query.plan->ranks()),
                  "traffic of {} ranks under a plan of {}", layer.computed.size(),
                  query.plan->ranks());
    const auto near = std::max(largest(layer.sent_inside), largest(layer.received_inside));
    const auto far = std::max(largest(layer.sent_outside), largest(layer.received_outside));
    const double rows = longest(layer.computed, query.speeds);
    const double link =
        std::max(static_cast<double>(near) * inside, static_cast<double>(far) * outside);
    sums.computed_rows += rows;
    sums.all_to_all_seconds += link;
    if (layer.overlapped) {
      const double exchanges = kAllToAlls * (constants_[Constant::all_to_all_latency] + link);
      sums.hidden_seconds += std::min(exchanges, expert_seconds(rows));
    }
  }
  return sums;
}

/// Ranks of one tensor-parallel group hold different parts, so the reduction runs in as many groups
/// side by side. Beyond a server they share the node's NICs, through which the whole dense part
/// passes either way.
double AnalyticTimer::dense_reduce_seconds(int ranks) const {
  const int copies = ranks / sizes_.tensor_parallel;
  if (copies < 2) return 0;
  const bool inside = ranks <= sizes_.ranks_per_server;
  const double seconds =
      inside ? sizes_.dense_gradient_bytes / sizes_.tensor_parallel /
                   constants_[Constant::all_reduce_dense_inside]
             : sizes_.dense_gradient_bytes / constants_[Constant::all_reduce_dense_outside];
  return constants_[Constant::all_reduce_latency] + 2.0 * (copies - 1) / copies * seconds;
}

/// Two all-reduces of the activations forward and two backward per layer (Megatron-LM, arXiv
/// 1909.08053, section 3), of the tokens of the whole tensor-parallel group.
double AnalyticTimer::tensor_parallel_seconds(std::int64_t tokens) const {
  const int group = sizes_.tensor_parallel;
  if (group < 2) return 0;
  constexpr int kReducesPerLayer = 4;
  const double bytes = static_cast<double>(tokens) * group * sizes_.row_bytes;
  return static_cast<double>(sizes_.layers) * kReducesPerLayer *
         (constants_[Constant::tensor_parallel_latency] +
          2.0 * (group - 1) / group * bytes / constants_[Constant::tensor_parallel_bandwidth]);
}

/// Of the rank that takes longest.
double AnalyticTimer::optimizer_seconds(const StepQuery& query) const {
  const double dense =
      sizes_.dense_parameters / (sizes_.zero ? query.ranks : sizes_.tensor_parallel);
  double most = 0;  // parameters, as if updated at full speed
  for (std::size_t rank = 0; rank < static_cast<std::size_t>(query.plan->ranks()); ++rank) {
    const auto slots = static_cast<double>(occupied_slots(*query.plan, rank));
    const double parameters = dense + slots * sizes_.expert_parameters;
    most = std::max(most, query.speeds.empty() ? parameters : parameters / query.speeds[rank]);
  }
  return most * constants_[Constant::optimizer_bytes] / constants_[Constant::optimizer_bandwidth];
}

CostBreakdown AnalyticTimer::step(const StepQuery& query) const {
  BETHANY_CHECK(query.plan != nullptr && query.ranks > 0, "a step of {} ranks without a plan",
                query.ranks);
  BETHANY_CHECK(query.speeds.empty() || query.speeds.size() == std::size_t(query.ranks),
                "{} speeds of {} ranks", query.speeds.size(), query.ranks);
  const TrafficSums traffic = sum_traffic(query);
  const auto batches = static_cast<double>(query.accumulation);
  const auto layer_count = static_cast<double>(query.layers.size());
  // A single rank has nobody to exchange rows with.
  const double exchanges = query.ranks > 1 ? batches : 0;
  const double dense = static_cast<double>(query.tokens_per_rank) * sizes_.dense_flop *
                       sizes_.compute_passes / constants_[Constant::dense_flop_rate];
  const double expert = expert_seconds(traffic.computed_rows) +
                        layer_count * constants_[Constant::expert_per_layer] / query.slowest;
  const double all_to_all = kAllToAlls * (layer_count * constants_[Constant::all_to_all_latency] +
                                          traffic.all_to_all_seconds) -
                            traffic.hidden_seconds;
  const double counts = layer_count * constants_[Constant::count_exchange_latency];
  const double fixed =
      constants_[Constant::fixed_per_step] + batches * constants_[Constant::fixed_per_micro_batch];
  CostBreakdown result;
  result.terms.reserve(9);
  const auto add = [&result](std::string_view name, double seconds) {
    result.terms.push_back(cost_term(name, seconds));
    result.total += result.terms.back().time;
  };
  add("dense", batches * dense / query.slowest);
  add("tensor_parallel", batches * tensor_parallel_seconds(query.tokens_per_rank));
  add("expert", batches * expert);
  add("all_to_all", exchanges * std::max(0.0, all_to_all));
  add("count_exchange", exchanges * counts);
  add("all_reduce_dense", dense_reduce_seconds(query.ranks));
  add("all_reduce_expert", expert_reduce_seconds(*query.plan));
  add("optimizer", optimizer_seconds(query));
  add("fixed", fixed);
  return result;
}

class Analytic final : public CostModel {
 public:
  Cost make(ObjectReader& cost, const CostContext& context) const override {
    auto choice = read_constants(cost, context.cluster.node_type);
    return {.timer = make_analytic_timer(cost, context, choice.values),
            .profile = std::move(choice.profile)};
  }
};

const bool registered = cost_models().add({
    .name = "analytic",
    .summary = "formulas with the constants of a profile; the default",
    .make = [](ObjectReader&) -> std::unique_ptr<CostModel> {
      return std::make_unique<Analytic>();
    },
});

}  // namespace

std::unique_ptr<StepTimer> make_analytic_timer(ObjectReader& cost, const CostContext& context,
                                               const ConstantValues& constants) {
  const bool once = cost.choice("restart_read", {"per_rank", "once"}, "per_rank") == "once";
  return std::make_unique<AnalyticTimer>(context, constants, once);
}

CostTerm cost_term(std::string_view name, double seconds) {
  constexpr double kLongestTermSeconds = 2e8;
  return {.name = name, .time = rounded(std::min(seconds, kLongestTermSeconds))};
}

}  // namespace bethany
