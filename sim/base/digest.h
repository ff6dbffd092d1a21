#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace bethany {

/// A fingerprint of integers and texts, in the order added: 64-bit xxHash (XXH3), the same on every
/// machine of little-endian byte order.
class Digest {
 public:
  Digest();
  ~Digest();
  Digest(Digest&&) noexcept;
  Digest& operator=(Digest&&) noexcept;

  void add(std::int64_t value);
  /// Many at once, faster: the length, then the numbers.
  void add(std::span<const std::int32_t> values);
  /// The length goes in too, so that ("ab","c") and ("a","bc") differ.
  void add(std::string_view text);

  std::uint64_t value() const;
  /// 16 hex digits.
  std::string hex() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// SHA-256 of the bytes, 64 hex digits: the provenance of input files.
std::string sha256(std::string_view bytes);

}  // namespace bethany
