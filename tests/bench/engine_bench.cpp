// The event queue beside std::priority_queue in the hold model: with n events pending, take the
// first and push another at its time plus a random increment. Both queues do the same holds in
// turns, so that a busy machine slows both; the medians of the turns are compared. The digest of
// the popped order must be equal for both, else the program fails.

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <queue>
#include <string>
#include <variant>
#include <vector>

#include "sim/engine/event_queue.h"
#include "sim/engine/simulator.h"

namespace bethany {
namespace {

struct NodeLost {
  std::int64_t node;
};
struct StepEnded {
  std::int64_t step;
  std::int64_t tokens;
  std::int64_t attempt;
};
using Payload = std::variant<NodeLost, StepEnded>;
static_assert(sizeof(Payload) == 32);

/// What a simulator without a queue of its own would put into std::priority_queue. Phase and
/// sequence share a word, which makes it as small as it can be.
struct PlainEvent {
  template <class Source>
  PlainEvent(std::int64_t time_ns, std::uint64_t phase_and_sequence, Source&& source)
      : time(time_ns), order(phase_and_sequence), payload(std::forward<Source>(source)) {}

  std::int64_t time;
  std::uint64_t order;
  Payload payload;

  friend bool operator>(const PlainEvent& a, const PlainEvent& b) {
    return a.time != b.time ? a.time > b.time : a.order > b.order;
  }
};
using PlainQueue = std::priority_queue<PlainEvent, std::vector<PlainEvent>, std::greater<>>;

class XorShift {
 public:
  std::uint64_t next() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return state_;
  }

 private:
  std::uint64_t state_ = 0x9e3779b97f4a7c15;
};

/// Increments by inversion: a table of quantiles small enough to leave the caches to the queues,
/// linear in between.
class Increments {
 public:
  using Quantile = double (*)(double);

  Increments(Quantile quantile, std::int64_t grid) : grid_(grid) {
    for (std::size_t i = 0; i < kSteps; ++i) {
      const double share = (static_cast<double>(i) + 0.5) / static_cast<double>(kSteps);
      table_[i] = static_cast<std::int64_t>(quantile(share) * 1e9);
    }
    table_[kSteps] = table_[kSteps - 1];
  }

  std::int64_t after(std::int64_t now, std::uint64_t random) const {
    const std::size_t i = random % kSteps;
    const std::int64_t within = static_cast<std::int64_t>((random >> 32) & 0xffff);
    const std::int64_t time = now + table_[i] + (table_[i + 1] - table_[i]) * within / 0x10000;
    return grid_ == 0 ? time : time - time % grid_;
  }

 private:
  static constexpr std::size_t kSteps = 512;
  std::int64_t table_[kSteps + 1];
  std::int64_t grid_;
};

struct Distribution {
  std::string name;
  Increments increments;
};

std::vector<Distribution> distributions() {
  const auto exponential = [](double u) { return -std::log(1 - u); };
  const auto uniform = [](double u) { return 2 * u; };
  // Nine of ten soon, the tenth in the far future.
  const auto bimodal = [](double u) { return u < 0.9 ? u : 1000 + u; };
  const auto triangular = [](double u) { return 1.5 * std::sqrt(u); };
  const auto constant = [](double) { return 1.0; };
  const auto burst = [](double u) { return 60.0 + 600 * u; };
  return {{"exponential", {exponential, 0}}, {"uniform", {uniform, 0}},
          {"bimodal", {bimodal, 0}},         {"triangular", {triangular, 0}},
          {"constant", {constant, 0}},       {"burst", {burst, 60'000'000'000}}};
}

/// What the hold model sees of an event, whichever queue it comes from.
struct Seen {
  std::int64_t time;
  std::uint64_t order;
  std::int64_t number;
};

std::int64_t number_of(const Payload& payload) { return std::get<StepEnded>(payload).step; }

struct Ours {
  EventQueue<Payload> queue;

  template <class Source>
  void push(std::int64_t time, unsigned phase, Source&& payload) {
    queue.push(at(Duration(time)), static_cast<int>(phase), std::forward<Source>(payload));
  }
  Seen pop() {
    const auto event = queue.pop();
    return {event.key.time.time_since_epoch().count(),
            (std::uint64_t{event.key.phase} << 62) | event.key.sequence, number_of(event.payload)};
  }
};

struct Theirs {
  PlainQueue queue;
  std::uint64_t sequence = 0;

  template <class Source>
  void push(std::int64_t time, unsigned phase, Source&& payload) {
    queue.emplace(time, (std::uint64_t{phase} << 62) | sequence++, std::forward<Source>(payload));
  }
  Seen pop() {
    const PlainEvent event = queue.top();
    queue.pop();
    return {event.time, event.order, number_of(event.payload)};
  }
};

template <class Queue>
class Hold {
 public:
  Hold(const Increments& increments, std::size_t pending) : increments_(increments) {
    for (std::size_t i = 0; i < pending; ++i) push(0);
  }

  /// Nanoseconds for each of `count` holds.
  double run(std::size_t count) {
    const auto start = std::chrono::steady_clock::now();
    for (std::size_t i = 0; i < count; ++i) {
      const Seen event = queue_.pop();
      digest_ = (digest_ ^ static_cast<std::uint64_t>(event.time)) * 0x100000001b3;
      digest_ = (digest_ ^ event.order) * 0x100000001b3;
      digest_ += static_cast<std::uint64_t>(event.number);
      push(event.time);
    }
    const std::chrono::duration<double, std::nano> spent = std::chrono::steady_clock::now() - start;
    return spent.count() / static_cast<double>(count);
  }

  std::uint64_t digest() const { return digest_; }

 private:
  void push(std::int64_t now) {
    const std::uint64_t random = random_.next();
    const auto number = static_cast<std::int64_t>(random);
    const std::int64_t time = increments_.after(now, random);
    const auto phase = static_cast<unsigned>(random >> 62);
    queue_.push(time, phase, StepEnded{number, 1, 2});
  }

  const Increments& increments_;
  Queue queue_;
  XorShift random_;
  std::uint64_t digest_ = 0xcbf29ce484222325;
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

/// Prints one line; false when the two queues differ in what they popped.
bool compare(const Distribution& distribution, std::size_t pending, bool quick) {
  Hold<Ours> ours(distribution.increments, pending);
  Hold<Theirs> theirs(distribution.increments, pending);
  const std::size_t turns = quick ? 1 : 9;
  // A turn is long enough to make up for the caches that the other queue's turn has filled.
  const std::size_t holds = quick ? 1000 : std::clamp<std::size_t>(4 * pending, 200'000, 1'000'000);
  ours.run(2 * holds);  // until the queue's shape no longer shows how it was filled
  theirs.run(2 * holds);
  std::vector<double> our_times;
  std::vector<double> their_times;
  std::vector<double> ratios;
  for (std::size_t turn = 0; turn < turns; ++turn) {
    our_times.push_back(ours.run(holds));
    their_times.push_back(theirs.run(holds));
    ratios.push_back(their_times.back() / our_times.back());
  }
  const bool equal = ours.digest() == theirs.digest();
  fmt::print("{:>9}  {:<12} {:>9.1f} {:>9.1f} {:>7.2f}   {:016x}{}\n", pending, distribution.name,
             median(our_times), median(their_times), median(ratios), ours.digest(),
             equal ? "" : "  DIFFERS");
  return equal;
}

/// Nanoseconds per event of a whole simulator: `pending` timers that set themselves again.
void simulate(const Distribution& distribution, std::size_t pending, bool quick) {
  Simulator<Payload> simulator;
  XorShift random;
  const auto handler = [&](const EventKey& key, Payload&& payload) {
    const std::int64_t now = key.time.time_since_epoch().count();
    simulator.schedule(at(Duration(distribution.increments.after(now, random.next()))), 2,
                       StepEnded{number_of(payload) + 1, 1, 2});
  };
  for (std::size_t i = 0; i < pending; ++i) {
    const std::int64_t first = distribution.increments.after(0, random.next());
    simulator.schedule(at(Duration(first)), 2, StepEnded{0, 1, 2});
  }
  const std::size_t turns = quick ? 1 : 9;
  const std::size_t events = quick ? 1000 : std::max<std::size_t>(pending, 100'000);
  std::vector<double> times;
  for (std::size_t turn = 0; turn <= turns; ++turn) {
    const auto start = std::chrono::steady_clock::now();
    for (std::size_t i = 0; i < events; ++i) simulator.step(handler);
    const std::chrono::duration<double, std::nano> spent = std::chrono::steady_clock::now() - start;
    if (turn > 0) times.push_back(spent.count() / static_cast<double>(events));
  }
  fmt::print("{:>9}  {:<12} {:>9.1f} {:>9} {:>7}   {:016x}\n", pending, distribution.name,
             median(times), "", "", simulator.digest());
}

int run(bool quick) {
  fmt::print("hold model, {}-byte payload; ns per hold, ratio = priority_queue / EventQueue\n",
             sizeof(Payload));
  fmt::print("{:>9}  {:<12} {:>9} {:>9} {:>7}   {}\n", "pending", "increments", "ours", "std pq",
             "ratio", "digest of the popped order");
  std::vector<std::size_t> sizes{8, 64, 1000, 100'000, 1'000'000};
  if (quick) sizes = {8, 1000, 5000};
  bool equal = true;
  for (const std::size_t pending : sizes) {
    for (const Distribution& distribution : distributions()) {
      equal = compare(distribution, pending, quick) && equal;
    }
  }
  fmt::print(
      "\na whole simulator: events that schedule their successor; ns per event, run digest\n");
  for (const std::size_t pending : quick ? sizes : std::vector<std::size_t>{8, 1000, 100'000}) {
    simulate(distributions().front(), pending, quick);
  }
  return equal ? 0 : 1;
}

}  // namespace
}  // namespace bethany

int main(int argc, char** argv) {
  return bethany::run(argc > 1 && std::strcmp(argv[1], "--quick") == 0);
}
