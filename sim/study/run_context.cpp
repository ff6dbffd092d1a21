#include "sim/study/run_context.h"

#include <fmt/format.h>

namespace bethany {
namespace {

std::string statistics_line(const JsonNode& statistics) {
  const auto text = [&](const char* key) {
    const auto* value = statistics.find(key);
    if (value == nullptr) return std::string("?");
    return value->kind == JsonNode::Kind::real ? fmt::format("{:.4g}", value->real)
                                               : to_line(*value);
  };
  return fmt::format("{} nodes, {} joins, {} losses at {} instants, alive mean {} (min {}, max {})",
                     text("nodes"), text("joins"), text("losses"), text("loss_instants"),
                     text("alive_mean"), text("alive_min"), text("alive_max"));
}

}  // namespace

RunContext context_of(const Setup& setup) {
  RunContext context;
  context.seed = setup.scenario.seed;
  context.trace.name = setup.trace_stamp.name;
  context.trace.sha256 = setup.trace_stamp.sha256;
  context.trace.cap = setup.trace_stamp.cap_text;
  context.trace.statistics = statistics_line(setup.trace_stamp.statistics);
  context.profile.name = setup.cost.profile.name;
  context.profile.sha256 = setup.cost.profile.sha256;
  context.profile.kind = setup.cost.profile.kind;
  context.out_of_range_queries = setup.cost.timer->out_of_range_queries();
  return context;
}

}  // namespace bethany
