#include "sim/study/schemas.h"

#include <algorithm>
#include <functional>
#include <map>
#include <set>

#include "analysis/metric.h"
#include "sim/base/check.h"
#include "sim/base/error.h"
#include "sim/base/text.h"
#include "sim/cost/cost_model.h"
#include "sim/model/cluster.h"
#include "sim/model/ledger.h"
#include "sim/model/moe_model.h"
#include "sim/model/routing_import.h"
#include "sim/model/routing_load.h"
#include "sim/model/trace.h"
#include "sim/policy/policy.h"

namespace bethany {
namespace {

std::vector<std::string> names_of_presets() {
  std::vector<std::string> names;
  for (const auto& preset : presets()) names.push_back(preset.name);
  return names;
}

std::vector<std::string> names_of_kind(std::string_view kind) {
  static const std::map<std::string, std::function<std::vector<std::string>()>, std::less<>> table =
      {
          {"preset", names_of_presets},
          {"allocation", [] { return allocations().names(); }},
          {"placement", [] { return placements().names(); }},
          {"dispatch", [] { return dispatches().names(); }},
          {"on_loss", [] { return on_loss_parts().names(); }},
          {"checkpoint", [] { return checkpoint_rules().names(); }},
          {"rebalance", [] { return rebalance_rules().names(); }},
          {"membership", [] { return membership_rules().names(); }},
          {"notice", [] { return notice_rules().names(); }},
          {"straggler", [] { return straggler_rules().names(); }},
          {"model", model_names},
          {"node_type", node_type_names},
          {"importer", [] { return trace_importers().names(); }},
          {"generator", [] { return trace_generators().names(); }},
          {"routing_generator", [] { return routing_generators().names(); }},
          {"routing_importer", [] { return routing_importers().names(); }},
          {"metric", [] { return metrics().names(); }},
          {"blocked",
           [] { return std::vector<std::string>(kBlockedNames.begin(), kBlockedNames.end()); }},
          {"unavailable",
           [] {
             return std::vector<std::string>(kUnavailableNames.begin(), kUnavailableNames.end());
           }},
      };
  const auto found = table.find(kind);
  BETHANY_CHECK(found != table.end(), "no names of '{}'", kind);
  return found->second();
}

std::vector<NamedShape> all_shapes() {
  auto all = scenario_shapes();
  for (const auto& more : {file_shapes(), answer_shapes(), study_shapes()}) {
    all.insert(all.end(), more.begin(), more.end());
  }
  return all;
}

}  // namespace

std::vector<NamedShape> schema_list() {
  auto shapes = all_shapes();
  std::erase_if(shapes, [](const NamedShape& shape) { return shape.summary.empty(); });
  return shapes;
}

JsonNode schema_document(std::string_view name) {
  const auto shapes = all_shapes();
  const auto find = [&](std::string_view wanted) {
    return std::find_if(shapes.begin(), shapes.end(),
                        [&](const NamedShape& shape) { return shape.name == wanted; });
  };
  const auto root = find(name);
  if (root == shapes.end() || root->summary.empty()) {
    std::vector<std::string> names;
    for (const auto& shape : schema_list()) names.push_back(shape.name);
    throw InputError(unknown_name("schema", name, names));
  }
  JsonNode document;
  document.member("$schema") = JsonNode::of("http://json-schema.org/draft-07/schema#");
  document.member("title") = JsonNode::of("bethany " + root->name);
  document.member("description") = JsonNode::of(root->summary);
  std::set<std::string> open;
  auto schema = schema_of(root->shape, names_of_kind, open);
  document.members.splice(document.members.end(), schema.members);
  JsonNode definitions;
  std::set<std::string> done;
  while (!open.empty()) {
    const auto next = *open.begin();
    open.erase(open.begin());
    if (!done.insert(next).second) continue;
    const auto piece = find(next);
    BETHANY_CHECK(piece != shapes.end(), "no shape '{}'", next);
    definitions.member(next) = schema_of(piece->shape, names_of_kind, open);
  }
  if (!done.empty()) document.member("definitions") = std::move(definitions);
  return document;
}

}  // namespace bethany
