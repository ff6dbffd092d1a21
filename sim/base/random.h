#pragma once

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace bethany {

/// A stream of random numbers: Philox4x32-10 in counter mode. Equal (seed, replication, name) give
/// equal numbers on every machine; a new stream never shifts an old one.
class Rng {
 public:
  Rng(std::uint64_t key, std::uint64_t stream) : key_(key), stream_(stream) {}

  std::uint64_t next();
  /// Uniform in 0..n-1, unbiased. Requires: n > 0.
  std::uint64_t below(std::uint64_t n);
  /// Uniform in (0, 1), never 0 or 1.
  double unit();
  /// Exponential with that mean.
  double exponential(double mean);
  /// Standard normal, by inversion: one number from the stream each.
  double normal();

  template <class T>
  void shuffle(std::vector<T>& items) {
    for (std::size_t i = items.size(); i > 1; --i) {
      std::swap(items[i - 1], items[static_cast<std::size_t>(below(i))]);
    }
  }

 private:
  std::uint64_t key_;
  std::uint64_t stream_;
  std::uint64_t counter_ = 0;
  std::uint64_t spare_ = 0;
  bool has_spare_ = false;
};

/// The streams of one replication, by name and number. The number is for decisions of one part:
/// `stream("placement", 17)`.
class RngStreams {
 public:
  RngStreams(std::uint64_t seed, std::uint64_t replication);
  Rng stream(std::string_view name, std::uint64_t number = 0) const;

 private:
  std::uint64_t key_;
};

}  // namespace bethany
