#pragma once

#include <cstdint>
#include <vector>

namespace bethany {

/// What one micro-batch of one MoE layer makes each rank do under a plan and a dispatcher: rows are
/// tokens, padding included where the dispatcher pads. Index: rank = node · gpus_per_node + gpu.
struct LayerTraffic {
  std::vector<std::int64_t> computed;        // rows through the rank's experts
  std::vector<std::int64_t> sent_inside;     // rows to other ranks of the same server
  std::vector<std::int64_t> received_inside;
  std::vector<std::int64_t> sent_outside;    // rows that cross the NIC
  std::vector<std::int64_t> received_outside;
  bool padded = false;
  /// The layer's all-to-alls run beside its experts' computation: the longer of the two counts.
  bool overlapped = false;
  int exchange_ranks = 0;  // among which rows move: those of an EP group; 0: all may
};

/// What moves when a plan changes: expert states and, to nodes without it, the dense state.
struct TransferSummary {
  std::int64_t experts_moved = 0;        // (layer, expert, node) states fetched
  std::int64_t dense_copies = 0;         // nodes that fetch the dense state
  std::int64_t total_bytes = 0;
  std::int64_t busiest_port_bytes = 0;   // max over nodes of max(sent, received)
};

/// Sizes of what the job moves and stores.
struct StateSizes {
  std::int64_t dense_bytes = 0;        // state of the dense part (14 B per parameter by default)
  std::int64_t expert_bytes = 0;       // state of one expert of one layer
  std::int64_t checkpoint_bytes = 0;   // dense once + every expert of every layer once
};

}  // namespace bethany
