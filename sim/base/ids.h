#pragma once

#include <compare>
#include <cstdint>

namespace bethany {

/// A number that names one thing of one kind; ids of different kinds do not mix.
template <class Tag>
struct Id {
  std::int32_t value = -1;

  constexpr Id() = default;
  constexpr explicit Id(std::int32_t v) : value(v) {}
  constexpr std::size_t index() const { return static_cast<std::size_t>(value); }
  friend constexpr auto operator<=>(const Id&, const Id&) = default;
};

/// A machine of the replayed cluster: the unit of failure. Numbers are given by the trace.
using NodeId = Id<struct NodeTag>;

}  // namespace bethany
