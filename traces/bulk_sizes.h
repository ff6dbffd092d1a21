#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "sim/base/object_reader.h"
#include "sim/base/random.h"

namespace bethany {

/// How many nodes one instant touches: 1, 2, … by weight.
class BulkSizes {
 public:
  /// Reads the weights. Throws InputError when all are 0.
  BulkSizes(ObjectReader& options, std::string_view key);
  BulkSizes(ObjectReader& options, std::string_view key, std::vector<std::int64_t> fallback);

  std::size_t draw(Rng& rng) const;
  double mean() const;

 private:
  void check(const ObjectReader& options, std::string_view key);

  std::vector<std::int64_t> weights_;
  std::int64_t total_ = 0;
};

}  // namespace bethany
