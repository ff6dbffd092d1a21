#include "sim/placement/device_rows.h"

#include <algorithm>
#include <numeric>

#include "sim/base/check.h"
#include "sim/placement/replica_weights.h"

namespace bethany {

DeviceRows::DeviceRows(const PlacementShape& shape, std::vector<std::int32_t> rows,
                       std::vector<Int128> weights)
    : nodes_(shape.nodes),
      gpus_per_node_(shape.gpus_per_node),
      slots_(shape.slots_per_gpu),
      rows_(rows.size(), kVacant),
      used_(static_cast<std::size_t>(shape.ranks())),
      load_(static_cast<std::size_t>(shape.ranks())),
      weights_(std::move(weights)) {
  BETHANY_CHECK(rows.size() == static_cast<std::size_t>(shape.slots()), "{} slots for {}",
                rows.size(), shape.slots());
  for (int gpu = 0; gpu < gpus(); ++gpu) open_.emplace_hint(open_.end(), 0, gpu);
  for (std::size_t slot = 0; slot < rows.size(); ++slot) {
    if (rows[slot] != kVacant) put(static_cast<int>(slot) / slots_, rows[slot]);
  }
}

Int128 DeviceRows::largest_load() const { return *std::max_element(load_.begin(), load_.end()); }

std::span<const std::int32_t> DeviceRows::held(int gpu) const {
  return {rows_.data() + index(gpu) * index(slots_), index(used_[index(gpu)])};
}

int DeviceRows::copies_on_node(int node, std::int32_t expert) const {
  std::ptrdiff_t copies = 0;
  for (int gpu = node * gpus_per_node_; gpu < (node + 1) * gpus_per_node_; ++gpu) {
    const auto experts = held(gpu);
    copies += std::count(experts.begin(), experts.end(), expert);
  }
  return static_cast<int>(copies);
}

void DeviceRows::put(int gpu, std::int32_t expert) {
  auto& used = used_[index(gpu)];
  BETHANY_CHECK(used < slots_, "GPU {} is full", gpu);
  open_.erase({load_[index(gpu)], gpu});
  rows_[index(gpu) * index(slots_) + index(used++)] = expert;
  load_[index(gpu)] += weights_[index(expert)];
  if (used < slots_) open_.emplace(load_[index(gpu)], gpu);
}

void DeviceRows::take(int gpu, std::int32_t expert) {
  const auto begin = rows_.begin() + static_cast<std::ptrdiff_t>(index(gpu) * index(slots_));
  const auto end = begin + used_[index(gpu)];
  const auto at = std::find(begin, end, expert);
  BETHANY_CHECK(at != end, "GPU {} does not hold expert {}", gpu, expert);
  std::move(at + 1, end, at);
  *(end - 1) = kVacant;
  open_.erase({load_[index(gpu)], gpu});
  --used_[index(gpu)];
  load_[index(gpu)] -= weights_[index(expert)];
  open_.emplace(load_[index(gpu)], gpu);
}

std::vector<std::int32_t> DeviceRows::rows() const {
  auto sorted = rows_;
  for (int gpu = 0; gpu < gpus(); ++gpu) {
    const auto begin = sorted.begin() + static_cast<std::ptrdiff_t>(index(gpu) * index(slots_));
    std::sort(begin, begin + used_[index(gpu)]);
  }
  return sorted;
}

std::vector<std::int32_t> DeviceRows::heaviest_first() const {
  std::vector<std::int32_t> order(weights_.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](std::int32_t a, std::int32_t b) {
    return weight(a) != weight(b) ? weight(a) > weight(b) : a < b;
  });
  return order;
}

DeviceRows spread_over_devices(const PlacementShape& shape, std::span<const std::int32_t> replicas,
                               std::span<const std::int64_t> loads) {
  DeviceRows devices(shape,
                     std::vector<std::int32_t>(static_cast<std::size_t>(shape.slots()), kVacant),
                     replica_weights(replicas, loads));
  std::vector<std::int32_t> copies(static_cast<std::size_t>(shape.nodes));
  const auto copies_at = [&](int gpu) -> std::int32_t& {
    return copies[static_cast<std::size_t>(devices.node_of(gpu))];
  };
  for (const std::int32_t expert : devices.heaviest_first()) {
    std::fill(copies.begin(), copies.end(), 0);
    std::int32_t left = replicas[static_cast<std::size_t>(expert)];
    // In a round every node with room gets one more copy, or as many nodes as copies are left.
    for (std::int32_t fewest = 0; left > 0; ++fewest) {
      BETHANY_CHECK(!devices.open().empty(), "no room for expert {}", expert);
      for (auto at = devices.open().begin(); left > 0 && at != devices.open().end();) {
        const int gpu = at->second;
        ++at;  // put() moves the entry of the GPU
        if (copies_at(gpu) != fewest) continue;
        devices.put(gpu, expert);
        ++copies_at(gpu);
        --left;
      }
    }
  }
  return devices;
}

std::vector<std::int32_t> even_counts(std::int64_t sum, std::span<const std::int64_t> loads) {
  if (loads.empty()) return {};
  std::vector<std::int32_t> order(loads.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](std::int32_t a, std::int32_t b) {
    const std::int64_t load_a = loads[static_cast<std::size_t>(a)];
    const std::int64_t load_b = loads[static_cast<std::size_t>(b)];
    return load_a != load_b ? load_a > load_b : a < b;
  });
  const auto experts = static_cast<std::int64_t>(loads.size());
  std::vector<std::int32_t> counts(loads.size(), static_cast<std::int32_t>(sum / experts));
  for (std::int64_t i = 0; i < sum % experts; ++i) {
    ++counts[static_cast<std::size_t>(order[static_cast<std::size_t>(i)])];
  }
  return counts;
}

}  // namespace bethany
