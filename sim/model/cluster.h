#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "sim/base/quantities.h"

namespace bethany {

/// A kind of machine. Peaks are data-sheet values; what of them is reached is the cost model's.
struct NodeType {
  std::string name;
  int gpus = 1;
  Bytes gpu_memory;
  std::map<std::string, FlopRate> peak;  // dense peak per GPU by precision: fp16, bf16, fp8, …
  Bandwidth hbm;                         // per GPU
  Bandwidth nvlink;                      // per GPU and direction, inside a server
  Duration nvlink_latency{0};
  Bandwidth nic;                         // of one NIC, each direction
  Duration nic_latency{0};
  int nic_shared_by = 1;                 // GPUs that share one NIC; may reach beyond a 1-GPU node
  Bandwidth host_link;                   // per GPU, to host memory
  std::optional<double> usd_per_hour;    // of a node, as bought for this run
  std::string source;                    // where the figures come from

  /// Nodes that sit in one server and share its NIC: above 1 only for nodes smaller than a server
  /// (the Lazarus testbeds count each GPU as a node).
  int nodes_per_server() const { return nic_shared_by > gpus ? nic_shared_by / gpus : 1; }
};

/// Nodes that can be lost together: a tree.
struct FailureDomain {
  std::string name;
  std::vector<std::string> nodes;  // names as in the trace
  std::vector<FailureDomain> domains;
};

/// Where checkpoints go.
struct Storage {
  Bandwidth read;
  Bandwidth write;
};

struct Cluster {
  int nodes = 0;  // the target; the ledger's total is nodes × horizon
  NodeType node_type;
  int slots_per_gpu = 0;
  bool memory_check = true;  // false: "warn"
  Storage storage;
  Duration startup_delay{0};
  std::vector<FailureDomain> domains;

  int slots_per_node() const { return slots_per_gpu * node_type.gpus; }
};

/// Built-in node types, by name; null when unknown.
const NodeType* find_node_type(const std::string& name);
std::vector<std::string> node_type_names();

}  // namespace bethany
