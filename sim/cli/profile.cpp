#include <fmt/format.h>

#include "sim/base/error.h"
#include "sim/base/files.h"
#include "sim/base/text.h"
#include "sim/cli/command.h"
#include "sim/cost/profile.h"

namespace bethany {
namespace {

/// Sources are sentences: in a table for people they are broken here.
constexpr std::size_t kSourceWidth = 72;

struct ProfileCommand {
  std::string profile;
  std::string node_type = "rtx3090-100g";
  OutputOptions output;
};

/// One constant: a row, and in a table for people a row for each further line of its source.
void add_constant(Table& table, std::string_view key, const ProfileConstant& constant,
                  std::string_view unit, bool for_people) {
  const auto value = fmt::format(fmt::runtime(for_people ? "{:.6g}" : "{}"), constant.value);
  const auto lines = for_people ? wrapped(constant.source, kSourceWidth)
                                : std::vector<std::string>{constant.source};
  table.add({std::string(key), value, std::string(unit), constant.kind, lines.front()});
  for (std::size_t i = 1; i < lines.size(); ++i) table.add({"", "", "", "", lines[i]});
}

int show(const ProfileCommand& options) {
  const auto* type = find_node_type(options.node_type);
  if (type == nullptr) {
    throw InputError(unknown_name("node type", options.node_type, node_type_names()));
  }
  const auto profile = is_file_name(options.profile) ? read_profile(options.profile)
                                                     : named_profile(options.profile, *type);
  const auto& format = options.output.format;
  if (format == "json") {
    print_json(profile_json(profile));
    return 0;
  }
  Table table({{"constant", Align::left},
               {"value", Align::right},
               {"unit", Align::left},
               {"kind", Align::left},
               {"source", Align::left}});
  for (const auto& spec : constant_specs()) {
    if (const auto* constant = profile.find(spec.key)) {
      add_constant(table, spec.key, *constant, unit_name(spec.unit), format == "table");
    } else {
      table.add({std::string(spec.key), "", std::string(unit_name(spec.unit)), "missing",
                 "a key below `cost`, else the assumed profile of the node type"});
    }
  }
  if (format == "table") {
    print_text(fmt::format("{} ({}, sha256 {})\n", one_line(profile.name), profile.kind,
                           profile_sha256(profile).substr(0, 12)));
    if (profile.spread > 0) {
      print_text(
          fmt::format("equal ranks differ from their mean by {:.1f} %\n", 100 * profile.spread));
    }
  }
  print_table(table, format);
  return 0;
}

}  // namespace

void add_profile(CLI::App& program, CommandContext& context) {
  auto options = std::make_shared<ProfileCommand>();
  auto* profile = program.add_subcommand("profile", "the constants of a cost model");
  profile->require_subcommand(1);
  auto* command =
      profile->add_subcommand("show", "every constant with value, unit, kind and source");
  command
      ->add_option("PROFILE", options->profile,
                   "a name (`bethany list profiles`), data-sheet, or a profile file")
      ->required();
  command
      ->add_option("--node-type", options->node_type,
                   "what data-sheet is derived from; see `bethany list node-types`")
      ->capture_default_str();
  add_format(*command, options->output);
  command->callback([options, &context] { context.run = [options] { return show(*options); }; });
}

}  // namespace bethany
