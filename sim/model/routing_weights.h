#pragma once

#include <string>
#include <vector>

#include "sim/base/object_reader.h"
#include "sim/model/routing_load.h"

namespace bethany {

/// Scales the weights of a layer's experts to shares that sum to 1, none above 1/top_k, because a
/// token goes to top_k different experts: what is above goes to the others in proportion. All equal
/// when there are no more than top_k experts, in equal parts when they have no weight. Requires:
/// weights >= 0.
void cap_shares(std::vector<double>& weights, int top_k);

/// When a generated load changes: at `every`, 2·`every`, … up to `until_step`; 0: never.
struct RoutingChanges {
  std::int64_t every = 0;
  std::int64_t until_step = 0;

  /// Reads the options `every` and `until_step`. Throws InputError: too many entries.
  static RoutingChanges read(ObjectReader& options, const RoutingChanges& otherwise);

  /// 0 and the steps at which it changes.
  std::vector<std::int64_t> steps() const;
};

/// Most entries that a generator makes.
constexpr std::int64_t kMostRoutingEntries = 100'000;

/// Entries of these steps, without loads. Throws InputError naming the generator when they do not
/// fit memory.
std::vector<RoutingLoad::Entry> empty_entries(const std::vector<std::int64_t>& steps,
                                              const RoutingShape& shape,
                                              const std::string& generator);

}  // namespace bethany
