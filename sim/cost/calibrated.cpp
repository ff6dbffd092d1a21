#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <mutex>
#include <queue>

#include "sim/base/check.h"
#include "sim/cost/analytic.h"
#include "sim/cost/analytic_keys.h"
#include "sim/cost/exchange_curves.h"
#include "sim/cost/held_experts.h"
#include "sim/cost/row_peers.h"
#include "sim/cost/slowest.h"
#include "sim/cost/step_table.h"

namespace bethany {
namespace {

/// The entry of the zoo that the model's layers have; null when none has.
const ShapeZooEntry* shape_of(const MoeModel& model) {
  for (const auto& entry : shape_zoo()) {
    const auto parameters = std::int64_t{entry.gated ? 3 : 2} * entry.hidden * entry.ffn;
    if (entry.hidden == model.hidden && entry.top_k == model.top_k &&
        parameters == model.expert_parameters) {
      return &entry;
    }
  }
  return nullptr;
}

/// The curves of a step's pieces; null where the profile lacks one.
struct Pieces {
  const MeasuredCurve* attention_forward = nullptr;
  const MeasuredCurve* attention_backward = nullptr;
  const MeasuredCurve* loss = nullptr;
  const MeasuredCurve* gate = nullptr;
  const MeasuredCurve* gate_backward = nullptr;
  const MeasuredCurve* sort = nullptr;
  const MeasuredCurve* gather = nullptr;
  const MeasuredCurve* scatter_sum = nullptr;
  const MeasuredCurve* dot = nullptr;
  const MeasuredCurve* expert_forward = nullptr;
  const MeasuredCurve* expert_backward = nullptr;
  const MeasuredCurve* adam = nullptr;
  const MeasuredCurve* migrate = nullptr;
  const MeasuredCurve* planning = nullptr;
  const MeasuredCurve* communicator = nullptr;
  const MeasuredCurve* checkpoint_write = nullptr;
  const MeasuredCurve* checkpoint_read = nullptr;

  bool dense() const { return attention_forward != nullptr && attention_backward != nullptr; }
  bool expert() const { return expert_forward != nullptr && expert_backward != nullptr; }
};

/// Finds the pieces and tells what of the profile's stamp is assumed then: constants that no piece
/// replaces, and pieces that count nothing because they lack.
class Search {
 public:
  Search(const std::vector<MeasuredCurve>& curves, ProfileStamp& stamp)
      : curves_(curves), stamp_(stamp) {}

  Pieces pieces(const CostContext& context, bool& rest_of_dense) {
    const ShapeZooEntry* shape = shape_of(context.model);
    const auto name = shape != nullptr ? shape->name : "(no measured shape)";
    Pieces p;
    if (context.training.tensor_parallel == 1) {
      const auto length = context.training.sequence_length;
      p.attention_forward = find(fmt::format("attention_forward/{}/{}", name, length));
      p.attention_backward = find(fmt::format("attention_backward/{}/{}", name, length));
    }
    if (p.dense()) p.loss = wanted("loss/" + name);
    if (p.dense() && !rest_of_dense) replaces("dense.");
    rest_of_dense = rest_of_dense && p.dense();
    p.expert_forward = find("expert_forward/" + name + "/best");
    p.expert_backward = find("expert_backward/" + name + "/best");
    if (p.expert()) {
      replaces("expert.");
      p.gate = wanted("gate/" + name);
      p.gate_backward = wanted("gate_backward/" + name);
      p.sort = wanted(fmt::format("routing_sort/{}", context.model.experts));
      p.gather = wanted("row_gather/" + name);
      p.scatter_sum = wanted("row_scatter_sum/" + name);
      p.dot = wanted("row_dot/" + name);
    }
    p.adam = find("adam");
    if (p.adam != nullptr) replaces("optimizer.");
    if (find("all_to_all") != nullptr) {
      replaces("all_to_all.");
      replaces("count_exchange.");
    }
    if (find("reduce") != nullptr) replaces("all_reduce.");
    p.migrate = find("migrate");
    if (p.migrate != nullptr) replaces("migration.");
    p.planning = find("planning");
    p.communicator = find("communicator");
    p.checkpoint_write = find("checkpoint_write");
    p.checkpoint_read = find("checkpoint_read");
    stamp_.assumed.insert(stamp_.assumed.end(), missing_.begin(), missing_.end());
    return p;
  }

 private:
  const MeasuredCurve* find(const std::string& key) const {
    for (const auto& curve : curves_) {
      if (curve.key == key) return &curve;
    }
    return nullptr;
  }
  const MeasuredCurve* wanted(const std::string& key) {
    const MeasuredCurve* curve = find(key);
    if (curve == nullptr) missing_.push_back(key + " (0 s)");
    return curve;
  }
  void replaces(std::string_view prefix) {
    std::erase_if(stamp_.assumed,
                  [prefix](const std::string& key) { return key.starts_with(prefix); });
  }

  const std::vector<MeasuredCurve>& curves_;
  ProfileStamp& stamp_;
  std::vector<std::string> missing_;
};

/// Of one layer, by rank.
struct LayerTimes {
  explicit LayerTimes(std::size_t ranks)
      : held(ranks), forward(ranks), backward(ranks), reordering(ranks) {}
  std::vector<std::int32_t> held;  // different experts
  std::vector<double> forward, backward, reordering;
};

/// The step from measured curves, phase by phase, each phase as long as its slowest rank; what no
/// curve covers comes from the analytic model.
class CalibratedTimer final : public StepTimer {
 public:
  CalibratedTimer(ObjectReader& cost, const CostContext& context, ConstantChoice& choice)
      : curves_(std::move(choice.curves)),
        all_to_all_(curves_, "all_to_all"),
        reduce_(curves_, "reduce"),
        spread_(choice.spread),
        analytic_(make_analytic_timer(cost, context, choice.values)) {
    const MoeModel& model = context.model;
    const Training& training = context.training;
    hidden_ = model.hidden;
    experts_ = model.experts;
    top_k_ = model.top_k;
    layers_ = model.layers;
    moe_layers_ = model.moe_layers;
    sequence_length_ = static_cast<double>(training.sequence_length);
    expert_parameters_ = static_cast<double>(model.expert_parameters);
    dense_parameters_ = static_cast<double>(model.dense_parameters);
    gradient_bytes_ = training.precision.gradient_bytes;
    expert_state_bytes_ = expert_parameters_ * training.precision.state_bytes();
    row_bytes_ = static_cast<double>(model.hidden) * training.precision.weight_bytes;
    tensor_parallel_ = training.tensor_parallel;
    zero_ = training.zero > 0;
    recompute_ = training.recompute;
    if (const ShapeZooEntry* shape = shape_of(model)) {
      ffn_ = shape->ffn;
      gated_ = shape->gated;
      heads_ = shape->heads;
    }
    // Matrices outside attention and gates: shared experts, dense layers, vocabulary.
    const double rest = static_cast<double>(model.dense_matmul_parameters) -
                        4.0 * model.layers * hidden_ * hidden_ -
                        1.0 * model.moe_layers * hidden_ * experts_;
    // Gains of norms may be counted in; they are measured with the attention.
    bool rest_of_dense = rest > 0.01 * static_cast<double>(model.dense_matmul_parameters);
    pieces_ = Search(curves_, choice.profile).pieces(context, rest_of_dense);
    if (rest_of_dense) {
      rest_seconds_ = (recompute_ ? 4 : 3) * 2 * rest / choice.values[Constant::dense_flop_rate];
    }
  }

  bool looks_at_traffic() const override { return true; }
  CostBreakdown step(const StepQuery& query) const override;

  Duration transfer(const TransferSummary& summary) const override {
    const auto bytes = static_cast<double>(summary.busiest_port_bytes);
    if (pieces_.migrate == nullptr || summary.busiest_port_bytes == 0) {
      return analytic_->transfer(summary);
    }
    return in_pieces(pieces_.migrate, bytes);
  }
  Duration checkpoint_write(std::int64_t bytes, int nodes) const override {
    if (pieces_.checkpoint_write == nullptr) return analytic_->checkpoint_write(bytes, nodes);
    return in_pieces(pieces_.checkpoint_write, static_cast<double>(bytes) * fullest_share(nodes));
  }
  Duration detection() const override { return analytic_->detection(); }
  Duration planning(int nodes) const override {
    return pieces_.planning != nullptr ? of_nodes(pieces_.planning, nodes)
                                       : analytic_->planning(nodes);
  }
  Duration communicator(int nodes) const override {
    return pieces_.communicator != nullptr ? of_nodes(pieces_.communicator, nodes)
                                           : analytic_->communicator(nodes);
  }
  Duration rebalance_communicator(int nodes) const override {
    return pieces_.communicator != nullptr ? communicator(nodes)
                                           : analytic_->rebalance_communicator(nodes);
  }
  Duration reschedule() const override { return analytic_->reschedule(); }
  Duration process_start() const override { return analytic_->process_start(); }
  Duration group_init(int nodes) const override {
    return pieces_.communicator != nullptr ? communicator(nodes) : analytic_->group_init(nodes);
  }
  Duration load(const LoadQuery& query) const override {
    if (pieces_.checkpoint_read == nullptr || query.busiest_node_bytes == 0) {
      return analytic_->load(query);
    }
    return in_pieces(pieces_.checkpoint_read, static_cast<double>(query.busiest_node_bytes));
  }
  std::int64_t out_of_range_queries() const override { return outside_.count(); }

 private:
  /// Seconds of an operation of that size; 0 when it was not measured.
  double ask(const MeasuredCurve* curve, const OperationSize& size) const {
    if (curve == nullptr) return 0;
    const Work work = operation_work(curve->operation, size);
    return ask(*curve, work, operation_extent(curve->operation, size));
  }
  double ask(const MeasuredCurve& curve, const Work& work, double extent) const {
    if (extent > 0 && !curve.covers(extent, work.count)) outside_.add();
    return curve.seconds(work, extent);
  }

  double exchange(const ExchangeCurves& curves, Operation operation, double ranks,
                  double bytes) const {
    const Work work = operation_work(operation, {.experts = ranks, .size = bytes});
    return curves.seconds(ranks, work, bytes, outside_);
  }
  Duration of_nodes(const MeasuredCurve* curve, int nodes) const {
    return round_to_duration(
        std::min(ask(curve, {.experts = static_cast<double>(nodes)}), to_seconds(kLongest)));
  }
  /// The bytes of a rank, in files or messages of an expert each.
  Duration in_pieces(const MeasuredCurve* curve, double bytes) const {
    const double pieces = std::ceil(bytes / expert_state_bytes_);
    return round_to_duration(
        std::min(ask(curve, {.experts = pieces, .size = bytes}), to_seconds(kLongest)));
  }
  double fullest_share(int nodes) const;
  double dense_seconds(double tokens) const;
  double token_seconds(double tokens) const;
  double row_seconds(double rows) const {
    constexpr int kReorderings = 4;  // into expert order and back, forward and backward
    return kReorderings * ask(pieces_.gather, {.inputs = hidden_, .rows = rows});
  }
  double of_all_ranks(const StepQuery& query, double seconds) const;
  double layer_seconds(const StepQuery& query, std::size_t layer, LayerTimes& times) const;
  double exchange_seconds(const StepQuery& query, std::size_t layer) const;
  double expert_reduce_seconds(const PlacementPlan& plan) const;
  double optimizer_seconds(const StepQuery& query) const;

  std::vector<MeasuredCurve> curves_;
  ExchangeCurves all_to_all_;
  ExchangeCurves reduce_;
  double spread_ = 0;  // of equal ranks
  std::unique_ptr<StepTimer> analytic_;
  Pieces pieces_;
  RangeCounter outside_;
  mutable std::mutex mutex_;
  mutable std::map<int, double> share_of_nodes_;  // found so far; guarded
  double hidden_ = 0;
  double ffn_ = 0;
  double heads_ = 0;
  double experts_ = 0;
  double top_k_ = 1;
  double sequence_length_ = 0;
  double expert_parameters_ = 0;
  double dense_parameters_ = 0;
  double gradient_bytes_ = 0;
  double expert_state_bytes_ = 1;
  double row_bytes_ = 0;     // of one token's activation on the wire
  double rest_seconds_ = 0;  // per token: matrices that no curve covers
  int layers_ = 0;
  int moe_layers_ = 0;
  int tensor_parallel_ = 1;
  bool gated_ = false;
  bool zero_ = false;
  bool recompute_ = false;
};

/// The part of a checkpoint that falls to one node: the dense part to the first, then every expert
/// whole to the node with the least.
double CalibratedTimer::fullest_share(int nodes) const {
  const std::lock_guard lock(mutex_);
  auto& share = share_of_nodes_[nodes];
  if (share > 0) return share;
  std::priority_queue<double, std::vector<double>, std::greater<>> loads;
  loads.push(dense_parameters_);
  for (int node = 1; node < nodes; ++node) loads.push(0);
  const double units = experts_ * moe_layers_;
  double most = dense_parameters_;
  for (double unit = 0; unit < units; ++unit) {
    const double load = loads.top() + expert_parameters_;
    loads.pop();
    loads.push(load);
    most = std::max(most, load);
  }
  share = most / (dense_parameters_ + units * expert_parameters_);
  return share;
}

double CalibratedTimer::dense_seconds(double tokens) const {
  const OperationSize size{
      .inputs = hidden_, .outputs = heads_, .rows = tokens, .size = sequence_length_};
  const double forward = ask(pieces_.attention_forward, size);
  return layers_ * ((recompute_ ? 2 : 1) * forward + ask(pieces_.attention_backward, size)) +
         ask(pieces_.loss, {.inputs = hidden_, .rows = tokens}) + tokens * rest_seconds_;
}

/// Of one MoE layer, what depends on the rank's own tokens alone, forward and backward.
double CalibratedTimer::token_seconds(double tokens) const {
  const double pairs = tokens * top_k_;
  const OperationSize gate{.inputs = hidden_, .experts = experts_, .rows = tokens, .size = top_k_};
  OperationSize routed = gate;
  routed.rows = pairs;
  return ask(pieces_.gate, gate) + ask(pieces_.gate_backward, gate) +
         ask(pieces_.sort, {.experts = experts_, .rows = pairs}) + ask(pieces_.dot, routed) +
         2 * (ask(pieces_.gather, routed) + ask(pieces_.scatter_sum, routed));
}

/// When the last rank is done with what takes a rank of speed 1 `seconds`.
double CalibratedTimer::of_all_ranks(const StepQuery& query, double seconds) const {
  if (spread_ == 0) return seconds / query.slowest;
  std::vector<double> each(static_cast<std::size_t>(query.ranks), seconds);
  for (std::size_t rank = 0; rank < query.speeds.size(); ++rank) each[rank] /= query.speeds[rank];
  return expected_slowest(each, spread_);
}

/// Of one MoE layer, what depends on the rows that come to a rank: each phase by its slowest rank.
double CalibratedTimer::layer_seconds(const StepQuery& query, std::size_t layer,
                                      LayerTimes& times) const {
  const LayerTraffic& traffic = query.layers[layer];
  auto& held = times.held;
  std::fill(held.begin(), held.end(), 0);
  visit_experts(*query.plan, query.plan->layers[layer],
                [&held](std::size_t rank, std::size_t) { ++held[rank]; });
  for (std::size_t rank = 0; rank < held.size(); ++rank) {
    const double speed = query.speeds.empty() ? 1 : query.speeds[rank];
    const auto rows = static_cast<double>(traffic.computed[rank]);
    const OperationSize experts{.inputs = hidden_,
                                .outputs = ffn_,
                                .gated = gated_,
                                .experts = static_cast<double>(held[rank]),
                                .active = std::min(static_cast<double>(held[rank]), rows),
                                .rows = rows};
    times.forward[rank] = ask(pieces_.expert_forward, experts) / speed;
    times.backward[rank] = ask(pieces_.expert_backward, experts) / speed;
    times.reordering[rank] = row_seconds(rows) / speed;
  }
  const double forward = expected_slowest(times.forward, spread_);
  return (recompute_ ? 2 : 1) * forward + expected_slowest(times.backward, spread_) +
         expected_slowest(times.reordering, spread_);
}

/// One all-to-all of a layer: rows inside and beyond a server leave through one port, in a message
/// to each rank that may get some.
double CalibratedTimer::exchange_seconds(const StepQuery& query, std::size_t index) const {
  const LayerTraffic& layer = query.layers[index];
  std::int64_t most = 0;
  for (std::size_t rank = 0; rank < layer.computed.size(); ++rank) {
    most = std::max({most, layer.sent_inside[rank] + layer.sent_outside[rank],
                     layer.received_inside[rank] + layer.received_outside[rank]});
  }
  if (most == 0) return 0;
  const int peers = layer.exchange_ranks > 0
                        ? layer.exchange_ranks - 1
                        : most_row_peers(*query.plan, query.plan->layers[index]);
  return exchange(all_to_all_, Operation::all_to_all, std::max(peers, 1) + 1,
                  static_cast<double>(most) * row_bytes_);
}

/// The gradients of all experts of a rank are reduced in one group of messages, among its experts'
/// other holders; of the rank that takes longest.
double CalibratedTimer::expert_reduce_seconds(const PlacementPlan& plan) const {
  const double bytes = expert_parameters_ * gradient_bytes_;
  std::vector<int> holders(static_cast<std::size_t>(plan.experts));
  std::vector<Work> works(static_cast<std::size_t>(plan.ranks()));
  std::vector<double> extents(works.size());
  std::vector<int> peers(works.size());  // at most: experts may share some
  for (const auto& layer : plan.layers) {
    std::fill(holders.begin(), holders.end(), 0);
    visit_experts(plan, layer, [&](std::size_t, std::size_t expert) { ++holders[expert]; });
    visit_experts(plan, layer, [&](std::size_t rank, std::size_t expert) {
      if (holders[expert] < 2) return;
      const Work one = operation_work(
          Operation::reduce, {.experts = static_cast<double>(holders[expert]), .size = bytes});
      works[rank].count += one.count;
      works[rank].bytes += one.bytes;
      extents[rank] += bytes;
      peers[rank] += holders[expert] - 1;
    });
  }
  double most = 0;
  for (std::size_t rank = 0; rank < works.size(); ++rank) {
    if (extents[rank] > 0) {
      const double ranks = std::min(plan.ranks(), peers[rank] + 1);
      most = std::max(most, reduce_.seconds(ranks, works[rank], extents[rank], outside_));
    }
  }
  return most;
}

/// Every different expert and the dense part are arrays of one update.
double CalibratedTimer::optimizer_seconds(const StepQuery& query) const {
  const double dense = dense_parameters_ / (zero_ ? query.ranks : tensor_parallel_);
  std::vector<int> held(static_cast<std::size_t>(query.plan->ranks()));
  for (const auto& layer : query.plan->layers) {
    visit_experts(*query.plan, layer, [&held](std::size_t rank, std::size_t) { ++held[rank]; });
  }
  std::vector<double> seconds;
  for (std::size_t rank = 0; rank < held.size(); ++rank) {
    const double speed = query.speeds.empty() ? 1 : query.speeds[rank];
    const double size = dense + held[rank] * expert_parameters_;
    seconds.push_back(ask(pieces_.adam, {.experts = held[rank] + 1.0, .size = size}) / speed);
  }
  return expected_slowest(seconds, spread_);
}

CostBreakdown CalibratedTimer::step(const StepQuery& query) const {
  CostBreakdown result = analytic_->step(query);  // also checks the query
  const auto tokens = static_cast<double>(query.tokens_per_rank);
  const auto batches = static_cast<double>(query.accumulation);
  const double exchanges = query.ranks > 1 ? batches : 0;
  const auto replace = [&result](std::string_view name, double seconds) {
    for (auto& term : result.terms) {
      if (term.name != name) continue;
      result.total -= term.time;
      term = cost_term(term.name, seconds);
      result.total += term.time;
    }
  };
  if (pieces_.dense()) replace("dense", batches * of_all_ranks(query, dense_seconds(tokens)));
  constexpr double kAllToAlls = 4;  // dispatch and collect, forward and backward
  double expert = 0;
  double all_to_all = 0;
  LayerTimes times(static_cast<std::size_t>(query.ranks));
  for (std::size_t i = 0; i < query.layers.size(); ++i) {
    double behind = 0;
    if (pieces_.expert()) {
      behind = layer_seconds(query, i, times);
      expert += behind + of_all_ranks(query, token_seconds(tokens));
    }
    if (!all_to_all_.measured() || exchanges == 0) continue;
    const double of_layer = kAllToAlls * exchange_seconds(query, i);
    all_to_all += query.layers[i].overlapped ? std::max(0.0, of_layer - behind) : of_layer;
  }
  if (pieces_.expert()) replace("expert", batches * expert);
  if (all_to_all_.measured() && exchanges > 0) {
    replace("all_to_all", exchanges * all_to_all);
    // Every rank tells each other one what it routes to every expert.
    const double counts = (query.ranks - 1) * experts_ * sizeof(std::int64_t);
    replace(
        "count_exchange",
        exchanges * static_cast<double>(query.layers.size()) *
            exchange(all_to_all_, Operation::all_to_all, query.ranks, counts));
  }
  if (reduce_.measured()) {
    if (tensor_parallel_ == 1 && query.ranks > 1) {
      replace("all_reduce_dense", exchange(reduce_, Operation::reduce, query.ranks,
                                           dense_parameters_ * gradient_bytes_));
    }
    replace("all_reduce_expert", expert_reduce_seconds(*query.plan));
  }
  if (pieces_.adam != nullptr) replace("optimizer", optimizer_seconds(query));
  return result;
}

class Calibrated final : public CostModel {
 public:
  Cost make(ObjectReader& cost, const CostContext& context) const override {
    auto choice = read_constants(cost, context.cluster.node_type);
    if (choice.curves.empty()) {
      cost.fail("profile",
                fmt::format("the calibrated model needs a profile with fits, as 'bethany "
                            "calibrate' writes it; '{}' has none",
                            choice.profile.name));
    }
    auto timer = std::make_unique<CalibratedTimer>(cost, context, choice);
    return {.timer = std::move(timer), .profile = std::move(choice.profile)};
  }
};

const bool registered = cost_models().add({
    .name = "calibrated",
    .summary = "measured curves of a profile, phase by phase; needs a profile with fits",
    .make = [](ObjectReader&) -> std::unique_ptr<CostModel> {
      return std::make_unique<Calibrated>();
    },
});

}  // namespace
}  // namespace bethany
