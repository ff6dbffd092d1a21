#include <fmt/format.h>

#include "sim/base/quantities.h"
#include "sim/base/text.h"
#include "sim/cli/command.h"
#include "sim/study/replay.h"

namespace bethany {
namespace {

struct CheckCommand {
  ScenarioOptions scenario;
  OutputOptions output;
};

Table facts_of(const Setup& setup) {
  Table table({{"what", Align::left}, {"value", Align::left}});
  const auto& scenario = setup.scenario;
  table.add({"model",
             fmt::format("{}: {} MoE layers of {} experts, top-{}", scenario.model.name,
                         scenario.model.moe_layers, scenario.model.experts, scenario.model.top_k)});
  table.add(
      {"cluster", fmt::format("{} nodes of {} x {}, {} slots per GPU", scenario.cluster.nodes,
                              scenario.cluster.node_type.gpus, scenario.cluster.node_type.name,
                              scenario.cluster.slots_per_gpu)});
  table.add({"trace", fmt::format("{}, sha256 {}", setup.trace_stamp.name,
                                  setup.trace_stamp.sha256.substr(0, 16))});
  table.add({"cap", setup.trace_stamp.cap_text});
  table.add(
      {"cost profile", fmt::format("{} ({})", setup.cost.profile.name, setup.cost.profile.kind)});
  if (!setup.cost.profile.assumed.empty()) {
    table.add({"assumed beside it", list_in_words(setup.cost.profile.assumed)});
  }
  table.add({"seed", fmt::format("{}", scenario.seed)});
  return table;
}

int check(const CheckCommand& options) {
  const auto setup = load_setup(options.scenario);
  // Policies are built, so that parts that do not fit are found here and not in a run.
  for (const auto& named : choose_policies(setup, {})) build_policy(named);
  if (options.output.format == "json") {
    print_json(setup.effective);
  } else {
    print_table(facts_of(setup), options.output.format);
    say("the scenario is valid");
  }
  return 0;
}

}  // namespace

void add_check(CLI::App& program, CommandContext& context) {
  auto options = std::make_shared<CheckCommand>();
  auto* command = program.add_subcommand(
      "check", "read a scenario; --format json prints it complete, every default filled in");
  add_scenario(*command, options->scenario);
  add_format(*command, options->output);
  command->callback([options, &context] { context.run = [options] { return check(*options); }; });
}

}  // namespace bethany
