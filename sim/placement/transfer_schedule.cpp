#include "sim/placement/transfer_schedule.h"

#include <algorithm>
#include <optional>
#include <span>

#include "sim/base/check.h"

namespace bethany {
namespace {

/// The machines that hold each expert, ascending.
class Owners {
 public:
  Owners(const ExpertBits& held, std::size_t machines) : first_(held.width() + 1) {
    for (std::size_t machine = 0; machine < machines; ++machine) {
      each_bit(held.row(machine), held.words(), [&](std::size_t bit) { ++first_[bit + 1]; });
    }
    for (std::size_t i = 1; i < first_.size(); ++i) first_[i] += first_[i - 1];
    owners_.resize(first_.back());
    auto next = first_;
    for (std::size_t machine = 0; machine < machines; ++machine) {
      each_bit(held.row(machine), held.words(),
               [&](std::size_t bit) { owners_[next[bit]++] = static_cast<std::int32_t>(machine); });
    }
  }

  std::span<const std::int32_t> of(std::size_t bit) const {
    return {owners_.data() + first_[bit], owners_.data() + first_[bit + 1]};
  }

 private:
  std::vector<std::size_t> first_;
  std::vector<std::int32_t> owners_;
};

/// An expert that a machine lacks, and who sends it.
struct Request {
  std::size_t bit = 0;
  std::int32_t to = 0;
  std::int32_t from = 0;
};

/// Makes the most requests that one owner serves as few as possible.
class EvenRequests {
 public:
  EvenRequests(const Owners& owners, std::size_t machines, std::size_t bits,
               std::vector<Request>& requests)
      : owners_(owners),
        requests_(requests),
        served_(machines),
        visited_(machines),
        via_(machines),
        seen_(bits) {
    for (std::size_t r = 0; r < requests.size(); ++r) {
      served_[static_cast<std::size_t>(requests[r].from)].push_back(r);
    }
  }

  /// Stops early when nobody serves more than `enough`.
  void run(std::int64_t enough) {
    for (;;) {
      std::size_t busiest = 0;
      for (std::size_t m = 1; m < served_.size(); ++m) {
        if (served_[m].size() > served_[busiest].size()) busiest = m;
      }
      const auto most = served_[busiest].size();
      if (static_cast<std::int64_t>(most) <= enough || most < 2) return;
      for (std::size_t m = busiest; m < served_.size(); ++m) {
        if (served_[m].size() == most && !relieve(m)) return;
      }
    }
  }

 private:
  /// Passes requests on along a shortest path from `start` to a machine that serves at least two
  /// fewer. False when there is none.
  bool relieve(std::size_t start) {
    const std::size_t target = served_[start].size() - 2;
    ++search_;
    queue_.assign(1, start);
    visited_[start] = search_;
    for (std::size_t at = 0; at < queue_.size(); ++at) {
      for (const std::size_t r : served_[queue_[at]]) {
        const std::size_t bit = requests_[r].bit;
        if (seen_[bit] == search_) continue;
        seen_[bit] = search_;
        for (const std::int32_t owner : owners_.of(bit)) {
          const auto next = static_cast<std::size_t>(owner);
          if (visited_[next] == search_) continue;
          visited_[next] = search_;
          via_[next] = r;
          if (served_[next].size() <= target) {
            pass_on(next, start);
            return true;
          }
          queue_.push_back(next);
        }
      }
    }
    return false;
  }

  void pass_on(std::size_t to, std::size_t start) {
    while (to != start) {
      auto& request = requests_[via_[to]];
      const auto from = static_cast<std::size_t>(request.from);
      auto& old = served_[from];
      old.erase(std::find(old.begin(), old.end(), via_[to]));
      served_[to].push_back(via_[to]);
      request.from = static_cast<std::int32_t>(to);
      to = from;
    }
  }

  const Owners& owners_;
  std::vector<Request>& requests_;
  std::vector<std::vector<std::size_t>> served_;  // requests by the machine that sends
  // One search: the machines and experts it met, and by which request it came to a machine.
  std::uint64_t search_ = 0;
  std::vector<std::uint64_t> visited_;
  std::vector<std::size_t> via_;
  std::vector<std::uint64_t> seen_;
  std::vector<std::size_t> queue_;
};

class Schedule {
 public:
  Schedule(const ExpertBits& needs, const ExpertBits& held, const std::vector<int>& place_of,
           const StateSizes& sizes, int experts, Binding& binding)
      : held_(held),
        place_of_(place_of),
        sizes_(sizes),
        experts_(experts),
        binding_(binding),
        sent_(place_of.size()) {
    for (std::size_t place = 0; place < binding.machine_of_place.size(); ++place) {
      const int machine = binding.machine_of_place[place];
      const auto m = static_cast<std::size_t>(machine);
      if (place_of[m] < 0) newcomers_.push_back(machine);
      for (std::size_t w = 0; w < held.words(); ++w) {
        const std::uint64_t missing = needs.row(place)[w] & ~held.row(m)[w];
        for (std::uint64_t bits = missing; bits != 0; bits &= bits - 1) {
          requests_.push_back({w * kBitsPerWord + lowest_bit(bits), machine, -1});
        }
      }
    }
    for (std::size_t machine = 0; machine < place_of.size(); ++machine) {
      if (place_of[machine] >= 0) holders_.push_back(static_cast<std::int32_t>(machine));
    }
    BETHANY_CHECK(newcomers_.empty() || !holders_.empty(), "nobody holds the dense state");
  }

  void greedy() {
    for (const int machine : newcomers_) {
      const std::int32_t from = least_busy(holders_);
      sent_[static_cast<std::size_t>(from)] += sizes_.dense_bytes;
      send_dense(from, machine, sizes_.dense_bytes);
    }
    ask_least_busy();
    send_experts();
  }

  void least_busiest_port() {
    ask_least_busy();
    if (!requests_.empty()) {
      EvenRequests even(*owners_, place_of_.size(), held_.width(), requests_);
      even.run(most_received());  // what somebody receives anyway need not be undercut
    }
    std::fill(sent_.begin(), sent_.end(), 0);
    for (const auto& request : requests_) {
      sent_[static_cast<std::size_t>(request.from)] += sizes_.expert_bytes;
    }
    share_dense();
    send_experts();
  }

  void summarise() {
    auto& summary = binding_.summary;
    summary.experts_moved = static_cast<std::int64_t>(requests_.size());
    summary.dense_copies = static_cast<std::int64_t>(newcomers_.size());
    std::vector<std::int64_t> sent(place_of_.size());
    std::vector<std::int64_t> received(place_of_.size());
    for (const auto& transfer : binding_.transfers) {
      summary.total_bytes += transfer.bytes;
      auto& out = sent[static_cast<std::size_t>(transfer.from)] += transfer.bytes;
      auto& in = received[static_cast<std::size_t>(transfer.to)] += transfer.bytes;
      summary.busiest_port_bytes = std::max({summary.busiest_port_bytes, out, in});
    }
  }

 private:
  std::int32_t least_busy(std::span<const std::int32_t> owners) const {
    std::int32_t best = owners.front();
    for (const std::int32_t owner : owners) {
      if (sent_[static_cast<std::size_t>(owner)] < sent_[static_cast<std::size_t>(best)]) {
        best = owner;
      }
    }
    return best;
  }

  /// Each request in turn goes to its owner that has sent least.
  void ask_least_busy() {
    if (requests_.empty()) return;
    owners_.emplace(held_, place_of_.size());
    for (auto& request : requests_) {
      const auto owners = owners_->of(request.bit);
      const auto bit = static_cast<int>(request.bit);
      BETHANY_CHECK(!owners.empty(), "nobody holds expert {} of layer {}", bit % experts_,
                    bit / experts_);
      request.from = least_busy(owners);
      sent_[static_cast<std::size_t>(request.from)] += sizes_.expert_bytes;
    }
  }

  /// The dense states of all newcomers, one after another, as one run of bytes that fills the
  /// holders in their order up to the lowest level that has room for it.
  void share_dense() {
    const auto newcomers = static_cast<std::int64_t>(newcomers_.size());
    std::int64_t left = newcomers * sizes_.dense_bytes;
    if (newcomers == 0) return;
    const std::int64_t level = level_for(left);
    auto newcomer = newcomers_.begin();
    std::int64_t wanted = sizes_.dense_bytes;
    for (const std::int32_t holder : holders_) {
      std::int64_t room = level - sent_[static_cast<std::size_t>(holder)];
      while (room > 0 && left > 0) {
        const std::int64_t bytes = std::min(room, wanted);
        send_dense(holder, *newcomer, bytes);
        room -= bytes;
        left -= bytes;
        wanted -= bytes;
        if (wanted == 0 && ++newcomer != newcomers_.end()) wanted = sizes_.dense_bytes;
      }
    }
    BETHANY_CHECK(left == 0, "{} bytes of the dense state left", left);
  }

  /// The lowest level L with sum over holders of max(0, L - sent) >= bytes.
  std::int64_t level_for(std::int64_t bytes) const {
    std::vector<std::int64_t> sent;
    for (const std::int32_t holder : holders_) {
      sent.push_back(sent_[static_cast<std::size_t>(holder)]);
    }
    std::sort(sent.begin(), sent.end());
    std::int64_t sum = bytes;
    for (std::size_t lowest = 1;; ++lowest) {
      sum += sent[lowest - 1];
      const auto count = static_cast<std::int64_t>(lowest);
      const std::int64_t level = (sum + count - 1) / count;
      if (lowest == sent.size() || level <= sent[lowest]) return level;
    }
  }

  std::int64_t most_received() const {
    std::vector<std::int64_t> received(place_of_.size());
    for (const auto& request : requests_) ++received[static_cast<std::size_t>(request.to)];
    return *std::max_element(received.begin(), received.end());
  }

  void send_dense(int from, int to, std::int64_t bytes) {
    binding_.transfers.push_back(
        {.from = from, .to = to, .layer = -1, .expert = -1, .bytes = bytes});
  }

  void send_experts() {
    for (const auto& request : requests_) {
      const auto bit = static_cast<int>(request.bit);
      binding_.transfers.push_back({.from = request.from,
                                    .to = request.to,
                                    .layer = bit / experts_,
                                    .expert = bit % experts_,
                                    .bytes = sizes_.expert_bytes});
    }
  }

  const ExpertBits& held_;
  const std::vector<int>& place_of_;
  const StateSizes& sizes_;
  int experts_;
  Binding& binding_;
  std::vector<std::int64_t> sent_;     // bytes so far, by machine
  std::vector<int> newcomers_;         // in the order of their places
  std::vector<std::int32_t> holders_;  // of the dense state
  std::vector<Request> requests_;      // by place, layer, expert
  std::optional<Owners> owners_;
};

}  // namespace

void schedule_transfers(const ExpertBits& needs, const ExpertBits& held,
                        const std::vector<int>& place_of, const StateSizes& sizes, int experts,
                        BindingMethod method, Binding& binding) {
  Schedule schedule(needs, held, place_of, sizes, experts, binding);
  if (method == BindingMethod::greedy) {
    schedule.greedy();
  } else {
    schedule.least_busiest_port();
  }
  schedule.summarise();
}

}  // namespace bethany
