// Ranks that train on GPUs: threads of this process on one, or launched processes with one each.
#include "gpu/backend.h"
#include "gpu/compute.h"
#include "gpu/rank_testbed.h"
#include "sim/base/object_reader.h"

namespace bethany {
namespace {

/// Experts as of the shape `gpt`, which calibrate measures. One layer: every run draws and saves
/// all weights.
CaseWorld world() {
  CaseWorld world;
  world.stack = {.layers = 1,
                 .hidden = 1024,
                 .ffn = 4096,
                 .gated = false,
                 .experts = 8,
                 .top_k = 1,
                 .heads = 16,
                 .sequence_length = 1024,
                 .exact = false};
  return world;
}

/// What a backend says of its machine; it goes at once, with the memory it took.
std::vector<std::pair<std::string, std::string>> facts_of(Mode mode) {
  auto facts = make_backend("cuda", 1)->machine().facts;
  if (mode == Mode::partitioned) {
    // Ten ranks are the most of all cases.
    const auto compute = make_compute("cuda", {.rank = 0, .ranks = 10, .partitioned = true});
    facts.emplace_back("partition", compute->remark());
  }
  return facts;
}

std::unique_ptr<Testbed> make(ObjectReader& options) {
  const auto mode = mode_named(
      options.choice("mode", {"serialised", "threads", "partitioned", "cluster"}, "serialised"));
  const auto kill = options.choice("kill", {"soft", "hard"}, "soft");
  return make_rank_testbed({.compute = "cuda",
                            .mode = mode,
                            .world = world(),
                            .facts = facts_of(mode),
                            .device_memory = true,
                            .kill = kill == "hard" ? Kill::hard : Kill::soft});
}

const bool registered = testbeds().add({
    .name = "cuda",
    .summary = "really trains on one GPU: serialised, threads or partitioned; on several: cluster",
    .make = make,
});

}  // namespace
}  // namespace bethany
