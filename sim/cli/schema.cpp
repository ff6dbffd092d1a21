#include "sim/study/schemas.h"

#include "sim/cli/command.h"

namespace bethany {
namespace {

int schema_command(const std::string& name) {
  if (!name.empty()) {
    print_json(schema_document(name));
    return 0;
  }
  Table table({{"name", Align::left}, {"of", Align::left}});
  for (const auto& shape : schema_list()) table.add({shape.name, shape.summary});
  print_table(table, "table");
  return 0;
}

}  // namespace

void add_schema(CLI::App& program, CommandContext& context) {
  auto name = std::make_shared<std::string>();
  auto* command =
      program.add_subcommand("schema", "JSON Schema (draft-07) of scenarios, files and answers");
  command->add_option("NAME", *name, "which; left out: lists them");
  command->callback([name, &context] { context.run = [name] { return schema_command(*name); }; });
}

}  // namespace bethany
