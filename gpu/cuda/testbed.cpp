// Ranks that train on GPUs: threads of this process on one, or launched processes with one each.
#include "gpu/cuda/trained.h"

#include "gpu/backend.h"
#include "gpu/compute.h"
#include "gpu/rank_testbed.h"
#include "sim/base/object_reader.h"

namespace bethany {

CaseWorld cuda::trained_world() {
  CaseWorld world;
  world.stack = {.layers = 1,
                 .hidden = 512,
                 .ffn = 2048,
                 .gated = false,
                 .experts = 8,
                 .top_k = 1,
                 .heads = 8,
                 .sequence_length = 256,
                 .exact = false};
  world.sequences = 8;
  return world;
}

std::vector<std::pair<std::string, std::string>> cuda::facts_of_trained(Mode mode) {
  // What a backend says of its machine; it goes at once, with the memory it took.
  auto facts = make_backend("cuda", 1)->machine().facts;
  std::erase_if(facts, [](const auto& fact) { return fact.first == "element"; });  // calibrate's
  if (mode == Mode::partitioned) {
    const auto compute = make_compute("cuda", {.rank = 0, .ranks = kParts, .partitioned = true});
    facts.emplace_back("partition", compute->remark());
  }
  return facts;
}

namespace {

std::unique_ptr<Testbed> make(ObjectReader& options) {
  const auto mode = mode_named(
      options.choice("mode", {"serialised", "threads", "partitioned", "cluster"}, "serialised"));
  const bool cold = options.boolean("cold", false);
  const auto kill = options.choice("kill", {"soft", "hard"}, "soft");
  const auto products = products_named(options.choice("products", products_names(), "fp32"));
  return make_rank_testbed({.compute = "cuda",
                            .products = products,
                            .mode = mode,
                            .world = cuda::trained_world(),
                            .facts = cuda::facts_of_trained(mode),
                            .parts = cuda::kParts,
                            .cold = cold,
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
