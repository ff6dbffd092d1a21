#include <fmt/format.h>

#include <functional>
#include <map>

#include "analysis/metric.h"
#include "analysis/report/chart.h"
#include "sim/base/error.h"
#include "sim/base/text.h"
#include "sim/cli/command.h"
#include "sim/cost/cost_model.h"
#include "sim/cost/profile.h"
#include "sim/model/cluster.h"
#include "sim/model/model_family.h"
#include "sim/model/moe_model.h"
#include "sim/model/routing_import.h"
#include "sim/model/trace.h"
#include "sim/study/reproduction.h"
#include "traces/catalogue.h"

namespace bethany {
namespace {

struct Item {
  std::string name;
  std::string summary;
};
using Items = std::vector<Item>;

template <class Part>
Items items_of(const Registry<Part>& registry) {
  Items items;
  for (const auto& entry : registry.entries()) items.push_back({entry.name, entry.summary});
  return items;
}

Items items_of_models() {
  Items items;
  for (const auto& name : model_names()) {
    const auto* model = find_model(name);
    items.push_back(
        {name, fmt::format("{} MoE layers of {} experts, {:.4g} B parameters", model->moe_layers,
                           model->experts, static_cast<double>(model->parameters()) / 1e9)});
  }
  return items;
}

Items items_of_node_types() {
  Items items;
  for (const auto& name : node_type_names()) {
    const auto* type = find_node_type(name);
    items.push_back({name, fmt::format("{} GPU of {}, NIC {}", type->gpus,
                                       to_text(type->gpu_memory), to_text(type->nic))});
  }
  return items;
}

Items items_of_profiles() {
  Items items;
  for (const auto& name : profile_names()) {
    items.push_back({name, fmt::format("built in, {}", find_profile(name)->kind)});
  }
  return items;
}

Items items_of_presets() {
  Items items;
  for (const auto& preset : presets()) items.push_back({preset.name, preset.summary});
  return items;
}

Items items_of_papers() {
  Items items;
  for (const auto& paper : reproducible_papers()) items.push_back({paper.name, paper.summary});
  return items;
}

Items items_of_metrics() {
  Items items;
  for (const auto& entry : metrics().entries()) {
    const auto found = metric(entry.name);
    items.push_back({found.name, fmt::format("[{}] {}", found.unit, found.definition)});
  }
  return items;
}

Items items_of_traces() {
  Items items;
  for (const auto& trace : public_traces()) {
    items.push_back(
        {std::string(trace.name), fmt::format("{} ({} {}, {}, {})", trace.summary, trace.repository,
                                              trace.path, trace.licence, trace.importer)});
  }
  return items;
}

const std::map<std::string, std::function<Items()>>& kinds() {
  static const std::map<std::string, std::function<Items()>> table = {
      {"policies", items_of_presets},
      {"allocation", [] { return items_of(allocations()); }},
      {"placement", [] { return items_of(placements()); }},
      {"dispatch", [] { return items_of(dispatches()); }},
      {"on_loss", [] { return items_of(on_loss_parts()); }},
      {"checkpoint", [] { return items_of(checkpoint_rules()); }},
      {"rebalance", [] { return items_of(rebalance_rules()); }},
      {"membership", [] { return items_of(membership_rules()); }},
      {"notice", [] { return items_of(notice_rules()); }},
      {"straggler", [] { return items_of(straggler_rules()); }},
      {"models", items_of_models},
      {"families", [] { return items_of(model_families()); }},
      {"node-types", items_of_node_types},
      {"profiles", items_of_profiles},
      {"cost-models", [] { return items_of(cost_models()); }},
      {"importers", [] { return items_of(trace_importers()); }},
      {"generators", [] { return items_of(trace_generators()); }},
      {"routing", [] { return items_of(routing_generators()); }},
      {"routing-importers", [] { return items_of(routing_importers()); }},
      {"figures", [] { return items_of(chart_makers()); }},
      {"metrics", items_of_metrics},
      {"papers", items_of_papers},
      {"traces", items_of_traces},
  };
  return table;
}

int list(const std::string& kind, const std::string& format) {
  const auto found = kinds().find(kind);
  if (found == kinds().end()) throw InputError(unknown_name("kind", kind, list_kinds()));
  const auto items = found->second();
  if (format == "json") {
    JsonNode answer;
    answer.member("schema") = JsonNode::of("bethany/list/1");
    answer.member("version") = JsonNode::of(BETHANY_VERSION);
    answer.member("kind") = JsonNode::of(kind);
    std::vector<JsonNode> entries;
    for (const auto& item : items) {
      JsonNode entry;
      entry.member("name") = JsonNode::of(item.name);
      entry.member("summary") = JsonNode::of(item.summary);
      entries.push_back(std::move(entry));
    }
    answer.member("items") = JsonNode::array_of(std::move(entries));
    print_json(answer);
    return 0;
  }
  Table table({{"name", Align::left}, {"what it is", Align::left}});
  for (const auto& item : items) table.add({item.name, item.summary});
  print_table(table, format);
  return 0;
}

}  // namespace

std::vector<std::string> list_kinds() {
  std::vector<std::string> names;
  for (const auto& [name, items] : kinds()) names.push_back(name);
  return names;
}

void add_list(CLI::App& program, CommandContext& context) {
  struct Options {
    std::string kind;
    OutputOptions output;
  };
  auto options = std::make_shared<Options>();
  auto* command = program.add_subcommand("list", "names that scenarios and options may use");
  command->add_option("KIND", options->kind, "one of " + list_in_words(list_kinds()))->required();
  add_format(*command, options->output);
  command->callback([options, &context] {
    context.run = [options] { return list(options->kind, options->output.format); };
  });
}

}  // namespace bethany
