#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace bethany {

/// Texts made on threads and taken in order.
struct OrderedWork {
  std::int64_t count = 0;
  int threads = 1;
  /// Called from any thread, once for each of 0..count-1 in rising order of beginning.
  std::function<std::string(std::int64_t)> make;
  /// Called in order 0, 1, 2, …, never by two threads at once, with `count` texts joined.
  std::function<void(const std::string& texts, std::int64_t count)> take;
  /// When it says so, nothing more begins; what has begun is finished and taken. May be empty.
  std::function<bool()> stop;
};

/// Does the work. No thread runs ahead of the oldest unfinished text by more than a fixed number,
/// so memory does not grow with `count`. An exception stops the others likewise; the texts before
/// it are taken, then it is thrown here.
void in_order(const OrderedWork& work);

}  // namespace bethany
