#include <cmath>
#include <fstream>
#include <sstream>

#include "sim/base/error.h"
#include "sim/base/statistics.h"
#include "sim/model/trace_file.h"
#include "tests/support/catch.h"
#include "tests/traces/distribution.h"
#include "tests/traces/random_trace.h"
#include "traces/generate.h"
#include "traces/statistics.h"

using namespace bethany;
using test::seconds;
using test::world_at;

namespace {

Trace generated(const std::string& generator, const std::string& options, std::uint64_t seed) {
  return generate_trace(generator, parse_json(options, "options"), seed);
}

std::string complaint(const std::string& generator, const std::string& options) {
  try {
    generated(generator, options, 1);
  } catch (const InputError& error) {
    return error.what();
  }
  return "";
}

/// Failures of every kind, slowness and all.
const std::string kEverything =
    R"({"nodes":40,"length":"60d","mtbf":"10d","distribution":"weibull","shape":0.8,)"
    R"("lemons":{"share":0.1,"factor":5},)"
    R"("repair":{"restart":{"median":"5min","sigma":0.5},"replace":{"median":"1d","mean":"2d"}},)"
    R"("domains":{"rack":{"size":8,"mtbf":"30d","share":0.9,"median":"1h"}},)"
    R"("bulks":{"every":"5d","sizes":[0,2,1],"median":"2h"},"slow":{"mtbf":"5d"}})";

}  // namespace

TEST_CASE("equal seeds give equal traces, other seeds others") {
  std::vector<std::string> names;
  for (const auto& [name, options] : std::vector<std::pair<std::string, std::string>>{
           {"poisson", R"({"nodes":20,"mtbf":"1h","mttr":"10min","length":"10h"})"},
           {"repair-shop", R"({"nodes":20,"mtbf":"1h","repair":"10min","repairmen":2,"lemons":0.2,
                               "lemon_factor":5,"cure":0.5,"length":"10h"})"},
           {"spot", "{}"},
           {"bamboo", R"({"p":0.1})"},
           {"interval", R"({"nodes":30,"every":"1h"})"},
           {"failures", kEverything},
           {"llama3", "{}"},
           {"rsc1", R"({"length":"30d"})"},
           {"rsc2", R"({"length":"30d"})"}}) {
    INFO(name);
    names.push_back(name);
    CHECK(write_trace(generated(name, options, 1)) == write_trace(generated(name, options, 1)));
    CHECK(trace_digest(generated(name, options, 1)) != trace_digest(generated(name, options, 2)));
    const auto again = generate_trace(name, parse_json(options, "options"), 1, 1);
    CHECK(trace_digest(generated(name, options, 1)) != trace_digest(again));
    const auto bytes = write_trace(again);
    CHECK(write_trace(read_trace(bytes, "again")) == bytes);
  }
  std::sort(names.begin(), names.end());
  CHECK(names == trace_generators().names());  // so that a new one is tried here
}

TEST_CASE("repair-shop: one repairman repairs one node at a time, first come first served") {
  const auto trace =
      generated("repair-shop",
                R"({"nodes":6,"mtbf":"1h","repair":"30min","repairmen":1,"length":"400h"})", 3);
  std::vector<NodeId> queue;
  int repaired = 0;
  for (const auto& event : trace.events) {
    for (const auto node : trace.nodes_of(event)) {
      if (event.kind == TraceEventKind::lost) queue.push_back(node);
      if (event.kind == TraceEventKind::join && event.time > at(Duration(0))) {
        REQUIRE_FALSE(queue.empty());
        CHECK(queue.front() == node);
        queue.erase(queue.begin());
        ++repaired;
      }
    }
  }
  CHECK(repaired > 500);  // he is nearly always busy: 2 an hour
}

TEST_CASE("repair-shop: lemons fail more often until they are cured") {
  const auto losses = [](const char* cure) {
    const auto trace =
        generated("repair-shop",
                  std::string(R"({"nodes":1000,"mtbf":"1000h","repair":"1s","lemons":0.1,
                                     "lemon_factor":50,"length":"1000h","cure":)") +
                      cure + "}",
                  4);
    return static_cast<double>(statistics_of(trace).losses);
  };
  // 900 nodes fail once each; a lemon 50 times, or once and then as the others.
  CHECK(losses("0") == Approx(900 + 100 * 50).margin(3.3 * std::sqrt(5900)));
  CHECK(losses("1") == Approx(900 + 100 + 100 * 0.98).margin(3.3 * std::sqrt(1098)));
  CHECK(complaint("repair-shop", R"({"nodes":3,"mtbf":"1h","length":"1h"})")
            .find("missing key 'repair'") != std::string::npos);
}

TEST_CASE("a generated trace says how to draw it again") {
  CHECK(generated("poisson", R"({"nodes":2,"mtbf":"1h","length":"1d"})", 9).source ==
        R"(bethany generator poisson {"nodes":2,"mtbf":"1h","mttr":"0s","repair":"exponential",)"
        R"("length":"1d"} seed 9)");
}

TEST_CASE("generators refuse what they cannot draw") {
  CHECK(complaint("poison", "{}") == "unknown generator 'poison'; did you mean 'poisson'?");
  CHECK(complaint("poisson", "{}").find("missing key 'nodes'") != std::string::npos);
  CHECK(complaint("poisson", R"({"nodes":3,"mtbf":"0s","length":"1h"})") != "");
  CHECK(complaint("poisson", R"({"nodes":3,"mtbf":"1h","length":"1h","mtr":"1s"})").find("mttr") !=
        std::string::npos);
  CHECK(complaint("poisson", R"({"nodes":1000000,"mtbf":"1ns","mttr":"1ns","length":"1h"})") != "");
  CHECK(complaint("spot", R"({"nodes":8,"initial":9})") != "");
  CHECK(complaint("spot", R"({"loss_sizes":[0,0]})").find("every weight is 0") !=
        std::string::npos);
  CHECK(complaint("spot", R"({"loss_gap_median":"1ns","grid":"0s","length":"1h"})") != "");
}

TEST_CASE("poisson: losses come at the rate of the live nodes, victims are uniform") {
  // 100 nodes, back after exactly 1 h on average, MTBF 9 h: availability 0.9, so 10 losses an hour.
  const auto trace = generated(
      "poisson", R"({"nodes":100,"mtbf":"9h","mttr":"1h","repair":"fixed","length":"1000h"})", 3);
  const auto s = statistics_of(trace);
  // 10,000 expected; four standard deviations of a Poisson count.
  CHECK(std::abs(static_cast<double>(s.losses) - 10'000) < 400);
  CHECK(*s.alive_mean == Approx(90).epsilon(0.01));
  std::vector<double> of_node(100);
  for (const auto& event : trace.events) {
    if (event.kind != TraceEventKind::lost) continue;
    for (const NodeId node : trace.nodes_of(event)) of_node[node.index()] += 1;
  }
  // Each about 100 times: mean and deviation of a Poisson count.
  CHECK(standard_deviation(of_node) == Approx(10).epsilon(0.3));
}

TEST_CASE("poisson: gaps between losses are exponential") {
  const auto trace = generated("poisson", R"({"nodes":1000,"mtbf":"1000h","length":"100d"})", 5);
  std::vector<double> scaled;
  double alive = 1000;
  SimTime before = seconds(0);
  for (const auto& event : trace.events) {
    if (event.kind != TraceEventKind::lost) continue;
    scaled.push_back(to_seconds(event.time - before) / 3600 * alive / 1000);
    before = event.time;
    alive -= 1;
  }
  REQUIRE(scaled.size() > 500);
  CHECK(test::ks_fits(scaled, [](double x) { return 1 - std::exp(-x); }));
}

TEST_CASE("poisson: without mttr nodes never come back; fixed repairs take exactly mttr") {
  const auto gone = generated("poisson", R"({"nodes":5,"mtbf":"1h","length":"10d"})", 1);
  const auto s = statistics_of(gone);
  CHECK(s.joins == 5);
  CHECK(s.losses == 5);
  const auto fixed = generated(
      "poisson", R"({"nodes":1,"mtbf":"1h","mttr":"7min","repair":"fixed","length":"1d"})", 1);
  REQUIRE(fixed.events.size() > 5);
  for (std::size_t i = 2; i < fixed.events.size(); i += 2) {
    CHECK(fixed.events[i].time - fixed.events[i - 1].time == std::chrono::minutes(7));
  }
}

TEST_CASE("spot: the level stays in 1..nodes, instants on the grid, machines are never reused") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const auto trace = generated("spot", R"({"nodes":6,"length":"48h"})", seed);
    const auto s = statistics_of(trace);
    CHECK(*s.alive_min >= 1);
    CHECK(*s.alive_max <= 6);
    CHECK(s.nodes == s.joins);
    CHECK(trace.node_names[0] == "spot-1");
    for (const auto& event : trace.events) {
      CHECK(event.time.time_since_epoch() % std::chrono::seconds(60) == Duration(0));
      CHECK(event.time < trace.end);
    }
    // An instant is a loss or a join, as in the recording.
    for (std::size_t i = 1; i < trace.events.size(); ++i) {
      CHECK(trace.events[i - 1].time < trace.events[i].time);
    }
  }
  const auto fine = generated("spot", R"({"grid":"0s"})", 1);
  CHECK(fine.events[1].time.time_since_epoch() % std::chrono::seconds(1) != Duration(0));
}

TEST_CASE("spot: the defaults give p3's statistics within the sampling error of one such trace") {
  // Published figures of Bamboo's p3 recording, 682 min (traces/README.md of the public traces),
  // and the standard error of each in ONE trace of that length. Rates and level: circular block
  // bootstrap of p3's minutes (4000 draws; blocks of 60 min, for the slower level 120 min). Shares:
  // binomial, 79 loss instants. The mean of 200 traces must lie within one such standard error.
  struct Figure {
    const char* name;
    double published;
    double error;
    std::vector<double> drawn = {};
  };
  std::vector<Figure> figures = {{"loss instants per hour", 6.95, 0.70},
                                 {"losses per hour", 14.69, 1.92},
                                 {"mean alive", 24.03, 2.06},
                                 {"share of bulks of 1", 39 / 79.0, 0.056},
                                 {"share of bulks of 2", 13 / 79.0, 0.042},
                                 {"share of bulks of 3", 15 / 79.0, 0.044},
                                 {"share of bulks of 4", 7 / 79.0, 0.032},
                                 {"share of bulks of 5", 1 / 79.0, 0.013},
                                 {"share of bulks of 6", 4 / 79.0, 0.025}};
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    const auto s = statistics_of(generated("spot", R"({"length":"682min"})", seed));
    const double hours = 682 / 60.0;
    figures[0].drawn.push_back(static_cast<double>(s.loss_instants) / hours);
    figures[1].drawn.push_back(static_cast<double>(s.losses) / hours);
    figures[2].drawn.push_back(*s.alive_mean);
    for (std::int64_t size = 1; size <= 6; ++size) {
      const auto found = s.bulk_sizes.find(size);
      const auto count = found == s.bulk_sizes.end() ? 0 : found->second;
      figures[static_cast<std::size_t>(2 + size)].drawn.push_back(
          static_cast<double>(count) / static_cast<double>(s.loss_instants));
    }
  }
  for (const auto& figure : figures) {
    INFO(figure.name << ": published " << figure.published << " +- " << figure.error << ", drawn "
                     << mean(figure.drawn));
    CHECK(std::abs(mean(figure.drawn) - figure.published) <= figure.error);
    // A single drawn trace varies about as much as the recording would.
    CHECK(standard_deviation(figure.drawn) < 2.5 * figure.error);
  }
}

TEST_CASE("spot: joins keep the recording's rhythm") {
  // Published: 84 join instants, mean gap 430 s, median 240 s; 21 % of the time the pool is full.
  std::vector<double> gaps;
  Duration full{0};
  Duration total{0};
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    const auto trace = generated("spot", R"({"length":"682min"})", seed);
    SimTime join = seconds(0);
    std::int64_t alive = 0;
    for (std::size_t i = 0; i < trace.events.size(); ++i) {
      const auto& event = trace.events[i];
      const auto count = static_cast<std::int64_t>(event.node_count);
      alive += event.kind == TraceEventKind::join ? count : -count;
      const SimTime next = i + 1 < trace.events.size() ? trace.events[i + 1].time : trace.end;
      total += next - event.time;
      if (alive == 32) full += next - event.time;
      if (i == 0 || event.kind != TraceEventKind::join) continue;
      gaps.push_back(to_seconds(event.time - join));
      join = event.time;
    }
  }
  std::sort(gaps.begin(), gaps.end());
  CHECK(mean(gaps) == Approx(430).epsilon(0.1));
  CHECK(quantile_sorted(gaps, 0.5) == Approx(240).epsilon(0.15));
  CHECK(to_seconds(full) / to_seconds(total) == Approx(0.21).margin(0.05));
}

TEST_CASE("the committed sample is what the generator draws") {
  const std::string path = BETHANY_SOURCE_DIR "/traces/samples/spot-sample.jsonl";
  // Half of p3's pool, so half of its loss instants, and no bulk above 3.
  const auto drawn = write_trace(generated("spot",
                                           R"({"nodes":16,"initial":16,"length":"12h",)"
                                           R"("loss_gap_median":"564s","loss_sizes":[39,13,7]})",
                                           1));
  if (std::getenv("BETHANY_UPDATE_GOLDEN") != nullptr) {
    std::ofstream(path, std::ios::binary) << drawn;
  }
  std::ifstream file(path, std::ios::binary);
  std::stringstream committed;
  committed << file.rdbuf();
  CHECK(committed.str() == drawn);
  CHECK(drawn.size() < 60'000);
  const Trace sample = read_trace(committed.str(), path);
  CHECK(sample.source.find("seed 1") != std::string::npos);
  CHECK(world_at(sample, seconds(0)).size() == 16);
}
