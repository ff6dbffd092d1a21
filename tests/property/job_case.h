#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sim/base/random.h"
#include "sim/cost/cost_model.h"
#include "sim/model/routing_load.h"
#include "sim/model/scenario.h"
#include "sim/model/trace.h"
#include "sim/policy/policy.h"
#include "sim/training/job.h"

namespace bethany {

/// A small training job as plain numbers: easy to draw, to print and to make smaller. Times are in
/// milliseconds, and mostly on one grid, so that things often happen at one instant.
struct JobCase {
  /// A machine that is gone joins, one that is there is lost: any list of rows is a legal trace.
  /// A join beyond `nodes` machines is left out; what a notice or a speed says of a machine that is
  /// gone, too, and full speed of one that has it.
  struct Row {
    std::int64_t ms = 0;
    int machine = 0;
    bool notice = false;
    double speed = 0;  // more than 0: it works at this speed from now on
  };
  std::vector<Row> rows;  // by time
  std::int64_t trace_end_ms = 0;
  AtEnd at_end = AtEnd::stop;

  int nodes = 2;
  int gpus = 1;
  int slots_per_gpu = 1;
  int layers = 1;
  int experts = 2;
  std::int64_t startup_ms = 0;

  bool global_batch = false;
  std::int64_t sequences = 1;
  std::int64_t accumulation = 1;
  bool warm = false;
  std::optional<std::int64_t> until_ms;
  std::optional<std::int64_t> until_samples;
  std::optional<std::int64_t> until_tokens;

  std::vector<std::int64_t> step_ms = {1000};  // by node count from 1, the last one holds
  std::int64_t checkpoint_ms = 0;
  std::int64_t detection_ms = 0;
  std::int64_t planning_ms = 0;
  std::int64_t communicator_ms = 0;
  std::int64_t transfer_ms = 0;
  std::int64_t reschedule_ms = 0;
  std::int64_t process_start_ms = 0;
  std::int64_t group_init_ms = 0;
  std::int64_t load_ms = 0;
  std::int64_t rebalance_communicator_ms = 0;

  std::string preset = "lazarus";
  std::string placement;  // empty: the preset's
  std::string on_loss;
  std::string layer_order = "aligned";
  std::string binding = "greedy";
  std::vector<int> domains;  // of each machine, -1: none; empty: none known
  int fault_threshold = 2;
  std::optional<int> minimum_nodes;
  std::optional<std::int64_t> checkpoint_steps;
  std::optional<std::int64_t> checkpoint_interval_ms;
  std::optional<std::int64_t> rebalance_steps;
  std::optional<std::int64_t> gather_ms;  // 0: eager
  std::optional<std::int64_t> evict_after_ms;
  double evict_below = 0.7;
  std::int64_t routing_entries = 1;
  std::int64_t routing_every = 1;  // steps of an entry
  std::uint64_t routing_seed = 0;
};

/// The policy object of the scenario file.
std::string policy_text(const JobCase& job);
/// The `cost` object of the scenario file.
std::string cost_text(const JobCase& job);
/// The whole case, for a reader of a failed test.
std::string text_of(const JobCase& job);

/// What run() needs, made from a case. Not to be moved: the input refers to the members.
class BuiltJob {
 public:
  explicit BuiltJob(const JobCase& job);
  BuiltJob(const BuiltJob&) = delete;
  BuiltJob& operator=(const BuiltJob&) = delete;

  JobInput input(bool step_by_step) const {
    return {scenario_, policy_, trace_, routing_, *timer_, RngStreams(1, 0), step_by_step};
  }
  const Trace& trace() const { return trace_; }

 private:
  Scenario scenario_;
  Policy policy_;
  Trace trace_;
  RoutingLoad routing_;
  std::unique_ptr<StepTimer> timer_;
};

/// The number-th case of a seed.
JobCase random_job(std::uint64_t seed, std::uint64_t number);

/// Cases that are smaller than `job` in one way each, best first.
std::vector<JobCase> smaller_jobs(const JobCase& job);

}  // namespace bethany
