#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "sim/model/trace.h"

namespace bethany {

/// A trace made of when each node of a fixed fleet was down, or slow. All nodes are there from the
/// start; a node is lost when a spell of being down begins and joins when it ends.
///
/// Spells come in any order. Spells of one node being down that overlap or touch are one: it is
/// lost once, with the cause of the first, and joins when the last is over. One that begins and
/// ends at the same instant is a loss and a join there. A slow spell is left out when it begins
/// while its node is down, and ends with a loss; slow spells of one node must not overlap.
class FleetHistory {
 public:
  /// `place` names the input in complaints.
  explicit FleetHistory(std::string place) : place_(place), builder_(std::move(place)) {}

  /// Fills in name and source.
  Trace& header() { return builder_.header(); }

  /// The node of that name, a new one for a new name. `line` is where it stands, 0: nowhere.
  /// Throws InputError for what is no name of a node.
  NodeId node(std::string_view name, int line = 0);
  std::size_t node_count() const { return names_; }
  /// Adds "unnamed-1", "unnamed-2", … (leaving out names that are taken) until there are `fleet`
  /// nodes. Requires: there are not more.
  void fill_up(std::size_t fleet);

  /// `until` may be kNever. Throws InputError for what is no cause.
  void down(NodeId node, SimTime from, SimTime until, std::string_view cause = "", int line = 0);
  void slow(NodeId node, SimTime from, SimTime until, double factor);

  /// The trace; what comes after `end` is left out. Call it once. Ensures: rows_merged of the
  /// header counts the spells that went into another. Requires: no spell begins before `start`.
  Trace finish(SimTime start, SimTime end);

 private:
  struct Spell {
    NodeId node;
    std::int32_t cause = 0;
    SimTime from;
    SimTime until;
    double factor = 1;
  };
  struct Change {
    SimTime time;
    TraceEventKind kind = TraceEventKind::join;
    std::int32_t cause = 0;
    NodeId node;
    double factor = 1;
  };

  std::int32_t cause_number(std::string_view cause, int line);
  void complain(int line, const std::string& message) const;
  void merge_downs();
  std::vector<Change> changes(SimTime end) const;
  void add_slow(const Spell& spell, SimTime end, std::vector<Change>& changes) const;

  std::string place_;
  TraceBuilder builder_;
  std::size_t names_ = 0;
  std::vector<std::string> causes_ = {""};
  std::map<std::string, std::int32_t, std::less<>> cause_numbers_ = {{"", 0}};
  std::vector<Spell> downs_;
  std::vector<Spell> slows_;
};

}  // namespace bethany
