#pragma once

#include <atomic>
#include <mutex>

namespace bethany {

/// How the thread of a rank waits for others. Awake it keeps its core busy, as the process of a
/// rank on a cluster does, which has a core of its own: who slept is slower at first. Asleep it
/// leaves the core to others.
enum class Waiting { asleep, awake };

/// Of ranks that are threads beside a device which computes: awake where each has a core and one is
/// left for who gives the orders.
Waiting waiting_beside_device(int ranks);

/// Returns when `number` is no longer `seen`. Whoever changes it notifies all of it. Awake for a
/// few milliseconds at most: what takes longer is no phase.
void wait_for_change(const std::atomic<int>& number, int seen, Waiting waiting);

/// The permission to compute. In the serialised mode all ranks of a process share one, so that each
/// has the machine to itself while it is timed. A Lockable.
class Turn {
 public:
  explicit Turn(Waiting waiting = Waiting::asleep) : waiting_(waiting) {}
  void lock();
  bool try_lock() { return mutex_.try_lock(); }
  void unlock() { mutex_.unlock(); }

 private:
  std::mutex mutex_;
  Waiting waiting_;
};

}  // namespace bethany
