#pragma once

#include <cstddef>
#include <span>
#include <stdexcept>
#include <string_view>

namespace bethany {

/// A peer is gone, or what this rank does was called off: everything exchanged since the step began
/// is worthless. Not an error of the program: the rank goes on with the next configuration.
class PeerLost : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct Send {
  int to = 0;
  const void* data = nullptr;
  std::size_t bytes = 0;  // above 0
};

struct Receive {
  int from = 0;
  void* data = nullptr;
  std::size_t bytes = 0;  // above 0
};

/// What connects the ranks of one configuration: a communicator. Ranks are those of the placement
/// plan (place · GPUs per node + GPU). Used by one thread. After a change of members a new one is
/// made; this one then only throws.
class Fabric {
 public:
  virtual ~Fabric() = default;
  virtual int rank() const = 0;
  virtual int ranks() const = 0;
  /// Exchanges a group of messages: each send meets the receive of equal size that its peer posts
  /// in its own call, in order for each pair; a pair exchanges nothing or is posted on both sides.
  /// Data lies in the memory of the rank's device. Returns the seconds this rank spent moving data,
  /// waiting for slower peers left out where the fabric can tell. Throws PeerLost.
  virtual double exchange(std::span<const Send> sends, std::span<const Receive> receives) = 0;
  /// Returns when all ranks have called it. Throws PeerLost.
  virtual void barrier() = 0;
  /// How it came about, for reports: "new", or "shrunk" or "renumbered" out of the configuration
  /// before.
  virtual std::string_view origin() const { return "new"; }
};

}  // namespace bethany
