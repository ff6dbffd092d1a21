#include "sim/study/replicate.h"

#include <fmt/format.h>

#include <algorithm>

#include "sim/base/error.h"
#include "sim/base/quantities.h"
#include "sim/study/parallel.h"

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

const JsonNode* trace_key(const Setup& setup, const char* key) {
  const JsonNode* trace = setup.effective.find("trace");
  return trace == nullptr || trace->kind != JsonNode::Kind::object ? nullptr : trace->find(key);
}

/// Refuses windows that the scenario does not have.
void check_windows(const Setup& setup, int windows) {
  if (trace_key(setup, "file") == nullptr) {
    throw InputError(
        "--windows: cuts a trace file; a generated trace is drawn anew: --replications");
  }
  const auto& until = setup.scenario.until.time;
  if (!until) throw InputError("--windows: needs training.until.time, the length of a window");
  const auto fit = setup.trace->end.time_since_epoch() / *until;
  if (windows > fit) {
    throw InputError(fmt::format("--windows {}: only {} of {} fit into {} one after the other",
                                 windows, fit, to_text(*until), setup.trace_stamp.name));
  }
}

/// The scenario of one replication.
JsonNode tree_of(const JsonNode& tree, const Setup& setup, bool windows, std::size_t replication) {
  JsonNode own = tree;
  const auto number = setup.scenario.replication + static_cast<std::int64_t>(replication);
  apply_set(own, fmt::format("replication={}", number));
  if (windows) {
    const auto from = parse_duration(trace_key(setup, "from")->text).value();
    const auto begin = from + static_cast<std::int64_t>(replication) * *setup.scenario.until.time;
    apply_set(own, fmt::format("trace.from={}ns", begin.count()));
  }
  return own;
}

/// Says what differs between the replications.
void describe(const Setup& setup, const ReplicateOptions& options, Replications& result) {
  const auto& name = setup.trace_stamp.name;
  if (options.windows > 0) {
    result.drawn = fmt::format("windows of {} of {}, one after the other",
                               to_text(*setup.scenario.until.time), name);
    result.scope =
        "Windows of one trace follow each other: what holds for longer than a window "
        "makes them alike and the intervals too narrow.";
  } else if (const auto* generator = trace_key(setup, "generator")) {
    result.drawn = fmt::format("draws of the trace generator {}", generator->text);
  } else if (trace_key(setup, "file") != nullptr) {
    result.drawn = fmt::format("draws of nodes and loads on {}", name);
    result.scope = fmt::format(
        "Intervals cover which nodes and loads are drawn, not other traces than {}.", name);
  } else {
    result.drawn = "draws of the routing load";
  }
}

/// Whether every policy did the same in all replications.
bool all_equal(const Replications& replications) {
  const auto& first = replications.runs.front();
  for (const auto& runs : replications.runs) {
    for (std::size_t i = 0; i < runs.size(); ++i) {
      const auto& a = runs[i].summary;
      const auto& b = first[i].summary;
      if (a.digest != b.digest || a.samples != b.samples || a.feasible != b.feasible) return false;
    }
  }
  return std::any_of(first.begin(), first.end(),
                     [](const RunResult& run) { return run.summary.feasible; });
}

}  // namespace

Replications replicate(const JsonNode& tree, const Setup& setup,
                       const std::vector<NamedPolicy>& policies, const ReplicateOptions& options,
                       const SinksOfReplication& sinks) {
  const bool windows = options.windows > 0;
  if (windows) check_windows(setup, options.windows);
  const int most = windows ? options.windows : options.count;
  Replications result;
  describe(setup, options, result);
  InputCache cache;
  const auto replay_one = [&](std::size_t r, int threads) {
    const bool own = r > 0 || windows;
    const Setup made = own ? make_setup(tree_of(tree, setup, windows, r), &cache) : Setup{};
    const Setup& used = own ? made : setup;
    auto summaries = compare(used, policies, threads, [&](std::size_t i) {
      return sinks ? sinks(r, i) : std::vector<RunSink*>{};
    });
    for (auto& summary : summaries) {
      result.runs[r].push_back({std::move(summary), context_of(used)});
    }
  };
  if (most == 1) {
    result.runs.resize(1);
    replay_one(0, options.threads);
    return result;
  }
  std::size_t done = 0;
  while (done < static_cast<std::size_t>(most)) {
    const int batch = options.until_ci ? kCiBatch : most;
    const auto until = std::min<std::size_t>(done + static_cast<std::size_t>(batch),
                                             static_cast<std::size_t>(most));
    result.runs.resize(until);
    parallel_for(until - done, options.threads, [&](std::size_t i) { replay_one(done + i, 1); });
    done = until;
    if (!options.until_ci) break;
    const auto comparisons = compare_on_replications(result, options.baseline);
    if (narrow_enough(result, comparisons, *options.until_ci)) break;
  }
  if (all_equal(result)) {
    throw InputError(
        fmt::format("{} replications came out equal: nothing in the scenario is drawn. Give a "
                    "trace generator, or --windows of a longer trace",
                    result.count()));
  }
  return result;
}

RunContext context_of(const Setup& setup) {
  RunContext context;
  context.seed = setup.scenario.seed;
  context.replication = setup.scenario.replication;
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
