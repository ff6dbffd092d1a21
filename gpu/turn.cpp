#include "gpu/turn.h"

#include <thread>

#include "gpu/protocol.h"

namespace bethany {
namespace {

constexpr double kAwake = 5e-3;  // s

/// Asks `done` until it says so or the time is over.
template <class Done>
bool look_until(const Done& done) {
  constexpr int kLooks = 64;  // between two looks at the clock
  const double begin = wall_seconds();
  do {
    for (int i = 0; i < kLooks; ++i) {
      if (done()) return true;
#if defined(__x86_64__)
      __builtin_ia32_pause();
#endif
    }
  } while (wall_seconds() - begin < kAwake);
  return false;
}

}  // namespace

Waiting waiting_beside_device(int ranks) {
  return static_cast<int>(std::thread::hardware_concurrency()) > ranks ? Waiting::awake
                                                                       : Waiting::asleep;
}

void wait_for_change(const std::atomic<int>& number, int seen, Waiting waiting) {
  if (waiting == Waiting::awake && look_until([&] { return number.load() != seen; })) return;
  number.wait(seen);
}

void Turn::lock() {
  if (waiting_ == Waiting::awake && look_until([&] { return mutex_.try_lock(); })) return;
  mutex_.lock();
}

}  // namespace bethany
