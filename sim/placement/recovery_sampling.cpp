#include "sim/placement/recovery_sampling.h"

#include <algorithm>
#include <numeric>

#include "sim/base/check.h"

namespace bethany {
namespace {

/// Bounds: the loss is at most the sum.
struct Bounds {
  std::vector<double> up_to;  // sums over the sets up to each
  double total() const { return up_to.back(); }
  std::size_t draw(Rng& rng) const {
    const double at = rng.unit() * total();
    const auto found = std::upper_bound(up_to.begin(), up_to.end(), at);
    // Rounding could reach the end: the last set that is possible at all.
    if (found == up_to.end()) {
      return static_cast<std::size_t>(std::lower_bound(up_to.begin(), up_to.end(), total()) -
                                      up_to.begin());
    }
    return static_cast<std::size_t>(found - up_to.begin());
  }
};

template <class Probability>
Bounds bounds_of(const std::vector<HostSet>& sets, Probability probability) {
  Bounds bounds;
  double sum = 0;
  for (const auto& set : sets) bounds.up_to.push_back(sum += probability(set));
  return bounds;
}

SampledLoss counted(std::int64_t successes, double scale, const SamplingOptions& options,
                    const char* method) {
  const auto share = clopper_pearson(successes, options.samples, options.confidence);
  const double found =
      scale * static_cast<double>(successes) / static_cast<double>(options.samples);
  return {.loss = std::min(1.0, found),
          .interval = {scale * share.low, std::min(1.0, scale * share.high)},
          .samples = options.samples,
          .method = method};
}

/// Importance sampling rather than plain?
bool by_importance(const SamplingOptions& options, double bound) {
  return options.method == SamplingMethod::importance ||
         (options.method == SamplingMethod::automatic && bound < 1);
}

}  // namespace

/// The nodes lost in one sample, and how many of each set's they are.
class LossSampler::Draw {
 public:
  explicit Draw(const LossSampler& sampler)
      : sampler_(sampler), lost_in_(sampler.sets_.size()), is_lost_(sampler.sets_of_.size()) {}

  void lose(std::int32_t node) {
    const auto n = static_cast<std::size_t>(node);
    lost_.push_back(node);
    is_lost_[n] = 1;
    for (const std::int32_t set : sampler_.sets_of_[n]) {
      const auto s = static_cast<std::size_t>(set);
      if (++lost_in_[s] == sampler_.sets_[s].size()) {
        first_fatal_ = fatal_ ? std::min(first_fatal_, s) : s;
        fatal_ = true;
      }
    }
  }
  bool is_lost(std::int32_t node) const { return is_lost_[static_cast<std::size_t>(node)] != 0; }
  bool fatal() const { return fatal_; }
  /// The first set that is lost whole.
  std::size_t first_fatal() const { return first_fatal_; }

  void reset() {
    for (const std::int32_t node : lost_) {
      const auto n = static_cast<std::size_t>(node);
      is_lost_[n] = 0;
      for (const std::int32_t set : sampler_.sets_of_[n]) --lost_in_[static_cast<std::size_t>(set)];
    }
    lost_.clear();
    fatal_ = false;
  }

 private:
  const LossSampler& sampler_;
  std::vector<std::size_t> lost_in_;
  std::vector<std::uint8_t> is_lost_;
  std::vector<std::int32_t> lost_;
  bool fatal_ = false;
  std::size_t first_fatal_ = 0;
};

LossSampler::LossSampler(int nodes, std::vector<HostSet> sets)
    : nodes_(nodes), sets_(std::move(sets)), sets_of_(static_cast<std::size_t>(nodes)) {
  for (std::size_t s = 0; s < sets_.size(); ++s) {
    for (const std::int32_t node : sets_[s]) {
      sets_of_[static_cast<std::size_t>(node)].push_back(static_cast<std::int32_t>(s));
    }
  }
}

SampledLoss LossSampler::uniform(int k, const SamplingOptions& options, Rng rng) const {
  BETHANY_CHECK(k >= 0 && k <= nodes_ && options.samples > 0 && !sets_.empty(), "{} of {} lost", k,
                nodes_);
  const auto bounds = bounds_of(sets_, [&](const HostSet& set) {
    double all_lost = 1;
    for (int i = 0; i < static_cast<int>(set.size()); ++i) {
      all_lost *= i < k ? static_cast<double>(k - i) / static_cast<double>(nodes_ - i) : 0;
    }
    return all_lost;
  });
  const bool important = by_importance(options, bounds.total());
  const char* method = important ? "importance-sampling" : "monte-carlo";
  if (important && bounds.total() <= 0) return counted(0, 0, options, method);
  Draw draw(*this);
  // A permutation that stays one: whatever its order, the first of a partial shuffle are uniform.
  std::vector<std::int32_t> order(static_cast<std::size_t>(nodes_));
  std::iota(order.begin(), order.end(), 0);
  std::int64_t successes = 0;
  for (std::int64_t sample = 0; sample < options.samples; ++sample) {
    std::size_t drawn = 0;
    int left = k;
    if (important) {
      drawn = bounds.draw(rng);
      for (const std::int32_t node : sets_[drawn]) draw.lose(node);
      left -= static_cast<int>(sets_[drawn].size());
    }
    for (std::size_t i = 0; left > 0; ++i) {
      const auto other = i + static_cast<std::size_t>(rng.below(order.size() - i));
      std::swap(order[i], order[other]);
      if (draw.is_lost(order[i])) continue;  // of the set drawn
      draw.lose(order[i]);
      --left;
    }
    if (draw.fatal() && (!important || draw.first_fatal() == drawn)) ++successes;
    draw.reset();
  }
  return counted(successes, important ? bounds.total() : 1, options, method);
}

SampledLoss LossSampler::rated(const std::vector<double>& rates, const SamplingOptions& options,
                               Rng rng) const {
  BETHANY_CHECK(rates.size() == sets_of_.size() && options.samples > 0 && !sets_.empty(),
                "{} rates of {} nodes", rates.size(), nodes_);
  const auto bounds = bounds_of(sets_, [&](const HostSet& set) {
    double all_lost = 1;
    for (const std::int32_t node : set) all_lost *= rates[static_cast<std::size_t>(node)];
    return all_lost;
  });
  const bool important = by_importance(options, bounds.total());
  const char* method = important ? "importance-sampling" : "monte-carlo";
  if (important && bounds.total() <= 0) return counted(0, 0, options, method);
  // Nodes that are in no set need no number.
  std::vector<std::int32_t> hosts;
  for (std::int32_t node = 0; node < nodes_; ++node) {
    if (!sets_of_[static_cast<std::size_t>(node)].empty()) hosts.push_back(node);
  }
  Draw draw(*this);
  std::int64_t successes = 0;
  for (std::int64_t sample = 0; sample < options.samples; ++sample) {
    std::size_t drawn = 0;
    if (important) {
      drawn = bounds.draw(rng);
      for (const std::int32_t node : sets_[drawn]) draw.lose(node);
    }
    for (const std::int32_t node : hosts) {
      if (!draw.is_lost(node) && rng.unit() < rates[static_cast<std::size_t>(node)]) {
        draw.lose(node);
      }
    }
    if (draw.fatal() && (!important || draw.first_fatal() == drawn)) ++successes;
    draw.reset();
  }
  return counted(successes, important ? bounds.total() : 1, options, method);
}

}  // namespace bethany
