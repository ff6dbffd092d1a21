#include "gpu/elastic/codec.h"

#include <cstring>
#include <type_traits>

#include "sim/base/error.h"

namespace bethany {
namespace {

/// Writes values one after the other.
class Writer {
 public:
  static constexpr bool kReads = false;

  template <class T>
  void plain(const T& value) {
    static_assert(std::is_trivially_copyable_v<T>);
    bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  std::size_t length(std::size_t size) {
    plain(static_cast<std::uint64_t>(size));
    return size;
  }

  std::string bytes;
};

/// Reads them back.
class Reader {
 public:
  static constexpr bool kReads = true;

  explicit Reader(std::string_view bytes) : left_(bytes) {}

  template <class T>
  void plain(T& value) {
    static_assert(std::is_trivially_copyable_v<T>);
    if (left_.size() < sizeof value) throw MachineError("a message between ranks is cut short");
    std::memcpy(&value, left_.data(), sizeof value);
    left_.remove_prefix(sizeof value);
  }
  std::size_t length(std::size_t) {
    std::uint64_t size = 0;
    plain(size);
    // Every element takes a byte at least.
    if (size > left_.size()) throw MachineError("a message between ranks is no message");
    return static_cast<std::size_t>(size);
  }
  bool done() const { return left_.empty(); }

 private:
  std::string_view left_;
};

// One description for both directions: `io` is a Writer or a Reader.

template <class Io, class T>
requires std::is_trivially_copyable_v<T>
void pass(Io& io, T& value) { io.plain(value); }

template <class Io>
void pass(Io& io, std::string& text) {
  text.resize(io.length(text.size()));
  for (auto& c : text) io.plain(c);
}

template <class Io>
void pass(Io& io, LayerPlan& plan);
template <class Io>
void pass(Io& io, ReplyPhase& phase);
template <class Io>
void pass(Io& io, LayerTraffic& traffic);

template <class Io, class T>
void pass(Io& io, std::vector<T>& values) {
  values.resize(io.length(values.size()));
  for (auto& value : values) pass(io, value);
}

template <class Io>
void pass(Io& io, LayerPlan& plan) {
  pass(io, plan.replicas);
  pass(io, plan.expert_of_slot);
}

template <class Io>
void pass(Io& io, ReplyPhase& phase) {
  pass(io, phase.name);
  pass(io, phase.layer);
  pass(io, phase.seconds);
  pass(io, phase.waited);
}

template <class Io>
void pass(Io& io, LayerTraffic& traffic) {
  pass(io, traffic.computed);
  pass(io, traffic.sent_inside);
  pass(io, traffic.received_inside);
  pass(io, traffic.sent_outside);
  pass(io, traffic.received_outside);
  pass(io, traffic.padded);
  pass(io, traffic.overlapped);
  pass(io, traffic.exchange_ranks);
}

template <class Io>
void pass(Io& io, PlacementPlan& plan) {
  pass(io, plan.nodes);
  pass(io, plan.gpus_per_node);
  pass(io, plan.slots_per_node);
  pass(io, plan.experts);
  pass(io, plan.layers);
}

template <class Io>
void pass(Io& io, Order& order) {
  pass(io, order.kind);
  bool planned = order.plan != nullptr;
  pass(io, planned);
  if (planned) {
    PlacementPlan plan;
    if constexpr (!Io::kReads) plan = *order.plan;
    pass(io, plan);
    if constexpr (Io::kReads) order.plan = std::make_shared<const PlacementPlan>(std::move(plan));
  }
  pass(io, order.step);
  pass(io, order.first_sample);
  pass(io, order.samples_of_rank);
  pass(io, order.accumulation);
  pass(io, order.shares.layers);
  pass(io, order.shares.experts);
  pass(io, order.shares.values);
  pass(io, order.moves);
  pass(io, order.folder);
  pass(io, order.tells_outputs);
}

template <class Io>
void pass(Io& io, Reply& reply) {
  pass(io, reply.lost);
  pass(io, reply.loss);
  pass(io, reply.phases);
  pass(io, reply.output_digest);
  pass(io, reply.traffic);
  pass(io, reply.peak_bytes);
  std::vector<std::pair<std::pair<int, int>, std::uint64_t>> held(reply.held.begin(),
                                                                  reply.held.end());
  held.resize(io.length(held.size()));
  for (auto& [which, digest] : held) {
    pass(io, which.first);
    pass(io, which.second);
    pass(io, digest);
  }
  reply.held = {held.begin(), held.end()};
}

template <class Io>
void pass(Io& io, RankSetup& setup) {
  pass(io, setup.training.shape);
  auto& placement = setup.training.placement;
  for (auto* number :
       {&placement.nodes, &placement.gpus_per_node, &placement.slots_per_gpu, &placement.experts,
        &placement.nodes_per_server, &placement.fault_threshold, &placement.expert_groups}) {
    pass(io, *number);
  }
  pass(io, placement.domain_of_node);
  pass(io, setup.training.seed);
  pass(io, setup.policy);
}

template <class T>
std::string written(T value) {
  Writer writer;
  pass(writer, value);
  return std::move(writer.bytes);
}

template <class T>
T read(std::string_view bytes) {
  Reader reader(bytes);
  T value;
  pass(reader, value);
  if (!reader.done()) throw MachineError("a message between ranks is too long");
  return value;
}

}  // namespace

std::string encode(const Order& order) { return written(order); }
Order decode_order(std::string_view bytes) { return read<Order>(bytes); }
std::string encode(const Reply& reply) { return written(reply); }
Reply decode_reply(std::string_view bytes) { return read<Reply>(bytes); }
std::string encode(const RankSetup& setup) { return written(setup); }
RankSetup decode_setup(std::string_view bytes) { return read<RankSetup>(bytes); }

}  // namespace bethany
