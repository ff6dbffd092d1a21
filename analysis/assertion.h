#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/replications.h"

namespace bethany {

/// A bound that a result has to keep, as `--assert` takes it:
/// `[POLICY:] METRIC OP NUMBER` or `[POLICY:] STATISTIC(METRIC) OP NUMBER`.
struct Assertion {
  enum class Statistic : std::uint8_t { mean, low, high, p10, p50, p90 };
  enum class Order : std::uint8_t { at_least, at_most, above, below };

  std::string text;    // as typed
  std::string policy;  // empty: every one that has a run in some replication and is no bound
  Statistic statistic = Statistic::mean;
  std::string metric;  // one of `list metrics`, or "goodput_ratio"
  Order order = Order::at_least;
  double bound = 0;
};

/// Reads an assertion. Spaces between its words do not matter; METRIC is one of metrics() or
/// `goodput_ratio` (against the baseline); OP is >= <= > <; STATISTIC is mean, low, high (the
/// interval of the mean), p10, p50 or p90 over the replications.
/// Throws InputError (with the text and the nearest name) on any other, and where the statistic of
/// `goodput_ratio` is not reported (p50, p90).
Assertion parse_assertion(std::string_view text);

/// Throws InputError when the assertion names none of the policies (the nearest is named), or
/// `goodput_ratio` where there is nothing to compare with.
void check_assertion(const Assertion& assertion, const std::vector<std::string>& policies);

/// A sentence for every policy that misses the assertion, with its value: "ds: ettr is 0.62, wanted
/// >= 0.9". A value that is undefined, in one replication or in all, counts as missed and is
/// UNKNOWN; so does an assertion that no policy can answer. Requires: a replication; `comparisons`
/// are those of the replications.
std::vector<std::string> missed(const Assertion& assertion, const Replications& replications,
                                std::span<const Comparison> comparisons);

}  // namespace bethany
