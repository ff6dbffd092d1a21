// Ranks that train on this machine's processor: as threads that take turns, threads beside each
// other, processes that can be killed, or processes that a launcher started.
#include "gpu/backend.h"
#include "gpu/protocol.h"
#include "gpu/rank_testbed.h"
#include "sim/base/object_reader.h"

namespace bethany {
namespace {

std::unique_ptr<Testbed> make(ObjectReader& options) {
  const auto mode = mode_named(
      options.choice("mode", {"serialised", "threads", "processes", "cluster"}, "serialised"));
  const auto products = products_named(options.choice("products", products_names(), "fp32"));
  const bool cold = options.boolean("cold", false);
  const auto kill = options.choice("kill", {"soft", "hard"}, "soft");
  return make_rank_testbed({.compute = "cpu",
                            .products = products,
                            .mode = mode,
                            .world = {},
                            .facts = make_backend("cpu", 1)->machine().facts,
                            .clock = thread_seconds,
                            .cold = cold,
                            .kill = kill == "hard" ? Kill::hard : Kill::soft});
}

const bool registered = testbeds().add({
    .name = "cpu",
    .summary =
        "really trains on this machine's processor: serialised, threads, processes or cluster",
    .make = make,
});

}  // namespace
}  // namespace bethany
