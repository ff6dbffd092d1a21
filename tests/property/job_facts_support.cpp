#include "tests/property/job_facts.h"

#include <fmt/format.h>

#include <algorithm>

#include "sim/base/error.h"
#include "sim/model/run_record_file.h"

namespace bethany {
namespace {

/// Adds up the facts of a run.
class Fold final : public RunSink {
 public:
  explicit Fold(JobFacts& facts) : facts_(facts) {}

  void take(const RunEvent& event) override {
    std::visit([&](const auto& fact) { add(fact); }, event);
    writer_.take(event);
  }
  const std::string& record() const { return writer_.text(); }

 private:
  static Int128 node_time(SimTime from, SimTime to, int nodes) {
    return Int128{(to - from).count()} * nodes;
  }
  void story(SimTime time, const std::string& what) {
    facts_.result.story.push_back(fmt::format("{}s: {}", to_seconds(time), what));
  }
  Int128& blocked(Blocked bucket) {
    return facts_.folded.blocked[static_cast<std::size_t>(bucket)];
  }

  void add(const RunStarted&) {}
  void add(const NodesJoined&) {}
  void add(const NodesLost&) {}
  void add(const SpeedChanged& fact) {
    for (const NodeId node : fact.nodes) {
      story(fact.time, fmt::format("n{} at speed {}", node.value, fact.speed));
    }
  }
  void add(const WaitBegan& fact) { story(fact.time, "waits"); }
  void add(const StepsCommitted& fact) {
    facts_.folded.productive += node_time(fact.from, fact.to, fact.nodes);
  }
  void add(const RoundsCommitted& fact) {
    const Int128 writes = Int128{fact.write_time.count()} * fact.rounds * fact.nodes;
    blocked(Blocked::checkpoint) += writes;
    facts_.folded.productive += node_time(fact.from, fact.to, fact.nodes) - writes;
  }
  void add(const StepDiscarded& fact) {
    facts_.folded.step_in_flight += node_time(fact.from, fact.to, fact.nodes);
  }
  void add(const StageEnded& fact) {
    blocked(fact.bucket) += node_time(fact.from, fact.to, fact.nodes);
  }
  void add(const CheckpointUsable& fact) {
    story(fact.time, fmt::format("checkpoint of step {} usable", fact.step));
  }
  void add(const DisruptionBegan& fact) {
    facts_.result.disruptions.push_back({fact.time, Recovery::none, 0});
    story(fact.time, "disruption");
  }
  void add(const RecoveryDecided& fact) {
    auto& disruption = facts_.result.disruptions.at(static_cast<std::size_t>(fact.disruption));
    disruption.kind = fact.recovery;
    disruption.lost = fact.lost;
    story(fact.time, fmt::format("{} decided, lost {}", name_of(fact.recovery), fact.lost));
  }
  void add(const RolledBack& fact) {
    facts_.result.steps_discarded += fact.from_step - fact.to_step;
    facts_.folded.rolled_back += fact.node_ns;
    facts_.folded.productive -= fact.node_ns;
  }
  void add(const ConfigurationCompleted& fact) {
    facts_.result.configurations.push_back({fact.time, fact.cause, fact.nodes});
    story(fact.time, fmt::format("{} completed with {} nodes", name_of(fact.cause), fact.nodes));
  }
  void add(const RunEnded& fact) {
    facts_.result.horizon = fact.horizon;
    facts_.result.steps_committed = fact.steps_committed;
    facts_.result.samples = fact.samples;
    facts_.result.ledger = fact.ledger;
  }

  JobFacts& facts_;
  RecordWriter writer_;
};

class Nowhere final : public RunSink {
 public:
  void take(const RunEvent&) override {}
};

/// Notes the numbers that differ.
class Comparison {
 public:
  void number(const std::string& what, Int128 expected, Int128 got) {
    if (expected == got) return;
    text_ += fmt::format("{}: expected {}, got {}\n", what, to_text(expected), to_text(got));
  }
  void ledger(const Ledger& expected, const Ledger& got, bool with_unavailable) {
    number("productive", expected.productive, got.productive);
    number("rolled_back", expected.rolled_back, got.rolled_back);
    number("step_in_flight", expected.step_in_flight, got.step_in_flight);
    for (std::size_t i = 0; i < kBlockedCount; ++i) {
      number(fmt::format("blocked.{}", kBlockedNames[i]), expected.blocked[i], got.blocked[i]);
    }
    if (!with_unavailable) return;
    number("total", expected.total, got.total);
    for (std::size_t i = 0; i < kUnavailableCount; ++i) {
      number(fmt::format("unavailable.{}", kUnavailableNames[i]), expected.unavailable[i],
             got.unavailable[i]);
    }
  }
  template <class List, class Text>
  void lists(const std::string& what, const List& expected, const List& got, const Text& text) {
    const std::size_t count = std::max(expected.size(), got.size());
    for (std::size_t i = 0; i < count; ++i) {
      const std::string left = i < expected.size() ? text(expected[i]) : "nothing";
      const std::string right = i < got.size() ? text(got[i]) : "nothing";
      if (left == right) continue;
      text_ += fmt::format("{} {}: expected {}, got {}\n", what, i, left, right);
    }
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

}  // namespace

JobFacts facts_of(const JobInput& input) {
  JobFacts facts;
  Fold fold(facts);
  const RunOutcome outcome = run(input, fold);
  facts.result.infeasible = outcome.infeasible.has_value();
  facts.reason = outcome.infeasible.value_or("");
  if (outcome.infeasible) return facts;
  try {
    Nowhere nowhere;
    read_record(fold.record(), "run record", nowhere);
  } catch (const InputError& error) {
    facts.record_fault = std::string(error.what()) + "\n";
  }
  return facts;
}

std::string differences(const NaiveResult& expected, const NaiveResult& got) {
  Comparison compare;
  compare.number("infeasible", expected.infeasible, got.infeasible);
  if (expected.infeasible || got.infeasible) return compare.text();
  compare.number("horizon", expected.horizon.time_since_epoch().count(),
                 got.horizon.time_since_epoch().count());
  compare.number("samples", expected.samples, got.samples);
  compare.number("steps_committed", expected.steps_committed, got.steps_committed);
  compare.number("steps_discarded", expected.steps_discarded, got.steps_discarded);
  compare.ledger(expected.ledger, got.ledger, true);
  compare.lists("disruption", expected.disruptions, got.disruptions, [](const NaiveDisruption& d) {
    return fmt::format("{}s {} lost {}", to_seconds(d.time), name_of(d.kind), d.lost);
  });
  compare.lists("configuration", expected.configurations, got.configurations,
                [](const NaiveConfiguration& c) {
                  return fmt::format("{}s {} nodes {}", to_seconds(c.time), name_of(c.cause),
                                     c.nodes);
                });
  return compare.text();
}

std::string fold_differences(const JobFacts& facts) {
  Comparison compare;
  compare.ledger(facts.folded, facts.result.ledger, false);
  compare.number("sum of the ledger", facts.result.ledger.total, facts.result.ledger.sum());
  return compare.text() + facts.record_fault;
}

}  // namespace bethany
