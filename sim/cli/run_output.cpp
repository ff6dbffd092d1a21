#include "sim/cli/run_output.h"

#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

namespace bethany {
struct Progress::State {
  /// Notes how far its run has come.
  class Sink final : public RunSink {
   public:
    void take(const RunEvent& event) override {
      if (const auto* steps = std::get_if<StepsCommitted>(&event)) reach(steps->to);
      if (const auto* rounds = std::get_if<RoundsCommitted>(&event)) reach(rounds->to);
      if (const auto* stage = std::get_if<StageEnded>(&event)) reach(stage->to);
      if (const auto* ended = std::get_if<RunEnded>(&event)) reach(ended->horizon);
    }
    void reach(SimTime time) {
      ns.store(time.time_since_epoch().count(), std::memory_order_relaxed);
    }
    std::atomic<std::int64_t> ns{0};
  };

  std::deque<Sink> sinks;  // a deque: sinks stay where they are
  Duration horizon;
  std::mutex mutex;
  std::condition_variable stopped;
  bool stop = false;
  std::thread thread;

  void show() {
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

Progress::Progress(std::size_t runs, Duration horizon) : state_(std::make_unique<State>()) {
  for (std::size_t i = 0; i < runs; ++i) state_->sinks.emplace_back();
  state_->horizon = horizon;
  if (horizon > Duration(0) && isatty(STDERR_FILENO) != 0) {
    state_->thread = std::thread([state = state_.get()] { state->show(); });
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
