// The calibrated cost model on profiles of the synthetic backend, whose truth is known.
#include <algorithm>
#include <cmath>
#include <map>

#include "gpu/elastic/storage.h"
#include "gpu/series.h"
#include "gpu/synthetic/truth.h"
#include "sim/base/files.h"
#include "sim/cost/cost_model.h"
#include "sim/cost/slowest.h"
#include "sim/model/readers.h"
#include "tests/support/catch.h"
#include "tests/support/process.h"

namespace bethany::test {
namespace {

constexpr int kLayers = 3;
constexpr int kRanks = 4;
constexpr std::int64_t kTokens = 256;
constexpr std::int64_t kDense = kLayers * (4 * 64 * 64 + 64 * 8);

const std::string kModel =
    R"({"name": "trained", "layers": 3, "hidden": 64, "experts": 8, "top_k": 2,
    "expert_parameters": 16384, "dense_parameters": 50688})";

/// A point of the shape `tiny`.
Point tiny(Operation operation, std::int64_t rows, std::int64_t size, int experts = 0) {
  Point point;
  point.operation = operation;
  point.shape = "tiny";
  point.inputs = 64;
  point.experts = experts;
  point.rows = rows;
  point.size = size;
  return point;
}

Point expert(Operation operation, std::int64_t rows, int experts) {
  Point point = tiny(operation, rows, 0, experts);
  point.outputs = 128;
  point.variant = "best";
  point.skew = "uniform";
  return point;
}

Point sized(Operation operation, std::int64_t size, int experts = 0) {
  Point point;
  point.operation = operation;
  point.size = size;
  point.experts = experts;
  return point;
}

/// What a series of the synthetic backend is exactly.
JsonNode exact_fit(const Point& point) {
  const SyntheticTruth& truth = kSyntheticTruth;
  const bool network = point.operation == Operation::all_to_all ||
                       point.operation == Operation::reduce ||
                       point.operation == Operation::migrate;
  const bool experts =
      point.operation == Operation::expert_forward || point.operation == Operation::expert_backward;
  JsonNode fit;
  fit.member("op") = JsonNode::of(std::string(operation_name(point.operation)));
  fit.member("key") = JsonNode::of(series_of(point));
  fit.member("model") = JsonNode::of(kCurveOfMaximum);
  auto& params = fit.member("params");
  params.member("start") = JsonNode::of(network ? truth.network_start : truth.start);
  params.member("bandwidth") = JsonNode::of(network ? truth.network_bandwidth : truth.bandwidth);
  if (network) params.member("per_count") = JsonNode::of(truth.per_message);
  if (experts) params.member("per_count") = JsonNode::of(truth.per_expert);
  if (point_work(point).flop > 0) params.member("flop_rate") = JsonNode::of(truth.flop_rate);
  fit.member("domain").member("min") = JsonNode::of(1.0);
  fit.member("domain").member("max") = JsonNode::of(1e6);
  return fit;
}

/// Every piece of a step of a tiny model.
std::vector<Point> pieces() {
  Point attention = tiny(Operation::attention_forward, kTokens, 64);
  attention.outputs = 2;
  Point back = attention;
  back.operation = Operation::attention_backward;
  Point sort = sized(Operation::routing_sort, 0, 8);
  sort.rows = 2 * kTokens;
  return {attention,
          back,
          tiny(Operation::loss, kTokens, 0),
          tiny(Operation::gate, kTokens, 2, 8),
          tiny(Operation::gate_backward, kTokens, 2, 8),
          sort,
          tiny(Operation::row_gather, 2 * kTokens, 2, 8),
          tiny(Operation::row_scatter_sum, 2 * kTokens, 2, 8),
          tiny(Operation::row_dot, 2 * kTokens, 2, 8),
          expert(Operation::expert_forward, 2 * kTokens, 2),
          expert(Operation::expert_backward, 2 * kTokens, 2),
          sized(Operation::adam, 1),
          sized(Operation::all_to_all, 1, kRanks),
          sized(Operation::reduce, 1, kRanks),
          sized(Operation::migrate, 1),
          sized(Operation::checkpoint_write, 1, 1)};
}

Profile profile_of(const std::vector<Point>& points) {
  Profile profile;
  profile.name = "truth";
  profile.kind = "assumed";
  std::vector<JsonNode> fits;
  for (const auto& point : points) fits.push_back(exact_fit(point));
  profile.fits = JsonNode::array_of(std::move(fits));
  return profile;
}

Cost cost_of(const std::string& path) {
  const auto training_node = parse_json(
      R"({"sequence_length": 64, "precision": {"weight_bytes": 4, "gradient_bytes": 4,
          "master_bytes": 0, "optimizer_bytes": 8}})",
      "training");
  ObjectReader training_reader(training_node, "/training");
  const Training training = read_training(training_reader);
  const auto model_node = parse_json("{\"model\":" + kModel + "}", "model");
  ObjectReader model_reader(model_node, "");
  const MoeModel model = read_model(model_reader);
  const auto cluster_node = parse_json("{\"slots_per_gpu\": 3}", "cluster");
  ObjectReader cluster_reader(cluster_node, "/cluster");
  const Cluster cluster = read_cluster(cluster_reader, kRanks, model, training);
  const auto cost = parse_json(R"({"model":"calibrated","profile":")" + path + "\"}", "s.json");
  ObjectReader reader(cost, "/cost");
  return read_cost(reader, {model, training, cluster});
}

/// Four ranks, each with two different experts and a second copy of one of them.
PlacementPlan plan() {
  PlacementPlan plan;
  plan.nodes = kRanks;
  plan.slots_per_node = 3;
  plan.experts = 8;
  LayerPlan layer;
  layer.replicas = {2, 2, 2, 2, 1, 1, 1, 1};
  layer.expert_of_slot = {0, 0, 4, 1, 1, 5, 2, 2, 6, 3, 3, 7};
  plan.layers.assign(kLayers, layer);
  return plan;
}

LayerTraffic traffic() {
  LayerTraffic traffic;
  traffic.computed = {400, 520, 500, 628};
  traffic.sent_inside = {0, 0, 0, 0};
  traffic.received_inside = {0, 0, 0, 0};
  traffic.sent_outside = {300, 310, 320, 330};
  traffic.received_outside = {188, 318, 308, 446};
  return traffic;
}

/// The step of four ranks with all layers alike.
CostBreakdown step_of(const Cost& cost, const PlacementPlan& layout, const LayerTraffic& layer) {
  const std::vector<LayerTraffic> layers(kLayers, layer);
  return cost.timer->step({.nodes = kRanks,
                           .ranks = kRanks,
                           .tokens_per_rank = kTokens,
                           .plan = &layout,
                           .layers = layers,
                           .speeds = {}});
}

TEST_CASE("from the truth's curves the calibrated step is the truth's sum, term by term") {
  const TemporaryDirectory directory;
  const auto path = directory.write("truth.json", to_text(profile_json(profile_of(pieces()))));
  const Cost cost = cost_of(path);
  const auto layout = plan();
  const auto step = step_of(cost, layout, traffic());
  const auto all = pieces();
  const auto truth = [&](std::size_t piece) { return true_seconds(all[piece]); };
  const auto loop = [](Operation operation, std::int64_t rows) {
    Point point = expert(operation, rows, 2);
    point.variant = "loop";  // the profile above has its constants
    return true_seconds(point);
  };
  const auto rows = [&](std::int64_t n) { return true_seconds(tiny(Operation::row_gather, n, 0)); };
  const double tokens = truth(3) + truth(4) + truth(5) + truth(8) + 2 * (truth(6) + truth(7));
  // The fullest rank computes 628 rows.
  const double received =
      loop(Operation::expert_forward, 628) + loop(Operation::expert_backward, 628) + 4 * rows(628);
  const auto exchange = [](std::int64_t bytes) {
    return true_seconds(sized(Operation::all_to_all, bytes, kRanks));
  };
  const std::map<std::string, double> expected = {
      {"dense", kLayers * (truth(0) + truth(1)) + truth(2)},
      {"tensor_parallel", 0},
      {"expert", kLayers * (tokens + received)},
      {"all_to_all", kLayers * 4 * exchange(446 * 64 * 4)},
      {"count_exchange", kLayers * exchange(3 * 8 * 8)},
      {"all_reduce_dense", true_seconds(sized(Operation::reduce, 4 * kDense, kRanks))},
      {"all_reduce_expert", 0},  // every expert is on one rank
      {"optimizer", true_seconds(sized(Operation::adam, kDense + 2 * kLayers * 16384))},
      {"fixed", 0},
  };
  for (const auto& term : step.terms) {
    INFO(term.name);
    if (term.name == "fixed") continue;  // of the node type's assumed profile
    CHECK(std::abs(to_seconds(term.time) - expected.at(std::string(term.name))) < 1e-9);
  }
  CHECK(cost.timer->out_of_range_queries() == 0);
  // In messages of an expert's state: 16,384 parameters of 12 bytes.
  constexpr int kMessages = 6;
  CHECK(to_seconds(cost.timer->transfer({.busiest_port_bytes = 1'000'000})) ==
        Approx(true_seconds(sized(Operation::migrate, 1'000'000, kMessages))));
  CHECK(cost.timer->transfer({}).count() == 0);
  for (const auto& key : cost.profile.assumed) {
    INFO(key);
    CHECK(key.find("all_to_all") == std::string::npos);
    CHECK(key.find("flop_rate") == std::string::npos);
  }
}

TEST_CASE("ranks that vary wait for the slowest of the equal ones, not of those with less to do") {
  const TemporaryDirectory directory;
  auto profile = profile_of(pieces());
  const auto plain = directory.write("plain.json", to_text(profile_json(profile)));
  profile.spread = 0.1;
  const auto spread = directory.write("spread.json", to_text(profile_json(profile)));
  const auto layout = plan();
  auto equal = traffic();
  equal.computed = {512, 512, 512, 512};
  auto one = traffic();
  one.computed = {2048, 0, 0, 0};
  const auto term = [&](const std::string& path, const LayerTraffic& layer, std::string_view name) {
    const auto step = step_of(cost_of(path), layout, layer);
    for (const auto& each : step.terms) {
      if (each.name == name) return to_seconds(each.time);
    }
    return -1.0;
  };
  const double factor = 1 + 0.1 * expected_extreme(kRanks);
  CHECK(term(spread, equal, "dense") == Approx(factor * term(plain, equal, "dense")));
  CHECK(term(spread, equal, "expert") == Approx(factor * term(plain, equal, "expert")));
  CHECK(term(spread, equal, "optimizer") == Approx(factor * term(plain, equal, "optimizer")));
  CHECK(term(spread, equal, "all_to_all") == term(plain, equal, "all_to_all"));
  // What all ranks do for their own tokens is the same; the experts of one rank alone are as
  // before.
  const double own = term(plain, equal, "expert") - kLayers * 2 * true_seconds(pieces()[9]);
  CHECK(own > 0);
  const double more = term(spread, one, "expert") - term(plain, one, "expert");
  CHECK(more > 0);
  CHECK(more < (factor - 1) * own);
}

TEST_CASE("a checkpoint takes what the fullest rank takes, as ranks really share it out") {
  const TemporaryDirectory directory;
  const auto path = directory.write("truth.json", to_text(profile_json(profile_of(pieces()))));
  const Cost cost = cost_of(path);
  constexpr std::int64_t kState = 12;  // bytes of a parameter: weight and two moments
  constexpr std::int64_t kDenseBytes = 50688 * kState;
  constexpr std::int64_t kExpertBytes = 16384 * kState;
  for (const int nodes : {1, 2, 3, 4, 7, 10, 30}) {
    // Every rank holds every expert, so that none is bound to a rank.
    PlacementPlan everywhere;
    everywhere.nodes = nodes;
    everywhere.slots_per_node = 8;
    everywhere.experts = 8;
    LayerPlan layer;
    layer.replicas.assign(8, nodes);
    for (int slot = 0; slot < 8 * nodes; ++slot) layer.expert_of_slot.push_back(slot % 8);
    everywhere.layers.assign(kLayers, layer);
    std::map<int, std::int64_t> bytes_of;
    const auto writers = writers_of(everywhere, kDenseBytes, kExpertBytes);
    bytes_of[writers.front()] += kDenseBytes;
    for (std::size_t i = 1; i < writers.size(); ++i) bytes_of[writers[i]] += kExpertBytes;
    std::int64_t most = 0;
    for (const auto& [rank, bytes] : bytes_of) most = std::max(most, bytes);
    INFO(nodes << " nodes");
    const auto all = kDenseBytes + 8 * kLayers * kExpertBytes;
    CHECK(to_seconds(cost.timer->checkpoint_write(all, nodes)) ==
          Approx(true_seconds(sized(Operation::checkpoint_write, most, 1))).margin(1e-9));
  }
}

TEST_CASE("replicas on several ranks are reduced in one group of messages") {
  const TemporaryDirectory directory;
  const auto path = directory.write("truth.json", to_text(profile_json(profile_of(pieces()))));
  const Cost cost = cost_of(path);
  auto layout = plan();
  for (auto& layer : layout.layers) layer.expert_of_slot = {0, 1, 4, 1, 2, 5, 2, 3, 6, 0, 3, 7};
  const auto step = step_of(cost, layout, traffic());
  const SyntheticTruth& truth = kSyntheticTruth;
  // Two experts a layer and rank have one other holder: 2 messages each, half the bytes out and in.
  const int shared = 2 * kLayers;
  const double seconds = truth.network_start + shared * 2 * truth.per_message +
                         shared * 16384 * 4 / truth.network_bandwidth;
  for (const auto& term : step.terms) {
    if (term.name == "all_reduce_expert") CHECK(std::abs(to_seconds(term.time) - seconds) < 1e-9);
  }
}

TEST_CASE("questions outside the measured range are counted, missing pieces fall back") {
  const TemporaryDirectory directory;
  auto points = pieces();
  points.erase(points.begin() + 12, points.end());  // no network
  points.erase(points.begin() + 4);                 // no gate backward
  const auto path = directory.write("part.json", to_text(profile_json(profile_of(points))));
  const Cost cost = cost_of(path);
  const auto layout = plan();
  auto wide = traffic();
  wide.computed[0] = 2'000'000;
  const auto step = step_of(cost, layout, wide);
  CHECK(cost.timer->out_of_range_queries() > 0);
  const auto& assumed = cost.profile.assumed;
  const auto has = [&](const std::string& key) {
    return std::find(assumed.begin(), assumed.end(), key) != assumed.end();
  };
  CHECK(has("gate_backward/tiny (0 s)"));
  CHECK(has("all_to_all.latency"));
  CHECK(has("all_reduce.latency"));
  CHECK_FALSE(has("expert.flop_rate"));
  for (const auto& term : step.terms) {
    if (term.name == "all_to_all") CHECK(term.time.count() > 0);
  }
}

TEST_CASE("calibrate, then simulate with the curves") {
  const TemporaryDirectory directory;
  const auto profile = directory.path() + "/synth.json";
  REQUIRE(bethany_command(
              {"calibrate", "--backend", "synthetic", "--quick", "--passes", "1", "-o", profile})
              .exit_code == 0);
  const auto scenario = directory.write("scenario.json", R"({
    "bethany_scenario": 1, "model": )" + kModel + R"(,
    "training": { "sequence_length": 64, "until": { "time": "10s" }, "start": "warm" },
    "cluster": { "nodes": 4, "slots_per_gpu": 3 }, "trace": "none" })");
  const auto replay = [&](const std::string& model) {
    const auto result =
        bethany_command({"replay", scenario, "--policy", "lazarus", "--format", "json", "--set",
                         "cost.profile=" + profile, "--set", "cost.model=" + model});
    INFO(result.err);
    REQUIRE(result.exit_code == 0);
    return parse_json(result.out, "replay");
  };
  const JsonNode calibrated = replay("calibrated");
  CHECK(calibrated.find("steps_committed")->integer > 0);
  CHECK(calibrated.find("digest")->text == replay("calibrated").find("digest")->text);
  CHECK(calibrated.find("digest")->text != replay("analytic").find("digest")->text);
}

}  // namespace
}  // namespace bethany::test
