#pragma once

#include <bit>
#include <cstdint>

namespace bethany {

/// Number of set bits. Spelled out because std::popcount is a call into the compiler's library
/// unless the build names a CPU.
inline int count_bits(std::uint64_t word) {
  word -= (word >> 1) & 0x5555555555555555U;
  word = (word & 0x3333333333333333U) + ((word >> 2) & 0x3333333333333333U);
  word = (word + (word >> 4)) & 0x0F0F0F0F0F0F0F0FU;
  return static_cast<int>((word * 0x0101010101010101U) >> 56);
}

/// The index of the lowest set bit. Requires: word != 0.
inline std::size_t lowest_bit(std::uint64_t word) {
  return static_cast<std::size_t>(std::countr_zero(word));
}

constexpr std::size_t kBitsPerWord = 64;

/// Words that hold `bits` bits.
inline std::size_t words_for(std::size_t bits) { return (bits + kBitsPerWord - 1) / kBitsPerWord; }

inline void set_bit(std::uint64_t* words, std::size_t bit) {
  words[bit / kBitsPerWord] |= std::uint64_t{1} << (bit % kBitsPerWord);
}

inline bool has_bit(const std::uint64_t* words, std::size_t bit) {
  return (words[bit / kBitsPerWord] >> (bit % kBitsPerWord) & 1) != 0;
}

}  // namespace bethany
