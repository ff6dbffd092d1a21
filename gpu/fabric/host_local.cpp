#include "gpu/fabric/host_local.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <deque>
#include <list>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "gpu/protocol.h"
#include "sim/base/check.h"

namespace bethany {

/// A send that waits for its receiver, which removes it from its mailbox when it begins to copy.
struct PostedSend {
  const void* data = nullptr;
  std::size_t bytes = 0;
  bool taken = false;  // the receiver copies
  bool done = false;
  double seconds = 0;  // what the copy took
};

struct HostLocalState {
  int ranks = 0;
  Turn* turn = nullptr;
  Waiting how = Waiting::asleep;  // ranks wait

  std::atomic<int> changes{0};
  std::mutex mutex;  // guards all below
  std::vector<std::deque<PostedSend*>> mailboxes;  // [from · ranks + to]
  int waiting = 0;                                 // ranks in the barrier
  std::int64_t barriers = 0;                       // passed
  bool aborted = false;
  std::string why;

  std::deque<PostedSend*>& mailbox(int from, int to) {
    BETHANY_CHECK(from >= 0 && from < ranks && to >= 0 && to < ranks && from != to,
                  "a message from rank {} to rank {} of {}", from, to, ranks);
    return mailboxes[static_cast<std::size_t>(from) * static_cast<std::size_t>(ranks) +
                     static_cast<std::size_t>(to)];
  }
  void require_alive() const {
    if (aborted) throw PeerLost(why);
  }
  void changed() {
    changes.fetch_add(1);
    changes.notify_all();
  }
  template <class Holds>
  void wait(std::unique_lock<std::mutex>& lock, const Holds& holds) {
    while (!holds()) {
      const int seen = changes.load();
      lock.unlock();
      wait_for_change(changes, seen, how);
      lock.lock();
    }
  }
};

namespace {

class HostLocalFabric final : public Fabric {
 public:
  HostLocalFabric(std::shared_ptr<HostLocalState> state, int rank, CopyBytes copy)
      : state_(std::move(state)), rank_(rank), copy_(std::move(copy)) {}

  int rank() const override { return rank_; }
  int ranks() const override { return state_->ranks; }

  double exchange(std::span<const Send> sends, std::span<const Receive> receives) override {
    std::list<PostedSend> posted;
    std::unique_lock lock(state_->mutex);
    state_->require_alive();
    for (const auto& send : sends) {
      posted.push_back({.data = send.data, .bytes = send.bytes});
      state_->mailbox(rank_, send.to).push_back(&posted.back());
    }
    state_->changed();
    const auto in = receive_all(lock, receives);
    state_->wait(lock, [&] {
      return std::all_of(posted.begin(), posted.end(), [&](const PostedSend& send) {
        return send.done || (state_->aborted && !send.taken);
      });
    });
    double out = 0;
    bool complete = in.has_value();
    for (const auto& send : posted) {
      out += send.seconds;
      complete = complete && send.done;
    }
    if (!complete) {  // nobody may find this rank's messages any more
      for (const auto& send : sends) state_->mailbox(rank_, send.to).clear();
      throw PeerLost(state_->why);
    }
    return std::max(*in, out);
  }

  void barrier() override {
    std::unique_lock lock(state_->mutex);
    state_->require_alive();
    const std::int64_t passed = state_->barriers;
    if (++state_->waiting == state_->ranks) {
      state_->waiting = 0;
      ++state_->barriers;
      state_->changed();
      return;
    }
    state_->wait(lock, [&] { return state_->aborted || state_->barriers > passed; });
    if (state_->barriers == passed) throw PeerLost(state_->why);
  }

 private:
  /// Waits until every message is there, then copies them one after the other, without the lock.
  /// Answers what the copies took; nothing when it was called off before they began.
  std::optional<double> receive_all(std::unique_lock<std::mutex>& lock,
                                    std::span<const Receive> receives) {
    if (receives.empty()) return 0.0;
    std::vector<std::size_t> of_rank(static_cast<std::size_t>(state_->ranks));
    for (const auto& receive : receives) ++of_rank[static_cast<std::size_t>(receive.from)];
    state_->wait(lock, [&] {
      return state_->aborted || std::all_of(receives.begin(), receives.end(), [&](const auto& r) {
               return state_->mailbox(r.from, rank_).size() >=
                      of_rank[static_cast<std::size_t>(r.from)];
             });
    });
    lock.unlock();
    const auto turn =
        state_->turn != nullptr ? std::unique_lock(*state_->turn) : std::unique_lock<Turn>();
    lock.lock();
    if (state_->aborted) return std::nullopt;
    std::vector<PostedSend*> messages;
    for (const auto& receive : receives) {
      auto& mailbox = state_->mailbox(receive.from, rank_);
      messages.push_back(mailbox.front());
      messages.back()->taken = true;
      mailbox.pop_front();
    }
    lock.unlock();
    const double seconds = copy_all(messages, receives);
    lock.lock();
    for (auto* message : messages) message->done = true;
    state_->changed();
    return seconds;
  }

  double copy_all(const std::vector<PostedSend*>& messages, std::span<const Receive> receives) {
    // One after the other and by this thread: other programs' share of the core is not counted.
    const bool alone = state_->turn != nullptr && !copy_;
    const auto now = alone ? thread_seconds : wall_seconds;
    double total = 0;
    double begin = now();
    for (std::size_t i = 0; i < messages.size(); ++i) {
      PostedSend& message = *messages[i];
      const Receive& receive = receives[i];
      BETHANY_CHECK(message.bytes == receive.bytes && receive.bytes > 0,
                    "rank {} sends {} bytes, rank {} receives {}", receive.from, message.bytes,
                    rank_, receive.bytes);
      if (copy_) {
        copy_(receive.data, message.data, receive.bytes);
      } else {
        std::memcpy(receive.data, message.data, receive.bytes);
      }
      const double end = now();
      message.seconds = end - begin;
      total += message.seconds;
      begin = end;
    }
    return total;
  }

  std::shared_ptr<HostLocalState> state_;
  int rank_;
  CopyBytes copy_;
};

}  // namespace

HostLocal::HostLocal(int ranks, Turn* turn, Waiting waiting)
    : state_(std::make_shared<HostLocalState>()) {
  BETHANY_CHECK(ranks > 0, "{} ranks", ranks);
  state_->ranks = ranks;
  state_->turn = turn;
  state_->how = waiting;
  state_->mailboxes.resize(static_cast<std::size_t>(ranks) * static_cast<std::size_t>(ranks));
}

std::unique_ptr<Fabric> HostLocal::fabric(int rank, CopyBytes copy) {
  BETHANY_CHECK(rank >= 0 && rank < state_->ranks, "rank {} of {}", rank, state_->ranks);
  return std::make_unique<HostLocalFabric>(state_, rank, std::move(copy));
}

void HostLocal::abort(const std::string& why) {
  const std::lock_guard lock(state_->mutex);
  if (state_->aborted) return;
  state_->aborted = true;
  state_->why = why;
  state_->changed();
}

}  // namespace bethany
