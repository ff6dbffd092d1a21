#include "sim/base/random.h"

#include <Random123/philox.h>

#include <boost/math/special_functions/erf.hpp>
#include <cmath>

#include "sim/base/check.h"
#include "sim/base/digest.h"

namespace bethany {

std::uint64_t Rng::next() {
  if (has_spare_) {
    has_spare_ = false;
    return spare_;
  }
  const r123::Philox4x32 philox;
  const r123::Philox4x32::ctr_type counter = {
      {static_cast<std::uint32_t>(counter_), static_cast<std::uint32_t>(counter_ >> 32),
       static_cast<std::uint32_t>(stream_), static_cast<std::uint32_t>(stream_ >> 32)}};
  const r123::Philox4x32::key_type key = {
      {static_cast<std::uint32_t>(key_), static_cast<std::uint32_t>(key_ >> 32)}};
  const auto block = philox(counter, key);
  ++counter_;
  spare_ = (static_cast<std::uint64_t>(block[3]) << 32) | block[2];
  has_spare_ = true;
  return (static_cast<std::uint64_t>(block[1]) << 32) | block[0];
}

std::uint64_t Rng::below(std::uint64_t n) {
  BETHANY_CHECK(n > 0, "a random number below 0");
  // Values at or beyond the largest multiple of n would favour small results.
  const std::uint64_t limit = UINT64_MAX - (UINT64_MAX % n + 1) % n;
  std::uint64_t value = next();
  while (value > limit) value = next();
  return value % n;
}

double Rng::unit() { return (static_cast<double>(next() >> 12) + 0.5) * 0x1.0p-52; }

double Rng::exponential(double mean) { return -mean * std::log(unit()); }

double Rng::normal() {
  // In long double, Boost's default, it costs three times as much and reads the same.
  using Plain = boost::math::policies::policy<boost::math::policies::promote_double<false>>;
  return -std::sqrt(2.0) * boost::math::erfc_inv(2.0 * unit(), Plain());
}

RngStreams::RngStreams(std::uint64_t seed, std::uint64_t replication) {
  Digest digest;
  digest.add(static_cast<std::int64_t>(seed));
  digest.add(static_cast<std::int64_t>(replication));
  key_ = digest.value();
}

Rng RngStreams::stream(std::string_view name, std::uint64_t number) const {
  Digest digest;
  digest.add(name);
  digest.add(static_cast<std::int64_t>(number));
  return Rng(key_, digest.value());
}

}  // namespace bethany
