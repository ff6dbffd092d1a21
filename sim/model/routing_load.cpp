#include "sim/model/routing_load.h"

#include <algorithm>
#include <array>
#include <numeric>

#include "sim/base/check.h"
#include "sim/base/int128.h"

namespace bethany {
namespace {

constexpr Int128 kOne128 = 1;

/// Per-index scratch memory that needs no heap for the usual numbers of experts.
template <class T>
class Scratch {
 public:
  explicit Scratch(std::size_t size) : size_(size) {
    if (size > small_.size()) large_.resize(size);
    values_ = large_.empty() ? small_.data() : large_.data();
  }
  T* begin() { return values_; }
  T* end() { return values_ + size_; }
  T& operator[](std::size_t i) { return values_[i]; }

 private:
  std::array<T, 256> small_;
  std::vector<T> large_;
  std::size_t size_;
  T* values_;
};

/// One more for the `left` parts with the largest remainders, ties to the lowest index.
template <class Wide>
void hand_out(std::int64_t left, Scratch<Wide>& remainders, std::span<std::int64_t> parts) {
  if (left == 0) return;
  Scratch<std::uint32_t> order(parts.size());
  std::iota(order.begin(), order.end(), 0U);
  const auto before = [&](std::uint32_t a, std::uint32_t b) {
    if (remainders[a] != remainders[b]) return remainders[a] > remainders[b];
    return a < b;
  };
  std::nth_element(order.begin(), order.begin() + (left - 1), order.end(), before);
  for (std::int64_t i = 0; i < left; ++i) ++parts[order[static_cast<std::size_t>(i)]];
}

/// Parts in proportion to weights that sum to `sum`. Wide holds total · weight.
template <class Wide>
void split(std::int64_t total, Wide sum, std::span<const std::int64_t> weights,
           std::span<std::int64_t> parts) {
  Scratch<Wide> remainders(parts.size());
  std::int64_t left = total;
  // Shares of a RoutingLoad sum to a power of two: the costly division becomes a shift.
  const bool power_of_two = (sum & (sum - 1)) == 0;
  int shift = 0;
  while (power_of_two && (Wide{1} << shift) != sum) ++shift;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const Wide product = static_cast<Wide>(total) * static_cast<Wide>(weights[i]);
    const Wide whole = power_of_two ? product >> shift : product / sum;
    parts[i] = static_cast<std::int64_t>(whole);
    remainders[i] = product - whole * sum;
    left -= parts[i];
  }
  hand_out(left, remainders, parts);
}

void split_evenly(std::int64_t total, std::span<std::int64_t> parts) {
  const auto count = static_cast<std::int64_t>(parts.size());
  for (std::int64_t i = 0; i < count; ++i) {
    parts[static_cast<std::size_t>(i)] = total / count + (i < total % count ? 1 : 0);
  }
}

/// The steps whose shares a policy sees after `committed` steps: [first, committed).
std::int64_t first_observed(std::int64_t committed) {
  return std::max<std::int64_t>(0, committed - kObservedSteps);
}

}  // namespace

void split_by_largest_remainder(std::int64_t total, std::span<const std::int64_t> weights,
                                std::span<std::int64_t> parts) {
  BETHANY_CHECK(total >= 0, "a total of {}", total);
  BETHANY_CHECK(weights.size() == parts.size() && !parts.empty(), "{} weights for {} parts",
                weights.size(), parts.size());
  Int128 sum = 0;
  std::int64_t largest = 0;
  for (const std::int64_t weight : weights) {
    BETHANY_CHECK(weight >= 0, "a weight of {}", weight);
    sum += weight;
    largest = std::max(largest, weight);
  }
  if (sum == 0) {
    split_evenly(total, parts);
    return;
  }
  BETHANY_CHECK(static_cast<Int128>(total) <= (kOne128 << 126) / largest,
                "{} parts of weight {} pass 126 bits", total, largest);
  // 64 bits are enough for tokens and shares, and several times as fast.
  constexpr Int128 kNarrow = kOne128 << 63;
  if (sum < kNarrow && static_cast<Int128>(total) * largest < kNarrow) {
    split<std::uint64_t>(total, static_cast<std::uint64_t>(sum), weights, parts);
  } else {
    split<Int128>(total, sum, weights, parts);
  }
}

RoutingLoad::RoutingLoad(int top_k, std::vector<Entry> entries)
    : top_k_(top_k), entries_(std::move(entries)) {
  BETHANY_CHECK(!entries_.empty() && entries_.front().step == 0, "a routing load begins at step 0");
  const int layer_count = layers();
  const int expert_count = experts();
  std::int64_t last = -1;
  for (auto& entry : entries_) {
    BETHANY_CHECK(entry.step > last, "step {} after step {}", entry.step, last);
    last = entry.step;
    BETHANY_CHECK(entry.shares.layers == layer_count && entry.shares.experts == expert_count,
                  "loads of {} x {} among {} x {}", entry.shares.layers, entry.shares.experts,
                  layer_count, expert_count);
    const LoadMatrix loads = entry.shares;
    for (int layer = 0; layer < layer_count; ++layer) {
      const auto row = loads.row(layer);
      Int128 sum = 0;
      for (const std::int64_t load : row) sum += load;
      BETHANY_CHECK(sum > 0 && sum < (kOne128 << 62), "step {}, layer {}: loads sum to {}",
                    entry.step, layer, to_text(sum));
      split_by_largest_remainder(kLoadTotal, row, entry.shares.row(layer));
    }
  }
}

RoutingLoad RoutingLoad::with_top_k(int top_k) const {
  auto load = *this;
  load.top_k_ = top_k;
  return load;
}

std::size_t RoutingLoad::entry_at(std::int64_t step) const {
  BETHANY_CHECK(step >= 0, "step {}", step);
  const auto after =
      std::upper_bound(entries_.begin(), entries_.end(), step,
                       [](std::int64_t s, const Entry& entry) { return s < entry.step; });
  return static_cast<std::size_t>(after - entries_.begin()) - 1;
}

std::int64_t RoutingLoad::next_change(std::int64_t step) const {
  const std::size_t next = entry_at(step) + 1;
  return next < entries_.size() ? entries_[next].step : INT64_MAX;
}

LoadMatrix RoutingLoad::observed(std::int64_t committed) const {
  BETHANY_CHECK(committed >= 0, "{} committed steps", committed);
  const std::int64_t first = first_observed(committed);
  if (committed > 0 && entry_at(first) == entry_at(committed - 1)) {
    return entries_[entry_at(first)].shares;  // the mean of equal shares
  }
  LoadMatrix sums(layers(), experts());
  for (std::int64_t step = first; step < committed;) {
    const std::size_t entry = entry_at(step);
    const std::int64_t end = std::min(committed, next_change(step));
    const auto& shares = entries_[entry].shares.values;
    for (std::size_t i = 0; i < shares.size(); ++i) sums.values[i] += shares[i] * (end - step);
    step = end;
  }
  LoadMatrix result(layers(), experts());
  for (int layer = 0; layer < layers(); ++layer) {
    // Before the first step all sums are 0, which is split evenly.
    split_by_largest_remainder(kLoadTotal, sums.row(layer), result.row(layer));
  }
  return result;
}

bool RoutingLoad::observed_equal(std::int64_t committed_a, std::int64_t committed_b) const {
  if (committed_a == committed_b) return true;
  if (committed_a == 0 || committed_b == 0) return false;
  // A window inside one entry shows that entry's shares, however long it is.
  const std::int64_t first = first_observed(std::min(committed_a, committed_b));
  return entry_at(first) == entry_at(std::max(committed_a, committed_b) - 1);
}

Registry<RoutingGenerator>& routing_generators() {
  static Registry<RoutingGenerator> registry;
  return registry;
}

}  // namespace bethany
