#include "analysis/report/counted_values.h"

#include "sim/base/check.h"

namespace bethany {
namespace {

Int128 rounded_up(Int128 value) {
  int shift = 0;
  while ((value >> shift) >= 512) ++shift;
  const Int128 unit = Int128{1} << shift;
  return (value + unit - 1) / unit * unit;
}

}  // namespace

void CountedValues::add(Int128 value, std::int64_t times) {
  BETHANY_CHECK(value >= 0 && times >= 0, "{} times the value {}", times, to_text(value));
  if (times == 0) return;
  count_ += times;
  sum_ += value * times;
  counts_[exact_ ? value : rounded_up(value)] += times;
  if (exact_ && counts_.size() > kExactValues) coarsen();
}

void CountedValues::coarsen() {
  std::map<Int128, std::int64_t> coarse;
  for (const auto& [value, times] : counts_) coarse[rounded_up(value)] += times;
  counts_ = std::move(coarse);
  exact_ = false;
}

Int128 CountedValues::quantile(double share) const {
  BETHANY_CHECK(count_ > 0, "a quantile of nothing");
  std::int64_t below = 0;
  for (const auto& [value, times] : counts_) {
    below += times;
    if (static_cast<double>(below) >= share * static_cast<double>(count_)) return value;
  }
  return counts_.rbegin()->first;
}

}  // namespace bethany
