// What every registered cost model promises, whatever it is asked.
#include "sim/cost/cost_model.h"

#include <rapidcheck.h>

#include <algorithm>
#include <functional>

#include "sim/model/readers.h"
#include "tests/support/catch.h"

namespace bethany {
namespace {

/// Keys without which a model does not start.
std::string needed_keys(const std::string& model) {
  if (model == "fixed") return R"(, "step": {"1": "2s", "50": "3s"})";
  if (model != "calibrated") return "";
  return std::string(", \"profile\": \"") + BETHANY_SOURCE_DIR +
         "/tests/golden/profiles/gpt.json\"";
}

class Subject {
 public:
  explicit Subject(const std::string& name) {
    const auto empty = parse_json("{}", "empty");
    ObjectReader training(empty, "/training");
    training_ = read_training(training);
    ObjectReader cluster(empty, "/cluster");
    cluster_ = read_cluster(cluster, 10, *find_model("gpt-m"), training_);
    const auto cost = parse_json(R"({"model": ")" + name + '"' + needed_keys(name) + "}", name);
    ObjectReader reader(cost, "/cost");
    cost_ = read_cost(reader, {*find_model("gpt-m"), training_, cluster_});
  }
  const StepTimer& timer() const { return *cost_.timer; }
  const ProfileStamp& profile() const { return cost_.profile; }

 private:
  Training training_;
  Cluster cluster_;
  Cost cost_;
};

/// Any plan of single-GPU nodes, and any traffic on it.
struct Case {
  PlacementPlan plan;
  std::vector<LayerTraffic> layers;
  std::int64_t tokens = 0;
  std::int64_t accumulation = 1;

  StepQuery query() const {
    return {.nodes = plan.nodes,
            .ranks = plan.ranks(),
            .accumulation = accumulation,
            .tokens_per_rank = tokens,
            .plan = &plan,
            .layers = layers};
  }
};

Case any_case() {
  const auto below = [](int n) { return *rc::gen::inRange(0, n); };
  Case made;
  made.plan.nodes = 1 + below(12);
  made.plan.slots_per_node = 1 + below(6);
  made.plan.experts = 1 + below(16);
  made.tokens = below(100'000);
  made.accumulation = 1 + below(8);
  const auto ranks = static_cast<std::size_t>(made.plan.nodes);
  const int layers = 1 + below(4);
  for (int layer = 0; layer < layers; ++layer) {
    LayerPlan plan;
    plan.replicas.resize(static_cast<std::size_t>(made.plan.experts));
    for (std::size_t rank = 0; rank < ranks; ++rank) {
      std::vector<std::int32_t> held;
      for (int slot = below(made.plan.slots_per_node + 1); slot > 0; --slot) {
        held.push_back(below(made.plan.experts));
      }
      std::sort(held.begin(), held.end());
      for (const auto expert : held) ++plan.replicas[static_cast<std::size_t>(expert)];
      held.resize(static_cast<std::size_t>(made.plan.slots_per_node), kVacant);
      plan.expert_of_slot.insert(plan.expert_of_slot.end(), held.begin(), held.end());
    }
    made.plan.layers.push_back(plan);
    LayerTraffic traffic;
    for (auto* rows : {&traffic.computed, &traffic.sent_inside, &traffic.received_inside,
                       &traffic.sent_outside, &traffic.received_outside}) {
      for (std::size_t rank = 0; rank < ranks; ++rank) rows->push_back(below(10'000));
    }
    made.layers.push_back(traffic);
  }
  return made;
}

void for_each_model(const std::function<void(const Subject&)>& check) {
  REQUIRE(cost_models().entries().size() >= 2);
  for (const auto& entry : cost_models().entries()) {
    INFO("cost model " << entry.name);
    CHECK_FALSE(entry.summary.empty());
    const Subject subject(entry.name);
    check(subject);
  }
}

TEST_CASE("every cost model says which constants it stands on") {
  for_each_model([](const Subject& subject) {
    CHECK_FALSE(subject.profile().name.empty());
    CHECK(subject.profile().sha256.size() == 64);
    const auto& kind = subject.profile().kind;
    CHECK((kind == "assumed" || kind == "measured"));
  });
}

TEST_CASE("the breakdown of a step is not negative, sums to the total, and is a pure function") {
  for_each_model([](const Subject& subject) {
    CHECK(rc::check([&subject] {
      const auto made = any_case();
      const auto step = subject.timer().step(made.query());
      Duration sum{0};
      for (const auto& term : step.terms) {
        RC_ASSERT(term.time.count() >= 0);
        RC_ASSERT(!term.name.empty());
        sum += term.time;
      }
      RC_ASSERT(sum == step.total);
      RC_ASSERT(step.total.count() > 0);
      RC_ASSERT(step.total < kLongest);
      RC_ASSERT(subject.timer().step(made.query()).total == step.total);
    }));
  });
}

TEST_CASE("more rows, tokens or micro-batches are never cheaper") {
  for_each_model([](const Subject& subject) {
    CHECK(rc::check([&subject] {
      auto made = any_case();
      const auto before = subject.timer().step(made.query()).total;
      auto& layer = made.layers[static_cast<std::size_t>(
          *rc::gen::inRange<int>(0, static_cast<int>(made.layers.size())))];
      const auto rank = static_cast<std::size_t>(*rc::gen::inRange(0, made.plan.nodes));
      const auto more = *rc::gen::inRange<std::int64_t>(0, 100'000);
      switch (*rc::gen::inRange(0, 5)) {
        case 0:
          layer.computed[rank] += more;
          break;
        case 1:
          layer.sent_inside[rank] += more;
          break;
        case 2:
          layer.received_outside[rank] += more;
          break;
        case 3:
          made.tokens += more;
          break;
        default:
          ++made.accumulation;
          break;
      }
      RC_ASSERT(subject.timer().step(made.query()).total >= before);
    }));
  });
}

TEST_CASE("a slower rank never makes a step shorter, and full speed of all is as none said") {
  for_each_model([](const Subject& subject) {
    CHECK(rc::check([&subject] {
      const auto made = any_case();
      auto query = made.query();
      const auto nothing_said = subject.timer().step(query);
      std::vector<double> speeds(static_cast<std::size_t>(query.ranks), 1);
      query.speeds = speeds;
      const auto full_speed = subject.timer().step(query);
      RC_ASSERT(full_speed.total == nothing_said.total);
      auto before = full_speed.total;
      for (int i = 0; i < 4; ++i) {
        const auto rank = static_cast<std::size_t>(*rc::gen::inRange(0, query.ranks));
        speeds[rank] *= *rc::gen::inRange(1, 1000) / 1000.0;
        query.slowest = *std::min_element(speeds.begin(), speeds.end());
        const auto step = subject.timer().step(query);
        Duration sum{0};
        for (const auto& term : step.terms) sum += term.time;
        RC_ASSERT(step.total >= before);
        RC_ASSERT(step.total == sum);
        RC_ASSERT(step.total <= kLongest);
        before = step.total;
      }
    }));
  });
}

TEST_CASE("a step without work costs no more than one with work") {
  for_each_model([](const Subject& subject) {
    CHECK(rc::check([&subject] {
      auto made = any_case();
      const auto with_work = subject.timer().step(made.query()).total;
      made.tokens = 0;
      for (auto& layer : made.layers) {
        for (auto* rows : {&layer.computed, &layer.sent_inside, &layer.received_inside,
                           &layer.sent_outside, &layer.received_outside}) {
          std::fill(rows->begin(), rows->end(), 0);
        }
      }
      RC_ASSERT(subject.timer().step(made.query()).total <= with_work);
    }));
  });
}

TEST_CASE("moving, writing and reading nothing is free, or as dear as anything") {
  for_each_model([](const Subject& subject) {
    const auto& timer = subject.timer();
    const auto free_or_constant = [](Duration nothing, Duration much) {
      return nothing.count() == 0 || nothing == much;
    };
    constexpr std::int64_t kMuch = 1'000'000'000'000;
    CHECK(free_or_constant(timer.transfer({}), timer.transfer({.busiest_port_bytes = kMuch})));
    CHECK(free_or_constant(timer.checkpoint_write(0, 4), timer.checkpoint_write(kMuch, 4)));
    CHECK(free_or_constant(
        timer.load({.nodes = 4}),
        timer.load({.nodes = 4, .total_bytes = kMuch, .busiest_node_bytes = kMuch})));
  });
}

TEST_CASE("more bytes are never cheaper to move, write or read") {
  for_each_model([](const Subject& subject) {
    CHECK(rc::check([&subject] {
      const auto& timer = subject.timer();
      const auto few = *rc::gen::inRange<std::int64_t>(0, std::int64_t{1} << 50);
      const auto more = few + *rc::gen::inRange<std::int64_t>(0, std::int64_t{1} << 50);
      const auto nodes = *rc::gen::inRange(1, 1000);
      RC_ASSERT(timer.transfer({.busiest_port_bytes = few}) <=
                timer.transfer({.busiest_port_bytes = more}));
      RC_ASSERT(timer.checkpoint_write(few, nodes) <= timer.checkpoint_write(more, nodes));
      RC_ASSERT(timer.load({.nodes = nodes, .total_bytes = few}) <=
                timer.load({.nodes = nodes, .total_bytes = more}));
      RC_ASSERT(timer.load({.nodes = nodes, .busiest_node_bytes = few}) <=
                timer.load({.nodes = nodes, .busiest_node_bytes = more}));
    }));
  });
}

TEST_CASE("stages are finite and not negative for any number of nodes") {
  for_each_model([](const Subject& subject) {
    const auto& timer = subject.timer();
    for (const int nodes : {1, 2, 10, 1'000, 100'000}) {
      for (const Duration stage :
           {timer.detection(), timer.planning(nodes), timer.communicator(nodes),
            timer.rebalance_communicator(nodes), timer.reschedule(), timer.process_start(),
            timer.group_init(nodes)}) {
        CHECK(stage.count() >= 0);
        CHECK(stage <= kLongest);
      }
    }
  });
}

}  // namespace
}  // namespace bethany
