#include "sim/model/cluster.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "sim/base/check.h"
#include "sim/base/error.h"
#include "sim/base/text.h"
#include "sim/model/readers.h"

namespace bethany {
namespace {

constexpr char kDefaultType[] = "rtx3090-100g";
constexpr std::int64_t kMostNodes = 1'000'000;
constexpr std::int64_t kMostGpus = 1024;
constexpr std::int64_t kMostSlots = 1 << 16;
constexpr int kDeepestDomain = 16;

const NodeType& built_in_type(const ObjectReader& keys, std::string_view key,
                              const std::string& name) {
  const NodeType* found = find_node_type(name);
  if (found == nullptr) keys.fail(key, unknown_name("node type", name, node_type_names()));
  return *found;
}

/// `base` holds a member only when a base type was named: then every key may be left out.
template <class T>
std::optional<T> from_base(const std::optional<NodeType>& base, T NodeType::*member) {
  return base ? std::optional<T>((*base).*member) : std::nullopt;
}

std::map<std::string, FlopRate> read_peak(ObjectReader& keys, const std::optional<NodeType>& base) {
  ObjectReader rates = keys.object("peak", !base.has_value());
  std::map<std::string, FlopRate> peak;
  if (base) peak = base->peak;
  for (auto& [precision, rate] : peak) rate = rates.flop_rate(precision, rate);
  for (const auto& precision : rates.keys()) peak[precision] = rates.flop_rate(precision);
  if (peak.empty()) keys.fail("peak", "give a rate for at least one precision, such as fp16");
  rates.finish();
  return peak;
}

NodeType read_type_object(ObjectReader keys) {
  std::optional<NodeType> base;
  if (keys.has("base")) base = built_in_type(keys, "base", keys.string("base"));
  NodeType type;
  type.name = keys.string("name", base ? base->name : "custom");
  type.gpus = static_cast<int>(keys.integer("gpus", 1, kMostGpus, base ? base->gpus : 1));
  type.gpu_memory = keys.bytes("gpu_memory", from_base(base, &NodeType::gpu_memory));
  type.peak = read_peak(keys, base);
  type.hbm = keys.bandwidth("hbm", from_base(base, &NodeType::hbm));
  type.nic = keys.bandwidth("nic", from_base(base, &NodeType::nic));
  type.host_link = keys.bandwidth("host_link", base ? base->host_link : Bandwidth{31.5e9});
  type.nvlink = keys.bandwidth("nvlink", base ? base->nvlink : type.host_link);
  type.nvlink_latency = keys.duration("nvlink_latency", base ? base->nvlink_latency : Duration(0));
  type.nic_latency = keys.duration("nic_latency", base ? base->nic_latency : Duration(0));
  type.nic_shared_by =
      static_cast<int>(keys.integer("nic_shared_by", 1, kMostGpus, base ? base->nic_shared_by : 1));
  const bool fits = type.nic_shared_by > type.gpus ? type.nic_shared_by % type.gpus == 0
                                                   : type.gpus % type.nic_shared_by == 0;
  if (!fits) {
    keys.fail("nic_shared_by", fmt::format("{} GPUs per NIC do not fit {} GPUs per node",
                                           type.nic_shared_by, type.gpus));
  }
  if (keys.has("usd_per_hour")) type.usd_per_hour = keys.real("usd_per_hour", 0, 1e9);
  type.source = keys.string("source", base ? base->source : "given in the scenario");
  keys.finish();
  return type;
}

std::vector<FailureDomain> read_domains(ObjectReader& parent, int depth,
                                        std::set<std::string>& seen);

FailureDomain read_domain(ObjectReader keys, int depth, std::set<std::string>& seen) {
  FailureDomain domain;
  domain.name = keys.string("name");
  domain.nodes = keys.strings("nodes", std::vector<std::string>());
  for (const auto& node : domain.nodes) {
    if (!seen.insert(node).second) {
      keys.fail("nodes", fmt::format("node '{}' stands in two places", node));
    }
  }
  if (depth >= kDeepestDomain) {
    keys.fail("", fmt::format("domains are nested deeper than {}", kDeepestDomain));
  }
  if (keys.has("domains")) domain.domains = read_domains(keys, depth + 1, seen);
  if (domain.nodes.empty() && domain.domains.empty()) {
    keys.fail("", "a domain needs nodes or domains");
  }
  keys.finish();
  return domain;
}

std::vector<FailureDomain> read_domains(ObjectReader& parent, int depth,
                                        std::set<std::string>& seen) {
  std::vector<FailureDomain> domains;
  const JsonNode* list = parent.raw("domains");
  JsonNode echo = JsonNode::array_of({});
  if (list != nullptr) {
    if (list->kind != JsonNode::Kind::array) parent.fail("domains", "expected an array of domains");
    echo.items.resize(list->items.size());
    for (std::size_t i = 0; i < list->items.size(); ++i) {
      const auto path = fmt::format("{}/domains/{}", parent.path(), i);
      domains.push_back(
          read_domain(ObjectReader(list->items[i], path, &echo.items[i]), depth, seen));
    }
  }
  parent.set_effective("domains", std::move(echo));
  return domains;
}

Storage read_storage(ObjectReader keys, const NodeType& type) {
  const Storage assumed = assumed_storage(type);
  Storage storage;
  storage.read = keys.bandwidth("read", assumed.read);
  storage.write = keys.bandwidth("write", assumed.write);
  keys.finish();
  return storage;
}

int read_slots(ObjectReader& keys, const MemorySum& sum, bool memory_check, int experts) {
  if (!keys.has("slots_per_gpu")) {
    // A second replica of an expert on one GPU adds neither room for tokens nor safety.
    const int slots = std::min(sum.slots_max, experts);
    if (slots == 0) {
      keys.fail("", "no slot fits the memory of a GPU: " + memory_text(sum, 1) +
                        "; give slots_per_gpu with \"memory_check\": \"warn\" to run anyway");
    }
    keys.integer("slots_per_gpu", 1, kMostSlots, slots);
    return slots;
  }
  const auto slots = static_cast<int>(keys.integer("slots_per_gpu", 1, kMostSlots));
  if (memory_check && slots > sum.slots_max) {
    keys.fail("slots_per_gpu",
              fmt::format("{} slots do not fit, {} do: {}; \"memory_check\": \"warn\" lets it pass",
                          slots, sum.slots_max, memory_text(sum, slots)));
  }
  return slots;
}

}  // namespace

std::vector<FailureDomain> read_failure_domains(ObjectReader& cluster) {
  std::set<std::string> seen;
  return read_domains(cluster, 0, seen);
}

NodeType read_node_type(ObjectReader& cluster) {
  const JsonNode* value = cluster.raw("node_type");
  if (value != nullptr && value->kind == JsonNode::Kind::object) {
    return read_type_object(cluster.object("node_type"));
  }
  const auto name = cluster.string("node_type", kDefaultType);
  return built_in_type(cluster, "node_type", name);
}

std::optional<int> read_nodes(ObjectReader& cluster) {
  if (!cluster.has("nodes")) return std::nullopt;
  return static_cast<int>(cluster.integer("nodes", 1, kMostNodes));
}

Cluster read_cluster(ObjectReader& keys, int nodes_left_out, const MoeModel& model,
                     const Training& training) {
  BETHANY_CHECK(nodes_left_out > 0, "a cluster of {} nodes", nodes_left_out);
  Cluster cluster;
  cluster.nodes = static_cast<int>(keys.integer("nodes", 1, kMostNodes, nodes_left_out));
  cluster.node_type = read_node_type(keys);
  const int gpus = cluster.node_type.gpus;
  if (gpus % training.tensor_parallel != 0) {
    keys.fail("node_type", fmt::format("training.tensor_parallel {} does not divide the {} GPUs of "
                                       "a node",
                                       training.tensor_parallel, gpus));
  }
  cluster.memory_check = keys.choice("memory_check", {"refuse", "warn"}, "refuse") == "refuse";
  const std::int64_t ranks = std::int64_t{cluster.nodes} * gpus;
  if (ranks > kMostNodes) {
    keys.fail("nodes", fmt::format("{} GPUs are more than {}", ranks, kMostNodes));
  }
  const MemorySum sum =
      memory_sum(model, training, cluster.node_type.gpu_memory, static_cast<int>(ranks));
  cluster.slots_per_gpu = read_slots(keys, sum, cluster.memory_check, model.experts);
  cluster.storage = read_storage(keys.object("storage"), cluster.node_type);
  cluster.startup_delay = keys.duration("startup_delay", Duration(0));
  cluster.domains = read_failure_domains(keys);
  keys.finish();
  return cluster;
}

}  // namespace bethany
