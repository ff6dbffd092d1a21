#include "sim/cli/run_output.h"

#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <ctime>
#include <deque>
#include <mutex>
#include <thread>

#include "sim/cli/command.h"

namespace bethany {
struct Progress::State {
  /// Notes how far its run has come.
  class Sink final : public RunSink {
   public:
    explicit Sink(std::atomic<std::size_t>& ended) : ended_(ended) {}
    void take(const RunEvent& event) override {
      if (const auto* steps = std::get_if<StepsCommitted>(&event)) reach(steps->to);
      if (const auto* rounds = std::get_if<RoundsCommitted>(&event)) reach(rounds->to);
      if (const auto* stage = std::get_if<StageEnded>(&event)) reach(stage->to);
      if (const auto* last = std::get_if<RunEnded>(&event)) {
        reach(last->horizon);
        ended_.fetch_add(1, std::memory_order_relaxed);
      }
    }
    void reach(SimTime time) {
      ns.store(time.time_since_epoch().count(), std::memory_order_relaxed);
    }
    std::atomic<std::int64_t> ns{0};

   private:
    std::atomic<std::size_t>& ended_;
  };

  std::atomic<std::size_t> ended{0};
  double began = clock_seconds();
  std::deque<Sink> sinks;  // a deque: sinks stay where they are
  Duration horizon;
  std::mutex mutex;
  std::condition_variable stopped;
  bool stop = false;
  std::thread thread;

  void print_line() const {
    fmt::print(stderr, "{{\"done\":{},\"of\":{},\"elapsed_s\":{:.3f}}}\n", ended.load(),
               sinks.size(), clock_seconds() - began);
  }

  /// A line whenever a run has ended, and the last one when all is over.
  void show_lines() {
    using namespace std::chrono_literals;
    std::unique_lock lock(mutex);
    std::size_t shown = 0;
    while (!stopped.wait_for(lock, 100ms, [this] { return stop; })) {
      if (ended.load() == shown) continue;
      shown = ended.load();
      print_line();
    }
    print_line();
  }

  void show_bar() {
    using namespace std::chrono_literals;
    std::unique_lock lock(mutex);
    if (stopped.wait_for(lock, 1s, [this] { return stop; })) return;
    while (!stop) {
      double done = 0;
      for (const auto& sink : sinks) done += static_cast<double>(sink.ns.load());
      const double share = std::min(
          1.0, done / (static_cast<double>(horizon.count()) * static_cast<double>(sinks.size())));
      const auto filled = static_cast<std::size_t>(share * 40);
      fmt::print(stderr, "\r[{:<40}] {:3.0f} %", std::string(filled, '='), share * 100);
      std::fflush(stderr);
      stopped.wait_for(lock, 100ms, [this] { return stop; });
    }
    fmt::print(stderr, "\r{:60}\r", "");
  }
};

void add_progress(CLI::App& command, ProgressOptions& options) {
  command.add_option("--progress", options.mode, "how runs under way are told of, on stderr")
      ->check(CLI::IsMember({"auto", "never", "jsonl"}))
      ->capture_default_str();
  command.add_flag("--quiet", options.quiet, "no progress bar and no warnings");
}

double clock_seconds() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

Progress::Progress(std::size_t runs, Duration horizon, const ProgressOptions& options)
    : state_(std::make_unique<State>()) {
  for (std::size_t i = 0; i < runs; ++i) state_->sinks.emplace_back(state_->ended);
  state_->horizon = horizon;
  const bool bar = options.mode == "auto" && !options.quiet && horizon > Duration(0) &&
                   isatty(STDERR_FILENO) != 0;
  if (options.mode == "jsonl") {
    state_->thread = std::thread([state = state_.get()] { state->show_lines(); });
  } else if (bar) {
    state_->thread = std::thread([state = state_.get()] { state->show_bar(); });
  }
}

Progress::~Progress() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->stop = true;
  }
  state_->stopped.notify_all();
  if (state_->thread.joinable()) state_->thread.join();
}

RunSink* Progress::sink(std::size_t run) { return &state_->sinks[run]; }

}  // namespace bethany
