#include "sim/placement/replica_flow.h"

#include <algorithm>
#include <utility>

#include "sim/base/check.h"
#include "sim/base/int128.h"
#include "sim/placement/transport.h"

namespace bethany {
namespace {

/// Where the odd rows of an expert begin among its replicas; another place for every expert, or the
/// ranks in front would compute one row more of each.
std::int64_t odd_rows_start(int expert, std::int64_t replicas) {
  constexpr std::uint32_t kGolden = 0x9E3779B1;  // 2^32 over the golden ratio
  return static_cast<std::uint32_t>(expert) * kGolden % static_cast<std::uint32_t>(replicas);
}

}  // namespace

ReplicaFlow::ReplicaFlow(const PlacementShape& shape, const LayerPlan& plan,
                         const RoutedRows& routed, Locality locality)
    : shape_(shape),
      routed_(routed),
      locality_(locality),
      buffers_(std::exchange(spare_buffers(), {})) {
  BETHANY_CHECK(routed.ranks() == shape.ranks() && routed.experts() == shape.experts,
                "{} ranks and {} experts for {} and {}", routed.ranks(), routed.experts(),
                shape.ranks(), shape.experts);
  index_replicas(plan);
}

ReplicaFlow::~ReplicaFlow() { spare_buffers() = std::move(buffers_); }

ReplicaFlow::Buffers& ReplicaFlow::spare_buffers() {
  thread_local Buffers buffers;
  return buffers;
}

void ReplicaFlow::index_replicas(const LayerPlan& plan) {
  const auto experts = plan.replicas.size();
  buffers_.end_of_replicas.resize(experts);
  std::int32_t sum = 0;
  for (std::size_t e = 0; e < experts; ++e) {
    buffers_.end_of_replicas[e] = sum;  // the beginning as yet
    sum += plan.replicas[e];
  }
  buffers_.rank_of_replica.resize(static_cast<std::size_t>(sum));
  buffers_.hosts.reserve(static_cast<std::size_t>(shape_.ranks()));
  const std::int32_t* slot = plan.expert_of_slot.data();
  for (std::int32_t rank = 0; rank < shape_.ranks(); ++rank) {
    for (int i = 0; i < shape_.slots_per_gpu; ++i, ++slot) {
      if (*slot == kVacant) continue;
      auto& place = buffers_.end_of_replicas[static_cast<std::size_t>(*slot)];
      buffers_.rank_of_replica[static_cast<std::size_t>(place++)] = rank;
    }
  }
}

void ReplicaFlow::find_hosts(int expert) {
  buffers_.hosts.clear();
  const auto e = static_cast<std::size_t>(expert);
  const auto first = static_cast<std::size_t>(e == 0 ? 0 : buffers_.end_of_replicas[e - 1]);
  const auto last = static_cast<std::size_t>(buffers_.end_of_replicas[e]);
  const auto replicas = static_cast<std::int64_t>(last - first);
  const std::int64_t total = routed_.total(expert);
  if (replicas == 0) {
    BETHANY_CHECK(total == 0, "expert {} has rows and no replica", expert);
    return;
  }
  const std::int64_t base = total / replicas;
  const std::int64_t odd = total % replicas;
  std::int64_t carry = odd_rows_start(expert, replicas);
  for (std::size_t replica = first; replica < last; ++replica) {
    carry += odd;
    const std::int64_t one_more = carry >= replicas ? 1 : 0;  // without a branch: it is a toss-up
    carry -= replicas & -one_more;
    const std::int64_t rows = base + one_more;
    const std::int32_t rank = buffers_.rank_of_replica[replica];
    if (!buffers_.hosts.empty() && buffers_.hosts.back().rank == rank) {
      buffers_.hosts.back().target += rows;
    } else {
      buffers_.hosts.push_back({.rank = rank, .target = rows});
    }
  }
}

void ReplicaFlow::follow(int expert) {
  find_hosts(expert);
  buffers_.blocks.clear();
  buffers_.sent_inside.clear();
  buffers_.received_inside.clear();
  const std::int64_t total = routed_.total(expert);
  if (total == 0) return;
  std::int64_t surplus = total;
  if (locality_ == Locality::first) {
    for (auto& host : buffers_.hosts) {
      host.kept = std::min(routed_.at(host.rank, expert), host.target);
      surplus -= host.kept;
    }
  } else if (shape_.gpus_per_node == 1) {
    for (auto& host : buffers_.hosts) {
      host.kept = floor_share(routed_.at(host.rank, expert), host.target, total);
    }
  }
  if (shape_.gpus_per_node == 1 || surplus == 0) return;
  for (std::size_t first = 0; first < buffers_.hosts.size();) {
    std::size_t last = first + 1;
    const std::int32_t node = buffers_.hosts[first].rank / shape_.gpus_per_node;
    while (last < buffers_.hosts.size() && buffers_.hosts[last].rank / shape_.gpus_per_node == node)
      ++last;
    fill_block(expert, first, last, surplus);
    first = last;
  }
}

void ReplicaFlow::fill_block(int expert, std::size_t first_host, std::size_t last_host,
                             std::int64_t surplus) {
  const auto gpus = static_cast<std::size_t>(shape_.gpus_per_node);
  const std::int32_t node = buffers_.hosts[first_host].rank / shape_.gpus_per_node;
  const std::int32_t first_rank = node * shape_.gpus_per_node;
  const std::size_t first = buffers_.sent_inside.size();
  buffers_.sent_inside.resize(first + gpus);
  buffers_.received_inside.resize(first + gpus);
  std::int64_t* sent = buffers_.sent_inside.data() + first;
  std::int64_t* received = buffers_.received_inside.data() + first;
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  for (std::size_t g = 0; g < gpus; ++g) {
    sent[g] = routed_.at(first_rank + static_cast<std::int32_t>(g), expert);
    rows += sent[g];
  }
  for (std::size_t h = first_host; h < last_host; ++h) {
    const auto g = static_cast<std::size_t>(buffers_.hosts[h].rank - first_rank);
    sent[g] -= buffers_.hosts[h].kept;
    rows -= buffers_.hosts[h].kept;
    received[g] = buffers_.hosts[h].target - buffers_.hosts[h].kept;
    columns += received[g];
  }
  const std::int64_t inside = floor_share(rows, columns, surplus);
  if (inside == 0) {
    buffers_.sent_inside.resize(first);
    buffers_.received_inside.resize(first);
    return;
  }
  buffers_.blocks.push_back({.node = node, .first = first});
  const auto share_out = [&](std::int64_t* parts, std::int64_t sum) {
    std::int64_t upto = 0;
    std::int64_t given = 0;
    for (std::size_t g = 0; g < gpus; ++g) {
      upto += parts[g];
      const std::int64_t due = floor_share(inside, upto, sum);
      parts[g] = due - given;
      given = due;
    }
  };
  share_out(sent, rows);
  share_out(received, columns);
  if (locality_ == Locality::first) return;  // then no rank has both rows and columns left
  for (std::size_t h = first_host; h < last_host; ++h) {
    const auto g = static_cast<std::size_t>(buffers_.hosts[h].rank - first_rank);
    const std::int64_t own = floor_share(sent[g], received[g], inside);
    buffers_.hosts[h].kept += own;
    sent[g] -= own;
    received[g] -= own;
  }
}

LayerTraffic ReplicaFlow::summary() {
  const auto ranks = static_cast<std::size_t>(shape_.ranks());
  LayerTraffic traffic;
  for (auto* rows : {&traffic.computed, &traffic.sent_inside, &traffic.received_inside,
                     &traffic.sent_outside, &traffic.received_outside}) {
    rows->resize(ranks);
  }
  for (int expert = 0; expert < shape_.experts; ++expert) {
    follow(expert);
    for (const Host& host : buffers_.hosts) {
      const auto rank = static_cast<std::size_t>(host.rank);
      traffic.computed[rank] += host.target;
      traffic.sent_outside[rank] -= host.kept;
      traffic.received_outside[rank] += host.target - host.kept;
    }
    for (const Block& block : buffers_.blocks) {
      const auto first = static_cast<std::size_t>(block.node * shape_.gpus_per_node);
      for (std::size_t g = 0; g < static_cast<std::size_t>(shape_.gpus_per_node); ++g) {
        traffic.sent_inside[first + g] += buffers_.sent_inside[block.first + g];
        traffic.received_inside[first + g] += buffers_.received_inside[block.first + g];
      }
    }
  }
  for (int rank = 0; rank < shape_.ranks(); ++rank) {
    const auto i = static_cast<std::size_t>(rank);
    traffic.sent_outside[i] += routed_.of_rank(rank) - traffic.sent_inside[i];
    traffic.received_outside[i] -= traffic.received_inside[i];
  }
  return traffic;
}

TokenMatrix ReplicaFlow::matrix() {
  TokenMatrix matrix(shape_.ranks(), shape_.experts);
  for (int expert = 0; expert < shape_.experts; ++expert) {
    if (routed_.total(expert) == 0) continue;
    follow(expert);
    fill_matrix(expert, matrix);
  }
  return matrix;
}

void ReplicaFlow::fill_matrix(int expert, TokenMatrix& matrix) {
  const auto ranks = static_cast<std::size_t>(shape_.ranks());
  const auto gpus = static_cast<std::size_t>(shape_.gpus_per_node);
  TransportProblem across;
  across.columns.resize(ranks);
  across.weight_sum = routed_.total(expert);
  for (std::int32_t rank = 0; rank < shape_.ranks(); ++rank) {
    across.rows.push_back(routed_.at(rank, expert));
    across.group.push_back(rank / shape_.gpus_per_node);
  }
  across.row_weights = across.rows;
  across.column_weights = across.columns;
  for (const Host& host : buffers_.hosts) {
    const auto rank = static_cast<std::size_t>(host.rank);
    matrix.at(expert, host.rank, host.rank) = host.kept;
    across.rows[rank] -= host.kept;
    across.columns[rank] = host.target - host.kept;
    if (locality_ == Locality::first) across.row_weights[rank] -= host.kept;
    if (locality_ == Locality::first) across.weight_sum -= host.kept;
    across.column_weights[rank] = host.target - (locality_ == Locality::first ? host.kept : 0);
  }
  if (across.weight_sum == 0) return;
  for (const Block& block : buffers_.blocks) {
    const std::size_t first = static_cast<std::size_t>(block.node) * gpus;
    TransportProblem within;
    within.weight_sum = across.weight_sum;
    for (std::size_t g = 0; g < gpus; ++g) {
      within.rows.push_back(buffers_.sent_inside[block.first + g]);
      within.columns.push_back(buffers_.received_inside[block.first + g]);
      within.row_weights.push_back(across.row_weights[first + g]);
      within.column_weights.push_back(across.column_weights[first + g]);
      within.group.push_back(static_cast<std::int32_t>(g));
      across.rows[first + g] -= within.rows.back();
      across.columns[first + g] -= within.columns.back();
    }
    solve_transport(within, [&](std::size_t i, std::size_t j, std::int64_t rows) {
      matrix.at(expert, static_cast<int>(first + i), static_cast<int>(first + j)) += rows;
    });
  }
  solve_transport(across, [&](std::size_t i, std::size_t j, std::int64_t rows) {
    matrix.at(expert, static_cast<int>(i), static_cast<int>(j)) += rows;
  });
}

}  // namespace bethany
