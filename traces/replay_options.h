#pragma once

#include <cstdint>
#include <string>

#include "sim/base/object_reader.h"
#include "sim/base/random.h"
#include "sim/base/time.h"
#include "sim/model/scenario.h"
#include "sim/model/trace.h"

namespace bethany {

/// How a trace with more machines than the cluster has places is cut down to it (DESIGN §6). The
/// rule decides the result, so it is named, seeded and printed.
enum class CapRule {
  members,      // a fixed cluster; a lost member is replaced by the next join of the trace
  hot_surplus,  // surplus machines are at hand and step in at once
  level,        // min(N, alive) places are filled
  scale,        // min(alive, floor(alive * N / peak)) are filled; peak is of the whole trace
};

/// In which order machines are preferred where a rule chooses among them.
enum class CapOrder { random, name };

std::string_view name_of(CapRule rule);
std::string_view name_of(CapOrder order);
std::string_view name_of(AtEnd at_end);

/// What a scenario says of the replay of its trace.
struct ReplayOptions {
  int keep_every = 1;  // of each so many machines, in the order the trace names them, one is kept
  int keep_first = 1;  // the first that is; from 1
  bool shuffle_joins = false;  // machines that join at one instant do so in a drawn order
  Duration from{0};            // where the replay starts, from the start of the trace
  Duration coalesce{0};        // losses nearer than this to the first of a burst happen with it
  int cap_nodes = 0;           // N; 0: no cap
  CapRule rule = CapRule::members;
  CapOrder order = CapOrder::random;
  std::uint64_t cap_seed = 0;
  AtEnd at_end = AtEnd::stop;
};

/// What the replay options depend on beside their own keys.
struct ReplayDefaults {
  int cluster_nodes = 0;     // the cap
  std::uint64_t seed = 0;    // of the scenario; `cap.seed` if not given
  bool until_given = false;  // then `at_end` is hold, else stop
};

/// Reads the keys from, keep {every, first}, join_order, coalesce, cap {rule, order, seed} and
/// at_end of the scenario's trace object; the caller calls finish() on it. Throws InputError.
ReplayOptions read_replay_options(ObjectReader& trace_object, const ReplayDefaults& defaults);

/// The cap in words, for results: "members of 10 nodes, random order, seed 1".
std::string cap_in_words(const ReplayOptions& options);

/// What the run replays: of the machines kept, the trace coalesced, cut at `from` and capped;
/// traces/README.md has the rules. `streams` are those of (cap_seed, replication); only "trace/cap"
/// and "trace/join-order" are drawn from. Ensures: a valid trace that starts at 0, netted within
/// each instant (losses, then joins, then the rest; a node that is lost and joins again at one
/// instant is both), and ends `from` earlier than the given one; every instant has at most
/// cap_nodes nodes. Throws InputError when `from` lies beyond the end.
Trace apply(const Trace& trace, const ReplayOptions& options, const RngStreams& streams);

}  // namespace bethany
