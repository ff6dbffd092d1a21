#include "sim/training/books.h"

#include "sim/base/check.h"

namespace bethany {
namespace {

Int128 node_time(int nodes, Duration time) { return Int128{nodes} * time.count(); }

}  // namespace

void Books::advance(SimTime now) {
  const Duration passed = now - booked_until_;
  BETHANY_CHECK(passed >= Duration(0), "time went back by {} ns", -passed.count());
  booked_until_ = now;
  if (passed == Duration(0)) return;
  const auto book = [&](Unavailable bucket, int nodes) {
    BETHANY_CHECK(nodes >= 0, "{} nodes are {}", nodes,
                  kUnavailableNames[static_cast<std::size_t>(bucket)]);
    ledger_.unavailable[static_cast<std::size_t>(bucket)] += node_time(nodes, passed);
  };
  book(Unavailable::absent, target_nodes_ - counts_.live);
  book(Unavailable::starting, counts_.starting);
  book(Unavailable::waiting, counts_.waiting);
  book(Unavailable::spare, counts_.spare);
  book(Unavailable::stranded, counts_.stranded);
}

void Books::book_blocked(Blocked bucket, int nodes, Duration time) {
  ledger_.blocked[static_cast<std::size_t>(bucket)] += node_time(nodes, time);
}

void Books::book_step_in_flight(int nodes, Duration time) {
  ledger_.step_in_flight += node_time(nodes, time);
}

void Books::commit_steps(std::int64_t count, Duration step_time, int nodes, std::int64_t samples) {
  BETHANY_CHECK(count > 0 && samples >= 0, "{} steps of {} samples", count, samples);
  const Duration wall = step_time * count;
  committed_ += count;
  samples_ += samples;
  ledger_.productive += node_time(nodes, wall);
  since_.steps += count;
  since_.samples += samples;
  since_.wall_time += wall;
  since_.node_ns += node_time(nodes, wall);
}

Books::Undone Books::roll_back() {
  const Undone undone = since_;
  committed_ -= undone.steps;
  samples_ -= undone.samples;
  ledger_.productive -= undone.node_ns;
  ledger_.rolled_back += undone.node_ns;
  since_ = {};
  BETHANY_CHECK(committed_ >= 0 && samples_ >= 0, "rolled back to step {}", committed_);
  return undone;
}

const Ledger& Books::close(SimTime horizon) {
  advance(horizon);
  ledger_.total = node_time(target_nodes_, horizon.time_since_epoch());
  BETHANY_CHECK(ledger_.sum() == ledger_.total, "the ledger's buckets sum to {}, not {} node-ns",
                to_text(ledger_.sum()), to_text(ledger_.total));
  return ledger_;
}

}  // namespace bethany
