#pragma once

#include <string>
#include <vector>

#include "analysis/answers.h"
#include "sim/study/replay.h"

namespace bethany {

/// What stands beside every result of the setup.
RunContext context_of(const Setup& setup);

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

}  // namespace bethany
