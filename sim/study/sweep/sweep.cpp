#include "sim/study/sweep/sweep.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <optional>

#include "sim/base/check.h"
#include "sim/base/error.h"
#include "sim/study/replay.h"
#include "sim/study/replicate.h"
#include "sim/training/plan_memory.h"

namespace bethany {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPolicyKey = "policy.";
/// How many runs are tried before all are taken to be wrong.
constexpr std::int64_t kTrials = 64;

std::int64_t whole_number(const JsonNode& tree, const char* key, std::int64_t fallback) {
  const auto* value = tree.find(key);
  const bool given = value != nullptr && value->kind == JsonNode::Kind::integer;
  return given && value->integer >= 0 ? value->integer : fallback;
}

std::vector<std::string> policies_of(const JsonNode& tree, const std::vector<std::string>& named) {
  Setup scenario;  // only its policies are looked at
  scenario.policies.kind = JsonNode::Kind::object;
  const auto* policies = tree.find("policies");
  if (policies != nullptr) scenario.policies = *policies;
  std::vector<std::string> names;
  for (const auto& policy : choose_policies(scenario, named)) names.push_back(policy.name);
  return names;
}

std::string replaced_all(std::string text, const std::string& from, const std::string& to) {
  for (std::size_t place = text.find(from); place != std::string::npos && !from.empty();
       place = text.find(from, place + to.size())) {
    text.replace(place, from.size(), to);
  }
  return text;
}

/// The name that a policy has with the keys `policy.…` of the run laid over it.
std::string laid_over(std::string policy, const SweepRun& run) {
  for (const auto& [key, value] : run.assigned) {
    if (!key.starts_with(kPolicyKey)) continue;
    policy += fmt::format(":{}={}", key.substr(kPolicyKey.size()), value);
  }
  return policy;
}

NamedPolicy named_policy(const std::string& name, const Setup& setup) {
  return {name, policy_from_text(name, setup.policies)};
}

std::string assignment_line(const SweepRun& run) {
  JsonNode assignment;
  for (const auto& [key, value] : run.assigned) assignment.member(key) = typed_value(value);
  assignment.member("policy") = JsonNode::of(run.policy);
  return to_line(assignment);
}

/// Everything that plans and traffic depend on beside the number of nodes and the step.
std::string memory_key(const Setup& setup, const JsonNode& policy) {
  const auto& scenario = setup.scenario;
  const auto& batch = scenario.training.batch;
  const auto& type = scenario.cluster.node_type;
  const auto* routing = setup.effective.find("routing");
  const bool drawn = routing->find("file") == nullptr;
  std::string key = fmt::format(
      "{} {} {}, {} experts top {}, {} x {} slots {}, batch {} {} x {} x {}\n{}\n", drawn,
      drawn ? scenario.seed : 0, drawn ? scenario.replication : 0, scenario.model.experts,
      scenario.model.top_k, type.gpus, scenario.cluster.slots_per_gpu, type.nodes_per_server(),
      batch.global, batch.sequences, batch.accumulation, scenario.training.sequence_length,
      to_line(*routing));
  for (const auto* part :
       {"allocation", "placement", "dispatch", "layer_order", "fault_threshold"}) {
    const auto* value = policy.find(part);
    if (value != nullptr) key += to_line(*value) + "\n";
  }
  return key + fmt::format("{} layers", scenario.model.moe_layers);
}

}  // namespace

struct Sweep::Outcome {
  std::string status;
  std::string reason;
  std::string result = "null";
};

Sweep::Sweep(JsonNode tree, SweepAxes axes) : tree_(std::move(tree)) {
  axes.policies = policies_of(tree_, axes.policies);
  space_ =
      std::make_unique<SweepSpace>(axes, static_cast<std::uint64_t>(whole_number(tree_, "seed", 1)),
                                   whole_number(tree_, "replication", 0));
  if (tree_.origin) directory_ = fs::path(*tree_.origin).parent_path().string();
  check_runs();
  find_files();
  hash_ = manifest("/", {}).find("hash")->text;
}

void Sweep::find_files() {
  files_ = named_files(tree_);
  for (const auto& [key, values] : space_->listed()) {
    for (const auto& value : values) {
      auto file = named_file(key, typed_value(value));
      if (!file) continue;
      file->in_tree = false;
      files_.push_back(std::move(*file));
    }
  }
}

Setup Sweep::setup_of(const SweepRun& run) const {
  JsonNode tree = tree_;
  for (const auto& [key, value] : run.assigned) {
    if (!key.starts_with(kPolicyKey)) apply_set(tree, fmt::format("{}={}", key, value));
  }
  tree.member("replication") = JsonNode::of(run.replication);
  return make_setup(tree, &cache_);
}

NamedPolicy Sweep::policy_of(const SweepRun& run, const Setup& setup) const {
  const auto plain = named_policy(run.policy, setup);
  return build_policy(plain).bound != Bound::none ? plain
                                                  : named_policy(laid_over(run.policy, run), setup);
}

/// Whether some policy can do the run: it proves that keys and policies are known. Throws
/// InputError.
void Sweep::check_run(const SweepRun& run) const {
  const auto setup = setup_of(run);
  std::optional<InputError> complaint;
  for (std::int64_t p = 0; p < space_->policies(); ++p) {
    SweepRun with = run;
    with.policy = space_->policy(p);
    try {
      // No key is laid over a bound such as `ideal`: it proves nothing.
      if (build_policy(policy_of(with, setup)).bound == Bound::none) return;
    } catch (const InputError& error) {
      if (!complaint) complaint = error;
    }
  }
  if (complaint) throw InputError(*complaint);
}

void Sweep::check_runs() const {
  const std::int64_t trials = std::min(space_->runs(), kTrials);
  std::optional<InputError> complaint;
  for (std::int64_t t = 0; t < trials; ++t) {
    try {
      return check_run(space_->run(t * (space_->runs() / trials)));
    } catch (const InputError& error) {
      if (!complaint) complaint = error;
    }
  }
  throw InputError(in_words(complaint->what()));
}

std::string Sweep::in_words(const std::string& complaint) const {
  // What a reason says does not depend on where the files lie, nor on the option that set a key.
  auto text = replaced_all(complaint, "--set ", "");
  if (directory_.empty()) return replaced_all(text, fs::current_path().string() + "/", "");
  text = replaced_all(text, fs::absolute(directory_).lexically_normal().string() + "/", "");
  return replaced_all(text, directory_ + "/", "");
}

/// The policies that a bound is of: the others of the sweep, without those refused here.
std::vector<Policy> Sweep::policies_bounded(const SweepRun& run, const Setup& setup) const {
  std::vector<Policy> bounded;
  const auto add = [&](const std::string& name) {
    try {
      if (build_policy(named_policy(name, setup)).bound != Bound::none) return;
      bounded.push_back(build_policy(named_policy(laid_over(name, run), setup)));
    } catch (const InputError&) {
      // It has a line of its own that says why.
    }
  };
  for (std::int64_t p = 0; p < space_->policies(); ++p) add(space_->policy(p));
  if (bounded.empty()) {
    for (const auto& name : policies_of(tree_, {})) add(name);
  }
  return bounded;
}

Sweep::Outcome Sweep::outcome_of(const SweepRun& run) const {
  try {
    const auto setup = setup_of(run);
    const auto policy = policy_of(run, setup);
    JsonNode parts;
    const auto built = read_policy(policy.node, "/policies/" + policy.name, policy.name, &parts);
    const auto memory =
        memories_.get(memory_key(setup, parts), [] { return std::make_shared<PlanMemory>(); });
    const auto bounded =
        built.bound == Bound::none ? std::vector<Policy>{} : policies_bounded(run, setup);
    auto summary = run_row(setup, built, bounded, {}, memory.get());
    summary.policy = policy.name;
    if (!summary.feasible) return {"infeasible", summary.reason, "null"};
    return {"ok", "", to_line(replay_answer({summary, context_of(setup)}))};
  } catch (const InputError& error) {
    return {"invalid", in_words(error.what()), "null"};
  }
}

std::string Sweep::line(std::int64_t index) const {
  const auto run = space_->run(index);
  const auto assignment = assignment_line(run);
  const auto outcome = outcome_of(run);
  const auto reason =
      outcome.reason.empty() ? std::string("null") : to_line(JsonNode::of(outcome.reason));
  return fmt::format(
      R"({{"run_id":"{}","assignment":{},"replication":{},"status":"{}","reason":{},"result":{}}})"
      "\n",
      run_id(hash_, index, assignment, run.replication), assignment, run.replication,
      outcome.status, reason, outcome.result);
}

JsonNode Sweep::manifest(const std::string& directory, const Shard& shard) const {
  const auto top = fs::absolute(directory).lexically_normal();
  JsonNode answer;
  answer.member("schema") = JsonNode::of("bethany/sweep-manifest/1");
  answer.member("version") = JsonNode::of(BETHANY_VERSION);
  answer.member("hash");
  answer.member("runs") = JsonNode::of(space_->runs());
  answer.member("shard") = shard_answer(shard);
  answer.member("seed") = JsonNode::of(whole_number(tree_, "seed", 1));
  answer.member("axes") = space_->axes_answer();
  std::vector<JsonNode> policies;
  for (std::int64_t p = 0; p < space_->policies(); ++p) {
    policies.push_back(JsonNode::of(space_->policy(p)));
  }
  answer.member("policies") = JsonNode::array_of(std::move(policies));
  answer.member("replications") = JsonNode::of(space_->replications());
  answer.member("files") = files_answer(files_, top.string());
  answer.member("scenario") = with_paths(tree_, files_, top.string());
  answer.member("hash") = JsonNode::of(manifest_hash(answer));
  return answer;
}

}  // namespace bethany
