// Training that loses machines must come to the very weights and outputs of training that does not.
#include "tests/gpu/elastic_support.h"
#include "tests/support/catch.h"

namespace bethany::test {
namespace {

const std::vector<std::string>& policies() {
  static const std::vector<std::string> names = {"lazarus",
                                                 "lazarus+",
                                                 "lazarus:placement=spread",
                                                 "lazarus:placement=random",
                                                 "lazarus:dispatch=even",
                                                 "ds",
                                                 "ds-ft"};
  return names;
}

}  // namespace

TEST_CASE("elastic: any number of nodes and any policy trains the same weights") {
  const auto reference = train(elastic_input("lazarus", 4, "zipf"));
  CHECK(reference.steps.size() == kSteps);
  CHECK(reference.state.size() == 1 + 2 * 6);
  for (const auto& policy : policies()) {
    for (const int nodes : {4, 6}) {
      INFO(policy << " on " << nodes);
      check_same(train(elastic_input(policy, nodes, "zipf")), reference);
    }
  }
}

TEST_CASE("elastic: the dispatch that is performed is the dispatch that was simulated") {
  for (const auto& policy : {"lazarus", "lazarus+", "lazarus:dispatch=even"}) {
    for (const auto& routing : {"balanced", "drifting", "burst"}) {
      INFO(policy << " " << routing);
      const auto trained = train(elastic_input(policy, 5, routing), true);
      CHECK(trained.steps.size() == kSteps);
    }
  }
}

TEST_CASE("elastic: losses and joins at any instant leave no trace in weights and outputs") {
  const auto reference = train(elastic_input("lazarus", 5, "drifting"));
  Trained all;
  for (std::uint64_t number = 0; number < 6; ++number) {
    for (const auto& policy : policies()) {
      INFO(policy << ", trace " << number);
      auto input = elastic_input(policy, 5, "drifting");
      input.trace = random_trace(5, 2, 25, RngStreams(number, 0).stream("elastic"));
      const auto trained = train(input);
      check_same(trained, reference);
      for (const auto& [stage, count] : trained.stages) all.stages[stage] += count;
      all.cut += trained.cut;
      all.steps_run += trained.steps_run;
    }
  }
  // The schedules did what they are for.
  CHECK(all.stages[Stage::transfer] > 20);
  CHECK(all.stages[Stage::load] > 5);
  CHECK(all.cut > 20);
  CHECK(all.steps_run > 6 * 7 * kSteps);  // rolled back and done again
}

/// A crew that passes on spoilt orders.
class Spoiling final : public Crew {
 public:
  using Spoil = std::function<void(Order&)>;
  Spoiling(std::unique_ptr<Crew> crew, Spoil spoil, bool commits_twice = false)
      : crew_(std::move(crew)), spoil_(std::move(spoil)), commits_twice_(commits_twice) {}

  void start(std::span<const NodeId> nodes) override { crew_->start(nodes); }
  void kill(std::span<const NodeId> nodes) override { crew_->kill(nodes); }
  bool runs(NodeId node) const override { return crew_->runs(node); }
  void connect(const std::vector<RankPlace>& ranks) override { crew_->connect(ranks); }
  CrewReply obey(const Order& order, const std::optional<Attack>& attack) override {
    Order spoilt = order;
    if (spoil_) spoil_(spoilt);
    if (commits_twice_ && order.kind == Order::Kind::commit) crew_->obey(spoilt, {});
    return crew_->obey(spoilt, attack);
  }
  double wait_for_detection() override { return crew_->wait_for_detection(); }
  bool dies_for_real() const override { return crew_->dies_for_real(); }

 private:
  std::unique_ptr<Crew> crew_;
  Spoil spoil_;
  bool commits_twice_;
};

/// Nodes go and others come, so that a newcomer fetches everything.
CaseInput input_with_newcomers() {
  auto input = elastic_input("lazarus", 5, "zipf");
  input.trace = random_trace(5, 3, 25, RngStreams(1, 0).stream("elastic"));
  return input;
}

TEST_CASE("elastic: what is spoilt on purpose is noticed") {
  const auto input = input_with_newcomers();
  const auto reference = train(elastic_input("lazarus", 5, "zipf"));
  int spoilt = 0;
  const auto came_out = [&](const Spoiling::Spoil& spoil, bool commits_twice = false) {
    Spoiling crew(
        make_thread_crew(elastic_setup(input),
                         {.serialised = false, .compute = [](int) { return make_compute("cpu"); }}),
        spoil, commits_twice);
    return train(input, crew, false, false);
  };
  SECTION("nothing is spoilt") {
    const auto trained = came_out({});
    CHECK(trained.state == reference.state);
    CHECK(trained.replicas_agree);
  }
  SECTION("a newcomer gets the dense weights without their moments") {
    const auto trained = came_out([&](Order& order) {
      for (auto& move : order.moves) {
        if (move.expert >= 0) continue;
        move.bytes /= 3;
        ++spoilt;
      }
    });
    CHECK(spoilt > 0);
    CHECK_FALSE((trained.state == reference.state && trained.replicas_agree));
  }
  SECTION("a newcomer does not get the dense state at all") {
    const auto trained = came_out([&](Order& order) {
      spoilt += static_cast<int>(
          std::erase_if(order.moves, [](const Move& move) { return move.expert < 0; }));
    });
    CHECK(spoilt > 0);
    CHECK_FALSE((trained.state == reference.state && trained.replicas_agree));
  }
  SECTION("a step is committed twice") {
    const auto trained = came_out({}, true);
    CHECK(trained.state != reference.state);
  }
  SECTION("a sample is trained twice in place of another") {
    const auto trained = came_out([&](Order& order) {
      if (order.kind == Order::Kind::step && order.step == 5) ++order.first_sample;
    });
    CHECK(trained.state != reference.state);
  }
}

TEST_CASE("elastic: processes killed by SIGKILL leave no trace in weights and outputs") {
  const auto reference = train(elastic_input("lazarus", 5, "drifting"));
  Trained all;
  for (std::uint64_t number = 0; number < 3; ++number) {
    for (const auto& policy : {"lazarus", "lazarus+", "ds", "ds-ft"}) {
      INFO(policy << ", trace " << number);
      auto input = elastic_input(policy, 5, "drifting");
      // Real seconds: a step takes milliseconds.
      input.trace =
          random_trace(5, 2, 25, RngStreams(number, 0).stream("elastic/kill"), kRealScale);
      const auto crew = make_process_crew(elastic_setup(input), [] { return make_compute("cpu"); });
      const auto trained = train(input, *crew, false);
      check_same(trained, reference);
      for (const auto& [stage, count] : trained.stages) all.stages[stage] += count;
    }
  }
  CHECK(all.stages[Stage::detection] >= 12);
  CHECK(all.stages[Stage::transfer] > 5);
}

}  // namespace bethany::test
