// What a sweep of short runs costs beside the runs, and what it grows with. Prints runs a second,
// the share of the time outside the runs, how busy the threads were, peak memory, and a digest.
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

SweepAxes axes_of(std::int64_t runs) {
  SweepAxes axes;
  axes.grid = {"policy.checkpoint.every=50,100,150,200,250", "cost.detection=5s..50s..5s"};
  axes.policies = {"lazarus", "ds"};
  axes.replications = runs / 100;
  return axes;
}

/// Cuts the sweep into work inside the runs, measured on one thread, and all the rest.
void time_sweep(const std::string& trace, std::int64_t runs, int threads) {
  const auto directory =
      std::filesystem::temp_directory_path() / fmt::format("bethany-sweep-bench-{}", ::getpid());
  const auto tree = parse_json(scenario(trace), "bench");
  const double begin = seconds_now();
  const double cpu = cpu_seconds();
  const Sweep sweep(tree, axes_of(runs));
  run_sweep(sweep, {.directory = directory.string(),
                    .shard = {},
                    .threads = threads,
                    .force = true,
                    .stop = {},
                    .progress = {}});
  const double wall = seconds_now() - begin;
  const double busy = (cpu_seconds() - cpu) / (wall * threads);
  Digest digest;
  digest.add(read_input((directory / "runs.jsonl").string()));
  std::filesystem::remove_all(directory);
  fmt::print(
      "{:>6} runs on {} threads: {:6.2f} s, {:6.0f} runs/s, threads {:.1f} % busy, peak "
      "{:.0f} MiB, digest {}\n",
      runs, threads, wall, static_cast<double>(runs) / wall, 100 * busy, peak_mib(), digest.hex());
}

int run(int argc, char** argv) {
  const bool quick = argc > 1 && std::string(argv[1]) == "--quick";
  std::string trace = R"({"generator": "spot", "length": "11.4h"})";
  if (argc > 1 && !quick) {
    trace = fmt::format(R"({{"file": "{}"}})", std::filesystem::absolute(argv[1]).string());
  }
  const int cores = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  time_sweep(trace, 100, cores);  // first: peak memory only rises
  if (quick) return 0;
  time_sweep(trace, 10'000, cores);
  time_sweep(trace, 1'000, 1);
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
