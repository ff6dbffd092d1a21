#include "traces/fleet_history.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "sim/base/check.h"
#include "sim/base/error.h"
#include "sim/model/trace_text.h"

namespace bethany {
namespace {

/// Losses of an instant come before its joins: a node that is lost and back at once is both.
int order_of(TraceEventKind kind) {
  switch (kind) {
    case TraceEventKind::lost:
      return 0;
    case TraceEventKind::join:
      return 1;
    case TraceEventKind::normal:
      return 2;
    default:
      return 3;
  }
}

}  // namespace

void FleetHistory::complain(int line, const std::string& message) const {
  throw InputError(line > 0 ? fmt::format("{}:{}: {}", place_, line, message)
                            : fmt::format("{}: {}", place_, message));
}

NodeId FleetHistory::node(std::string_view name, int line) {
  if (name.empty()) complain(line, "a node has an empty name");
  if (const auto fault = fault_of_trace_text(name); !fault.empty()) {
    complain(line, fmt::format("node '{}' {}", printable(name), fault));
  }
  const NodeId id = builder_.node(name);
  names_ = std::max(names_, id.index() + 1);
  return id;
}

void FleetHistory::fill_up(std::size_t fleet) {
  BETHANY_CHECK(names_ <= fleet, "{} nodes do not fit into {}", names_, fleet);
  // A name that is taken gives no new node, and the next number is tried.
  for (std::size_t i = 1; names_ < fleet; ++i) node(fmt::format("unnamed-{}", i));
}

std::int32_t FleetHistory::cause_number(std::string_view cause, int line) {
  const auto known = cause_numbers_.find(cause);
  if (known != cause_numbers_.end()) return known->second;
  if (const auto fault = fault_of_trace_text(cause); !fault.empty()) {
    complain(line, fmt::format("cause '{}' {}", printable(cause), fault));
  }
  const auto number = static_cast<std::int32_t>(causes_.size());
  causes_.emplace_back(cause);
  cause_numbers_.emplace(cause, number);
  return number;
}

void FleetHistory::down(NodeId node, SimTime from, SimTime until, std::string_view cause,
                        int line) {
  BETHANY_CHECK(from <= until, "a spell ends before it begins");
  downs_.push_back({node, cause_number(cause, line), from, until, 1});
}

void FleetHistory::slow(NodeId node, SimTime from, SimTime until, double factor) {
  BETHANY_CHECK(from < until, "a slow spell of no length");
  slows_.push_back({node, 0, from, until, factor});
}

/// Leaves downs_ sorted by node and time, spells of a node apart from one another.
void FleetHistory::merge_downs() {
  std::stable_sort(downs_.begin(), downs_.end(), [](const Spell& a, const Spell& b) {
    return std::tie(a.node, a.from) < std::tie(b.node, b.from);
  });
  std::size_t kept = 0;
  for (const Spell& spell : downs_) {
    if (kept > 0 && downs_[kept - 1].node == spell.node && spell.from <= downs_[kept - 1].until) {
      downs_[kept - 1].until = std::max(downs_[kept - 1].until, spell.until);
    } else {
      downs_[kept++] = spell;
    }
  }
  builder_.header().rows_merged += static_cast<std::int64_t>(downs_.size() - kept);
  downs_.resize(kept);
}

void FleetHistory::add_slow(const Spell& spell, SimTime end, std::vector<Change>& changes) const {
  const auto next =
      std::upper_bound(downs_.begin(), downs_.end(), spell, [](const Spell& a, const Spell& b) {
        return std::tie(a.node, a.from) < std::tie(b.node, b.from);
      });
  if (next != downs_.begin()) {
    const Spell& before = *std::prev(next);
    const bool is_down = before.until > spell.from || before.from == spell.from;
    if (before.node == spell.node && is_down) return;
  }
  changes.push_back({spell.from, TraceEventKind::slow, 0, spell.node, spell.factor});
  const bool lost = next != downs_.end() && next->node == spell.node && next->from <= spell.until;
  if (!lost && spell.until <= end) {
    changes.push_back({spell.until, TraceEventKind::normal, 0, spell.node, 1});
  }
}

std::vector<FleetHistory::Change> FleetHistory::changes(SimTime end) const {
  std::vector<Change> changes;
  changes.reserve(2 * (downs_.size() + slows_.size()));
  for (const Spell& spell : downs_) {
    if (spell.from > end) continue;
    changes.push_back({spell.from, TraceEventKind::lost, spell.cause, spell.node, 1});
    if (spell.until <= end)
      changes.push_back({spell.until, TraceEventKind::join, 0, spell.node, 1});
  }
  for (const Spell& spell : slows_) {
    if (spell.from <= end) add_slow(spell, end, changes);
  }
  std::sort(changes.begin(), changes.end(), [](const Change& a, const Change& b) {
    const auto key = [](const Change& c) {
      return std::make_tuple(c.time, order_of(c.kind), c.cause, c.factor, c.node);
    };
    return key(a) < key(b);
  });
  return changes;
}

Trace FleetHistory::finish(SimTime start, SimTime end) {
  std::vector<NodeId> nodes;
  for (std::size_t i = 0; i < names_; ++i) nodes.push_back(NodeId(static_cast<std::int32_t>(i)));
  if (!nodes.empty()) builder_.add(start, TraceEventKind::join, nodes, 0);
  merge_downs();
  const auto changes = this->changes(end);
  for (std::size_t i = 0; i < changes.size();) {
    const Change& first = changes[i];
    nodes.clear();
    for (; i < changes.size(); ++i) {
      const Change& change = changes[i];
      if (change.time != first.time || change.kind != first.kind || change.cause != first.cause ||
          change.factor != first.factor) {
        break;
      }
      nodes.push_back(change.node);
    }
    builder_.add(first.time, first.kind, nodes, 0, causes_[static_cast<std::size_t>(first.cause)],
                 kNever, first.factor);
  }
  return builder_.finish(start, end);
}

}  // namespace bethany
