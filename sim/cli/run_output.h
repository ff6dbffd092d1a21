#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <memory>

#include "sim/model/run_record.h"

namespace bethany {

/// A bar on stderr while runs are under way: only on a terminal, only after a second, at most ten
/// times a second. It is a sink of every run, from any thread.
class Progress {
 public:
  Progress(std::size_t runs, Duration horizon);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  RunSink* sink(std::size_t run);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// `--timeline-events N`: the most events of a timeline.
void add_timeline_events(CLI::App& command, std::int64_t& most_events);

}  // namespace bethany
