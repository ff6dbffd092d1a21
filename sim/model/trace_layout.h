#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include "sim/model/trace.h"

namespace bethany {

/// What one line says of an event. The texts lie in the input or in the parser.
struct EventLine {
  std::int64_t t_ns = 0;
  TraceEventKind kind = TraceEventKind::join;
  std::string_view cause;
  std::int64_t deadline_ns = kNever.time_since_epoch().count();
  double factor = 1;
  int line = 0;
  std::size_t name_count = 0;
};

/// A line that has exactly the layout of write_trace, which is nearly every line there is, is read
/// here without building anything. Whatever differs is left to the full parser.
class LayoutScanner {
 public:
  /// `line` lies in `bytes`; behind it the scanner may look, for speed, but it never takes
  /// anything.
  LayoutScanner(std::string_view line, std::string_view bytes)
      : at_(line.data()), end_(at_ + line.size()), readable_(bytes.data() + bytes.size()) {}

  /// Appends the names to `names`.
  bool read(EventLine& event, std::vector<std::string_view>& names) {
    if (!literal("{\"t_ns\":") || !number(event.t_ns) || !literal(",\"event\":\"")) return false;
    if (literal("lost\"")) {
      event.kind = TraceEventKind::lost;
    } else if (literal("join\"")) {
      event.kind = TraceEventKind::join;
    } else if (literal("notice\"")) {
      event.kind = TraceEventKind::notice;
    } else {
      return false;
    }
    if (!literal(",\"nodes\":[\"")) return false;
    std::string_view name;
    do {
      if (!text(name)) return false;
      names.push_back(name);
    } while (literal(",\""));
    if (!literal("]")) return false;
    if (literal(",\"cause\":\"") && !text(event.cause)) return false;
    if (event.kind == TraceEventKind::notice && literal(",\"deadline_ns\":") &&
        !number(event.deadline_ns)) {
      return false;
    }
    return literal("}") && at_ == end_;
  }

 private:
  using Word = std::uint64_t;
  static_assert(std::endian::native == std::endian::little, "the first character is the low byte");
  static constexpr Word every(Word byte) { return byte * 0x0101010101010101U; }

  /// A template, so that the length is known and the comparison costs a few instructions.
  template <std::size_t N>
  bool literal(const char (&text)[N]) {
    constexpr std::ptrdiff_t kSize = N - 1;
    if (end_ - at_ < kSize || std::memcmp(at_, text, kSize) != 0) return false;
    at_ += kSize;
    return true;
  }

  bool word(Word& value) const {
    if (readable_ - at_ < 8) return false;
    std::memcpy(&value, at_, 8);
    return true;
  }

  /// Up to 18 digits, which cannot overflow, without a leading zero; eight at a time where there
  /// are eight.
  bool number(std::int64_t& value) {
    const char* const first = at_;
    std::int64_t sum = 0;
    Word w = 0;
    for (int blocks = 0; blocks < 2 && word(w) && are_digits(w); ++blocks, at_ += 8) {
      sum = 100'000'000 * sum + eight_digits(w);
    }
    while (at_ != end_ && *at_ >= '0' && *at_ <= '9' && at_ - first < 18) {
      sum = 10 * sum + (*at_++ - '0');
    }
    value = sum;
    return at_ != first && at_ <= end_ && (*first != '0' || at_ - first == 1);
  }

  static bool are_digits(Word w) {
    return (w & every(0xf0)) == every(0x30) && ((w + every(0x06)) & every(0xf0)) == every(0x30);
  }

  /// Pairs of digits, then pairs of pairs, then both halves.
  static std::int64_t eight_digits(Word w) {
    w = (w & every(0x0f)) * 10 + ((w & every(0x0f)) >> 8);
    w = (w & 0x00ff00ff00ff00ffU) * 100 + ((w >> 16) & 0x00ff00ff00ff00ffU);
    w = (w & 0x0000ffff0000ffffU) * 10'000 + ((w >> 32) & 0x0000ffffU);
    return static_cast<std::int64_t>(w & 0xffffffffU);
  }

  /// Up to the closing quote; escapes and control characters (so also a line's end) are the full
  /// parser's.
  bool text(std::string_view& value) {
    const char* const first = at_;
    Word w = 0;
    for (; word(w); at_ += 8) {
      // The lowest mark of each is exact: a borrow only runs upwards.
      const Word quote = w ^ every('"');
      const Word escape = w ^ every('\\');
      const Word marks = (((quote - every(1)) & ~quote) | ((escape - every(1)) & ~escape) |
                          ((w - every(0x20)) & ~w)) &
                         every(0x80);
      if (marks == 0) continue;
      at_ += std::countr_zero(marks) / 8;
      break;
    }
    while (at_ < end_ && *at_ != '"') {
      if (*at_ == '\\' || static_cast<unsigned char>(*at_) < 0x20) return false;
      ++at_;
    }
    if (at_ >= end_) return false;
    value = {first, static_cast<std::size_t>(at_ - first)};
    ++at_;
    return true;
  }

  const char* at_;
  const char* end_;
  const char* readable_;
};

}  // namespace bethany
