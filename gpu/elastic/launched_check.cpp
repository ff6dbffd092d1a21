#include "gpu/elastic/launched_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <numeric>

#include "gpu/elastic/crew.h"
#include "gpu/rank_check.h"
#include "sim/base/check.h"
#include "sim/base/error.h"
#include "sim/policy/policy.h"

namespace bethany {
namespace {

constexpr double kWrong = std::numeric_limits<double>::infinity();
constexpr const char* kPolicy = "lazarus";  // any that can tell where rows go
constexpr std::int64_t kSamples = 11;
constexpr StackShape kShape = kSmallExactStack;

/// What a training came to. Of weights and moments, by (layer, expert), (-1, -1) the dense part.
struct Outcome {
  std::map<std::pair<int, int>, std::uint64_t> held;
  bool replicas_agree = true;
  double loss = 0;
  std::uint64_t outputs = 0;
};

/// Expert e on the places e and e + 1, round and round: the loss of one leaves all experts.
std::shared_ptr<const PlacementPlan> plan_for(int nodes) {
  auto plan = std::make_shared<PlacementPlan>();
  plan->nodes = nodes;
  plan->experts = kShape.experts;
  plan->slots_per_node = 2 * kShape.experts;
  LayerPlan layer;
  for (int place = 0; place < nodes; ++place) {
    std::vector<std::int32_t> slots;
    for (int expert = 0; expert < kShape.experts; ++expert) {
      if (expert % nodes == place || (expert + 1) % nodes == place) slots.push_back(expert);
    }
    slots.resize(static_cast<std::size_t>(plan->slots_per_node), kVacant);
    layer.expert_of_slot.insert(layer.expert_of_slot.end(), slots.begin(), slots.end());
  }
  for (int expert = 0; expert < kShape.experts; ++expert) {
    layer.replicas.push_back(static_cast<std::int32_t>(
        std::count(layer.expert_of_slot.begin(), layer.expert_of_slot.end(), expert)));
  }
  plan->layers.assign(static_cast<std::size_t>(kShape.layers), layer);
  return plan;
}

class TrainingRun {
 public:
  explicit TrainingRun(Crew& crew) : crew_(crew) {
    dense_bytes_ =
        static_cast<std::int64_t>(make_rank_state(kShape, *make_compute("cpu"))->dense_bytes());
  }

  void begin(const std::vector<NodeId>& nodes) {
    crew_.start(nodes);
    connect(nodes);
    nodes_ = nodes;
    plan_ = plan_for(static_cast<int>(nodes.size()));
    obey(Order::Kind::initialise);
  }

  /// False when it was cut: it is as if it had never begun.
  bool step(const std::optional<Attack>& attack = {}) {
    auto order = order_of(Order::Kind::step);
    order.first_sample = order.step * kSamples;
    const auto ranks = std::ssize(nodes_);
    for (std::int64_t rank = 0; rank < ranks; ++rank) {
      order.samples_of_rank.push_back(kSamples / ranks + (rank < kSamples % ranks ? 1 : 0));
    }
    const auto reply = crew_.obey(order, attack);
    order.kind = reply.lost ? Order::Kind::discard : Order::Kind::commit;
    crew_.obey(order, {});
    if (reply.lost) return false;
    ++step_;
    for (const auto& rank : reply.ranks) {
      outcome_.loss += rank.loss;
      outcome_.outputs += rank.output_digest;
    }
    return true;
  }

  /// Goes on with these machines; all state is fetched from one that held it.
  void change(const std::vector<NodeId>& nodes) {
    connect(nodes);
    const auto plan = plan_for(static_cast<int>(nodes.size()));
    auto order = order_of(Order::Kind::migrate);
    order.plan = plan;
    const auto rank_of = [&](NodeId node) {
      return static_cast<int>(std::find(nodes.begin(), nodes.end(), node) - nodes.begin());
    };
    std::vector<int> old_ranks;  // of those that stay, as they are numbered now
    for (const auto node : nodes_) {
      if (rank_of(node) < std::ssize(nodes)) old_ranks.push_back(rank_of(node));
    }
    for (int to = 0; to < std::ssize(nodes); ++to) {
      if (std::find(old_ranks.begin(), old_ranks.end(), to) == old_ranks.end()) {
        order.moves.push_back({.from = old_ranks.front(), .to = to, .bytes = dense_bytes_});
      }
      for (int layer = 0; layer < kShape.layers; ++layer) {
        for (int expert = 0; expert < kShape.experts; ++expert) {
          const auto node = nodes[static_cast<std::size_t>(to)];
          if (!held(*plan, to, expert) || held_before(node, expert)) continue;
          const auto from = std::find_if(nodes.begin(), nodes.end(),
                                         [&](NodeId other) { return held_before(other, expert); });
          BETHANY_CHECK(from != nodes.end(), "expert {} is gone", expert);
          order.moves.push_back(
              {.from = rank_of(*from), .to = to, .layer = layer, .expert = expert});
        }
      }
    }
    obey(order);
    nodes_ = nodes;
    plan_ = plan;
    obey(Order::Kind::settle);
  }

  Outcome end() {
    for (const auto& rank : crew_.obey(order_of(Order::Kind::digest), {}).ranks) {
      for (const auto& [part, digest] : rank.held) {
        const auto known = outcome_.held.emplace(part, digest).first;
        outcome_.replicas_agree = outcome_.replicas_agree && known->second == digest;
      }
    }
    return outcome_;
  }

 private:
  static bool held(const PlacementPlan& plan, int place, int expert) {
    const auto slots = plan.node_slots(0, place);
    return std::find(slots.begin(), slots.end(), expert) != slots.end();
  }
  bool held_before(NodeId node, int expert) const {
    const auto found = std::find(nodes_.begin(), nodes_.end(), node);
    return found != nodes_.end() && held(*plan_, static_cast<int>(found - nodes_.begin()), expert);
  }
  void connect(const std::vector<NodeId>& nodes) {
    std::vector<RankPlace> places;
    for (const auto node : nodes) places.push_back({node, 0});
    crew_.connect(places);
  }
  Order order_of(Order::Kind kind) const {
    Order order;
    order.kind = kind;
    order.plan = plan_;
    order.step = step_;
    return order;
  }
  void obey(const Order& order) {
    if (crew_.obey(order, {}).lost) throw MachineError("a rank lost a peer that nobody killed");
  }
  void obey(Order::Kind kind) { obey(order_of(kind)); }

  Crew& crew_;
  std::int64_t dense_bytes_ = 0;
  std::vector<NodeId> nodes_;
  std::shared_ptr<const PlacementPlan> plan_;
  std::int64_t step_ = 0;
  Outcome outcome_;
};

TrainingSetup setup_of(const Policy& policy, std::uint64_t seed) {
  return {.shape = kShape,
          .dispatch = policy.dispatch.get(),
          .placement = {.nodes = 0,
                        .gpus_per_node = 1,
                        .slots_per_gpu = 2 * kShape.experts,
                        .experts = kShape.experts},
          .seed = seed};
}

constexpr int kSteps = 6;

Outcome undisturbed(const TrainingSetup& setup) {
  const auto crew = make_thread_crew(
      setup, {.serialised = false, .compute = [](int) { return make_compute("cpu"); }});
  TrainingRun training(*crew);
  training.begin({NodeId(0)});
  for (int step = 0; step < kSteps; ++step) training.step();
  return training.end();
}

}  // namespace

std::vector<CheckResult> check_launched(LaunchedProcesses& processes, std::uint64_t seed) {
  const int spares = processes.how_they_die() == Kill::hard ? 1 : 0;
  const int ranks = processes.free() - spares;
  if (ranks < 3) {
    throw InputError(fmt::format("{} processes were launched; {} or more are needed",
                                 processes.free(), spares == 0 ? "three" : "four"));
  }
  const auto policy = read_policy(policy_from_text(kPolicy, {}), "/policies", kPolicy, nullptr);
  const auto setup = setup_of(policy, seed);
  std::vector<NodeId> all;
  for (int node = 0; node < ranks; ++node) all.push_back(NodeId(node));
  const std::vector<NodeId> victim = {all[1]};
  auto survivors = all;
  std::erase(survivors, all[1]);

  const auto crew = make_launched_crew(processes, setup, kPolicy);
  TrainingRun training(*crew);
  training.begin(all);
  bool whole = training.step() && training.step();
  const bool cut = !training.step(Attack{.nodes = victim});
  crew->kill(victim);
  std::reverse(survivors.begin(), survivors.end());  // to others' places
  training.change(survivors);
  whole = training.step() && whole;
  std::reverse(survivors.begin(), survivors.end());
  training.change(survivors);
  whole = training.step() && whole;
  crew->start(victim);
  training.change(all);
  whole = training.step() && training.step() && whole;

  const auto got = training.end();
  const auto expected = undisturbed(setup);
  std::string how;
  for (const auto& [origin, seconds] : processes.connections()) {
    how += fmt::format(", {} {}, at most {:.2g} s", seconds.size(), origin,
                       *std::max_element(seconds.begin(), seconds.end()));
  }
  const auto result = [&](const std::string& what, bool right) {
    return CheckResult{fmt::format("{} launched ranks: {}", ranks, what), right ? 0.0 : kWrong, 0};
  };
  return {result("connected" + how, true),
          result("a death cuts the step, and no other is cut", cut && whole),
          result("replicas agree", got.replicas_agree),
          result("weights and moments", got.held == expected.held),
          result("losses", got.loss == expected.loss),
          result("outputs", got.outputs == expected.outputs)};
}

}  // namespace bethany
