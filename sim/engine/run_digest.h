#pragma once

#include <cstdint>

#include "sim/engine/event_key.h"

namespace bethany {

/// A fingerprint of the events of one run, in the order they ran: two runs that differ in any event
/// differ in it (but for a chance of 2^-64). Equal on every machine and with every compiler. Each
/// event costs one multiplication, which is why this is not a `Digest`, made for long texts.
class RunDigest {
 public:
  void add(const EventKey& key) {
    constexpr int kPhaseShift = 62;
    mix(static_cast<std::uint64_t>(key.time.time_since_epoch().count()),
        key.sequence | (std::uint64_t{key.phase} << kPhaseShift));
  }
  void add(std::uint64_t value) { mix(value, kValue); }

  std::uint64_t value() const { return folded(state_ ^ kEnd, count_ ^ kKey); }

 private:
  // Odd numbers without pattern: digits of pi, e, the square root of 2 and the golden ratio.
  static constexpr std::uint64_t kKey = 0x243f6a8885a308d3;
  static constexpr std::uint64_t kValue = 0xb7e151628aed2a6b;
  static constexpr std::uint64_t kStart = 0x6a09e667f3bcc909;
  static constexpr std::uint64_t kEnd = 0x9e3779b97f4a7c15;

  /// The 128-bit product, its halves folded together: every bit of the result depends on every bit
  /// of both factors.
  static std::uint64_t folded(std::uint64_t a, std::uint64_t b) {
    __extension__ using Product = unsigned __int128;
    const Product product = Product{a} * b;
    return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
  }
  void mix(std::uint64_t a, std::uint64_t b) {
    state_ = folded(a ^ kKey, b ^ state_);
    ++count_;
  }

  std::uint64_t state_ = kStart;
  std::uint64_t count_ = 0;
};

}  // namespace bethany
