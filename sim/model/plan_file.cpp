#include "sim/model/plan_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "sim/base/error.h"
#include "sim/base/files.h"
#include "sim/base/object_reader.h"

namespace bethany {
namespace {

constexpr std::int64_t kMostNodes = 1'000'000;
constexpr std::int64_t kMostSlots = 1'000'000;  // of a node
constexpr std::int64_t kMostExperts = 1'000'000;
constexpr char kPlaceSchema[] = "bethany/place/1";

[[noreturn]] void fail(const JsonNode& node, const std::string& path, const std::string& message) {
  throw InputError(fmt::format("{}: {}: {}", node.place(), path, message));
}

const std::vector<JsonNode>& array_at(const JsonNode& node, const std::string& path,
                                      std::size_t size, std::string_view what) {
  if (node.kind != JsonNode::Kind::array) {
    fail(node, path, fmt::format("expected an array, found {}", kind_in_words(node.kind)));
  }
  if (node.items.size() != size) {
    fail(node, path, fmt::format("{} entries for {} {}", node.items.size(), size, what));
  }
  return node.items;
}

/// The experts of one node or GPU, at most `slots`.
std::vector<std::int32_t> experts_at(const JsonNode& node, const std::string& path, int experts,
                                     int slots) {
  if (node.kind != JsonNode::Kind::array) {
    fail(node, path, fmt::format("expected an array, found {}", kind_in_words(node.kind)));
  }
  if (node.items.size() > static_cast<std::size_t>(slots)) {
    fail(node, path, fmt::format("{} experts in {} slots", node.items.size(), slots));
  }
  std::vector<std::int32_t> result;
  for (const auto& item : node.items) {
    if (item.kind != JsonNode::Kind::integer || item.integer < 0 || item.integer >= experts) {
      fail(item, path,
           fmt::format("expected experts in 0..{}, found {}", experts - 1, to_line(item)));
    }
    result.push_back(static_cast<std::int32_t>(item.integer));
  }
  std::sort(result.begin(), result.end());
  return result;
}

/// Reads the keys of one layer into a plan whose shape is known.
class LayerReader {
 public:
  LayerReader(ObjectReader& reader, PlacementPlan& plan) : reader_(reader), plan_(plan) {}

  void read() {
    const auto* rows = reader_.raw("plan");
    if (rows == nullptr) reader_.fail("", "missing key 'plan'");
    const auto path = reader_.path() + "/plan";
    const auto& nodes = array_at(*rows, path, static_cast<std::size_t>(plan_.nodes), "nodes");
    layer_.replicas.assign(static_cast<std::size_t>(plan_.experts), 0);
    layer_.expert_of_slot.assign(
        static_cast<std::size_t>(plan_.nodes) * static_cast<std::size_t>(plan_.slots_per_node),
        kVacant);
    const auto* gpus = reader_.raw("gpu_plan");
    const auto gpu_path = reader_.path() + "/gpu_plan";
    if (gpus != nullptr) array_at(*gpus, gpu_path, nodes.size(), "nodes");
    for (std::size_t n = 0; n < nodes.size(); ++n) {
      const auto experts =
          experts_at(nodes[n], fmt::format("{}/{}", path, n), plan_.experts, plan_.slots_per_node);
      for (const std::int32_t expert : experts) {
        ++layer_.replicas[static_cast<std::size_t>(expert)];
      }
      if (gpus == nullptr) {
        deal(experts, n);
      } else {
        read_gpus(gpus->items[n], fmt::format("{}/{}", gpu_path, n), experts, n);
      }
    }
    check_replicas();
    plan_.layers.push_back(std::move(layer_));
  }

 private:
  std::size_t slot_of(std::size_t node, std::size_t gpu, std::size_t place) const {
    return node * static_cast<std::size_t>(plan_.slots_per_node) +
           gpu * static_cast<std::size_t>(plan_.slots_per_gpu()) + place;
  }

  void deal(const std::vector<std::int32_t>& experts, std::size_t node) {
    const auto gpus = static_cast<std::size_t>(plan_.gpus_per_node);
    for (std::size_t i = 0; i < experts.size(); ++i) {
      layer_.expert_of_slot[slot_of(node, i % gpus, i / gpus)] = experts[i];
    }
  }

  void read_gpus(const JsonNode& row, const std::string& path,
                 const std::vector<std::int32_t>& experts, std::size_t node) {
    const auto& gpus = array_at(row, path, static_cast<std::size_t>(plan_.gpus_per_node), "GPUs");
    std::vector<std::int32_t> together;
    for (std::size_t gpu = 0; gpu < gpus.size(); ++gpu) {
      const auto held = experts_at(gpus[gpu], fmt::format("{}/{}", path, gpu), plan_.experts,
                                   plan_.slots_per_gpu());
      for (std::size_t i = 0; i < held.size(); ++i) {
        layer_.expert_of_slot[slot_of(node, gpu, i)] = held[i];
      }
      together.insert(together.end(), held.begin(), held.end());
    }
    std::sort(together.begin(), together.end());
    if (together != experts) {
      fail(row, path, fmt::format("the GPUs of node {} do not hold what `plan` says", node));
    }
  }

  void check_replicas() {
    const auto given = reader_.integers("replicas", 1, INT32_MAX);
    if (given.size() != layer_.replicas.size()) {
      reader_.fail("replicas",
                   fmt::format("{} entries for {} experts", given.size(), layer_.replicas.size()));
    }
    for (std::size_t e = 0; e < given.size(); ++e) {
      if (given[e] != layer_.replicas[e]) {
        reader_.fail("replicas", fmt::format("{} replicas of expert {}, but `plan` has {}",
                                             given[e], e, layer_.replicas[e]));
      }
    }
  }

  ObjectReader& reader_;
  PlacementPlan& plan_;
  LayerPlan layer_;
};

/// What `place` says about a layer beside the plan.
void skip_figures(ObjectReader& layer) {
  for (const auto* key : {"max_over_mean_load", "optimal", "off_node_share", "gradient_traffic",
                          "gradient_bytes_per_node"}) {
    layer.raw(key);
  }
}

void read_layers(ObjectReader& reader, PlacementPlan& plan, bool printed_by_place) {
  const auto* layers = reader.raw("layers");
  if (layers == nullptr && !printed_by_place) reader.fail("", "missing key 'layers'");
  if (layers == nullptr) {
    LayerReader(reader, plan).read();
    skip_figures(reader);
    return;
  }
  if (layers->kind != JsonNode::Kind::array || layers->items.empty()) {
    reader.fail("layers", "expected at least one layer");
  }
  const auto slots = std::int64_t{plan.nodes} * plan.slots_per_node;
  if (static_cast<std::int64_t>(layers->items.size()) > kLargestPlan / slots) {
    reader.fail("layers", fmt::format("{} layers of {} slots are more than {} slots",
                                      layers->items.size(), slots, kLargestPlan));
  }
  for (std::size_t i = 0; i < layers->items.size(); ++i) {
    ObjectReader layer(layers->items[i], fmt::format("/layers/{}", i));
    LayerReader(layer, plan).read();
    if (printed_by_place) skip_figures(layer);
    layer.finish();
  }
}

std::vector<PlanDomain> domains_at(const JsonNode& list, const std::string& path, int nodes,
                                   std::set<std::string>& names);

PlanDomain read_domain(const JsonNode& node, const std::string& path, int nodes,
                       std::set<std::string>& names) {
  ObjectReader reader(node, path);
  PlanDomain domain;
  domain.name = reader.string("name");
  if (!names.insert(domain.name).second) {
    reader.fail("name", fmt::format("'{}' names two domains", domain.name));
  }
  for (const std::int64_t place :
       reader.integers("nodes", 0, nodes - 1, std::vector<std::int64_t>())) {
    domain.nodes.push_back(static_cast<std::int32_t>(place));
  }
  std::sort(domain.nodes.begin(), domain.nodes.end());
  if (std::adjacent_find(domain.nodes.begin(), domain.nodes.end()) != domain.nodes.end()) {
    reader.fail("nodes", "a node stands there twice");
  }
  if (const auto* inner = reader.raw("domains"); inner != nullptr) {
    domain.domains = domains_at(*inner, path + "/domains", nodes, names);
  }
  reader.finish();
  return domain;
}

/// Domains side by side: they share no node.
std::vector<PlanDomain> domains_at(const JsonNode& list, const std::string& path, int nodes,
                                   std::set<std::string>& names) {
  if (list.kind != JsonNode::Kind::array) {
    fail(list, path.empty() ? "/" : path,
         fmt::format("expected an array of domains, found {}", kind_in_words(list.kind)));
  }
  std::vector<PlanDomain> domains;
  std::map<std::int32_t, std::size_t> domain_of;
  for (std::size_t i = 0; i < list.items.size(); ++i) {
    const auto where = fmt::format("{}/{}", path, i);
    domains.push_back(read_domain(list.items[i], where, nodes, names));
    for (const std::int32_t place : nodes_of(domains.back())) {
      const auto [known, added] = domain_of.emplace(place, i);
      if (!added) {
        fail(list.items[i], where,
             fmt::format("node {} is in the domains '{}' and '{}'", place,
                         domains[known->second].name, domains.back().name));
      }
    }
  }
  return domains;
}

JsonNode numbers(const std::int32_t* first, const std::int32_t* last) {
  std::vector<JsonNode> items;
  for (; first != last; ++first) items.push_back(JsonNode::of(std::int64_t{*first}));
  return JsonNode::array_of(std::move(items));
}

JsonNode domain_json(const PlanDomain& domain) {
  JsonNode node;
  node.member("name") = JsonNode::of(domain.name);
  node.member("nodes") = numbers(domain.nodes.data(), domain.nodes.data() + domain.nodes.size());
  if (!domain.domains.empty()) {
    std::vector<JsonNode> inner;
    for (const auto& each : domain.domains) inner.push_back(domain_json(each));
    node.member("domains") = JsonNode::array_of(std::move(inner));
  }
  return node;
}

}  // namespace

std::vector<std::int32_t> nodes_of(const PlanDomain& domain) {
  auto nodes = domain.nodes;
  for (const auto& inner : domain.domains) {
    const auto more = nodes_of(inner);
    nodes.insert(nodes.end(), more.begin(), more.end());
  }
  std::sort(nodes.begin(), nodes.end());
  nodes.erase(std::unique(nodes.begin(), nodes.end()), nodes.end());
  return nodes;
}

PlanFile read_plan(const JsonNode& node) {
  ObjectReader reader(node, "");
  const bool printed_by_place = reader.has("schema");
  if (printed_by_place) {
    if (const auto schema = reader.string("schema"); schema != kPlaceSchema) {
      reader.fail("schema", fmt::format("'{}' is not a plan; a plan file has bethany_plan, and "
                                        "`place` prints {}",
                                        schema, kPlaceSchema));
    }
    for (const auto* key : {"version", "seed", "allocation", "placement", "dispatch",
                            "fault_threshold", "fault_threshold_effective", "objective",
                            "core_family", "reconfiguration", "recovery_by_rates"}) {
      reader.raw(key);
    }
  } else if (const auto version = reader.integer("bethany_plan", 0, INT64_MAX); version != 1) {
    reader.fail("bethany_plan", fmt::format("version {} is not known; this reads 1", version));
  }
  PlanFile file;
  auto& plan = file.plan;
  plan.nodes = static_cast<int>(reader.integer("nodes", 1, kMostNodes));
  plan.slots_per_node = static_cast<int>(reader.integer("slots_per_node", 1, kMostSlots));
  plan.gpus_per_node = static_cast<int>(reader.integer("gpus_per_node", 1, plan.slots_per_node, 1));
  plan.experts = static_cast<int>(reader.integer("experts", 1, kMostExperts));
  if (plan.slots_per_node % plan.gpus_per_node != 0) {
    reader.fail("gpus_per_node", fmt::format("{} GPUs cannot share {} slots equally",
                                             plan.gpus_per_node, plan.slots_per_node));
  }
  if (const auto slots = std::int64_t{plan.nodes} * plan.slots_per_node; slots > kLargestPlan) {
    reader.fail("slots_per_node", fmt::format("{} slots are more than {}", slots, kLargestPlan));
  }
  read_layers(reader, plan, printed_by_place);
  if (const auto* domains = reader.raw("domains"); domains != nullptr) {
    std::set<std::string> names;
    file.domains = domains_at(*domains, "/domains", plan.nodes, names);
  }
  reader.finish();
  return file;
}

PlanFile parse_plan(std::string_view text, const std::string& name) {
  return read_plan(parse_json(text, name));
}

PlanFile read_plan_file(const std::string& path) { return parse_plan(read_input(path), path); }

std::vector<PlanDomain> read_domains(const JsonNode& node, int nodes) {
  std::vector<PlanDomain> domains;
  if (node.kind == JsonNode::Kind::object) {
    auto file = read_plan(node);
    if (file.plan.nodes != nodes) {
      fail(node, "/nodes", fmt::format("{} nodes for a plan of {}", file.plan.nodes, nodes));
    }
    domains = std::move(file.domains);
  } else {
    std::set<std::string> names;
    domains = domains_at(node, "", nodes, names);
  }
  if (domains.empty()) fail(node, "/", "no domains");
  return domains;
}

std::vector<PlanDomain> read_domains_file(const std::string& path, int nodes) {
  return read_domains(parse_json(read_input(path), path), nodes);
}

JsonNode layer_json(const PlacementPlan& plan, int layer) {
  const auto& slots = plan.layers[static_cast<std::size_t>(layer)];
  const auto gpu_slots = static_cast<std::ptrdiff_t>(plan.slots_per_gpu());
  JsonNode node;
  node.member("replicas") =
      numbers(slots.replicas.data(), slots.replicas.data() + slots.replicas.size());
  std::vector<JsonNode> rows;
  std::vector<JsonNode> gpu_rows;
  for (int n = 0; n < plan.nodes; ++n) {
    const auto held = plan.node_slots(layer, n);
    std::vector<std::int32_t> experts;
    std::vector<JsonNode> gpus;
    for (int g = 0; g < plan.gpus_per_node; ++g) {
      const std::int32_t* first = held.data() + g * gpu_slots;
      const std::int32_t* last = std::find(first, first + gpu_slots, kVacant);
      gpus.push_back(numbers(first, last));
      experts.insert(experts.end(), first, last);
    }
    std::sort(experts.begin(), experts.end());
    rows.push_back(numbers(experts.data(), experts.data() + experts.size()));
    gpu_rows.push_back(JsonNode::array_of(std::move(gpus)));
  }
  node.member("plan") = JsonNode::array_of(std::move(rows));
  node.member("gpu_plan") = JsonNode::array_of(std::move(gpu_rows));
  return node;
}

JsonNode plan_json(const PlanFile& file) {
  JsonNode node;
  node.member("bethany_plan") = JsonNode::of(std::int64_t{1});
  node.member("nodes") = JsonNode::of(std::int64_t{file.plan.nodes});
  node.member("gpus_per_node") = JsonNode::of(std::int64_t{file.plan.gpus_per_node});
  node.member("slots_per_node") = JsonNode::of(std::int64_t{file.plan.slots_per_node});
  node.member("experts") = JsonNode::of(std::int64_t{file.plan.experts});
  std::vector<JsonNode> layers;
  for (int l = 0; l < static_cast<int>(file.plan.layers.size()); ++l) {
    layers.push_back(layer_json(file.plan, l));
  }
  node.member("layers") = JsonNode::array_of(std::move(layers));
  if (!file.domains.empty()) {
    std::vector<JsonNode> domains;
    for (const auto& domain : file.domains) domains.push_back(domain_json(domain));
    node.member("domains") = JsonNode::array_of(std::move(domains));
  }
  return node;
}

}  // namespace bethany
