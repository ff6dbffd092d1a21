#include "gpu/validate/claims.h"

#include <algorithm>
#include <array>
#include <map>

#include "gpu/validate/summary.h"
#include "sim/base/check.h"

namespace bethany {
namespace {

constexpr std::array<std::string_view, 6> kModes{"synthetic", "serialised",  "threads",
                                                 "processes", "partitioned", "cluster"};

/// Which bounds a mode has to meet.
struct Demands {
  bool compute = false;
  bool step = false;
  bool transfer = false;  // state copies alone
  bool recovery = false;  // from the loss to the next step
  bool memory = false;
  bool order = false;  // ranking, regret, intervals
};

Demands demands_of(Mode mode) {
  switch (mode) {
    case Mode::serialised:
      return {.compute = true, .step = true, .transfer = true, .memory = true, .order = true};
    case Mode::threads:
      return {.memory = true};
    case Mode::processes:
      return {.memory = true};
    case Mode::synthetic:
    case Mode::partitioned:
    case Mode::cluster:
      return {.compute = true,
              .step = true,
              .transfer = true,
              .recovery = true,
              .memory = true,
              .order = true};
  }
  BETHANY_CHECK(false, "mode {}", static_cast<int>(mode));
}

bool is_compute(const std::string& term) {
  return term == "dense" || term == "expert" || term == "optimizer";
}

/// The largest of a field over the rows that are meant; empty without one.
template <class Meant>
std::optional<double> largest(const std::vector<ErrorRow>& rows, double ErrorSummary::*field,
                              const Meant& meant) {
  std::optional<double> found;
  for (const auto& row : rows) {
    if (meant(row) && row.error.points > 0) {
      found = std::max(found.value_or(0), row.error.*field);
    }
  }
  return found;
}

}  // namespace

std::string_view name_of(Mode mode) { return kModes[static_cast<std::size_t>(mode)]; }

std::vector<std::string> mode_names() { return {kModes.begin(), kModes.end()}; }

Mode mode_named(std::string_view name) {
  const auto found = std::find(kModes.begin(), kModes.end(), name);
  BETHANY_CHECK(found != kModes.end(), "the mode {}", name);
  return static_cast<Mode>(found - kModes.begin());
}

const Claims& claims_of(Mode mode) {
  static const std::map<Mode, Claims> table{
      {Mode::synthetic,
       {{"that measuring, predicting and judging find a bias that was put in"},
        {"anything about hardware"}}},
      {Mode::serialised,
       {{"what each policy's real token counts cost to compute, a rank alone on the machine",
         "imbalance, padding and launches", "state copies at the speed of this memory",
         "which policy is faster on this machine, memory standing for the network", "correctness"},
        {"network time", "overlap and interference between ranks", "contention on the host",
         "how long a failure goes unnoticed"}}},
      {Mode::threads,
       {{"that ranks work at once without races or deadlocks", "memory",
         "throughput of all ranks together"},
        {"step times of a rank or policy: ranks take each other's time"}}},
      {Mode::processes,
       {{"that ranks start, die and come back as processes",
         "the software's share of a set-up, as a lower bound"},
        {"transfer times", "step times where ranks share cores"}}},
      {Mode::partitioned,
       {{"how long steps and recoveries of ranks that really run at once take on this machine",
         "barriers, stragglers, order of migration"},
        {"that a part equals a whole device", "bandwidths of a cluster",
         "absolute seconds of a real node"}}},
      {Mode::cluster,
       {{"steps, recoveries and the order of policies on this cluster, at these sizes"},
        {"other clusters, more nodes than were used"}}},
  };
  return table.at(mode);
}

std::vector<BoundResult> check_bounds(const Validation& v) {
  const Demands demands = demands_of(v.context.mode);
  std::vector<BoundResult> bounds;
  const auto at_most = [&](std::string name, std::string what, double high,
                           std::optional<double> value) {
    bounds.push_back({std::move(name), std::move(what), 0, high, value});
  };
  const auto compute = [](bool inside) {
    return
        [inside](const ErrorRow& row) { return row.in_domain == inside && is_compute(row.name); };
  };
  const auto inside = [](const ErrorRow& row) { return row.in_domain; };
  const auto any = [](const ErrorRow&) { return true; };
  std::optional<double> different;
  if (v.digests_compared > 0) {
    different = static_cast<double>(v.digests_different) / static_cast<double>(v.digests_compared);
  }
  at_most("decided_performed", "steps that followed another plan or dispatch than decided", 0,
          different);
  if (demands.compute) {
    at_most("compute_in_domain", "median error of the worst compute term, in domain", 0.03,
            largest(v.terms, &ErrorSummary::median, compute(true)));
    at_most("compute_outside", "the same outside the profile's domain", 0.10,
            largest(v.terms, &ErrorSummary::median, compute(false)));
  }
  if (demands.step) {
    at_most("step_median", "median error of a step, in domain", 0.05,
            largest(v.steps, &ErrorSummary::median, inside));
    at_most("step_p90", "P90 error of a step, in domain", 0.15,
            largest(v.steps, &ErrorSummary::p90, inside));
  }
  if (demands.transfer) {
    at_most("transfer", "median error of moving state", 0.25,
            largest(v.stages, &ErrorSummary::median,
                    [](const ErrorRow& row) { return row.name == "transfer"; }));
  }
  if (demands.recovery) {
    at_most("recovery", "median error of a recovery, from the loss to the next step", 0.25,
            largest(v.recoveries, &ErrorSummary::median, any));
  }
  if (demands.memory) {
    std::optional<double> worst;
    if (v.memory) worst = v.memory->worst;
    at_most("memory", "worst error of the bytes of the fullest rank", 0.02, worst);
  }
  if (!demands.order) return bounds;
  std::optional<double> right;
  if (v.ranking.pairs_apart > 0) {
    right = static_cast<double>(v.ranking.pairs_right) / v.ranking.pairs_apart;
  }
  bounds.push_back(
      {"ranking", "pairs apart by more than twice the noise, in the right order", 1, 1, right});
  at_most("regret", "worst regret of following the prediction", 0.03, v.ranking.regret_worst);
  std::optional<double> covered;
  if (v.coverage.points > 0) {
    covered = static_cast<double>(v.coverage.inside) / static_cast<double>(v.coverage.points);
  }
  bounds.push_back({"intervals", "measurements inside their 95 % interval", 0.93, 0.97, covered});
  return bounds;
}

}  // namespace bethany
