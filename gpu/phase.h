#pragma once

#include <functional>
#include <mutex>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "gpu/turn.h"

namespace bethany {

/// How long one phase of a step took one rank. Every rank goes through the same phases in the same
/// order, so the n-th entries of all ranks belong together.
struct PhaseTime {
  std::string_view name;  // "gate", "expert_forward", "dispatch", …: string literals
  int layer = -1;         // -1: none
  double seconds = 0;
  /// Of those the host did nothing but wait for the device; empty where it computes itself.
  std::optional<double> waited = {};
};

/// Answers seconds of a clock that only goes forward.
using PhaseClock = double (*)();

/// How the phases of a rank are timed.
struct PhaseTiming {
  /// Of the ranks that compute one after the other; null where they do it beside each other.
  Turn* turn = nullptr;
  /// Null: the wall's. Ranks that compute on their own thread, each alone in its turn, are better
  /// timed by thread_seconds(): what other programs take of the machine is not in it.
  PhaseClock clock = nullptr;
  /// Called in the turn before each phase that computes, untimed; may be empty.
  std::function<void()> before = {};
  /// Seconds that the host has waited for the device so far; empty where it computes itself.
  std::function<double()> waited = {};
};

/// Collects the phases of one rank.
class PhaseLog {
 public:
  explicit PhaseLog(PhaseTiming timing = {}) : timing_(std::move(timing)) {
    if (timing_.clock == nullptr) timing_.clock = wall_clock();
  }

  /// Runs `work`, which computes and ends with the device idle, and books how long it took.
  template <class Work>
  void compute(std::string_view name, int layer, const Work& work) {
    const auto guard = turn();
    if (timing_.before) timing_.before();
    const double waited = timing_.waited ? timing_.waited() : 0;
    const double begin = timing_.clock();
    work();
    times_.push_back({name, layer, timing_.clock() - begin});
    if (timing_.waited) times_.back().waited = timing_.waited() - waited;
  }
  /// Runs `work`, which waits for no other rank, in the turn and untimed: what a rank does besides
  /// its phases would slow down whoever is timed meanwhile.
  template <class Work>
  void aside(const Work& work) {
    const auto guard = turn();
    work();
  }
  /// The same of work that leaves the device alone: beside a device that computes, others do it at
  /// the same time (on a GPU it takes longer than the phases do).
  template <class Work>
  void on_host(const Work& work) {
    const auto guard = timing_.waited ? std::unique_lock<Turn>() : turn();
    work();
  }
  /// Books what a fabric says it took.
  void book(std::string_view name, int layer, double seconds) {
    times_.push_back({name, layer, seconds});
  }
  const std::vector<PhaseTime>& times() const { return times_; }
  void clear() { times_.clear(); }

 private:
  static PhaseClock wall_clock();
  std::unique_lock<Turn> turn() const {
    return timing_.turn != nullptr ? std::unique_lock(*timing_.turn) : std::unique_lock<Turn>();
  }

  PhaseTiming timing_;
  std::vector<PhaseTime> times_;
};

}  // namespace bethany
