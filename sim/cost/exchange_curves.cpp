#include "sim/cost/exchange_curves.h"

#include <algorithm>
#include <charconv>

#include "sim/base/check.h"

namespace bethany {

ExchangeCurves::ExchangeCurves(const std::vector<MeasuredCurve>& curves, const std::string& key) {
  const std::string prefix = key + "/";
  for (const auto& curve : curves) {
    if (curve.key == key) all_ = &curve;
    if (!curve.key.starts_with(prefix)) continue;
    int ranks = 0;
    const char* const end = curve.key.data() + curve.key.size();
    const auto read = std::from_chars(curve.key.data() + prefix.size(), end, ranks);
    if (read.ec == std::errc() && read.ptr == end && ranks >= 2) {
      of_ranks_.emplace_back(ranks, &curve);
    }
  }
  std::sort(of_ranks_.begin(), of_ranks_.end());
}

double ExchangeCurves::seconds(double ranks, const Work& work, double extent,
                               const RangeCounter& outside) const {
  BETHANY_CHECK(measured() && ranks >= 2, "an exchange among {} ranks", ranks);
  if (extent > 0 && !all_->covers(extent, work.count)) outside.add();
  if (of_ranks_.empty()) return all_->seconds(work, extent);
  const auto of = [&](const auto& entry) {
    Work there = work;
    there.count *= (entry.first - 1) / (ranks - 1);
    return entry.second->seconds(there, extent);
  };
  const auto above = std::lower_bound(of_ranks_.begin(), of_ranks_.end(), ranks,
                                      [](const auto& e, double value) { return e.first < value; });
  if (above == of_ranks_.end()) {
    return std::max(all_->seconds(work, extent), of(of_ranks_.back()));
  }
  if (above == of_ranks_.begin() || above->first == ranks) return of(*above);
  const auto below = above - 1;
  const double share = (ranks - below->first) / (above->first - below->first);
  const double low = of(*below);
  return low + share * (of(*above) - low);
}

}  // namespace bethany
