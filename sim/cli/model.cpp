#include <fmt/format.h>

#include <optional>

#include "sim/base/error.h"
#include "sim/base/text.h"
#include "sim/cli/command.h"
#include "sim/model/model_answer.h"
#include "sim/model/readers.h"

namespace bethany {
namespace {

struct ModelCommand {
  std::string model;
  std::string node_type = "rtx3090-100g";
  std::optional<int> ranks;
  Training training;
  OutputOptions output;
};

int show(const ModelCommand& options) {
  const auto model = model_named(options.model);
  const auto* type = find_node_type(options.node_type);
  if (type == nullptr) {
    throw InputError(unknown_name("node type", options.node_type, node_type_names()));
  }
  const int shares = options.training.tensor_parallel;
  const int ranks = options.ranks.value_or(type->gpus);
  if (type->gpus % shares != 0 || ranks % shares != 0) {
    throw InputError(
        fmt::format("--tensor-parallel {} does not divide the {} GPUs of a {} and {} "
                    "ranks",
                    shares, type->gpus, type->name, ranks));
  }
  const auto answer = model_answer(model, options.training, *type, ranks);
  if (options.output.format == "json") {
    print_json(answer);
    return 0;
  }
  const bool for_people = options.output.format == "table";
  if (for_people) {
    constexpr std::size_t kWidth = 100;
    for (const auto& line : wrapped(model.name + ": " + model.source, kWidth)) {
      print_text(line + "\n");
    }
  }
  Table table({{"quantity", Align::left}, {"value", Align::right}});
  for (const auto& member : answer.members) {
    if (member.key == "schema" || member.key == "version") continue;
    if (for_people && (member.key == "model" || member.key == "source")) continue;
    if (member.value.members.empty()) {
      table.add({member.key, to_line(member.value)});
    }
    for (const auto& part : member.value.members) {
      table.add({member.key + "." + part.key, to_line(part.value)});
    }
  }
  print_table(table, options.output.format);
  return 0;
}

}  // namespace

void add_model(CLI::App& program, CommandContext& context) {
  auto options = std::make_shared<ModelCommand>();
  auto* model = program.add_subcommand("model", "what a model weighs");
  model->require_subcommand(1);
  auto* command = model->add_subcommand("show", "parameters, bytes per slot, memory per GPU");
  command
      ->add_option("MODEL", options->model,
                   "a name (`bethany list models`), or a configuration file: a Hugging Face "
                   "config.json or arguments of Megatron-LM")
      ->required();
  command->add_option("--node-type", options->node_type, "see `bethany list node-types`")
      ->capture_default_str();
  command
      ->add_option("--ranks", options->ranks,
                   "GPUs in all, matters with --zero 1; left out: those of one node")
      ->check(CLI::Range(1, 10'000'000));
  command->add_option("--zero", options->training.zero, "0 or 1")->check(CLI::Range(0, 1));
  command
      ->add_option("--tensor-parallel", options->training.tensor_parallel,
                   "GPUs that share the dense part")
      ->check(CLI::Range(1, 1024));
  add_format(*command, options->output);
  command->callback([options, &context] { context.run = [options] { return show(*options); }; });
}

}  // namespace bethany
