#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sim/base/ids.h"
#include "sim/base/random.h"
#include "sim/base/registry.h"
#include "sim/base/time.h"

namespace bethany {

/// What a trace says about machines. `notice`: the loss of the nodes was announced, for `deadline`.
/// `slow`: they work at `factor` times their speed (0 < factor < 1) until `normal`.
enum class TraceEventKind : std::uint8_t { join, lost, notice, slow, normal };

std::string_view name_of(TraceEventKind kind);

/// One event of a trace; it may touch several nodes (a bulk).
struct TraceEvent {
  SimTime time;
  TraceEventKind kind = TraceEventKind::join;
  std::uint32_t first_node = 0;  // into the trace's node list: see Trace::nodes_of
  std::uint32_t node_count = 0;
  std::uint32_t cause = 0;    // index of Trace::causes; 0 is "not said"
  SimTime deadline = kNever;  // notice only
  double factor = 1;          // slow only
};

/// Which machines were there, and when: independent of what runs on them.
///
/// Ensured by TraceBuilder::finish and every reader: events are sorted by time (those of one
/// instant keep their order) and lie in [start, end]; a node joins only while it is gone and is
/// lost only while it is there; notice, slow and normal name nodes that are there.
class Trace {
 public:
  std::string name;           // of the trace, usually the file's
  std::string source;         // where it comes from
  std::string source_sha256;  // of the file it was read or imported from; empty when generated
  std::string node_type;      // optional
  SimTime start;
  SimTime end;
  std::vector<std::string> node_names;     // by NodeId
  std::vector<std::string> causes = {""};  // by TraceEvent::cause
  std::vector<TraceEvent> events;
  std::int64_t rows_dropped = 0;  // what an importer did, counted
  std::int64_t rows_merged = 0;
  std::int64_t rows_repaired = 0;

  std::span<const NodeId> nodes_of(const TraceEvent& event) const {
    return {event_nodes.data() + event.first_node, event.node_count};
  }

  /// The nodes of all events, one after the other.
  std::vector<NodeId> event_nodes;
};

/// Builds a trace from rows in time order and checks what Trace promises.
class TraceBuilder {
 public:
  /// `place` names the input in complaints ("p3-trace.csv").
  explicit TraceBuilder(std::string place);
  ~TraceBuilder();

  /// Fills in name, source and so on; its nodes and events are the builder's.
  Trace& header() { return trace_; }

  /// The id of a node name; new names get the next id.
  NodeId node(std::string_view name);
  /// The ids of many names, faster than one after the other.
  void nodes(std::span<const std::string_view> names, std::vector<NodeId>& ids);

  /// Adds one event of the nodes at once. `line` is where the row stands, for complaints; 0:
  /// nowhere. Throws InputError when a Trace promise is broken: time goes back, a node joins twice,
  /// …
  void add(SimTime time, TraceEventKind kind, std::span<const NodeId> nodes, int line,
           std::string_view cause = "", SimTime deadline = kNever, double factor = 1);

  /// Adds one more node to the event added last: for a bulk that comes row by row, so that a
  /// complaint names the row. Requires: an event was added. Throws InputError as add() does.
  void extend(NodeId node, int line);

  /// Sets start and end. Throws InputError when events lie outside. Ensures: ids are in the order
  /// in which the events name the nodes first; names that no event names are gone.
  Trace finish(SimTime start, SimTime end);

 private:
  struct State;
  Trace trace_;
  std::string place_;
  std::unique_ptr<State> state_;
};

/// Reads one published format. Bad input throws InputError with the line; nothing is invented.
class TraceImporter {
 public:
  virtual ~TraceImporter() = default;
  /// Whether the first bytes of a file (up to 4 KiB) look like this format.
  virtual bool recognises(std::string_view head) const = 0;
  /// `place` names the input in complaints.
  virtual Trace import(std::string_view bytes, const std::string& place) const = 0;
};

/// Draws a trace. Equal streams give equal traces.
class TraceGenerator {
 public:
  virtual ~TraceGenerator() = default;
  virtual Trace generate(const RngStreams& streams) const = 0;
};

Registry<TraceImporter>& trace_importers();
Registry<TraceGenerator>& trace_generators();

/// Fingerprint of what a run sees of a trace: times, kinds and node ids. 16 hex digits.
std::string trace_digest(const Trace& trace);

}  // namespace bethany
