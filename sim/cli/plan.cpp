#include <fmt/format.h>

#include <thread>

#include "analysis/report/chart_spec.h"
#include "analysis/report/chart_svg.h"
#include "analysis/tables.h"
#include "sim/base/error.h"
#include "sim/base/files.h"
#include "sim/cli/command.h"
#include "sim/study/planning/plan.h"

namespace bethany {
namespace {

struct PlanCommand {
  ScenarioOptions scenario;
  PlanOptions plan;
  std::string policies;
  std::string range;
  std::string directory;
  OutputOptions output;
};

void write_answer(const PlanCommand& options, const PlanAnswer& answer) {
  make_output_directory(options.directory, options.output.force);
  const auto write = [&](const std::string& name, const std::string& text) {
    write_output(options.directory + "/" + name, text, true);
  };
  write("answer.json", to_text(answer.json) + "\n");
  write("answer.csv", to_csv(answer.table));
  if (!answer.figure) return;
  write("figure.svg", chart_svg(*answer.figure));
  write("figure.vl.json", to_text(complete_spec(*answer.figure)) + "\n");
}

int plan_command(PlanCommand options, const PlanQuestion& question) {
  if (!options.policies.empty()) options.plan.policies = split_names(options.policies);
  if (!options.range.empty()) {
    const auto dots = options.range.find("..");
    if (dots == std::string::npos) refuse_option("--range " + options.range, "expected LOW..HIGH");
    options.plan.low = options.range.substr(0, dots);
    options.plan.high = options.range.substr(dots + 2);
  }
  const auto tree = read_scenario_tree(options.scenario.path, options.scenario.overrides);
  const auto answer = question.answer(tree, options.plan);
  if (!options.directory.empty()) write_answer(options, answer);
  const auto format = options.output.format;
  if (format == "json") {
    print_json(answer.json);
  } else if (format == "csv") {
    print_text(to_csv(answer.table));
  } else {
    std::string text;
    for (const auto& line : answer.text) text += one_line(line) + "\n";
    print_text(render(answer.table, table_format(format), wants_colour()) +
               below_table(text, table_format(format)));
  }
  return 0;
}

void add_question(CLI::App& plan, CommandContext& context, const PlanQuestion& question) {
  auto options = std::make_shared<PlanCommand>();
  options->plan.threads = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  auto* command = plan.add_subcommand(question.name, question.summary);
  add_scenario(*command, options->scenario);
  const bool two = question.name == "breakeven";
  if (two) {
    command->add_option("KEY", options->plan.key, "a scenario key, or policy. and a policy's key")
        ->required();
    command->add_option("--policies", options->policies, "the two policies: A,B")->required();
    command->add_option("--range", options->range, "LOW..HIGH, as the scenario writes them")
        ->required();
  } else {
    command->add_option("--policy", options->policies, "default: the scenario's first, or lazarus");
  }
  if (question.name == "finish") {
    command->add_option("--tokens", options->plan.tokens, "how many tokens are to be trained")
        ->required()
        ->check(CLI::Range(std::int64_t{1}, std::int64_t{1'000'000'000'000'000}));
  }
  if (question.name == "spares") {
    command->add_option("--most", options->plan.most, "0 to so many spares")
        ->check(CLI::Range(0, 1000))
        ->capture_default_str();
    command->add_flag("--cold", options->plan.cold,
                      "spares that take cluster.startup_delay to step in");
  }
  if (question.name == "f") {
    command->add_option("--most", options->plan.most, "1 to so many, as far as the slots allow")
        ->check(CLI::Range(1, 1000))
        ->capture_default_str();
  }
  command->add_option("--replications", options->plan.replications, "common draws of each variant")
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();
  command->add_option("-j,--jobs", options->plan.threads, "threads")->check(CLI::Range(1, 1024));
  command->add_option("-o,--output", options->directory,
                      "keep answer.json, answer.csv, figure.svg and figure.vl.json here");
  add_format(*command, options->output);
  add_force(*command, options->output);
  command->callback([options, &context, &question] {
    context.run = [options, &question] { return plan_command(*options, question); };
  });
}

}  // namespace

void add_plan(CLI::App& program, CommandContext& context) {
  auto* plan = program.add_subcommand("plan", "answers a planning question with few runs");
  plan->require_subcommand(1);
  for (const auto& question : plan_questions()) add_question(*plan, context, question);
}

}  // namespace bethany
