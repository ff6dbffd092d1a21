#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <memory>
#include <string>

#include "sim/model/run_record.h"

namespace bethany {

/// How runs under way are told of on stderr.
struct ProgressOptions {
  std::string mode = "auto";  // auto | never | jsonl
  bool quiet = false;
};

/// `--progress auto|never|jsonl` and `--quiet` (neither a bar nor warnings).
void add_progress(CLI::App& command, ProgressOptions& options);

/// Tells on stderr while runs are under way, at most ten times a second. auto: a bar, only on a
/// terminal and only after a second. jsonl: lines {"done":n,"of":m,"elapsed_s":x}, n the runs that
/// have ended, and one when all is over. It is a sink of every run, from any thread.
class Progress {
 public:
  Progress(std::size_t runs, Duration horizon, const ProgressOptions& options = {});
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  RunSink* sink(std::size_t run);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Seconds of the machine's clock since some instant; for what is told of real time.
double clock_seconds();

/// `--timeline-events N`: the most events of a timeline.
void add_timeline_events(CLI::App& command, std::int64_t& most_events);

}  // namespace bethany
