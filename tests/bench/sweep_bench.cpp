// How many short runs a sweep does, and what it costs beside them: runs a second, CPU time of each,
// how busy the threads were, peak memory, a digest of all lines, and the share outside the runs.
// Arguments: --quick (small), or the path of a p3-trace.csv to replay instead of a generated trace.
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <thread>

#include "sim/base/digest.h"
#include "sim/base/error.h"
#include "sim/base/files.h"
#include "sim/study/sweep/run_sweep.h"

namespace bethany {
namespace {

double seconds_now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

double peak_mib() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

std::string scenario(const std::string& trace) {
  return fmt::format(R"({{"model": "gpt-l", "training": {{"start": "warm"}},
      "cluster": {{"nodes": 10, "slots_per_gpu": 6}}, "trace": {}}})",
                     trace);
}

/// Times and intervals on one draw of trace and load, which the runs share.
SweepAxes times_of_one_trace(std::int64_t runs) {
  SweepAxes axes;
  axes.grid = {"policy.checkpoint.every=50,100,150,200,250",
               fmt::format("cost.detection=1s..{}s", runs / 10)};
  axes.policies = {"lazarus", "ds"};
  return axes;
}

/// A hundred combinations of draws that share little.
SweepAxes draws(std::int64_t runs) {
  SweepAxes axes;
  axes.grid = {"policy.checkpoint.every=50,100,150,200,250", "cost.detection=5s..50s..5s"};
  axes.policies = {"lazarus", "ds"};
  axes.replications = runs / 100;
  return axes;
}

void time_sweep(const char* what, const JsonNode& tree, const SweepAxes& axes, int threads) {
  const auto directory =
      std::filesystem::temp_directory_path() / fmt::format("bethany-sweep-bench-{}", ::getpid());
  const double begin = seconds_now();
  const double cpu = cpu_seconds();
  const Sweep sweep(tree, axes);
  run_sweep(sweep, {.directory = directory.string(),
                    .shard = {},
                    .threads = threads,
                    .force = true,
                    .stop = {},
                    .progress = {}});
  const double wall = seconds_now() - begin;
  const double used = cpu_seconds() - cpu;
  const double peak = peak_mib();  // before all lines are read at once
  const auto runs = static_cast<double>(sweep.space().runs());
  Digest digest;
  digest.add(read_input((directory / "runs.jsonl").string()));
  std::filesystem::remove_all(directory);
  fmt::print(
      "{:<28} {:>6} runs, {} threads: {:6.2f} s, {:5.0f} runs/s, {:.2f} ms CPU each, {:.1f} % "
      "busy, peak {:.0f} MiB, digest {}\n",
      what, runs, threads, wall, runs / wall, 1000 * used / runs, 100 * used / (wall * threads),
      peak, digest.hex());
}

/// The CPU time of a sweep beyond that of its lines alone, both on one thread.
void time_outside(const JsonNode& tree, const SweepAxes& axes) {
  double begin = cpu_seconds();
  {
    const Sweep sweep(tree, axes);
    for (std::int64_t r = 0; r < sweep.space().runs(); ++r) sweep.line(r);
  }
  const double inside = cpu_seconds() - begin;
  begin = cpu_seconds();
  time_sweep("on one thread", tree, axes, 1);
  const double all = cpu_seconds() - begin;
  fmt::print("outside the runs (order, files, table): {:.1f} % of the CPU time\n",
             100 * (1 - inside / all));
}

int run(int argc, char** argv) {
  const bool quick = argc > 1 && std::string(argv[1]) == "--quick";
  std::string trace = R"({"generator": "spot", "length": "11.4h"})";
  if (argc > 1 && !quick) {
    trace = fmt::format(R"({{"file": "{}"}})", std::filesystem::absolute(argv[1]).string());
  }
  const int cores = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  const auto tree = parse_json(scenario(trace), "bench");
  time_sweep("one trace", tree, times_of_one_trace(100), cores);  // first: peak memory only rises
  if (quick) return 0;
  time_sweep("one trace", tree, times_of_one_trace(10'000), cores);
  time_sweep("draws", tree, draws(10'000), cores);
  time_outside(tree, times_of_one_trace(1'000));
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
