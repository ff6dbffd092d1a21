#include "gpu/fabric/reduce.h"

#include <utility>

#include "sim/base/check.h"

namespace bethany {
namespace {

float* at(std::span<float* const> data, const Slice& slice) {
  BETHANY_CHECK(data[slice.gradient] != nullptr, "gradient {} is not there", slice.gradient);
  return data[slice.gradient] + slice.first;
}

std::size_t bytes(const Slice& slice) {
  return static_cast<std::size_t>(slice.values) * sizeof(float);
}

}  // namespace

void sum_slices(std::span<const float* const> addends, std::int64_t values, float* sum) {
  for (std::int64_t i = 0; i < values; ++i) {
    float total = addends[0][i];
    for (std::size_t a = 1; a < addends.size(); ++a) total += addends[a][i];
    sum[i] = total;
  }
}

Reduction::Reduction(std::vector<SharedGradient> gradients, int rank)
    : gradients_(std::move(gradients)), rank_(rank), view_(reduce_view(gradients_, rank)) {
  for (const auto& slice : view_.own) staging_values_ += static_cast<std::size_t>(slice.values);
}

void Reduction::run(Fabric& fabric, std::span<float* const> data, float* staging,
                    const SliceSum& sum, PhaseLog& log, std::string_view phase) const {
  BETHANY_CHECK(data.size() == gradients_.size(), "{} of {} gradients", data.size(),
                gradients_.size());
  std::vector<Send> sends;
  std::vector<Receive> receives;
  float* free = staging;
  for (const auto& slice : view_.theirs)
    sends.push_back({slice.peer, at(data, slice), bytes(slice)});
  for (const auto& slice : view_.own) {
    receives.push_back({slice.peer, free, bytes(slice)});
    free += slice.values;
  }
  log.book(phase, -1, fabric.exchange(sends, receives));
  log.compute(phase, -1, [&] { sum_own(data, staging, sum); });
  sends.clear();
  receives.clear();
  for (const auto& slice : view_.own) sends.push_back({slice.peer, at(data, slice), bytes(slice)});
  for (const auto& slice : view_.theirs) {
    receives.push_back({slice.peer, at(data, slice), bytes(slice)});
  }
  log.book(phase, -1, fabric.exchange(sends, receives));
}

void Reduction::sum_own(std::span<float* const> data, const float* staging,
                        const SliceSum& sum) const {
  std::vector<const float*> addends;
  const float* next = staging;
  for (std::size_t i = 0; i < view_.own.size();) {
    const Slice& slice = view_.own[i];
    float* own = at(data, slice);
    addends.clear();
    for (const int holder : gradients_[slice.gradient].holders) {
      if (holder == rank_) {
        addends.push_back(own);
        continue;
      }
      addends.push_back(next);
      next += slice.values;
      ++i;
    }
    sum(addends, slice.values, own);
  }
}

}  // namespace bethany
