#pragma once

// What the benchmarks of the planner library share: its parts by name, and loads.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "sim/base/check.h"
#include "sim/base/object_reader.h"
#include "sim/placement/parts.h"

namespace bethany {

/// The part of that name with its default options. Requires: it is registered.
template <class Part>
std::unique_ptr<Part> part(const Registry<Part>& registry, std::string_view name) {
  const auto* entry = registry.find(name);
  BETHANY_CHECK(entry != nullptr, "no part '{}'", name);
  const JsonNode none;
  ObjectReader options(none, "");
  return entry->make(options);
}

/// A few busy experts and a long tail, 1/rank^exponent, in another order in each layer.
inline LoadMatrix skewed_loads(int layers, int experts, double exponent) {
  LoadMatrix loads(layers, experts);
  const RngStreams streams(1, 0);
  for (int layer = 0; layer < layers; ++layer) {
    std::vector<std::int64_t> row;
    for (int e = 0; e < experts; ++e) {
      row.push_back(static_cast<std::int64_t>(4e9 / std::pow(e + 1, exponent)));
    }
    auto rng = streams.stream("loads", static_cast<std::uint64_t>(layer));
    rng.shuffle(row);
    std::copy(row.begin(), row.end(), loads.row(layer).begin());
  }
  return loads;
}

}  // namespace bethany
