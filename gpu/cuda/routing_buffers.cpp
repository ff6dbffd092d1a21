#include "gpu/cuda/routing_buffers.h"

namespace bethany::cuda {

RoutingBuffers take_routing(Device& device, const std::vector<std::uint16_t>& keys, int experts) {
  const auto pairs = static_cast<std::int64_t>(keys.size());
  RoutingBuffers b;
  Arena& arena = device.arena();
  b.keys = arena.take_of<std::uint16_t>(keys.size());
  b.sorted_keys = arena.take_of<std::uint16_t>(keys.size());
  b.pairs = arena.take_of<int>(keys.size());
  b.order = arena.take_of<int>(keys.size());
  b.position = arena.take_of<int>(keys.size());
  b.offsets = arena.take_of<int>(static_cast<std::size_t>(experts) + 1);
  b.scratch_bytes = routing_scratch_bytes(pairs, experts);
  b.scratch = arena.take(b.scratch_bytes);
  device.upload(b.keys, keys.data(), keys.size() * sizeof(std::uint16_t));
  prepare_routing(device.stream(), b, pairs);
  return b;
}

}  // namespace bethany::cuda
