#include <fmt/format.h>

#include <algorithm>
#include <climits>
#include <numeric>

#include "sim/base/error.h"
#include "traces/cap_rules.h"
#include "traces/replay_options.h"

namespace bethany {
namespace {

/// One node of one event.
struct Row {
  SimTime time;
  TraceEventKind kind = TraceEventKind::join;
  NodeId node;
  std::uint32_t cause = 0;
  SimTime deadline = kNever;
  double factor = 1;
};

std::vector<Row> rows_of(const Trace& trace) {
  std::vector<Row> rows;
  rows.reserve(trace.event_nodes.size());
  for (const auto& event : trace.events) {
    for (const NodeId node : trace.nodes_of(event)) {
      rows.push_back({event.time, event.kind, node, event.cause, event.deadline, event.factor});
    }
  }
  return rows;
}

/// Moves the losses of a burst to its first one. A node that joined inside the burst cannot be lost
/// before it came: its loss moves to its join, so that it was never there.
void coalesce(std::vector<Row>& rows, Duration within, std::size_t nodes) {
  if (within.count() == 0) return;
  std::vector<SimTime> joined(nodes);
  SimTime burst = kNever;
  for (auto& row : rows) {
    if (row.kind == TraceEventKind::join) joined[row.node.index()] = row.time;
    if (row.kind != TraceEventKind::lost) continue;
    if (burst == kNever || row.time - burst >= within) burst = row.time;
    row.time = std::max(burst, joined[row.node.index()]);
  }
  std::stable_sort(rows.begin(), rows.end(),
                   [](const Row& a, const Row& b) { return a.time < b.time; });
}

/// Lets the machines that join at one instant do so in a drawn order. Runs of joins only: a machine
/// that is lost and joins again at one instant keeps that order.
void shuffle_joins(std::vector<Row>& rows, const RngStreams& streams) {
  auto rng = streams.stream("trace/join-order");
  for (std::size_t first = 0; first < rows.size();) {
    std::size_t last = first;
    while (last < rows.size() && rows[last].kind == TraceEventKind::join &&
           rows[last].time == rows[first].time) {
      ++last;
    }
    std::vector<Row> joins(rows.begin() + static_cast<std::ptrdiff_t>(first),
                           rows.begin() + static_cast<std::ptrdiff_t>(last));
    rng.shuffle(joins);
    std::copy(joins.begin(), joins.end(), rows.begin() + static_cast<std::ptrdiff_t>(first));
    first = std::max(last, first + 1);
  }
}

/// The most nodes alive after any instant.
std::int64_t peak_of(const std::vector<Row>& rows) {
  std::int64_t alive = 0;
  std::int64_t peak = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (rows[i].kind == TraceEventKind::join) ++alive;
    if (rows[i].kind == TraceEventKind::lost) --alive;
    if (i + 1 == rows.size() || rows[i + 1].time != rows[i].time) peak = std::max(peak, alive);
  }
  return peak;
}

/// The order of preference by NodeId.
std::vector<std::int32_t> ranks(const Trace& trace, CapOrder order, const RngStreams& streams) {
  std::vector<std::size_t> nodes(trace.node_names.size());
  std::iota(nodes.begin(), nodes.end(), std::size_t{0});
  if (order == CapOrder::name) {
    std::sort(nodes.begin(), nodes.end(), [&](std::size_t a, std::size_t b) {
      return trace.node_names[a] < trace.node_names[b];
    });
  } else {
    auto rng = streams.stream("trace/cap");
    rng.shuffle(nodes);
  }
  std::vector<std::int32_t> rank(nodes.size());
  for (std::size_t i = 0; i < nodes.size(); ++i) rank[nodes[i]] = static_cast<std::int32_t>(i);
  return rank;
}

/// What is known of a machine of the trace.
struct Machine {
  bool alive = false;
  std::uint32_t join_cause = 0;
  double factor = 1;
  std::uint32_t factor_cause = 0;
  bool noticed = false;
  SimTime deadline = kNever;
  std::uint32_t notice_cause = 0;
  // Of the instant that touched it last.
  std::int64_t instant = 0;
  bool was_alive = false;
  bool lost_now = false;
  bool noticed_now = false;
  std::uint32_t lost_cause = 0;
  std::int64_t join_row = 0;
  // In the capped cluster.
  bool member = false;
  std::int64_t entered = 0;  // at which instant
  double shown_factor = 1;
  NodeId result_id;
};

/// Sweeps the rows instant by instant and writes what the cap makes of them.
class Sweep {
 public:
  Sweep(const Trace& trace, Cap& cap, SimTime start)
      : trace_(trace),
        cap_(cap),
        start_(start),
        now_(start),
        machines_(trace.node_names.size()),
        builder_(trace.name.empty() ? "trace" : trace.name) {}

  Trace run(const std::vector<Row>& rows) {
    std::size_t first = 0;
    // All that happened up to the start is its instant.
    while (first < rows.size() && rows[first].time <= start_) take(rows[first++]);
    close_instant();
    while (first < rows.size()) {
      now_ = rows[first].time;
      for (; first < rows.size() && rows[first].time == now_; ++first) take(rows[first]);
      close_instant();
    }
    auto& header = builder_.header();
    header.name = trace_.name;
    header.source = trace_.source;
    header.source_sha256 = trace_.source_sha256;
    header.node_type = trace_.node_type;
    header.rows_dropped = trace_.rows_dropped;
    header.rows_merged = trace_.rows_merged;
    header.rows_repaired = trace_.rows_repaired;
    return builder_.finish(at(Duration(0)), shifted(trace_.end));
  }

 private:
  Machine& machine(NodeId node) { return machines_[node.index()]; }
  SimTime shifted(SimTime time) const { return time == kNever ? kNever : at(time - start_); }

  void take(const Row& row) {
    Machine& m = machine(row.node);
    if (m.instant != instant_) {
      m.instant = instant_;
      m.was_alive = m.alive;
      m.lost_now = m.noticed_now = false;
      touched_.push_back(row.node);
    }
    switch (row.kind) {
      case TraceEventKind::join:
        m.alive = true;
        m.join_cause = row.cause;
        m.factor = 1;
        m.noticed = m.noticed_now = false;
        m.join_row = static_cast<std::int64_t>(joins_.size());
        joins_.push_back(row.node);
        ++alive_;
        break;
      case TraceEventKind::lost:
        m.alive = false;
        --alive_;
        if (!m.was_alive || m.lost_now) break;
        m.lost_now = true;
        m.lost_cause = row.cause;
        net_.losses.push_back(row.node);
        break;
      default:
        take_state(row, m);
    }
  }

  static void take_state(const Row& row, Machine& m) {
    // A loss that was moved forward leaves rows of a machine that is gone.
    if (!m.alive) return;
    if (row.kind == TraceEventKind::notice) {
      m.noticed = m.noticed_now = true;
      m.deadline = row.deadline;
      m.notice_cause = row.cause;
    } else {
      m.factor = row.factor;
      m.factor_cause = row.cause;
    }
  }

  void close_instant() {
    for (std::size_t i = 0; i < joins_.size(); ++i) {
      const Machine& m = machine(joins_[i]);
      if (m.alive && m.join_row == static_cast<std::int64_t>(i)) net_.joins.push_back(joins_[i]);
    }
    net_.alive = alive_;
    const CapStep step = cap_.step(net_);
    for (const NodeId node : step.out) {
      Machine& m = machine(node);
      m.member = false;
      const bool lost = m.instant == instant_ && m.lost_now;
      emit(TraceEventKind::lost, node, lost ? m.lost_cause : 0);
    }
    for (const NodeId node : step.in) {
      Machine& m = machine(node);
      m.member = true;
      m.entered = instant_;
      m.shown_factor = 1;
      emit(TraceEventKind::join, node, m.join_cause);
      m.result_id = builder_.node(trace_.node_names[node.index()]);
      if (m.instant != instant_) {
        m.instant = instant_;
        m.lost_now = m.noticed_now = false;
        touched_.push_back(node);
      }
    }
    if (cap_.follows_machines()) show_states();
    joins_.clear();
    touched_.clear();
    net_ = {};
    ++instant_;
  }

  /// Tells the reader of the result what it does not know yet of the members: first who became slow
  /// or normal, then who was announced as lost, each in the order of the result's nodes.
  void show_states() {
    std::erase_if(touched_, [this](NodeId node) { return !machine(node).member; });
    std::sort(touched_.begin(), touched_.end(),
              [this](NodeId a, NodeId b) { return machine(a).result_id < machine(b).result_id; });
    for (const NodeId node : touched_) {
      Machine& m = machine(node);
      if (m.factor == m.shown_factor) continue;
      const auto kind = m.factor < 1 ? TraceEventKind::slow : TraceEventKind::normal;
      emit(kind, node, m.factor_cause, kNever, m.factor);
      m.shown_factor = m.factor;
    }
    for (const NodeId node : touched_) {
      const Machine& m = machine(node);
      const bool news = m.noticed_now || m.entered == instant_;
      if (m.noticed && news && m.deadline >= now_) {
        emit(TraceEventKind::notice, node, m.notice_cause, shifted(m.deadline));
      }
    }
  }

  /// Adds to the event before when it says the same.
  void emit(TraceEventKind kind, NodeId node, std::uint32_t cause, SimTime deadline = kNever,
            double factor = 1) {
    const NodeId id = builder_.node(trace_.node_names[node.index()]);
    const auto& events = builder_.header().events;
    const SimTime time = shifted(now_);
    if (!events.empty()) {
      const auto& last = events.back();
      if (last.time == time && last.kind == kind && last_cause_ == cause &&
          last.deadline == deadline && last.factor == factor) {
        builder_.extend(id, 0);
        return;
      }
    }
    builder_.add(time, kind, {&id, 1}, 0, trace_.causes[cause], deadline, factor);
    last_cause_ = cause;
  }

  const Trace& trace_;
  Cap& cap_;
  SimTime start_;
  SimTime now_;
  std::vector<Machine> machines_;
  TraceBuilder builder_;
  std::int64_t instant_ = 1;
  std::int64_t alive_ = 0;
  std::vector<NodeId> touched_;
  std::vector<NodeId> joins_;  // of every join row of the instant
  NetInstant net_;
  std::uint32_t last_cause_ = 0;
};

}  // namespace

Trace apply(const Trace& trace, const ReplayOptions& options, const RngStreams& streams) {
  const Duration length = trace.end - trace.start;
  if (options.from > length) {
    throw InputError(fmt::format("trace {}: from {} lies beyond its end, {} after its start",
                                 trace.name, to_text(options.from), to_text(length)));
  }
  auto rows = rows_of(trace);
  if (options.keep_every > 1) {
    std::erase_if(rows, [&](const Row& row) {
      return row.node.value % options.keep_every != options.keep_first - 1;
    });
  }
  if (options.shuffle_joins) shuffle_joins(rows, streams);
  coalesce(rows, options.coalesce, trace.node_names.size());
  const bool capped = options.cap_nodes > 0;
  const auto cap =
      make_cap(capped ? options.rule : CapRule::members, capped ? options.cap_nodes : INT_MAX,
               ranks(trace, options.order, streams), peak_of(rows));
  return Sweep(trace, *cap, trace.start + options.from).run(rows);
}

}  // namespace bethany
