#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "sim/base/check.h"
#include "sim/engine/event_queue.h"
#include "sim/engine/run_digest.h"

namespace bethany {

/// The one owner of simulated time. Events are values of type Payload, in practice a variant of
/// small structs; they run in the order (time, phase, order of scheduling), and time only goes
/// forward. It draws no random numbers and reads no clock, so equal schedules run equally.
///
/// A handler is anything callable as `handler(const EventKey&, Payload&&)`. It may schedule, cancel
/// and stop; it may not run the simulator that runs it.
template <class Payload>
class Simulator {
 public:
  using Observer = std::function<void(const EventKey&)>;

  /// Time begins at `start`, in phase 0.
  explicit Simulator(SimTime start = SimTime{}) : now_(start) {}
  Simulator(const Simulator&) = delete;
  Simulator& operator=(const Simulator&) = delete;

  /// The instant and phase of the event that runs; between runs, of where the last one ended.
  SimTime now() const { return now_; }
  int phase() const { return phase_; }

  /// Whether an event may be scheduled then: not in the past, which ends before now() in phase(),
  /// and before kNever. The phase that runs is not past: what is added to it runs after what waits
  /// in it.
  bool may_schedule(SimTime time, int phase) const {
    return phase >= 0 && phase < kPhases && time < kNever && !is_past(time, phase);
  }

  /// Schedules an event; its payload is made from `payload` in place.
  /// Requires: may_schedule(time, phase).
  template <class Source>
  EventHandle schedule(SimTime time, int phase, Source&& payload) {
    if (!may_schedule(time, phase)) {
      fail_time("an event scheduled for", time, phase, now_, phase_);
    }
    return queue_.push(time, phase, std::forward<Source>(payload));
  }

  /// Takes a pending event out. Returns false, and does nothing, when it has run, runs now, or was
  /// cancelled before.
  bool cancel(EventHandle handle) { return queue_.cancel(handle); }
  bool is_pending(EventHandle handle) const { return queue_.contains(handle); }

  /// Runs every event up to and including phase `last_phase` of instant `time`, also those that are
  /// scheduled meanwhile, and leaves now() and phase() there. Returns false when a handler called
  /// stop(): then now() and phase() are those of the event that stopped.
  /// Requires: (time, last_phase) is not past; not called from a handler.
  template <class Handler>
  bool run_until(SimTime time, int last_phase, Handler&& handler) {
    if (last_phase < 0 || last_phase >= kPhases) fail_phase(last_phase);
    if (is_past(time, last_phase)) fail_time("a run until", time, last_phase, now_, phase_);
    if (running_) fail_nested_run();
    stopped_ = false;
    while (!queue_.empty()) {
      const EventKey next = queue_.peek();
      if (next.time > time || (next.time == time && next.phase > last_phase)) break;
      run_first(handler);
      if (stopped_) return false;
    }
    now_ = time;
    phase_ = last_phase;
    return true;
  }

  /// Runs the next event. Returns false when none is pending. Requires: not called from a handler.
  template <class Handler>
  bool step(Handler&& handler) {
    if (running_) fail_nested_run();
    if (queue_.empty()) return false;
    run_first(handler);
    return true;
  }

  /// Called from a handler: run_until() returns as soon as that handler does.
  void stop() { stopped_ = true; }

  std::size_t pending() const { return queue_.size(); }
  /// kNever when nothing is pending.
  SimTime next_time() const { return queue_.empty() ? kNever : queue_.peek().time; }
  std::uint64_t events_run() const { return events_run_; }

  /// Calls `observer` before every event, after the observers added earlier. Observers look on:
  /// they do not schedule, cancel or stop.
  void add_observer(Observer observer) { observers_.push_back(std::move(observer)); }

  /// Adds a number made from each event's payload to the digest. Requires: no event has run yet.
  void set_payload_hash(std::function<std::uint64_t(const Payload&)> hash) {
    BETHANY_CHECK(events_run_ == 0, "{} events are in the digest already", events_run_);
    payload_hash_ = std::move(hash);
  }
  /// The fingerprint of the events run so far, in their order.
  std::uint64_t digest() const { return digest_.value(); }

 private:
  /// Marks the time during which a handler runs, also when it throws.
  struct Running {
    explicit Running(bool& flag) : running(flag) { running = true; }
    ~Running() { running = false; }
    Running(const Running&) = delete;
    Running& operator=(const Running&) = delete;
    bool& running;
  };

  bool is_past(SimTime time, int phase) const {
    return time < now_ || (time == now_ && phase < phase_);
  }

  template <class Handler>
  void run_first(Handler& handler) {
    const Running running(running_);
    auto event = queue_.pop();
    now_ = event.key.time;
    phase_ = event.key.phase;
    ++events_run_;
    digest_.add(event.key);
    if (payload_hash_) digest_.add(payload_hash_(std::as_const(event.payload)));
    for (const Observer& observer : observers_) observer(event.key);
    handler(std::as_const(event.key), std::move(event.payload));
  }

  EventQueue<Payload> queue_;
  SimTime now_;
  int phase_ = 0;
  bool running_ = false;
  bool stopped_ = false;
  std::uint64_t events_run_ = 0;
  RunDigest digest_;
  std::function<std::uint64_t(const Payload&)> payload_hash_;
  std::vector<Observer> observers_;
};

}  // namespace bethany
