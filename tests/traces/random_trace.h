#pragma once

#include <fmt/format.h>

#include <map>
#include <string>
#include <vector>

#include "sim/base/random.h"
#include "sim/model/trace.h"

namespace bethany::test {

inline SimTime seconds(std::int64_t s) { return at(std::chrono::seconds(s)); }

/// What is there at an instant, by name: the factor of its speed.
using World = std::map<std::string, double>;

/// The world after all events up to and including `time`.
inline World world_at(const Trace& trace, SimTime time) {
  World world;
  for (const auto& event : trace.events) {
    if (event.time > time) break;
    for (const NodeId node : trace.nodes_of(event)) {
      const auto& name = trace.node_names[node.index()];
      switch (event.kind) {
        case TraceEventKind::join:
          world[name] = 1;
          break;
        case TraceEventKind::lost:
          world.erase(name);
          break;
        case TraceEventKind::slow:
          world[name] = event.factor;
          break;
        case TraceEventKind::normal:
          world[name] = 1;
          break;
        case TraceEventKind::notice:
          break;
      }
    }
  }
  return world;
}

/// A valid trace of few nodes on a coarse grid, so that much happens at one instant: bulks, nodes
/// that come and go at once, every kind of event.
inline Trace random_trace(std::uint64_t seed) {
  auto rng = RngStreams(seed, 0).stream("test/trace");
  TraceBuilder builder("random");
  auto& header = builder.header();
  header.name = "random \"trace\"";
  header.source = "a test\n";
  if (rng.below(2) == 0) header.node_type = "rtx3090-100g";
  header.rows_dropped = static_cast<std::int64_t>(rng.below(2));
  header.rows_repaired = static_cast<std::int64_t>(rng.below(3));
  const std::uint64_t node_count = 1 + rng.below(9);
  std::vector<double> factors(node_count, 0);  // 0: gone
  std::int64_t now = static_cast<std::int64_t>(rng.below(3));
  const SimTime start =
      seconds(static_cast<std::int64_t>(rng.below(static_cast<std::uint64_t>(now) + 1)));
  const std::uint64_t events = rng.below(40);
  for (std::uint64_t i = 0; i < events; ++i) {
    now += static_cast<std::int64_t>(rng.below(3));
    const auto kind = static_cast<TraceEventKind>(std::min<std::uint64_t>(rng.below(9) / 3, 4));
    const auto chosen =
        kind == TraceEventKind::notice ? static_cast<TraceEventKind>(2 + rng.below(3)) : kind;
    std::vector<NodeId> nodes;
    for (std::uint64_t n = 0; n < node_count; ++n) {
      double& factor = factors[n];
      const bool fits = chosen == TraceEventKind::join     ? factor == 0
                        : chosen == TraceEventKind::normal ? factor != 0 && factor != 1
                                                           : factor != 0;
      if (!fits || rng.below(3) != 0) continue;
      nodes.push_back(builder.node(fmt::format("node-{}", node_count - n)));
      factor = chosen == TraceEventKind::lost     ? 0
               : chosen == TraceEventKind::slow   ? 0.5
               : chosen == TraceEventKind::notice ? factor
                                                  : 1;
    }
    if (nodes.empty()) continue;
    const char* const causes[] = {"", "hardware", "a \\ \"quoted\" cause", "спот"};
    const SimTime deadline = chosen == TraceEventKind::notice && rng.below(2) == 0
                                 ? seconds(now + static_cast<std::int64_t>(rng.below(5)))
                                 : kNever;
    builder.add(seconds(now), chosen, nodes, 0, causes[rng.below(4)], deadline,
                chosen == TraceEventKind::slow ? 0.5 : 1);
  }
  return builder.finish(start, seconds(now + static_cast<std::int64_t>(rng.below(5))));
}

}  // namespace bethany::test
