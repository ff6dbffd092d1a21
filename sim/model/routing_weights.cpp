#include "sim/model/routing_weights.h"

#include <fmt/format.h>

#include <algorithm>

#include "sim/base/error.h"

namespace bethany {
namespace {

constexpr std::int64_t kMostValues = std::int64_t{1} << 28;

}  // namespace

void cap_shares(std::vector<double>& weights, int top_k) {
  const double limit = 1.0 / top_k;
  if (static_cast<std::size_t>(top_k) >= weights.size()) {
    std::fill(weights.begin(), weights.end(), 1.0);
    return;
  }
  std::vector<bool> full(weights.size());
  double free_share = 1;  // of the experts that are not full
  for (bool again = true; again;) {
    again = false;
    double sum = 0;
    for (std::size_t e = 0; e < weights.size(); ++e) sum += full[e] ? 0 : weights[e];
    const auto left = static_cast<double>(std::count(full.begin(), full.end(), false));
    for (std::size_t e = 0; e < weights.size(); ++e) {
      if (full[e]) continue;
      weights[e] = sum > 0 ? weights[e] * (free_share / sum) : free_share / left;
    }
    for (std::size_t e = 0; e < weights.size(); ++e) {
      if (full[e] || weights[e] <= limit) continue;
      weights[e] = limit;
      full[e] = true;
      free_share -= limit;
      again = true;
    }
  }
}

RoutingChanges RoutingChanges::read(ObjectReader& options, const RoutingChanges& otherwise) {
  RoutingChanges changes;
  const std::int64_t least = otherwise.every == 0 ? 0 : 1;
  changes.every = options.integer("every", least, 1'000'000'000, otherwise.every);
  changes.until_step = options.integer("until_step", 0, 1'000'000'000'000, otherwise.until_step);
  if (changes.every > 0 && changes.until_step / changes.every >= kMostRoutingEntries) {
    options.fail("until_step", fmt::format("{} steps in entries of {} are more than {} entries",
                                           changes.until_step, changes.every, kMostRoutingEntries));
  }
  return changes;
}

std::vector<std::int64_t> RoutingChanges::steps() const {
  std::vector<std::int64_t> steps = {0};
  while (every > 0 && steps.back() + every <= until_step) steps.push_back(steps.back() + every);
  return steps;
}

std::vector<RoutingLoad::Entry> empty_entries(const std::vector<std::int64_t>& steps,
                                              const RoutingShape& shape,
                                              const std::string& generator) {
  const auto count = static_cast<std::int64_t>(steps.size());
  if (count * shape.layers * shape.experts > kMostValues) {
    throw InputError(fmt::format(
        "routing generator '{}': {} entries of {} layers x {} experts do not fit memory", generator,
        count, shape.layers, shape.experts));
  }
  std::vector<RoutingLoad::Entry> entries;
  for (const std::int64_t step : steps) {
    entries.push_back({step, LoadMatrix(shape.layers, shape.experts)});
  }
  return entries;
}

}  // namespace bethany
