#include "traces/bulk_sizes.h"

#include <numeric>

namespace bethany {

BulkSizes::BulkSizes(ObjectReader& options, std::string_view key)
    : weights_(options.integers(key, 0, 1'000'000'000)) {
  check(options, key);
}

BulkSizes::BulkSizes(ObjectReader& options, std::string_view key,
                     std::vector<std::int64_t> fallback)
    : weights_(options.integers(key, 0, 1'000'000'000, std::move(fallback))) {
  check(options, key);
}

void BulkSizes::check(const ObjectReader& options, std::string_view key) {
  if (weights_.size() > 1'000'000) options.fail(key, "more than 1,000,000 sizes");
  total_ = std::accumulate(weights_.begin(), weights_.end(), std::int64_t{0});
  if (total_ == 0) options.fail(key, "every weight is 0");
}

std::size_t BulkSizes::draw(Rng& rng) const {
  auto ticket = static_cast<std::int64_t>(rng.below(static_cast<std::uint64_t>(total_)));
  std::size_t size = 0;
  while (ticket >= weights_[size]) ticket -= weights_[size++];
  return size + 1;
}

double BulkSizes::mean() const {
  double sum = 0;
  for (std::size_t i = 0; i < weights_.size(); ++i) {
    sum += static_cast<double>(i + 1) * static_cast<double>(weights_[i]);
  }
  return sum / static_cast<double>(total_);
}

}  // namespace bethany
