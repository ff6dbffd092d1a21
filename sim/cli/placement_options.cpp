#include "sim/cli/placement_options.h"

#include <fmt/format.h>

#include "sim/base/error.h"
#include "sim/base/files.h"
#include "sim/base/quantities.h"
#include "sim/base/text.h"
#include "sim/cli/command.h"
#include "sim/model/load_matrix_file.h"
#include "sim/model/plan_file.h"
#include "sim/model/readers.h"

namespace bethany {
void add_placement_options(CLI::App& command, PlacementOptions& options) {
  auto& request = options.request;
  // Values out of range are the answer's to refuse (exit 3): it knows what they are for.
  options.nodes = command.add_option("--nodes", request.nodes, "nodes");
  options.slots = command.add_option("--slots", request.slots_per_node, "expert slots of a node");
  command.add_option("--gpus-per-node", request.gpus_per_node, "GPUs of a node");
  command.add_option("--loads", options.loads, "tokens by expert: t1,t2,...");
  command.add_option("--loads-file", options.loads_file,
                     "tokens by expert, a layer a row: JSON [[...]...] or CSV");
  command.add_option("--replicas", options.replicas,
                     "replicas by expert: r1,r2,...; instead of an allocation");
  command.add_option("--allocation", request.allocation,
                     "see `bethany list allocation` (proportional)");
  command.add_option("--placement", request.placement, "see `bethany list placement` (mro)");
  command.add_option("--dispatch", request.dispatch, "see `bethany list dispatch` (even)");
  command.add_option("--layer-order", options.layer_order, "aligned or independent")
      ->check(CLI::IsMember({"aligned", "independent"}));
  command.add_option("--fault-threshold", request.fault_threshold,
                     "f: fewer than f losses at once are survived");
  command.add_option("--seed", request.seed, "for placements that draw")->capture_default_str();
  command.add_option("--expert-groups", request.expert_groups,
                     "consecutive experts in this many groups that packing keeps together");
  command.add_option("--domains", options.domains_file,
                     "failure domains of the nodes: JSON as in a plan file");
  command.add_option(
      "--objective", request.objective,
      "recovery, balance, frontier or goodput: chooses every part that is not given");
}

PlaceRequest read_request(const PlacementOptions& options, const PlaceRequest* otherwise) {
  auto request = options.request;
  if (options.nodes->count() == 0) {
    if (otherwise == nullptr) throw CLI::RequiredError("--nodes");
    request.nodes = otherwise->nodes;
  }
  if (options.slots->count() == 0) {
    if (otherwise == nullptr) throw CLI::RequiredError("--slots");
    request.slots_per_node = otherwise->slots_per_node;
    request.gpus_per_node = otherwise->gpus_per_node;
  }
  const int given = (options.loads.empty() ? 0 : 1) + (options.loads_file.empty() ? 0 : 1);
  if (given > 1) throw CLI::ValidationError("--loads-file", "excludes --loads");
  if (given == 0 && options.replicas.empty()) {
    if (otherwise == nullptr) throw CLI::RequiredError("--loads, --loads-file or --replicas");
    request.loads = otherwise->loads;
  }
  if (!options.loads.empty()) {
    auto row = parse_whole_numbers(options.loads, "--loads");
    request.loads = LoadMatrix(1, static_cast<int>(row.size()));
    request.loads.values = std::move(row);
  }
  if (!options.loads_file.empty()) {
    request.loads = parse_load_matrix(read_input(options.loads_file), options.loads_file);
  }
  if (!options.replicas.empty()) {
    std::vector<std::int32_t> row;
    for (const auto count : parse_whole_numbers(options.replicas, "--replicas")) {
      if (count > 100'000'000) throw InputError("--replicas: more than 100,000,000");
      row.push_back(static_cast<std::int32_t>(count));
    }
    request.replicas = {row};
  }
  request.layer_order =
      options.layer_order == "aligned" ? LayerOrder::aligned : LayerOrder::independent;
  if (!options.domains_file.empty()) {
    request.domains = read_domains_file(options.domains_file, std::max(request.nodes, 0));
  }
  return request;
}

void add_change_options(CLI::App& command, ChangeOptions& options) {
  auto* previous = command.add_option("--previous", options.previous,
                                      "the plan to come from: a plan file, or the JSON of `place`");
  const auto add = [&](const char* name, std::string& value, const char* help) {
    return command.add_option(name, value, help)->needs(previous);
  };
  add("--lost", options.lost, "nodes of the previous plan that are gone: n1,n2,...");
  add("--binding", options.binding,
      "min-cost (default): least state moved; or greedy, as published")
      ->check(CLI::IsMember({"min-cost", "greedy"}));
  command.add_option(
      "--model", options.model,
      "gives the bytes of gradients and of what moves; a name (`bethany list models`) or a "
      "configuration file");
  add("--expert-bytes", options.expert_bytes, "state of one expert, such as 64MiB");
  add("--dense-bytes", options.dense_bytes, "what a new node fetches beside its experts");
  add("--bandwidth", options.bandwidth, "of a node's port, such as 100Gbps");
}

namespace {

/// The value of a quantity option. Throws InputError.
template <class Quantity>
Quantity read_quantity(const char* option, const std::string& text, const char* example,
                       std::optional<Quantity> (*parse)(std::string_view)) {
  const auto value = parse(text);
  if (!value) {
    throw InputError(fmt::format("{}: '{}' is not a quantity such as {}", option, text, example));
  }
  return *value;
}

}  // namespace

std::optional<ChangeRequest> read_change(const ChangeOptions& options) {
  if (options.previous.empty()) return {};
  ChangeRequest change;
  change.previous = read_plan_file(options.previous).plan;
  if (!options.lost.empty()) {
    for (const auto node : parse_whole_numbers(options.lost, "--lost")) {
      change.lost.push_back(static_cast<int>(std::min<std::int64_t>(node, INT32_MAX)));
    }
  }
  change.method = options.binding == "greedy" ? BindingMethod::greedy : BindingMethod::min_cost;
  if (!options.model.empty()) {
    const auto model = model_named(options.model);
    const std::int64_t per_parameter = Precision().state_bytes();
    change.expert_bytes = model.expert_parameters * per_parameter;
    change.dense_bytes = model.dense_parameters * per_parameter;
  }
  if (!options.expert_bytes.empty()) {
    change.expert_bytes =
        read_quantity("--expert-bytes", options.expert_bytes, "64MiB", &parse_bytes).value;
  }
  if (!options.dense_bytes.empty()) {
    change.dense_bytes =
        read_quantity("--dense-bytes", options.dense_bytes, "2GiB", &parse_bytes).value;
  }
  if (!options.bandwidth.empty()) {
    const auto port = read_quantity("--bandwidth", options.bandwidth, "100Gbps", &parse_bandwidth);
    if (port.bytes_per_second <= 0) throw InputError("--bandwidth: nothing moves at 0");
    change.bytes_per_second = port.bytes_per_second;
  }
  return change;
}

std::vector<double> read_rates(const std::string& path, int nodes) {
  const auto tree = parse_json(read_input(path), path);
  if (tree.kind != JsonNode::Kind::array || tree.items.size() != static_cast<std::size_t>(nodes)) {
    throw InputError(fmt::format(
        "{}: /: expected an array of {} loss probabilities, one for each node, found {}",
        tree.place(), nodes,
        tree.kind == JsonNode::Kind::array ? fmt::format("{}", tree.items.size())
                                           : std::string(kind_in_words(tree.kind))));
  }
  std::vector<double> rates;
  for (std::size_t node = 0; node < tree.items.size(); ++node) {
    const auto& item = tree.items[node];
    const bool whole = item.kind == JsonNode::Kind::integer;
    const double rate = whole ? static_cast<double>(item.integer) : item.real;
    if ((!whole && item.kind != JsonNode::Kind::real) || !(rate >= 0 && rate <= 1)) {
      throw InputError(fmt::format("{}: /{}: expected a probability in 0..1, found {}",
                                   item.place(), node, to_line(item)));
    }
    rates.push_back(rate);
  }
  return rates;
}

}  // namespace bethany
