#include <cmath>
#include <map>
#include <set>

#include "sim/base/error.h"
#include "sim/base/statistics.h"
#include "tests/support/catch.h"
#include "tests/traces/random_trace.h"
#include "traces/generate.h"
#include "traces/statistics.h"

using namespace bethany;

namespace {

Trace generated(const std::string& options, std::uint64_t seed = 1) {
  return generate_trace("bamboo", parse_json(options, "options"), seed);
}

/// Lifetimes in hours, of machines still there up to the end, as the simulator counts them.
double mean_lifetime_h(const Trace& trace) {
  std::map<NodeId, SimTime> alive;
  std::vector<double> hours;
  for (const auto& event : trace.events) {
    for (const NodeId node : trace.nodes_of(event)) {
      if (event.kind == TraceEventKind::join) {
        alive[node] = event.time;
      } else {
        hours.push_back(to_seconds(event.time - alive[node]) / 3600);
        alive.erase(node);
      }
    }
  }
  for (const auto& [node, since] : alive) {
    hours.push_back(to_seconds(trace.end - since) / 3600);
  }
  return mean(hours);
}

double mean_alive(const Trace& trace) {
  double node_s = 0;
  for (const auto& event : trace.events) {
    const double rest = to_seconds(trace.end - event.time) * event.node_count;
    node_s += event.kind == TraceEventKind::join ? rest : -rest;
  }
  return node_s / to_seconds(trace.end);
}

}  // namespace

TEST_CASE("bamboo: the pool never holds more than its size, names come once, seconds are whole") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const auto trace = generated(R"({"p":0.3,"nodes":8,"length":"100h"})", seed);
    const auto s = statistics_of(trace);
    CHECK(*s.alive_max <= 8);
    CHECK(s.nodes == s.joins);
    CHECK(s.losses > 50);
    for (const auto& event : trace.events) {
      CHECK(event.time.time_since_epoch() % std::chrono::seconds(1) == Duration(0));
      CHECK(event.time < trace.end);
    }
  }
}

TEST_CASE("bamboo: the ends of the two probabilities") {
  const auto full = statistics_of(generated(R"({"p":0,"q":1,"nodes":8})"));
  CHECK(full.joins == 8);
  CHECK(full.losses == 0);
  CHECK(full.events == 8);
  CHECK(generated(R"({"p":0.5,"q":0})").events.empty());
  // Whoever is there when an hour begins is lost in it.
  const auto gone = generated(R"({"p":1,"q":1,"nodes":8,"length":"50h"})");
  const auto before = test::world_at(gone, at(std::chrono::hours(40) - std::chrono::seconds(1)));
  const auto after = test::world_at(gone, at(std::chrono::hours(41) - std::chrono::seconds(1)));
  CHECK_FALSE(before.empty());
  for (const auto& [name, factor] : before) CHECK(after.count(name) == 0);
  CHECK(mean_lifetime_h(gone) < 1);
  // Half of the places at first, half of the rest in the first hour.
  const auto growing = generated(R"({"p":0,"q":0.5,"nodes":2000,"length":"1h"})");
  CHECK(std::abs(static_cast<double>(test::world_at(growing, at(Duration(0))).size()) - 1000) <
        3.29 * std::sqrt(500.0));
  CHECK(std::abs(static_cast<double>(test::world_at(growing, growing.end).size()) - 1500) <
        3.29 * std::sqrt(375.0));
}

TEST_CASE("bamboo: the hour of the day at 0, and options that cannot be") {
  const auto trace = generated(R"({"p":0.1,"start_hour":5})", 3);
  CHECK(trace_digest(trace) == trace_digest(generated(R"({"p":0.1,"start_hour":5})", 3)));
  CHECK(trace_digest(trace) != trace_digest(generated(R"({"p":0.1,"start_hour":6})", 3)));
  CHECK_THROWS_AS(generated(R"({"p":0.1,"start_hour":24})"), InputError);
  CHECK_THROWS_AS(generated(R"({"p":1.1})"), InputError);
  CHECK_THROWS_AS(generated("{}"), InputError);
  CHECK_THROWS_AS(generated(R"({"p":0.1,"nodes":10000,"length":"36500d"})"), InputError);
}

TEST_CASE("bamboo: preemptions, lifetimes and levels of the public simulator") {
  // Means of five seeds of that simulator (papers.md §2.2). It ends when a training run is done;
  // with p of 0.25 and 0.5 it was cut off at 48 h, so all three figures compare. Below, the length
  // is not known and the level alone is nearly free of it (12 h here).
  struct Published {
    double p;
    const char* length;
    double preemptions;
    double lifetime_h;
    double alive;
  };
  for (const auto& published :
       {Published{0.01, "12h", 0, 0, 42.7}, Published{0.05, "12h", 0, 0, 41.6},
        Published{0.10, "12h", 0, 0, 39.6}, Published{0.25, "48h", 489, 3.3, 36.1},
        Published{0.50, "48h", 846, 1.5, 27.2}}) {
    INFO("p " << published.p);
    std::vector<double> preemptions;
    std::vector<double> lifetimes;
    std::vector<double> alive;
    for (std::uint64_t seed = 1; seed <= 200; ++seed) {
      const auto trace = generated(
          fmt::format(R"({{"p":{},"length":"{}"}})", published.p, published.length), seed);
      preemptions.push_back(static_cast<double>(statistics_of(trace).losses));
      lifetimes.push_back(mean_lifetime_h(trace));
      alive.push_back(mean_alive(trace));
    }
    // The spread of a mean of five and of one of 200; one false alarm in a thousand each.
    const auto fits = [](const std::vector<double>& drawn, double mean_of_five, double rounding) {
      const double error = standard_deviation(drawn) * std::sqrt(1 / 5.0 + 1 / 200.0);
      return std::abs(mean(drawn) - mean_of_five) < 3.29 * error + rounding;
    };
    CHECK(fits(alive, published.alive, 0.05));
    if (published.preemptions == 0) continue;
    CHECK(fits(preemptions, published.preemptions, 0.5));
    CHECK(fits(lifetimes, published.lifetime_h, 0.05));
  }
}
