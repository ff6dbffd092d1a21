#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "analysis/run_summary.h"
#include "sim/base/json.h"

namespace bethany {

/// What a run was made from; stands beside every result.
struct RunContext {
  struct TraceSource {
    std::string name;
    std::string sha256;  // of the file; empty when the trace was generated
    std::string cap;     // the rule that chose the nodes, its order and seed, in words; or empty
    std::string statistics;  // of the trace as replayed, in a line; or empty
  };
  struct ProfileSource {
    std::string name;
    std::string sha256;  // or empty
    std::string kind;    // "measured" or "assumed"
  };

  std::uint64_t seed = 0;
  std::int64_t replication = 0;
  TraceSource trace;
  ProfileSource profile;
  std::int64_t out_of_range_queries = 0;
};

/// One run and what it was made from.
struct RunResult {
  RunSummary summary;
  RunContext context;
};

/// The JSON of `replay`, and of each entry of `runs` of `compare` ("bethany/replay/1", DESIGN §7).
/// A policy without a run has the same keys, null where there is no number. Never NaN.
JsonNode replay_answer(const RunResult& run);

/// Replaces every value inside objects by null: the keys stay.
void blank(JsonNode& node);

/// A finite number, or null.
JsonNode number_or_null(std::optional<double> value);

}  // namespace bethany
