#include <type_traits>

#include "sim/model/run_record_file.h"
#include "tests/property/job_case.h"
#include "tests/property/job_facts.h"
#include "tests/support/catch.h"

namespace bethany {
namespace {

/// When a fact was known: stretches of time are facts at their end.
SimTime time_of(const RunEvent& event) {
  return std::visit(
      [](const auto& fact) {
        using Fact = std::decay_t<decltype(fact)>;
        if constexpr (std::is_same_v<Fact, RunStarted>) {
          return at(Duration(-1));
        } else if constexpr (std::is_same_v<Fact, RunEnded>) {
          return fact.horizon;
        } else if constexpr (requires { fact.to; }) {
          return fact.to;
        } else {
          return fact.time;
        }
      },
      event);
}

/// Keeps the facts before an instant, as lines of a run record.
class FactsBefore final : public RunSink {
 public:
  explicit FactsBefore(SimTime end) : end_(end) {}
  void take(const RunEvent& event) override {
    if (time_of(event) < end_) writer_.take(event);
  }
  const std::string& text() const { return writer_.text(); }

 private:
  SimTime end_;
  RecordWriter writer_;
};

std::string facts_before(const JobCase& job, std::int64_t ms) {
  FactsBefore sink(at(Duration(ms * 1'000'000)));
  run(BuiltJob(job).input(true), sink);
  return sink.text();
}

/// A case that runs for a given time, and another that differs from it from `split_ms` on.
struct Pair {
  JobCase one;
  JobCase other;
  std::int64_t split_ms = 0;
};

Pair random_pair(std::uint64_t seed, std::uint64_t number) {
  Pair pair;
  pair.one = random_job(seed, number);
  pair.one.until_samples.reset();
  pair.one.until_tokens.reset();
  if (!pair.one.until_ms && pair.one.at_end != AtEnd::stop) pair.one.until_ms = 60'000;
  pair.split_ms = 1000 * static_cast<std::int64_t>(
                             RngStreams(seed, 1)
                                 .stream("split", number)
                                 .below(static_cast<std::uint64_t>(pair.one.trace_end_ms / 1000)) +
                             1);
  pair.other = pair.one;
  const auto is_future = [&](const JobCase::Row& row) { return row.ms >= pair.split_ms; };
  std::erase_if(pair.other.rows, is_future);
  for (const auto& row : random_job(seed + 1, number).rows) {
    if (is_future(row) && row.ms <= pair.one.trace_end_ms) pair.other.rows.push_back(row);
  }
  return pair;
}

}  // namespace

TEST_CASE("decisions are equal on traces that differ only in their future") {
  int different_later = 0;
  for (std::uint64_t number = 0; number < 400; ++number) {
    const Pair pair = random_pair(7, number);
    INFO("case " << number << ", split at " << pair.split_ms << " ms\n"
                 << text_of(pair.one) << text_of(pair.other));
    const std::string one = facts_before(pair.one, pair.split_ms);
    const std::string other = facts_before(pair.other, pair.split_ms);
    CHECK(one == other);
    const auto far = std::numeric_limits<std::int64_t>::max() / 1'000'000;
    different_later += facts_before(pair.one, far) != facts_before(pair.other, far) ? 1 : 0;
  }
  CHECK(different_later > 200);  // the pairs are no twins
}

TEST_CASE("a run up to an instant is equal on traces that differ only after it") {
  for (std::uint64_t number = 0; number < 400; ++number) {
    Pair pair = random_pair(8, number);
    pair.one.until_ms = pair.other.until_ms = pair.split_ms;
    if (pair.one.at_end == AtEnd::stop) pair.one.at_end = pair.other.at_end = AtEnd::hold;
    INFO("case " << number << "\n" << text_of(pair.one) << text_of(pair.other));
    const JobFacts one = facts_of(BuiltJob(pair.one).input(false));
    const JobFacts other = facts_of(BuiltJob(pair.other).input(false));
    CHECK(differences(one.result, other.result).empty());
  }
}

}  // namespace bethany
