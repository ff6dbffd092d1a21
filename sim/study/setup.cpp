#include "sim/study/setup.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "sim/base/digest.h"
#include "sim/base/error.h"
#include "sim/base/files.h"
#include "sim/base/object_reader.h"
#include "sim/base/text.h"
#include "sim/model/readers.h"
#include "sim/model/routing_source.h"
#include "sim/model/trace_file.h"
#include "traces/import.h"
#include "traces/replay_options.h"
#include "traces/statistics.h"

namespace bethany {
namespace {

constexpr std::int64_t kScenarioVersion = 1;
constexpr std::int64_t kMostReplications = 1'000'000'000;
constexpr std::int64_t kMost = 1'000'000'000'000'000;

Until read_until(ObjectReader& training) {
  Until until;
  if (!training.has("until")) {
    training.raw("until");
    return until;
  }
  auto reader = training.object("until");
  int given = 0;
  if (reader.has("time")) {
    until.time = reader.duration("time", {}, Duration(1));
    ++given;
  }
  if (reader.has("samples")) {
    until.samples = reader.integer("samples", 1, kMost);
    ++given;
  }
  if (reader.has("tokens")) {
    until.tokens = reader.integer("tokens", 1, kMost);
    ++given;
  }
  for (const auto* key : {"time", "samples", "tokens"}) reader.raw(key);
  reader.finish();
  if (given != 1) training.fail("until", "give one of time, samples and tokens");
  return until;
}

/// Everything a routing load depends on, before it is read.
std::string routing_key(const JsonNode* given, const Setup& setup) {
  const auto shape = routing_shape(setup.scenario.model);
  auto key = fmt::format("{} x {}, top {}", shape.layers, shape.experts, shape.top_k);
  if (given != nullptr) key += ": " + to_line(*given) + " in " + given->place();
  const bool drawn = given == nullptr || given->find("file") == nullptr;
  if (!drawn) return key;
  return key +
         fmt::format(", seed {}, replication {}", setup.scenario.seed, setup.scenario.replication);
}

void read_routing(ObjectReader& root, InputCache* cache, Setup& setup) {
  const JsonNode* given = root.raw("routing");
  const auto make = [&] {
    auto reader = root.object("routing");
    const auto source = read_routing_source(reader);
    auto load = std::make_shared<const RoutingLoad>(
        source->generate(routing_shape(setup.scenario.model), setup.streams));
    return CachedRouting{std::move(load), *setup.effective.find("routing")};
  };
  const auto routing =
      cache == nullptr ? make() : cache->routing.get(routing_key(given, setup), make);
  setup.routing = routing.load;
  root.set_effective("routing", routing.effective);
}

/// The trace of `"trace": "none"`: all nodes are there from the start and stay.
Trace no_trace(int nodes) {
  TraceBuilder builder("trace none");
  builder.header().name = "none";
  std::vector<NodeId> all;
  for (int i = 1; i <= nodes; ++i) all.push_back(builder.node(fmt::format("node{}", i)));
  builder.add(SimTime(), TraceEventKind::join, all, 0);
  return builder.finish(SimTime(), SimTime());
}

int peak_alive(const Trace& trace) {
  const auto peak = statistics_of(trace).alive_max;
  return static_cast<int>(std::max<std::int64_t>(1, peak.value_or(1)));
}

/// The trace as its file or generator has it.
CachedTrace import_or_generate(ObjectReader& reader, const RngStreams& streams) {
  CachedTrace read;
  if (reader.has("generator")) {
    reader.raw("file");
    const auto name = reader.choice("generator", trace_generators().names());
    auto trace = trace_generators().find(name)->make(reader)->generate(streams);
    trace.source = fmt::format("bethany generator {}, options and seed in the scenario", name);
    read.trace = std::make_shared<const Trace>(std::move(trace));
  } else {
    reader.raw("generator");
    const auto path = reader.file("file");
    std::string importer;
    if (reader.has("importer")) {
      importer = reader.choice("importer", trace_importers().names());
    } else {
      reader.raw("importer");
    }
    read.trace =
        std::make_shared<const Trace>(import_trace(read_input(path), path, importer, reader));
  }
  read.peak_alive = peak_alive(*read.trace);
  return read;
}

bool is_replay_key(const std::string& key) {
  static const std::vector<std::string> keys = {"from",     "keep", "join_order",
                                                "coalesce", "cap",  "at_end"};
  return std::find(keys.begin(), keys.end(), key) != keys.end();
}

/// Everything that a trace depends on before its replay options.
std::string trace_key(const JsonNode& given, const Setup& setup) {
  std::string key;
  for (const auto& member : given.members) {
    if (is_replay_key(member.key)) continue;
    key += fmt::format("{}={} in {}\n", member.key, to_line(member.value), member.value.place());
  }
  if (given.find("file") != nullptr) return key;
  return key +
         fmt::format("seed {}, replication {}", setup.scenario.seed, setup.scenario.replication);
}

/// Reads a trace through the cache. What the reader has read then is as if there were none: a trace
/// with a key that the importer did not ask for is not kept.
CachedTrace read_cached(ObjectReader& reader, const JsonNode& given, const std::string& key,
                        InputCache& cache, Setup& setup) {
  bool made = false;
  auto kept = cache.traces.get(key, [&]() -> std::optional<CachedTrace> {
    auto read = import_or_generate(reader, setup.streams);
    made = true;
    read.effective = *setup.effective.find("trace");
    for (const auto& member : given.members) {
      if (is_replay_key(member.key)) continue;
      if (read.effective.find(member.key) == nullptr) return {};
    }
    return read;
  });
  if (!kept) return import_or_generate(reader, setup.streams);
  if (made) return *kept;
  reader.raw("file");
  reader.raw("generator");
  for (const auto& member : kept->effective.members) {
    reader.raw(member.key);
    reader.set_effective(member.key, member.value);
  }
  return *kept;
}

/// The trace as its file or generator has it; without one ("none") nothing.
std::optional<CachedTrace> read_raw_trace(ObjectReader& root, std::optional<ObjectReader>& reader,
                                          InputCache* cache, Setup& setup) {
  const JsonNode* node = root.raw("trace");
  if (node == nullptr) root.fail("", "missing key 'trace' (a file, a generator, or \"none\")");
  if (node->kind == JsonNode::Kind::string) {
    if (node->text != "none") root.fail("trace", "expected an object or \"none\"");
    root.set_effective("trace", JsonNode::of("none"));
    return {};
  }
  reader.emplace(root.object("trace"));
  if (reader->has("file") == reader->has("generator")) {
    root.fail("trace", "give either a file or a generator");
  }
  if (cache == nullptr) return import_or_generate(*reader, setup.streams);
  return read_cached(*reader, *node, trace_key(*node, setup), *cache, setup);
}

CachedReplay replayed(const Trace& raw, const ReplayOptions& options, std::uint64_t replication) {
  CachedReplay replay;
  auto trace = apply(raw, options, RngStreams(options.cap_seed, replication));
  replay.sha256 = trace.source_sha256.empty() ? sha256(write_trace(trace)) : trace.source_sha256;
  replay.statistics = to_json(statistics_of(trace));
  replay.trace = std::make_shared<const Trace>(std::move(trace));
  return replay;
}

/// Everything that a trace's replay depends on beside the trace.
std::string replay_key(const ReplayOptions& options, std::int64_t replication) {
  return fmt::format("{}/{} {} {} {} {} {} {} {} {} {}\n", options.keep_first, options.keep_every,
                     options.shuffle_joins, options.from.count(), options.coalesce.count(),
                     options.cap_nodes, name_of(options.rule), name_of(options.order),
                     options.cap_seed, name_of(options.at_end), replication);
}

void read_replay(const JsonNode* given, ObjectReader* reader, const CachedTrace* raw,
                 InputCache* cache, Setup& setup) {
  auto& scenario = setup.scenario;
  CachedReplay replay;
  if (raw == nullptr) {
    scenario.at_end = AtEnd::hold;
    auto trace = no_trace(scenario.cluster.nodes);
    replay.sha256 = sha256(write_trace(trace));
    replay.statistics = to_json(statistics_of(trace));
    replay.trace = std::make_shared<const Trace>(std::move(trace));
    setup.trace_stamp.cap_text = "no trace: every node is there all the time";
  } else {
    const auto options = read_replay_options(*reader, {.cluster_nodes = scenario.cluster.nodes,
                                                       .seed = scenario.seed,
                                                       .until_given = scenario.until.given()});
    reader->finish();
    if (options.at_end == AtEnd::hold && !scenario.until.given()) {
      reader->fail("at_end", "\"hold\" needs training.until: nothing else ends the run");
    }
    if (options.at_end == AtEnd::repeat && !scenario.until.given()) {
      reader->fail("at_end", "\"repeat\" needs training.until: nothing else ends the run");
    }
    scenario.at_end = options.at_end;
    const auto make = [&] {
      return replayed(*raw->trace, options, static_cast<std::uint64_t>(scenario.replication));
    };
    replay = cache == nullptr
                 ? make()
                 : cache->replays.get(
                       replay_key(options, scenario.replication) + trace_key(*given, setup), make);
    if (options.at_end == AtEnd::repeat && replay.trace->end == replay.trace->start) {
      reader->fail("at_end", "a trace of length 0 cannot be repeated");
    }
    setup.trace_stamp.cap_text = cap_in_words(options);
  }
  setup.trace = replay.trace;
  setup.trace_stamp.name = std::filesystem::path(setup.trace->name).filename().string();
  setup.trace_stamp.sha256 = replay.sha256;
  setup.trace_stamp.statistics = replay.statistics;
}

void read_policies(ObjectReader& root, Setup& setup) {
  const JsonNode* node = root.raw("policies");
  setup.policies.kind = JsonNode::Kind::object;
  if (node == nullptr) return;
  ObjectReader policies(*node, "/policies");  // checks that it is an object
  setup.policies = *node;
  JsonNode effective;
  effective.kind = JsonNode::Kind::object;
  for (const auto& member : node->members) {
    read_policy(member.value, "/policies/" + member.key, member.key, &effective.member(member.key));
  }
  root.set_effective("policies", std::move(effective));
}

}  // namespace

Setup make_setup(const JsonNode& tree, InputCache* cache) {
  Setup setup;
  auto& scenario = setup.scenario;
  ObjectReader root(tree, "", &setup.effective);
  root.integer("bethany_scenario", kScenarioVersion, kScenarioVersion, kScenarioVersion);
  scenario.name = root.string("name", "");
  scenario.seed = static_cast<std::uint64_t>(root.integer("seed", 0, INT64_MAX, 1));
  scenario.replication = root.integer("replication", 0, kMostReplications, 0);
  setup.streams = RngStreams(scenario.seed, static_cast<std::uint64_t>(scenario.replication));
  scenario.model = read_model(root);
  auto training = root.object("training");
  scenario.training = read_training(training);
  scenario.until = read_until(training);
  training.finish();

  // The number of nodes may come from the trace, the cap of the trace from the number of nodes.
  std::optional<ObjectReader> trace_reader;
  auto cluster = root.object("cluster");
  const auto raw = read_raw_trace(root, trace_reader, cache, setup);
  if (!raw && !cluster.has("nodes")) {
    cluster.fail("", "missing key 'nodes': with trace \"none\" it says how many there are");
  }
  scenario.cluster =
      read_cluster(cluster, raw ? raw->peak_alive : 1, scenario.model, scenario.training);
  if (!raw && !scenario.until.given()) {
    root.fail("trace", "\"none\" needs training.until: nothing else ends the run");
  }
  const auto& placed = scenario.cluster;
  const auto memory = memory_sum(scenario.model, scenario.training, placed.node_type.gpu_memory,
                                 placed.nodes * placed.node_type.gpus);
  if (placed.slots_per_gpu > memory.slots_max) {
    setup.warnings.push_back("memory does not suffice: " +
                             memory_text(memory, placed.slots_per_gpu));
  }
  read_replay(tree.find("trace"), trace_reader ? &*trace_reader : nullptr, raw ? &*raw : nullptr,
              cache, setup);

  read_routing(root, cache, setup);
  auto cost = root.object("cost");
  setup.cost = read_cost(cost, {scenario.model, scenario.training, scenario.cluster});
  read_policies(root, setup);
  root.finish();
  return setup;
}

std::vector<NamedPolicy> choose_policies(const Setup& setup,
                                         const std::vector<std::string>& names) {
  std::vector<std::string> chosen = names;
  if (chosen.empty()) {
    for (const auto& member : setup.policies.members) chosen.push_back(member.key);
  }
  if (chosen.empty()) chosen = {"lazarus", "ds"};
  std::vector<NamedPolicy> policies;
  for (const auto& name : chosen) {
    for (const auto& other : policies) {
      if (other.name == name) throw InputError(fmt::format("policy '{}' is named twice", name));
    }
    policies.push_back({name, policy_from_text(name, setup.policies)});
  }
  return policies;
}

Policy build_policy(const NamedPolicy& named) {
  // Beside the scenario's line, the name as typed says which policy a complaint is about.
  return read_policy(named.node, "/policies/" + named.name, named.name, nullptr);
}

}  // namespace bethany
