#include "sim/model/trace.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstring>
#include <utility>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "sim/base/check.h"
#include "sim/base/digest.h"
#include "sim/base/error.h"
#include "sim/model/trace_text.h"

namespace bethany {
namespace {

/// Texts to numbers, in the order first seen. Open addressing; the order of the slots is never
/// looked at, so the hash cannot reach any result.
class TextTable {
 public:
  /// The index of `text` in `texts`, which gets it when it is new.
  std::uint32_t index_of(std::string_view text, std::vector<std::string>& texts) {
    const Key key(text);
    return index_of(key, key.hash(), text, texts);
  }

  /// The same for several texts. Fetches all their slots first: where the table is larger than the
  /// cache, they wait for memory together instead of one after the other.
  void indices_of(std::span<const std::string_view> wanted, std::vector<std::string>& texts,
                  std::vector<std::uint32_t>& indices) {
    wanted_.clear();
    for (const auto text : wanted) {
      const Key key(text);
      wanted_.push_back({key, key.hash()});
      if (!slots_.empty()) __builtin_prefetch(&slots_[wanted_.back().hash & mask()]);
    }
    indices.clear();
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      indices.push_back(index_of(wanted_[i].key, wanted_[i].hash, wanted[i], texts));
    }
  }

 private:
  static constexpr std::uint32_t kFree = UINT32_MAX;
  struct Key;

  std::uint32_t index_of(const Key& key, std::uint64_t hash, std::string_view text,
                         std::vector<std::string>& texts) {
    if (2 * texts.size() >= slots_.size()) grow();
    for (std::size_t place = hash & mask();; place = (place + 1) & mask()) {
      Slot& slot = slots_[place];
      if (slot.index == kFree) {
        slot = {key, static_cast<std::uint32_t>(texts.size())};
        texts.emplace_back(text);
        return slot.index;
      }
      if (slot.key == key && (key.is_exact() || texts[slot.index] == text)) return slot.index;
    }
  }

  /// The text itself up to 16 bytes, so that the usual name is compared without fetching it; of a
  /// longer one its hash.
  struct Key {
    std::uint64_t first = 0;
    std::uint64_t last = 0;
    std::uint32_t size = 0;

    Key() = default;
    explicit Key(std::string_view text) : size(static_cast<std::uint32_t>(text.size())) {
      const char* const data = text.data();
      if (size > 16) {
        const XXH128_hash_t hash = XXH3_128bits(data, text.size());
        first = hash.low64;
        last = hash.high64;
      } else if (size >= 8) {
        std::memcpy(&first, data, 8);
        std::memcpy(&last, data + size - 8, 8);
      } else if (size >= 4) {
        std::memcpy(&first, data, 4);
        std::memcpy(&last, data + size - 4, 4);
      } else {
        for (std::uint32_t i = 0; i < size; ++i) {
          first = first << 8 | static_cast<unsigned char>(data[i]);
        }
      }
    }

    bool is_exact() const { return size <= 16; }

    /// Of a constant length, which the compiler unrolls.
    std::uint64_t hash() const {
      static_assert(offsetof(Key, last) == 8);
      return XXH3_64bits(this, 16);
    }

    friend bool operator==(const Key&, const Key&) = default;
  };

  struct Slot {
    Key key;
    std::uint32_t index = kFree;
  };

  std::size_t mask() const { return slots_.size() - 1; }

  void grow() {
    std::vector<Slot> old(std::max<std::size_t>(64, 2 * slots_.size()));
    old.swap(slots_);
    for (const Slot& slot : old) {
      if (slot.index == kFree) continue;
      std::size_t place = slot.key.hash() & mask();
      while (slots_[place].index != kFree) place = (place + 1) & mask();
      slots_[place] = slot;
    }
  }

  struct Wanted {
    Key key;
    std::uint64_t hash = 0;
  };

  std::vector<Slot> slots_;
  std::vector<Wanted> wanted_;
};

struct NodeState {
  std::uint32_t last_event = 0;  // number of the event that named it last, from 1; 0: none did
  bool alive = false;
  bool slow = false;
  bool faulty_name = false;
};

std::string_view expectation(TraceEventKind kind) {
  switch (kind) {
    case TraceEventKind::join:
      return "joins although it is there already";
    case TraceEventKind::lost:
      return "is lost although it is not there";
    case TraceEventKind::notice:
      return "is announced as lost although it is not there";
    case TraceEventKind::slow:
      return "becomes slow although it is not there";
    case TraceEventKind::normal:
      return "becomes normal although it was not slow";
  }
  return "?";
}

}  // namespace

std::string_view name_of(TraceEventKind kind) {
  switch (kind) {
    case TraceEventKind::join:
      return "join";
    case TraceEventKind::lost:
      return "lost";
    case TraceEventKind::notice:
      return "notice";
    case TraceEventKind::slow:
      return "slow";
    case TraceEventKind::normal:
      return "normal";
  }
  return "?";
}

struct TraceBuilder::State {
  TextTable node_table;
  TextTable cause_table;
  std::vector<NodeState> nodes;
  std::vector<NodeId> by_appearance;
  std::vector<std::uint32_t> found;

  [[noreturn]] static void fail(const std::string& place, int line, const std::string& message) {
    throw InputError(line > 0 ? fmt::format("{}:{}: {}", place, line, message)
                              : fmt::format("{}: {}", place, message));
  }

  /// Applies the trace's newest event to one of its nodes.
  void apply(Trace& trace, NodeId id, const std::string& place, int line);
  void canonical_ids(Trace& trace);
  /// Gives the names that are new a state.
  void know_nodes(const Trace& trace);
};

void TraceBuilder::State::know_nodes(const Trace& trace) {
  while (nodes.size() < trace.node_names.size()) {
    const std::string_view name = trace.node_names[nodes.size()];
    NodeState node;
    // The complaint waits for the event, which knows its line.
    node.faulty_name = name.empty() || !fault_of_trace_text(name).empty();
    nodes.push_back(node);
  }
}

void TraceBuilder::State::apply(Trace& trace, NodeId id, const std::string& place, int line) {
  BETHANY_CHECK(id.index() < nodes.size(), "a node id the builder never gave: {}", id.value);
  NodeState& node = nodes[id.index()];
  const auto kind = trace.events.back().kind;
  const auto event = static_cast<std::uint32_t>(trace.events.size());
  const auto complain = [&](std::string_view what) {
    fail(place, line, fmt::format("node '{}' {}", printable(trace.node_names[id.index()]), what));
  };
  if (node.last_event == event) complain("is named twice by one event");
  if (node.last_event == 0) {
    if (node.faulty_name) {
      const std::string_view name = trace.node_names[id.index()];
      if (name.empty()) fail(place, line, "a node has an empty name");
      complain(fault_of_trace_text(name));
    }
    by_appearance.push_back(id);
  }
  node.last_event = event;
  const bool join = kind == TraceEventKind::join;
  if (join == node.alive || (kind == TraceEventKind::normal && !node.slow)) {
    complain(expectation(kind));
  }
  if (join || kind == TraceEventKind::lost) {
    node.alive = join;
    node.slow = false;
  } else if (kind != TraceEventKind::notice) {
    node.slow = kind == TraceEventKind::slow;
  }
  trace.event_nodes.push_back(id);
}

/// Numbers the nodes in the order in which events name them, so that a trace that is written and
/// read back is the same, however its builder came to know the names.
void TraceBuilder::State::canonical_ids(Trace& trace) {
  bool canonical = by_appearance.size() == trace.node_names.size();
  for (std::size_t i = 0; canonical && i < by_appearance.size(); ++i) {
    canonical = by_appearance[i].index() == i;
  }
  if (canonical) return;
  std::vector<NodeId> new_id(trace.node_names.size());
  std::vector<std::string> names;
  names.reserve(by_appearance.size());
  for (const NodeId old : by_appearance) {
    new_id[old.index()] = NodeId(static_cast<std::int32_t>(names.size()));
    names.push_back(std::move(trace.node_names[old.index()]));
  }
  trace.node_names = std::move(names);
  for (NodeId& id : trace.event_nodes) id = new_id[id.index()];
}

TraceBuilder::TraceBuilder(std::string place)
    : place_(std::move(place)), state_(std::make_unique<State>()) {
  trace_.causes.clear();
  state_->cause_table.index_of("", trace_.causes);  // index 0: not said
}

TraceBuilder::~TraceBuilder() = default;

NodeId TraceBuilder::node(std::string_view name) {
  const std::uint32_t index = state_->node_table.index_of(name, trace_.node_names);
  state_->know_nodes(trace_);
  return NodeId(static_cast<std::int32_t>(index));
}

void TraceBuilder::nodes(std::span<const std::string_view> names, std::vector<NodeId>& ids) {
  state_->node_table.indices_of(names, trace_.node_names, state_->found);
  state_->know_nodes(trace_);
  ids.clear();
  for (const std::uint32_t index : state_->found) {
    __builtin_prefetch(&state_->nodes[index]);
    ids.push_back(NodeId(static_cast<std::int32_t>(index)));
  }
}

void TraceBuilder::add(SimTime time, TraceEventKind kind, std::span<const NodeId> nodes, int line,
                       std::string_view cause, SimTime deadline, double factor) {
  const auto complain = [&](const std::string& what) { State::fail(place_, line, what); };
  if (!trace_.events.empty() && time < trace_.events.back().time) {
    complain(fmt::format("time goes back from {} ns to {} ns",
                         trace_.events.back().time.time_since_epoch().count(),
                         time.time_since_epoch().count()));
  }
  if (nodes.empty()) complain(fmt::format("'{}' names no node", name_of(kind)));
  if (deadline < time) complain("the deadline of a notice lies before it");
  if (kind != TraceEventKind::notice && deadline != kNever) {
    complain(fmt::format("'{}' has a deadline; only a notice has one", name_of(kind)));
  }
  const bool slow = kind == TraceEventKind::slow;
  if (slow ? !(factor > 0 && factor < 1) : factor != 1) {
    complain(slow ? fmt::format("factor {} is not between 0 and 1", factor)
                  : fmt::format("'{}' has a factor; only slow has one", name_of(kind)));
  }
  if (trace_.event_nodes.size() + nodes.size() >= UINT32_MAX) complain("the trace is too long");
  TraceEvent event;
  event.time = time;
  event.kind = kind;
  event.first_node = static_cast<std::uint32_t>(trace_.event_nodes.size());
  event.node_count = static_cast<std::uint32_t>(nodes.size());
  if (!cause.empty()) {
    const std::size_t known = trace_.causes.size();
    event.cause = state_->cause_table.index_of(cause, trace_.causes);
    if (event.cause == known && !fault_of_trace_text(cause).empty()) {
      complain(fmt::format("cause '{}' {}", printable(cause), fault_of_trace_text(cause)));
    }
  }
  event.deadline = deadline;
  event.factor = factor;
  trace_.events.push_back(event);
  for (const NodeId node : nodes) state_->apply(trace_, node, place_, line);
}

void TraceBuilder::extend(NodeId node, int line) {
  BETHANY_CHECK(!trace_.events.empty(), "there is no event to extend");
  if (trace_.event_nodes.size() + 1 >= UINT32_MAX) {
    State::fail(place_, line, "the trace is too long");
  }
  state_->apply(trace_, node, place_, line);
  ++trace_.events.back().node_count;
}

Trace TraceBuilder::finish(SimTime start, SimTime end) {
  const auto ns = [](SimTime time) { return time.time_since_epoch().count(); };
  if (end < start) {
    State::fail(
        place_, 0,
        fmt::format("the trace ends at {} ns, before its start at {} ns", ns(end), ns(start)));
  }
  const auto& events = trace_.events;
  if (!events.empty() && (events.front().time < start || events.back().time > end)) {
    const SimTime outside = events.front().time < start ? events.front().time : events.back().time;
    State::fail(place_, 0,
                fmt::format("the event at {} ns lies outside the trace, {}..{} ns", ns(outside),
                            ns(start), ns(end)));
  }
  state_->canonical_ids(trace_);
  trace_.start = start;
  trace_.end = end;
  return std::move(trace_);
}

Registry<TraceImporter>& trace_importers() {
  static Registry<TraceImporter> registry;
  return registry;
}

Registry<TraceGenerator>& trace_generators() {
  static Registry<TraceGenerator> registry;
  return registry;
}

std::string trace_digest(const Trace& trace) {
  Digest digest;
  const auto add_time = [&](SimTime time) { digest.add(time.time_since_epoch().count()); };
  add_time(trace.start);
  add_time(trace.end);
  for (const auto& event : trace.events) {
    add_time(event.time);
    digest.add(static_cast<std::int64_t>(event.kind));
    digest.add(static_cast<std::int64_t>(event.node_count));
    for (const NodeId node : trace.nodes_of(event)) digest.add(std::int64_t{node.value});
    if (event.kind == TraceEventKind::notice) add_time(event.deadline);
    if (event.kind == TraceEventKind::slow) digest.add(std::bit_cast<std::int64_t>(event.factor));
  }
  return digest.hex();
}

}  // namespace bethany
