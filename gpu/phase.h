#pragma once

#include <functional>
#include <mutex>
#include <string_view>
#include <utility>
#include <vector>

namespace bethany {

/// The permission to compute. In the serialised mode all ranks of a process share one, so that each
/// has the machine to itself while it is timed; null where they run beside each other.
using Turn = std::mutex;

/// How long one phase of a step took one rank. Every rank goes through the same phases in the same
/// order, so the n-th entries of all ranks belong together.
struct PhaseTime {
  std::string_view name;  // "gate", "expert_forward", "dispatch", …: string literals
  int layer = -1;         // -1: none
  double seconds = 0;
};

/// Answers seconds of a clock that only goes forward.
using PhaseClock = double (*)();

/// Collects the phases of one rank.
class PhaseLog {
 public:
  /// `clock`: null is the wall's. Ranks that compute on their own thread, each alone in its turn,
  /// are better timed by thread_seconds(): what other programs take of the machine is not in it.
  /// `before`: called in the turn before each phase that computes, untimed; may be empty.
  explicit PhaseLog(Turn* turn = nullptr, PhaseClock clock = nullptr,
                    std::function<void()> before = {})
      : turn_(turn), clock_(clock != nullptr ? clock : wall_clock()), before_(std::move(before)) {}

  /// Runs `work`, which computes and ends with the device idle, and books how long it took.
  template <class Work>
  void compute(std::string_view name, int layer, const Work& work) {
    const auto guard = turn_ != nullptr ? std::unique_lock(*turn_) : std::unique_lock<Turn>();
    if (before_) before_();
    const double begin = clock_();
    work();
    times_.push_back({name, layer, clock_() - begin});
  }
  /// Books what a fabric says it took.
  void book(std::string_view name, int layer, double seconds) {
    times_.push_back({name, layer, seconds});
  }
  const std::vector<PhaseTime>& times() const { return times_; }
  void clear() { times_.clear(); }

 private:
  static PhaseClock wall_clock();

  Turn* turn_;
  PhaseClock clock_;
  std::function<void()> before_;
  std::vector<PhaseTime> times_;
};

}  // namespace bethany
