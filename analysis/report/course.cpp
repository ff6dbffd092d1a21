#include "analysis/report/course.h"

#include <algorithm>
#include <array>

#include "sim/base/check.h"

namespace bethany {
namespace {

using std::chrono::seconds;

/// Lengths of bins in seconds; below, 1, 2 and 5 times powers of ten; above, the same of days.
constexpr std::array<std::int64_t, 18> kLengths = {
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400};

bool fits(Duration horizon, Duration width, std::size_t most) {
  return (horizon.count() + width.count() - 1) / width.count() <= static_cast<std::int64_t>(most);
}

/// The first of 1, 2 and 5 times `unit` times powers of ten that fits.
Duration decimal_width(Duration horizon, Duration unit, std::size_t most) {
  for (;; unit *= 10) {
    for (const int times : {1, 2, 5}) {
      if (fits(horizon, times * unit, most)) return times * unit;
    }
  }
}

/// Adds to each bin what `done_by` grows by within it. Requires: from <= to.
template <class Value, class DoneBy>
void spread(std::vector<Value>& bins, const TimeBins& time, std::size_t first, SimTime from,
            SimTime to, const DoneBy& done_by) {
  if (bins.empty()) return;
  Value before = done_by(from);
  for (std::size_t bin = first;; ++bin) {
    const bool last = bin + 1 == bins.size() || time.begin(bin + 1) >= to;
    const Value after = done_by(last ? to : time.begin(bin + 1));
    bins[bin] += after - before;
    if (last) return;
    before = after;
  }
}

void note(std::vector<Course::Change>& kept, std::int64_t& left_out, SimTime& newest,
          Course::Change change) {
  const bool same_instant = newest == change.time;
  newest = change.time;
  if (same_instant) {
    if (left_out == 0 && !kept.empty()) kept.back().nodes += change.nodes;
  } else if (kept.size() < Course::kMostKept) {
    kept.push_back(std::move(change));
  } else {
    ++left_out;
  }
}

}  // namespace

TimeBins time_bins(Duration horizon, std::size_t most) {
  BETHANY_CHECK(horizon >= Duration(0) && horizon <= kLongest && most > 0, "{} bins of {} ns", most,
                horizon.count());
  TimeBins bins;
  if (horizon == Duration(0)) return bins;
  if (fits(horizon, seconds(1), most)) {
    bins.width = decimal_width(horizon, Duration(1), most);
  } else if (!fits(horizon, seconds(kLengths.back()), most)) {
    bins.width = decimal_width(horizon, seconds(kLengths.back()), most);
  } else {
    const auto width = std::find_if(kLengths.begin(), kLengths.end(), [&](std::int64_t length) {
      return fits(horizon, seconds(length), most);
    });
    bins.width = seconds(*width);
  }
  bins.count = static_cast<std::size_t>((horizon + bins.width - Duration(1)) / bins.width);
  return bins;
}

std::vector<std::int64_t> Course::net_at_edges() const {
  std::vector<std::int64_t> net = {0};
  for (std::size_t bin = 0; bin < bins.count; ++bin) {
    net.push_back(net.back() + committed[bin] - undone[bin]);
  }
  return net;
}

CourseFold::CourseFold(const TimeBins& bins) {
  line_.bins = bins;
  line_.committed.resize(bins.count);
  line_.undone.resize(bins.count);
  line_.member_ns.resize(bins.count);
  line_.live_ns.resize(bins.count);
}

void CourseFold::take(const RunEvent& event) {
  std::visit([this](const auto& fact) { take_fact(fact); }, event);
}

/// The last bin for what happens at the end of a run.
std::size_t CourseFold::bin_at(SimTime time) const {
  const auto bin = static_cast<std::size_t>(time.time_since_epoch() / line_.bins.width);
  return std::min(bin, std::max<std::size_t>(line_.bins.count, 1) - 1);
}

void CourseFold::take_fact(const NodesJoined& fact) {
  live_until(fact.time);
  live_ += static_cast<std::int64_t>(fact.nodes.size());
  if (fact.time == SimTime()) return;
  note(line_.joins, line_.joins_left_out, newest_join_,
       {fact.time, static_cast<std::int64_t>(fact.nodes.size()), ""});
}

void CourseFold::take_fact(const NodesLost& fact) {
  live_until(fact.time);
  live_ -= static_cast<std::int64_t>(fact.nodes.size());
  note(line_.losses, line_.losses_left_out, newest_loss_,
       {fact.time, static_cast<std::int64_t>(fact.nodes.size()), std::string(fact.cause)});
}

/// `stepped` says how much of `all` the steps had worked by an instant.
void CourseFold::commit(SimTime from, SimTime to, std::int64_t samples, Duration all,
                        const std::function<Duration(SimTime)>& stepped) {
  net_ += samples;
  if (all > Duration(0)) {
    spread(line_.committed, line_.bins, bin_at(from), from, to,
           [&](SimTime time) { return floor_share(samples, stepped(time).count(), all.count()); });
  } else if (!line_.committed.empty()) {
    line_.committed[bin_at(to)] += samples;
  }
}

void CourseFold::take_fact(const StepsCommitted& fact) {
  members(fact.from, fact.to, fact.nodes);
  commit(fact.from, fact.to, fact.samples, fact.to - fact.from,
         [&](SimTime time) { return time - fact.from; });
}

void CourseFold::take_fact(const RoundsCommitted& fact) {
  members(fact.from, fact.to, fact.nodes);
  // Of a round; without rounds nothing bounds steps x step time.
  const Duration stepping = fact.rounds == 0 ? Duration(0) : fact.steps * fact.step_time;
  const Duration round = stepping + fact.write_time;
  commit(fact.from, fact.to, fact.samples, fact.rounds * stepping, [&](SimTime time) {
    const Duration passed = time - fact.from;
    return passed / round * stepping + std::min(passed % round, stepping);
  });
}

void CourseFold::take_fact(const RolledBack& fact) {
  if (line_.drops.size() < Course::kMostKept) {
    line_.drops.push_back({fact.time, net_, net_ - fact.samples});
  } else {
    ++line_.drops_left_out;
  }
  net_ -= fact.samples;
  if (!line_.undone.empty()) line_.undone[bin_at(fact.time)] += fact.samples;
}

void CourseFold::members(SimTime from, SimTime to, int nodes) {
  spread(line_.member_ns, line_.bins, bin_at(from), from, to,
         [&](SimTime time) { return Int128{nodes} * (time - from).count(); });
}

void CourseFold::live_until(SimTime time) {
  if (time <= live_since_) return;
  spread(line_.live_ns, line_.bins, bin_at(live_since_), live_since_, time,
         [&](SimTime until) { return Int128{live_} * (until - live_since_).count(); });
  live_since_ = time;
}

}  // namespace bethany
