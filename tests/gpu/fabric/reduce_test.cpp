#include "gpu/fabric/reduce.h"

#include <rapidcheck.h>

#include <cstring>

#include "gpu/fabric/host_local.h"
#include "sim/base/random.h"
#include "tests/gpu/fabric/crew.h"
#include "tests/gpu/fabric/plans.h"

namespace bethany {
namespace {

using test::run_ranks;

/// Gradients [rank][gradient][value]; empty where the rank does not hold it.
using Gradients = std::vector<std::vector<std::vector<float>>>;

/// `whole`: small integers, so that every order of summation gives the same.
Gradients random_gradients(const std::vector<SharedGradient>& shared, int ranks, bool whole) {
  auto rng = RngStreams(5, 0).stream("test");
  Gradients gradients(static_cast<std::size_t>(ranks));
  for (auto& rank : gradients) rank.resize(shared.size());
  for (std::size_t g = 0; g < shared.size(); ++g) {
    for (const int holder : shared[g].holders) {
      auto& values = gradients[static_cast<std::size_t>(holder)][g];
      for (std::int64_t i = 0; i < shared[g].values; ++i) {
        values.push_back(whole ? static_cast<float>(rng.below(2000)) - 1000
                               : static_cast<float>(rng.normal()));
      }
    }
  }
  return gradients;
}

Gradients reduced(const std::vector<SharedGradient>& shared, Gradients gradients,
                  const SliceSum& sum) {
  const auto ranks = static_cast<int>(gradients.size());
  HostLocal group(ranks);
  run_ranks(ranks, [&](int rank) {
    const auto fabric = group.fabric(rank);
    auto& mine = gradients[static_cast<std::size_t>(rank)];
    std::vector<float*> data;
    for (auto& values : mine) data.push_back(values.empty() ? nullptr : values.data());
    const Reduction reduction(shared, rank);
    std::vector<float> staging(reduction.staging_values());
    PhaseLog log;
    reduction.run(*fabric, data, staging.data(), sum, log, "reduce_expert");
    if (log.times().size() != 3) throw std::runtime_error("not three phases");
  });
  return gradients;
}

/// The sum over the holders in the order of the ranks, value by value.
Gradients plain_sums(const std::vector<SharedGradient>& shared, Gradients gradients) {
  for (std::size_t g = 0; g < shared.size(); ++g) {
    const auto& holders = shared[g].holders;
    if (holders.empty()) continue;
    auto sums = gradients[static_cast<std::size_t>(holders[0])][g];
    for (std::size_t h = 1; h < holders.size(); ++h) {
      for (std::size_t i = 0; i < sums.size(); ++i) {
        sums[i] += gradients[static_cast<std::size_t>(holders[h])][g][i];
      }
    }
    for (const int holder : holders) gradients[static_cast<std::size_t>(holder)][g] = sums;
  }
  return gradients;
}

TEST_CASE("every holder ends with the plain sum, bit for bit, whatever the groups") {
  CHECK(rc::check([] {
    const auto made = test::random_made_plan();
    const auto shared = expert_gradients(made.plan, *rc::gen::inRange<std::int64_t>(1, 40));
    const auto before = random_gradients(shared, made.shape.ranks(), false);
    RC_ASSERT(reduced(shared, before, sum_slices) == plain_sums(shared, before));
  }));
}

TEST_CASE("the dense part: all ranks hold it") {
  for (const int ranks : {1, 2, 5, 8}) {
    std::vector<int> holders;
    for (int rank = 0; rank < ranks; ++rank) holders.push_back(rank);
    const std::vector<SharedGradient> shared = {{holders, 1001}};
    const auto before = random_gradients(shared, ranks, false);
    CHECK(reduced(shared, before, sum_slices) == plain_sums(shared, before));
  }
}

const std::vector<SharedGradient> kUnequal = {{{0, 1, 2, 3}, 10}, {{1, 3}, 7}, {{2}, 3}};

TEST_CASE("an average instead of a sum would be noticed") {
  const auto average = [](std::span<const float* const> addends, std::int64_t values, float* sum) {
    sum_slices(addends, values, sum);
    for (std::int64_t i = 0; i < values; ++i) sum[i] /= static_cast<float>(addends.size());
  };
  const auto before = random_gradients(kUnequal, 4, true);
  CHECK(reduced(kUnequal, before, sum_slices) == plain_sums(kUnequal, before));
  CHECK(reduced(kUnequal, before, average) != plain_sums(kUnequal, before));
}

TEST_CASE("a sum in another order would be noticed") {
  const auto backwards = [](std::span<const float* const> addends, std::int64_t values,
                            float* sum) {
    const std::vector<const float*> turned(addends.rbegin(), addends.rend());
    sum_slices(turned, values, sum);
  };
  const auto before = random_gradients(kUnequal, 4, false);
  CHECK(reduced(kUnequal, before, sum_slices) == plain_sums(kUnequal, before));
  CHECK(reduced(kUnequal, before, backwards) != plain_sums(kUnequal, before));
}

TEST_CASE("a rank that goes away ends the reduction of the others") {
  HostLocal group(4);
  auto gradients = random_gradients(kUnequal, 4, true);
  const auto lost = run_ranks(4, [&](int rank) {
    if (rank == 3) return group.abort("rank 3 is gone");
    const auto fabric = group.fabric(rank);
    std::vector<float*> data;
    for (auto& values : gradients[static_cast<std::size_t>(rank)]) {
      data.push_back(values.empty() ? nullptr : values.data());
    }
    const Reduction reduction(kUnequal, rank);
    std::vector<float> staging(reduction.staging_values());
    PhaseLog log;
    reduction.run(*fabric, data, staging.data(), sum_slices, log, "reduce_expert");
  });
  CHECK(lost == std::vector<bool>{true, true, true, false});
}

}  // namespace
}  // namespace bethany
