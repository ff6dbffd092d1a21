// Drawn fleets against closed forms. Seeds are fixed; each check says how often it would turn down
// a right generator.
#include <boost/math/special_functions/gamma.hpp>
#include <map>

#include "sim/base/error.h"
#include "sim/base/statistics.h"
#include "sim/model/trace_file.h"
#include "tests/support/catch.h"
#include "tests/traces/distribution.h"
#include "tests/traces/importing.h"
#include "tests/traces/random_trace.h"
#include "traces/generate.h"
#include "traces/statistics.h"

using namespace bethany;
using test::chi_square;
using test::ks_fits;
using test::normal_cdf;
using test::poisson_fits;

namespace {

Trace generated(const std::string& generator, const std::string& options, std::uint64_t seed = 1) {
  return generate_trace(generator, parse_json(options, "options"), seed);
}

std::string complaint(const std::string& options) {
  try {
    generated("failures", options);
  } catch (const InputError& error) {
    return error.what();
  }
  return "";
}

/// The hours at which each node is lost for the first time.
std::vector<double> first_losses_h(const Trace& trace) {
  std::map<NodeId, double> first;
  for (const auto& event : trace.events) {
    if (event.kind != TraceEventKind::lost) continue;
    for (const NodeId node : trace.nodes_of(event)) {
      first.emplace(node, to_seconds(event.time) / 3600);
    }
  }
  std::vector<double> result;
  for (const auto& [node, hours] : first) result.push_back(hours);
  return result;
}

/// Hours from each loss to the next join of that node, by the cause of the loss.
std::map<std::string, std::vector<double>> repairs_h(const Trace& trace) {
  std::map<std::string, std::vector<double>> result;
  std::map<NodeId, std::pair<std::string, SimTime>> lost;
  for (const auto& event : trace.events) {
    for (const NodeId node : trace.nodes_of(event)) {
      if (event.kind == TraceEventKind::lost) {
        lost[node] = {trace.causes[event.cause], event.time};
      } else if (event.kind == TraceEventKind::join && lost.count(node) > 0) {
        result[lost[node].first].push_back(to_seconds(event.time - lost[node].second) / 3600);
      }
    }
  }
  return result;
}

std::map<std::string, double> losses_by_cause(const Trace& trace) {
  std::map<std::string, double> result;
  for (const auto& event : trace.events) {
    if (event.kind == TraceEventKind::lost) result[trace.causes[event.cause]] += event.node_count;
  }
  return result;
}

/// What happens to the nodes with these names, an event a line.
std::string life_of(const Trace& trace, const std::vector<std::string>& names) {
  std::string text;
  for (const auto& event : trace.events) {
    for (const NodeId node : trace.nodes_of(event)) {
      const auto& name = trace.node_names[node.index()];
      if (std::find(names.begin(), names.end(), name) == names.end()) continue;
      text += fmt::format("{} {} {} {}\n", event.time.time_since_epoch().count(),
                          name_of(event.kind), name, trace.causes[event.cause]);
    }
  }
  return text;
}

}  // namespace

TEST_CASE("failures: times to failure have their distribution (0.1 % each)") {
  const auto first = [](const std::string& distribution, const std::string& age) {
    // The longest time is some 100 times the mean, so that nobody survives.
    const auto losses = first_losses_h(generated(
        "failures", fmt::format(R"({{"nodes":3000,"length":"20000h","mtbf":"100h","age":"{}",)"
                                R"("repair":"never",{}}})",
                                age, distribution)));
    REQUIRE(losses.size() == 3000);
    return losses;
  };
  const double k = 0.7;
  const double scale = 100 / std::tgamma(1 + 1 / k);
  const auto weibull = [&](double t) { return 1 - std::exp(-std::pow(t / scale, k)); };
  const std::string weibull_options = R"("distribution":"weibull","shape":0.7)";
  CHECK(ks_fits(first(weibull_options, "fresh"), weibull));
  CHECK(ks_fits(first(weibull_options, "kept"), weibull));
  // In the long run: the integral of the survival function over the mean.
  CHECK(ks_fits(first(weibull_options, "steady"),
                [&](double t) { return boost::math::gamma_p(1 / k, std::pow(t / scale, k)); }));
  const double sigma = 0.9;
  const double mu = std::log(100) - sigma * sigma / 2;
  const std::string lognormal_options = R"("distribution":"lognormal","shape":0.9)";
  CHECK(ks_fits(first(lognormal_options, "fresh"),
                [&](double t) { return normal_cdf((std::log(t) - mu) / sigma); }));
  CHECK(ks_fits(first(lognormal_options, "steady"), [&](double t) {
    const double survives = 1 - normal_cdf((std::log(t) - mu) / sigma);
    return t * survives / 100 + normal_cdf((std::log(t) - mu - sigma * sigma) / sigma);
  }));
  const auto exponential = [](double t) { return 1 - std::exp(-t / 100); };
  CHECK(ks_fits(first(R"("distribution":"exponential")", "steady"), exponential));
  CHECK(ks_fits(first(R"("distribution":"exponential")", "kept"), exponential));
  // The test tells them apart.
  CHECK_FALSE(ks_fits(first(weibull_options, "steady"), weibull));
  CHECK_FALSE(ks_fits(first(weibull_options, "fresh"), exponential));
}

TEST_CASE("failures: a steady fleet fails at its rate from the first day on (0.1 % each)") {
  const auto trace =
      generated("failures", R"({"nodes":5000,"length":"20d","mtbf":"50d",)"
                            R"("distribution":"weibull","repair":{"quick":{"median":"0s"}}})");
  double first_day = 0;
  double all = 0;
  for (const auto& event : trace.events) {
    if (event.kind != TraceEventKind::lost) continue;
    all += event.node_count;
    if (event.time < at(std::chrono::hours(24))) first_day += event.node_count;
  }
  CHECK(poisson_fits(first_day, 100));
  // Failures of k = 0.7 cluster: their count spreads by the square root of the squared coefficient
  // of variation, 1.46² = 2.1, in the long run.
  CHECK(std::abs(all - 2000) < 3.29 * std::sqrt(2000 * 2.14));
}

TEST_CASE("failures: nodes that keep their age fail along a power of time (0.1 %)") {
  // Repaired as old: a Poisson process with the mean (t / scale)^k.
  const auto trace =
      generated("failures", R"({"nodes":2000,"length":"400h","mtbf":"100h","age":"kept",)"
                            R"("distribution":"weibull","shape":1.5,)"
                            R"("repair":{"quick":{"median":"1us"}}})");
  const double scale = 100 / std::tgamma(1 + 1 / 1.5);
  const auto s = statistics_of(trace);
  CHECK(poisson_fits(static_cast<double>(s.losses), 2000 * std::pow(400 / scale, 1.5)));
  double early = 0;
  for (const auto& event : trace.events) {
    if (event.kind != TraceEventKind::lost || event.time > at(std::chrono::hours(100))) continue;
    early += event.node_count;
  }
  CHECK(poisson_fits(early, 2000 * std::pow(100 / scale, 1.5)));
}

TEST_CASE("failures: repairs are a mixture of lognormals (0.1 % each)") {
  const auto trace =
      generated("failures", R"({"nodes":2000,"length":"100d","mtbf":"20d","repair":{)"
                            R"("fast":{"share":3,"median":"10min","sigma":0.5},)"
                            R"("slow":{"share":1,"median":"4h","mean":"6h"}}})");
  const auto counts = losses_by_cause(trace);
  REQUIRE(counts.size() == 2);
  CHECK(chi_square({counts.at("fast"), counts.at("slow")}, {3, 1}) < 10.83);
  const auto repairs = repairs_h(trace);
  const auto lognormal = [](double median_h, double sigma) {
    return [=](double h) { return normal_cdf(std::log(h / median_h) / sigma); };
  };
  CHECK(ks_fits(repairs.at("fast"), lognormal(1 / 6.0, 0.5)));
  CHECK(ks_fits(repairs.at("slow"), lognormal(4, std::sqrt(2 * std::log(1.5)))));
  // Availability: 20 d up, then a mean of 10 min · e^(1/8) in three of four, 6 h in the fourth. The
  // time down is that of some 10,000 repairs; their spread is below twice their mean.
  const double down_h = 0.75 * std::exp(0.125) / 6 + 0.25 * 6;
  const double expected = down_h / (20 * 24 + down_h);
  CHECK(std::abs(1 - *statistics_of(trace).availability - expected) <
        3.29 * 2 * expected / std::sqrt(10'000));
}

TEST_CASE("failures: lemons fail more often (0.1 % each)") {
  const auto trace = generated("failures", R"({"nodes":5000,"length":"100d","mtbf":"200d",)"
                                           R"("lemons":{"share":0.02,"factor":30},)"
                                           R"("repair":{"quick":{"median":"0s"}}})");
  std::vector<double> of_node(5000);
  for (const auto& event : trace.events) {
    if (event.kind != TraceEventKind::lost) continue;
    for (const NodeId node : trace.nodes_of(event)) of_node[node.index()] += 1;
  }
  // A node has half a loss, a lemon 15: five or fewer of a lemon and six or more of another are
  // rare (0.3 % and 0.001 %).
  double lemons = 0;
  double lemon_losses = 0;
  double other_losses = 0;
  for (const double losses : of_node) {
    if (losses > 5) lemons += 1;
    (losses > 5 ? lemon_losses : other_losses) += losses;
  }
  CHECK(std::abs(lemons - 100) < 3.29 * std::sqrt(100 * 0.98));
  CHECK(std::abs(lemon_losses / lemons - 15) < 3.29 * std::sqrt(15 / lemons) + 0.1);
  CHECK(poisson_fits(other_losses, (5000 - lemons) * 0.5));
}

TEST_CASE("failures: what strikes a node does not depend on the fleet's size") {
  const std::string options =
      R"("length":"90d","mtbf":"5d","distribution":"weibull",)"
      R"("lemons":{"share":0.3},"repair":{"a":{"median":"1h"},"b":{"median":"1d","mean":"2d"}},)"
      R"("domains":{"rack":{"size":4,"mtbf":"20d","share":0.5,"median":"1h"}},)"
      R"("slow":{"mtbf":"3d"}})";
  const auto small = generated("failures", R"({"nodes":6,)" + options);
  const auto large = generated("failures", R"({"nodes":60,)" + options);
  const std::vector<std::string> names = {"node1", "node2", "node3", "node4", "node5", "node6"};
  CHECK(life_of(small, names).size() > 2000);
  CHECK(life_of(small, names) == life_of(large, names));
}

TEST_CASE("failures: a domain is lost at once and comes back at once (0.1 %)") {
  const auto trace = generated(
      "failures", R"({"nodes":100,"length":"300d","mtbf":"36500d","repair":"never",)"
                  R"("domains":{"rack":{"size":8,"mtbf":"30d","median":"1h","sigma":0.3}}})");
  double strikes = 0;
  std::map<std::int64_t, double> sizes;
  for (const auto& event : trace.events) {
    if (event.kind != TraceEventKind::lost || trace.causes[event.cause] != "rack") continue;
    strikes += 1;
    ++sizes[event.node_count];
    const auto first = trace.nodes_of(event)[0].index() / 8;
    for (const NodeId node : trace.nodes_of(event)) CHECK(node.index() / 8 == first);
  }
  // Twelve racks of 8 and one of 4; nodes that failed on their own are missing now and then.
  CHECK(poisson_fits(strikes, 130));
  CHECK(sizes[8] > 100);
  CHECK(sizes[4] > 2);
}

TEST_CASE("failures: bulks have their sizes and rate (0.1 % each)") {
  const auto trace =
      generated("failures", R"({"nodes":1000,"length":"1000d","mtbf":"36500d",)"
                            R"("repair":{"quick":{"median":"0s"}},)"
                            R"("bulks":{"every":"1d","sizes":[5,3,0,2],"median":"10min"}})");
  std::vector<double> sizes(4);
  double bulks = 0;
  for (const auto& event : trace.events) {
    if (event.kind != TraceEventKind::lost || trace.causes[event.cause] != "bulk") continue;
    bulks += 1;
    sizes[event.node_count - 1] += 1;
  }
  CHECK(poisson_fits(bulks, 1000));
  CHECK(sizes[2] == 0);
  CHECK(chi_square({sizes[0], sizes[1], sizes[3]}, {5, 3, 2}) < 13.82);
}

TEST_CASE("failures: slow spells, which losses end (0.1 %)") {
  const auto trace = generated("failures", R"({"nodes":500,"length":"100d","mtbf":"10d",)"
                                           R"("repair":{"boot":{"median":"1h"}},)"
                                           R"("slow":{"mtbf":"9d","factor":0.6,"median":"1d"}})");
  std::map<TraceEventKind, double> counts;
  Duration slow_time{0};
  std::map<NodeId, SimTime> slow;
  for (const auto& event : trace.events) {
    counts[event.kind] += event.node_count;
    if (event.kind == TraceEventKind::slow) CHECK(event.factor == 0.6);
    for (const NodeId node : trace.nodes_of(event)) {
      if (event.kind == TraceEventKind::slow) {
        slow[node] = event.time;
      } else if (slow.count(node) > 0) {
        slow_time += event.time - slow[node];
        slow.erase(node);
      }
    }
  }
  // A spell every 9 + 1 days. Few of the 5,000 begin while the node is down; the gaps' spread is
  // 0.9.
  CHECK(std::abs(counts[TraceEventKind::slow] - 5000) < 3.29 * 0.9 * std::sqrt(5000) + 40);
  // One in ten meets a loss within its day: 1 - (1 - e^(-0.1)).
  CHECK(counts[TraceEventKind::normal] / counts[TraceEventKind::slow] ==
        Approx(std::exp(-0.1)).margin(0.02));
  CHECK(to_seconds(slow_time) / (500 * 100 * 86400.0) == Approx(0.095).margin(0.006));
}

TEST_CASE("llama3: rate, causes and repairs are the published ones (0.1 % each)") {
  double losses = 0;
  double alive_node_h = 0;
  std::map<std::string, double> by_cause;
  std::map<std::string, std::vector<double>> repairs;
  constexpr int kTraces = 20;
  for (std::uint64_t seed = 1; seed <= kTraces; ++seed) {
    const auto trace = generated("llama3", "{}", seed);
    const auto s = statistics_of(trace);
    CHECK(s.nodes == 2048);
    CHECK(s.end_s == 54 * 86400.0);
    losses += static_cast<double>(s.losses);
    alive_node_h += *s.node_hours_per_loss * static_cast<double>(s.losses);
    for (const auto& [cause, count] : losses_by_cause(trace)) by_cause[cause] += count;
    for (auto& [cause, hours] : repairs_h(trace)) {
      repairs[cause].insert(repairs[cause].end(), hours.begin(), hours.end());
    }
  }
  // 3.79 per 1000 node-days of live nodes: with all 2,048 alive 419 in 54 days, one every 3.09 h.
  CHECK(poisson_fits(losses, alive_node_h / 24 * 3.79e-3));
  const double mtti_h = alive_node_h / losses / 2048;
  CHECK(std::abs(mtti_h - 54 * 24 / 419.0) < 3.29 * mtti_h / std::sqrt(losses));
  CHECK(std::abs(54 * 24 / mtti_h - 419) < 3.29 * 419 / std::sqrt(losses));
  // Some are away for repair, so a trace has a little fewer.
  CHECK(losses / kTraces == Approx(412).margin(3.29 * std::sqrt(412.0 / kTraces)));
  const std::vector<std::pair<std::string, double>> published = {
      {"faulty GPU", 148},
      {"GPU HBM3 memory", 72},
      {"software bug", 54},
      {"network switch/cable", 35},
      {"host maintenance", 32},
      {"GPU SRAM memory", 19},
      {"GPU system processor", 17},
      {"NIC", 7},
      {"NCCL watchdog timeouts", 7},
      {"silent data corruption", 6},
      {"GPU thermal interface and sensor", 6},
      {"SSD", 3},
      {"power supply", 3},
      {"server chassis", 2},
      {"IO expansion board", 2},
      {"dependency", 2},
      {"CPU", 2},
      {"system memory", 2}};
  std::vector<double> counts;
  std::vector<double> weights;
  for (const auto& [cause, weight] : published) {
    counts.push_back(by_cause.at(cause));
    weights.push_back(weight);
  }
  REQUIRE(by_cause.size() == 18);
  CHECK(chi_square(counts, weights) < 40.79);  // 17 degrees of freedom
  const auto median = [&](const std::string& cause) {
    auto& hours = repairs.at(cause);
    std::sort(hours.begin(), hours.end());
    return quantile_sorted(hours, 0.5);
  };
  CHECK(median("software bug") == Approx(1 / 6.0).epsilon(0.1));
  CHECK(median("host maintenance") == Approx(0.5).epsilon(0.15));
  CHECK(median("faulty GPU") == Approx(20.4).epsilon(0.15));
}

TEST_CASE("rsc1 and rsc2: the mean time to failure of 2,048 nodes is the published one (0.1 %)") {
  for (const auto& [name, mttf_h] : std::vector<std::pair<std::string, double>>{
           {"rsc1", 1.80}, {"rsc2", 1000 / 2.34 / 2048 * 24}}) {
    const auto s = statistics_of(generated(name, R"({"nodes":2048})"));
    const double drawn_h = *s.node_hours_per_loss / 2048;
    CHECK(std::abs(drawn_h - mttf_h) <
          3.29 * mttf_h / std::sqrt(static_cast<double>(s.losses)) + 0.005);
  }
}

TEST_CASE("failures: options that cannot be are named") {
  const std::string good = R"({"nodes":3,"length":"1d","mtbf":"1d")";
  CHECK(complaint(good + "}").find("missing key 'repair'") != std::string::npos);
  CHECK(complaint(good + R"(,"repair":"nevr"})").find("never") != std::string::npos);
  CHECK(complaint(good + R"(,"repair":{}})").find("no part has a share") != std::string::npos);
  CHECK(complaint(good + R"(,"repair":{"a":{"median":"2h","mean":"1h"}}})") ==
        "options:1: /repair/a/mean: a lognormal mean is not below its median");
  CHECK(complaint(good + R"(,"repair":{"a":{"median":"2h","mean":"3h","sigma":1}}})") ==
        "options:1: /repair/a/sigma: give either the mean or sigma");
  CHECK(complaint(good + R"(,"repair":"never","shape":1})") ==
        "options:1: /shape: an exponential distribution has none");
  CHECK(complaint(good + R"(,"repair":"never","distribution":"lognormal","age":"kept"})") ==
        "options:1: /age: 'kept' is not known for lognormal times to failure");
  CHECK(complaint(good + R"(,"repair":"never","slow":{}})").find("missing key 'mtbf'") !=
        std::string::npos);
  CHECK(complaint(good + R"(,"repair":"never","lemon":{}})").find("lemons") != std::string::npos);
  CHECK(complaint(R"({"nodes":1000000,"length":"1000d","mtbf":"1d","repair":"never"})")
            .find("at most 1e+07") != std::string::npos);
}
