#include "gpu/validate/validate.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "gpu/protocol.h"
#include "gpu/validate/observer.h"
#include "gpu/validate/testbed.h"
#include "sim/base/error.h"
#include "sim/base/files.h"
#include "sim/base/text.h"

namespace bethany {
namespace {

constexpr std::int64_t kLeastSteps = 60;  // room for failures, checkpoints and rebalances
constexpr std::int64_t kLeastStepsQuick = 30;
constexpr std::int64_t kMostSteps = 400;
constexpr std::int64_t kWarmUpSteps = 20;
constexpr std::int64_t kPilotSteps = 60;  // intervals need many errors, however quick the rest is

/// The object `cost` of the cases.
JsonNode cost_of(const ValidateOptions& options, const Testbed& testbed) {
  if (options.profile.empty()) {
    if (auto own = testbed.own_cost()) return *own;
    throw InputError(
        fmt::format("backend '{}' needs a profile: --profile FILE, which bethany-gpu "
                    "calibrate --backend {} writes",
                    options.backend, options.backend));
  }
  JsonNode cost;
  cost.member("model") = JsonNode::of(options.cost_model);
  cost.member("profile") = JsonNode::of(options.profile);
  cost.member("profile").is_path = is_file_name(options.profile);
  return cost;
}

/// Measures one list of cases after the other.
class Measuring {
 public:
  Measuring(const ValidateOptions& options, const std::function<bool()>& stop, Testbed& testbed,
            CaseWorld& world)
      : options_(options), stop_(stop), testbed_(testbed), world_(world) {}

  bool over() const {
    if (stop_() || !failure_.empty()) return true;
    if (!(options_.within_seconds > 0)) return false;
    return wall_seconds() - begin_ > options_.within_seconds;
  }

  /// Why machines failed in a case that is judged, which ended the measuring.
  const std::string& failure() const { return failure_; }

  /// Runs all cases once, in the order drawn; fewer when it is over. `before` is told each, `after`
  /// is called when one is done. Where machines fail nobody knows what they still do; `judged`
  /// cases that are done are kept then.
  template <class Before, class After>
  std::vector<CaseRun> pass(const std::vector<Case>& cases, int number, bool judged,
                            const Before& before, const After& after) {
    std::vector<std::size_t> order(cases.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    auto rng =
        RngStreams(options_.seed, 0).stream("validation order", static_cast<std::uint64_t>(number));
    rng.shuffle(order);
    std::vector<CaseRun> runs;
    for (const auto index : order) {
      if (over()) break;
      before(cases[index]);
      runs.push_back(one(cases, index, number, judged));
      if (failure_.empty()) after();
    }
    return runs;
  }

  /// Runs one case. When its machines fail it throws, or answers that where others are `judged`.
  CaseRun one(const std::vector<Case>& cases, std::size_t index, int number, bool judged) {
    try {
      return perform_case(cases, index, number, world_, testbed_);
    } catch (const MachineError& error) {
      if (!judged) throw;
      failure_ = error.what();
      CaseRun run;
      run.index = index;
      run.pass = number;
      run.failure = failure_;
      return run;
    }
  }

 private:
  const ValidateOptions& options_;
  const std::function<bool()>& stop_;
  Testbed& testbed_;
  CaseWorld& world_;
  double begin_ = wall_seconds();
  std::string failure_;
};

ProfileStamp stamp_of(const Case& any, const CaseWorld& world) {
  return make_case_input(any, world).cost.profile;
}

}  // namespace

Validated validate(
    const ValidateOptions& options, const std::function<void(const ValidationContext&)>& freeze,
    const std::function<bool()>& stop,
    const std::function<void(std::int64_t, std::int64_t, const std::string&)>& progress) {
  const auto testbed = make_testbed(options.backend, options.testbed);
  const auto policies = options.policies.empty() ? validation_policies() : options.policies;
  CaseWorld world = testbed->world();
  world.cost = cost_of(options, *testbed);
  world.steps = options.quick ? kLeastStepsQuick : kLeastSteps;
  ValidationContext context;
  context.backend = options.backend;
  context.mode = testbed->mode();
  context.seed = options.seed;
  context.quick = options.quick;
  context.facts = testbed->facts();
  context.cases = held_out_cases(policies, options.seed, options.quick);
  const auto pilot_list = pilot_cases(policies, options.seed, options.quick);
  // What is wrong with a policy or the profile is known before the first measurement.
  for (const auto& made : pilot_list) context.profile = stamp_of(made, world);
  for (const auto& made : context.cases) {
    if (testbed->nodes_max() > 0 && made.nodes > testbed->nodes_max()) {
      throw InputError(fmt::format("a case has {} nodes and {} processes were launched", made.nodes,
                                   testbed->nodes_max()));
    }
  }
  freeze(context);

  Measuring measuring(options, stop, *testbed, world);
  std::int64_t made = 0;
  const auto judged = static_cast<std::size_t>(context.passes) * context.cases.size();
  auto total = static_cast<std::int64_t>(1 + 2 * pilot_list.size() + judged);
  const auto tell = [&](const Case& next) { progress(made++, total, next.name()); };
  const auto least = world.steps;
  // Kept by nobody: libraries load their code, and the machine leaves its sleep.
  world.steps = kWarmUpSteps;
  const auto nothing = [] {};
  measuring.pass({pilot_list.front()}, 0, false, tell, nothing);
  world.steps = kPilotSteps;
  auto pilot_runs = measuring.pass(pilot_list, 0, false, tell, nothing);
  const Pilot pilot = evaluate_pilot(pilot_runs, least, kMostSteps);
  world.steps = pilot.steps;
  Validated result;
  // The pilot's cases come once more, spread over the judged ones: a machine's speed moves more in
  // minutes than while a pilot lasts, and intervals must know of it.
  std::size_t done = 0;
  std::size_t again = 0;
  const auto accompany = [&] {
    ++done;
    if (again * judged >= done * pilot_list.size() || measuring.over()) return;
    tell(pilot_list[again]);
    pilot_runs.push_back(measuring.one(pilot_list, again, 1, true));
    ++again;
  };
  for (int pass = 0; pass < context.passes; ++pass) {
    auto runs = measuring.pass(context.cases, pass, true, tell, accompany);
    std::move(runs.begin(), runs.end(), std::back_inserter(result.runs));
  }
  // Reports do not depend on the order in which runs were made.
  std::stable_sort(result.runs.begin(), result.runs.end(), [](const CaseRun& a, const CaseRun& b) {
    return std::pair(a.index, a.pass) < std::pair(b.index, b.pass);
  });
  add_intervals(pilot_runs, result.runs);
  result.machine_failure = measuring.failure();
  const bool interrupted = stop();
  context.facts = testbed->facts();  // some are known only now
  result.validation = evaluate(std::move(context), pilot, result.runs, interrupted);
  return result;
}

}  // namespace bethany
