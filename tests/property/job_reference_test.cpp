#include <fmt/format.h>

#include <cstdlib>

#include "tests/property/job_case.h"
#include "tests/property/job_facts.h"
#include "tests/property/naive_job.h"
#include "tests/support/catch.h"

namespace bethany {
namespace {

std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

std::string told(const std::string& title, const NaiveResult& result) {
  std::string text = title + ":\n";
  for (const std::string& line : result.story) text += "  " + line + "\n";
  return text;
}

/// What is wrong with run() on a case; empty when nothing is.
std::string complaint(const JobCase& job) {
  const BuiltJob built(job);
  const NaiveResult naive = naive_run(built.input(true));
  const JobFacts single = facts_of(built.input(true));
  const JobFacts batched = facts_of(built.input(false));
  std::string text;
  const auto add = [&](const char* title, const std::string& found) {
    if (!found.empty()) text += fmt::format("{}\n{}", title, found);
  };
  add("step by step against the reference:", differences(naive, single.result));
  add("in one go against step by step:", differences(single.result, batched.result));
  if (!naive.infeasible && !single.result.infeasible && !batched.result.infeasible) {
    add("ledger against facts, step by step:", fold_differences(single));
    add("ledger against facts, in one go:", fold_differences(batched));
  }
  if (text.empty()) return text;
  return text + told("reference", naive) + told("step by step", single.result) + single.reason;
}

/// The smallest case found by cutting that is still complained about.
JobCase smallest(JobCase job) {
  for (bool again = true; again;) {
    again = false;
    for (const JobCase& smaller : smaller_jobs(job)) {
      if (complaint(smaller).empty()) continue;
      job = smaller;
      again = true;
      break;
    }
  }
  return job;
}

void check_cases(std::uint64_t seed, std::uint64_t first, std::uint64_t count) {
  int complaints = 0;
  for (std::uint64_t number = first; number < first + count && complaints < 10; ++number) {
    INFO("reproduce with BETHANY_JOB_SEED=" << seed << " BETHANY_JOB_FIRST=" << number
                                            << " BETHANY_JOB_CASES=1");
    const JobCase job = random_job(seed, number);
    if (complaint(job).empty()) continue;
    ++complaints;
    const JobCase small = smallest(job);
    FAIL_CHECK(text_of(small) << complaint(small));
  }
  CHECK(complaints == 0);
}

constexpr Int128 kSecond = 1'000'000'000;

Int128 blocked(const NaiveResult& result, Blocked bucket) {
  return result.ledger.blocked[static_cast<std::size_t>(bucket)] / kSecond;
}

Int128 unavailable(const NaiveResult& result, Unavailable why) {
  return result.ledger.unavailable[static_cast<std::size_t>(why)] / kSecond;
}

/// Two nodes that hold both experts, steps of 2 s, 3 s to detect, every stage 1 s.
JobCase plain_job() {
  JobCase job;
  job.nodes = 2;
  job.slots_per_gpu = 2;
  job.warm = true;
  job.step_ms = {2000};
  job.detection_ms = 3000;
  job.planning_ms = job.communicator_ms = job.transfer_ms = 1000;
  job.reschedule_ms = job.process_start_ms = job.group_init_ms = job.load_ms = 1000;
  job.trace_end_ms = 20'000;
  job.rows = {{0, 0, false}, {0, 1, false}};
  return job;
}

}  // namespace

TEST_CASE("the reference job steps until the trace ends and cuts the last step") {
  JobCase job = plain_job();
  job.trace_end_ms = 21'000;
  const NaiveResult result = naive_run(BuiltJob(job).input(true));
  CHECK(result.steps_committed == 10);
  CHECK(result.samples == 20);
  CHECK(to_text(result.ledger.productive / kSecond) == "40");
  CHECK(to_text(result.ledger.step_in_flight / kSecond) == "2");
  CHECK(to_text(result.ledger.total / kSecond) == "42");
}

TEST_CASE("the reference job recovers in place while a loss at a step's end spares the step") {
  JobCase job = plain_job();
  job.rows.push_back({4000, 1, false});
  const NaiveResult result = naive_run(BuiltJob(job).input(true));
  // Steps 0-2, 2-4 | detection 4-7 | planning, communicator, transfer 7-10 | steps 10-20.
  CHECK(result.steps_committed == 7);
  CHECK(to_text(result.ledger.productive / kSecond) == "18");
  CHECK(to_text(blocked(result, Blocked::detection)) == "3");
  CHECK(to_text(blocked(result, Blocked::transfer)) == "1");
  CHECK(to_text(unavailable(result, Unavailable::absent)) == "16");
  CHECK(result.ledger.step_in_flight == 0);
  REQUIRE(result.disruptions.size() == 1);
  CHECK(result.disruptions[0].kind == Recovery::in_place);
  CHECK(result.disruptions[0].lost == 1);
}

TEST_CASE("the reference job rolls back to the last checkpoint that was written in full") {
  JobCase job = plain_job();
  job.on_loss = "restart";
  job.checkpoint_steps = 2;
  job.checkpoint_ms = 1000;
  job.rows.push_back({10'000, 1, false});
  job.rows.push_back({10'000, 2, false});
  const NaiveResult result = naive_run(BuiltJob(job).input(true));
  // Steps 0-4 | write 4-5 | steps 5-9 | write cut at 10 (it ends then, in phase 0: usable).
  CHECK(result.steps_discarded == 0);
  CHECK(to_text(blocked(result, Blocked::checkpoint)) == "4");
  CHECK(to_text(blocked(result, Blocked::detection)) == "3");
  CHECK(to_text(unavailable(result, Unavailable::waiting)) == "3");  // the newcomer

  job.rows[2].ms = job.rows[3].ms = 9'000;  // as its write begins, or rather: before
  const NaiveResult earlier = naive_run(BuiltJob(job).input(true));
  CHECK(earlier.steps_discarded == 2);
  CHECK(to_text(earlier.ledger.rolled_back / kSecond) == "8");
  CHECK(to_text(blocked(earlier, Blocked::checkpoint)) == "2");
  CHECK(to_text(blocked(earlier, Blocked::restart)) == "6");
  CHECK(to_text(blocked(earlier, Blocked::load)) == "2");
}

TEST_CASE("the reference job waits for nodes and takes candidates after they gathered") {
  JobCase job = plain_job();
  job.nodes = 3;
  job.gather_ms = 3000;
  job.startup_ms = 1000;
  job.rows.push_back({2000, 2, false});
  const NaiveResult result = naive_run(BuiltJob(job).input(true));
  // Starting 2-3, candidate from 3, gathered at 6 as step 3 ends, join 6-9, steps 9-19, cut step.
  CHECK(to_text(unavailable(result, Unavailable::starting)) == "1");
  CHECK(to_text(unavailable(result, Unavailable::waiting)) == "3");
  CHECK(to_text(blocked(result, Blocked::join)) == "9");
  CHECK(result.samples == 3 * 2 + 5 * 3);
  CHECK(to_text(result.ledger.step_in_flight / kSecond) == "3");

  job.minimum_nodes = 3;
  const NaiveResult late = naive_run(BuiltJob(job).input(true));
  CHECK(to_text(unavailable(late, Unavailable::waiting)) == "6");
  CHECK(late.samples == 8 * 3);
  CHECK(late.configurations.size() == 1);
}

TEST_CASE("the job comes to what the reference says on random cases") {
  check_cases(from_environment("BETHANY_JOB_SEED", 1), from_environment("BETHANY_JOB_FIRST", 0),
              from_environment("BETHANY_JOB_CASES", 12'000));
}

TEST_CASE("random cases have slow nodes that are waited for, evicted, and taken back") {
  int waited_for = 0;
  int evicted_in_place = 0;
  int evicted_by_restart = 0;
  int called_back = 0;
  for (std::uint64_t number = 0; number < 3000; ++number) {
    const JobCase job = random_job(1, number);
    const BuiltJob built(job);
    const NaiveResult result = naive_run(built.input(true));
    if (result.infeasible) continue;
    bool evicted = false;
    for (const NaiveConfiguration& made : result.configurations) {
      if (made.cause != PlanCause::evict) continue;
      evicted = true;
      const bool in_place = built.input(true).policy.on_loss->recovers_in_place();
      ++(in_place ? evicted_in_place : evicted_by_restart);
    }
    for (const std::string& line : result.story) {
      called_back += line.find("spares are needed") != std::string::npos ? 1 : 0;
    }
    JobCase steady = job;
    std::erase_if(steady.rows, [](const JobCase::Row& row) { return row.speed > 0; });
    const bool as_steady = naive_run(BuiltJob(steady).input(true)).samples == result.samples;
    waited_for += !evicted && !as_steady ? 1 : 0;
  }
  CHECK(waited_for > 300);
  CHECK(evicted_in_place > 100);
  CHECK(evicted_by_restart > 10);
  CHECK(called_back > 5);
}

TEST_CASE("a job that is given up on a repeated trace never finishes") {
  int given_up = 0;
  for (std::uint64_t number = 0; number < 4000; ++number) {
    JobCase job = random_job(9, number);
    if (job.at_end != AtEnd::repeat || !job.until_samples) continue;
    *job.until_samples *= 10;
    if (!facts_of(BuiltJob(job).input(false)).result.infeasible) continue;
    ++given_up;
    // With a horizon the reference does not ask whether the samples can be reached.
    JobCase patient = job;
    patient.until_ms = 400 * job.trace_end_ms;
    const NaiveResult naive = naive_run(BuiltJob(patient).input(true));
    INFO("case " << number << "\n" << text_of(job));
    CHECK((naive.infeasible || naive.samples < *job.until_samples));
  }
  CHECK(given_up > 50);
}

TEST_CASE("the job comes to what the reference says on very many random cases", "[.slow]") {
  check_cases(from_environment("BETHANY_JOB_SEED", 2), 0,
              from_environment("BETHANY_JOB_CASES", 200'000));
}

}  // namespace bethany
