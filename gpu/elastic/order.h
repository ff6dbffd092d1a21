#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sim/model/plan.h"
#include "sim/model/routing_load.h"
#include "sim/model/traffic.h"

namespace bethany {

/// One expert's state, or a piece of the dense state (expert -1), that goes from rank to rank.
/// Ranks are those of the fabric that is connected.
struct Move {
  int from = 0;
  int to = 0;
  int layer = -1;
  int expert = -1;
  std::int64_t offset = 0;  // in the dense state
  std::int64_t bytes = 0;

  friend bool operator==(const Move&, const Move&) = default;
};

/// What the coordinator has every connected rank do.
struct Order {
  enum class Kind : std::uint8_t {
    initialise,  // the state that every training begins with, of the experts of the plan
    step,        // forward, backward, reduction of gradients; the weights stay as they are
    commit,      // update from the gradients of the step
    discard,     // forget them
    migrate,     // fetch and send state; what is held stays
    settle,      // hold exactly what the plan says
    save,        // write the checkpoint: each part by its first holder
    load,        // read it
    digest,      // tell what is held
    meet,        // at barriers, `step` times
  };
  Kind kind = Kind::step;
  std::shared_ptr<const PlacementPlan> plan;
  std::int64_t step = 0;
  std::int64_t first_sample = 0;              // of the step
  std::vector<std::int64_t> samples_of_rank;  // of one micro-batch
  std::int64_t accumulation = 1;
  LoadMatrix shares;  // routing that is forced on the gates; no layers: they choose
  std::vector<Move> moves;
  std::string folder;  // of the checkpoint
  /// The step's outputs are told. Whoever looks through them finds the core's caches emptied of
  /// what the next phase needs, so a step that is timed does not.
  bool tells_outputs = true;
};

/// A phase of a rank, as replies carry it.
struct ReplyPhase {
  std::string name;
  int layer = -1;
  double seconds = 0;
  std::optional<double> waited = {};  // as PhaseTime has it
};

/// What a rank answers.
struct Reply {
  bool lost = false;  // a peer, or the rank itself: what was ordered was not done
  double loss = 0;    // the rank's share of the step's loss
  std::vector<ReplyPhase> phases;
  /// Of the outputs of the rank's samples: a sum over samples, so that it does not matter who
  /// computed which. 0 when they are not told.
  std::uint64_t output_digest = 0;
  /// Where all rows of the step went: the layers of its micro-batches, one after the other. Only
  /// rank 0 tells.
  std::vector<LayerTraffic> traffic;
  std::int64_t peak_bytes = 0;  // that the rank has had allocated at most; 0: nobody counts
  /// Of what is held, by (layer, expert); (-1, -1) is the dense state.
  std::map<std::pair<int, int>, std::uint64_t> held;
};

}  // namespace bethany
