// How long a replay takes, and what it grows with. Ratios are within one run; medians of repeats.
// Arguments: --quick (small), or the path of a p3-trace.csv to replay beside the generated trace.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <string>
#include <vector>

#include "sim/base/error.h"
#include "sim/study/replay.h"
#include "traces/generate.h"

namespace bethany {
namespace {

double milliseconds(const std::function<void()>& work, int repeats) {
  std::vector<double> times;
  for (int i = 0; i < repeats; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    work();
    const auto end = std::chrono::steady_clock::now();
    times.push_back(std::chrono::duration<double, std::milli>(end - begin).count());
  }
  std::sort(times.begin(), times.end());
  return times[times.size() / 2];
}

Setup setup_of(const std::string& text) { return make_setup(parse_json(text, "bench")); }

void time_policies(const char* what, const Setup& setup, int repeats) {
  for (const auto* name : {"lazarus", "ds"}) {
    const auto policy = build_policy({name, policy_from_text(name, setup.policies)});
    RunSummary summary;
    const double ms = milliseconds([&] { summary = replay(setup, policy); }, repeats);
    fmt::print("{:<44} {:<8} {:9.3f} ms  {} steps, {} disruptions, digest {}\n", what, name, ms,
               summary.steps_committed, summary.recovery.disruptions, summary.digest);
  }
}

std::string gpt_l(const std::string& trace, const std::string& rest) {
  return fmt::format(
      R"({{"model": "gpt-l", "cluster": {{"nodes": 10, "slots_per_gpu": 6}}, "trace": {}, {}}})",
      trace, rest);
}

/// The same events with a horizon ten times as long: cost follows events, not steps.
void horizon_times_ten(int repeats) {
  const auto at = [](const char* time) {
    return setup_of(gpt_l(R"({"generator": "spot", "length": "11.4h", "at_end": "hold"})",
                          fmt::format(R"("training": {{"until": {{"time": "{}"}}}},
                                         "routing": {{"generator": "uniform"}})",
                                      time)));
  };
  const auto once = at("11.4h");
  const auto ten = at("114h");
  const auto policy = build_policy({"lazarus", policy_from_text("lazarus", once.policies)});
  const double a = milliseconds([&] { replay(once, policy); }, repeats);
  const double b = milliseconds([&] { replay(ten, policy); }, repeats);
  fmt::print("horizon x 10, same events: {:.3f} ms -> {:.3f} ms, ratio {:.2f}\n", a, b, b / a);
}

/// A large fleet: time per failure must not grow with the number of nodes.
void fleets(bool quick) {
  for (const int nodes : quick ? std::vector<int>{1000} : std::vector<int>{1000, 10'000, 100'000}) {
    const auto begin = std::chrono::steady_clock::now();
    const auto setup = setup_of(fmt::format(
        R"({{"model": "gpt-s", "training": {{"start": "warm"}},
             "cluster": {{"nodes": {}, "slots_per_gpu": 6}},
             "trace": {{"generator": "poisson", "nodes": {}, "mtbf": "263.85d", "mttr": "1h",
                        "length": "90d"}},
             "cost": {{"model": "fixed", "step": "10s", "checkpoint": "30s", "detection": "15s",
                       "process_start": "60s"}}}})",
        nodes, nodes));
    const double made =
        std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
    const auto policy = build_policy({"ds", policy_from_text("ds", setup.policies)});
    RunSummary summary;
    const double ms = milliseconds([&] { summary = replay(setup, policy); }, quick ? 1 : 3);
    fmt::print(
        "{:>7} nodes, 90 days: set up {:.0f} ms, replay {:.1f} ms, {} disruptions, "
        "{:.2f} us each, digest {}\n",
        nodes, made, ms, summary.recovery.disruptions,
        1000 * ms / static_cast<double>(std::max<std::int64_t>(1, summary.recovery.disruptions)),
        summary.digest);
  }
}

int run(int argc, char** argv) {
  const bool quick = argc > 1 && std::string(argv[1]) == "--quick";
  const int repeats = quick ? 1 : 25;
  const std::string fixed = R"("cost": {"model": "fixed", "step": "1s", "checkpoint": "20s",
      "detection": "15s", "communicator": "10s", "transfer": "5s", "process_start": "50s"})";
  std::string trace = R"({"generator": "spot", "length": "11.4h"})";
  if (argc > 1 && !quick) trace = fmt::format(R"({{"file": "{}"}})", argv[1]);
  time_policies("11.4 h spot trace, fixed", setup_of(gpt_l(trace, fixed)), repeats);
  time_policies("11.4 h spot trace, analytic, uniform load",
                setup_of(gpt_l(trace, R"("routing": {"generator": "uniform"})")), repeats);
  time_policies("11.4 h spot trace, analytic, zipf-drift",
                setup_of(gpt_l(trace, R"("routing": {"generator": "zipf-drift"})")), repeats);
  horizon_times_ten(repeats);
  fleets(quick);
  return 0;
}

}  // namespace
}  // namespace bethany

int main(int argc, char** argv) {
  try {
    return bethany::run(argc, argv);
  } catch (const bethany::InputError& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 3;
  }
}
