// Many ranks compute what one computes: bit for bit in exact arithmetic, over placements and
// dispatchers; and a row that went astray shows.
#include <cstring>

#include "gpu/reference.h"
#include "tests/gpu/rank_crowd.h"
#include "tests/support/catch.h"

namespace bethany {
namespace {

std::vector<double> wide(const std::vector<float>& values) {
  return {values.begin(), values.end()};
}

StackShape shape_of(bool exact, bool gated) {
  return {.layers = 2,
          .hidden = 16,
          .ffn = 32,
          .gated = gated,
          .experts = 6,
          .top_k = 2,
          .heads = 2,
          .sequence_length = 8,
          .exact = exact};
}

/// Everything that a training run leaves, in one row.
std::vector<float> everything(RankCrowd& crowd, const StackShape& shape) {
  std::vector<float> all = crowd.dense_state();
  for (int layer = 0; layer < shape.layers; ++layer) {
    for (int e = 0; e < shape.experts; ++e) {
      const auto state = crowd.expert_state(layer, e);
      all.insert(all.end(), state.begin(), state.end());
    }
  }
  return all;
}

std::vector<float> gradients_of(RankCrowd& crowd, const StackShape& shape) {
  std::vector<float> all = crowd.dense_gradient();
  for (int layer = 0; layer < shape.layers; ++layer) {
    for (int e = 0; e < shape.experts; ++e) {
      const auto gradient = crowd.expert_gradient(layer, e);
      all.insert(all.end(), gradient.begin(), gradient.end());
    }
  }
  return all;
}

struct Trained {
  std::vector<double> losses;
  std::vector<float> state;
};

Trained train(CrowdOptions options, int steps, int samples = 7) {
  const StackShape shape = options.shape;
  RankCrowd crowd(std::move(options));
  Trained trained;
  for (int step = 0; step < steps; ++step) {
    trained.losses.push_back(crowd.gradients(samples, 2));
    crowd.update(2 * samples);
  }
  trained.state = everything(crowd, shape);
  return trained;
}

struct Parts {
  const char* allocation;
  const char* placement;
  const char* dispatch;
  int nodes;
  int gpus;
  int slots;  // a GPU
};

std::vector<Parts> crowds() {
  return {{"proportional", "mro", "lazarus", 4, 1, 3},
          {"proportional", "random", "lazarus", 3, 2, 2},
          {"proportional", "random", "even", 5, 1, 3},
          {"proportional", "spread", "min-makespan", 4, 1, 3},
          {"proportional", "random", "min-makespan", 9, 1, 2},
          {"uniform", "ep-groups", "ep-group", 4, 1, 3}};
}

CrowdOptions options_of(const StackShape& shape, const Parts& parts, std::uint64_t seed) {
  return crowd_of(shape, parts.nodes, parts.gpus, parts.slots, parts.allocation, parts.placement,
                  parts.dispatch, seed);
}

TEST_CASE("exact arithmetic gives the same bits for any ranks, placement and dispatch") {
  for (const bool gated : {false, true}) {
    const StackShape shape = shape_of(true, gated);
    for (const bool forced : {false, true}) {
      CrowdOptions single = alone(shape);
      single.forced = forced;
      const Trained one = train(std::move(single), 4);
      // The numbers are alive: neither all folded to 0, nor without moments.
      std::size_t zeros = 0;
      for (const float value : one.state) zeros += value == 0 ? 1 : 0;
      CHECK(zeros < one.state.size() / 2);
      for (const auto& parts : crowds()) {
        for (const std::uint64_t seed : {1U, 2U, 3U}) {
          INFO(parts.allocation << " " << parts.placement << " " << parts.dispatch << " of "
                                << parts.nodes << " nodes, seed " << seed << ", gated " << gated
                                << ", forced " << forced);
          CrowdOptions options = options_of(shape, parts, seed);
          options.forced = forced;
          const Trained many = train(std::move(options), 4);
          CHECK(many.losses == one.losses);
          CHECK(many.state == one.state);
        }
      }
    }
  }
}

TEST_CASE("in floats many ranks have the gradients of one, to rounding") {
  for (const bool gated : {false, true}) {
    const StackShape shape = shape_of(false, gated);
    RankCrowd one(alone(shape));
    const double loss = one.gradients(7, 2);
    const auto expected = wide(gradients_of(one, shape));
    for (const auto& parts : crowds()) {
      INFO(parts.dispatch << " of " << parts.nodes << " nodes");
      RankCrowd many(options_of(shape, parts, 4));
      CHECK(many.gradients(7, 2) == Approx(loss).epsilon(1e-6));
      CHECK(relative_error(wide(gradients_of(many, shape)), expected) < 1e-5);
    }
  }
}

TEST_CASE("all ranks go through the same phases") {
  const StackShape shape = shape_of(false, false);
  RankCrowd crowd(crowd_of(shape, 9, 1, 2, "proportional", "random", "lazarus", 1));
  crowd.gradients(4);  // most ranks have no sample
  const std::vector<std::string_view> forward = {
      "attention_forward", "gate",   "counts",  "routing_sort", "gather", "dispatch", "gather",
      "expert_forward",    "gather", "collect", "combine"};
  const std::vector<std::string_view> backward = {"gate_backward",     "gather",
                                                  "collect_backward",  "gather",
                                                  "expert_backward",   "gather",
                                                  "dispatch_backward", "combine",
                                                  "gate_backward",     "attention_backward"};
  std::vector<std::pair<std::string_view, int>> first;
  for (const int layer : {0, 1}) {
    for (const auto name : forward) first.emplace_back(name, layer);
  }
  first.emplace_back("loss", -1);
  for (const int layer : {1, 0}) {
    for (const auto name : backward) first.emplace_back(name, layer);
  }
  for (int rank = 0; rank < 9; ++rank) {
    std::vector<std::pair<std::string_view, int>> own;
    for (const auto& phase : crowd.phases(rank)) own.emplace_back(phase.name, phase.layer);
    CHECK(own == first);
  }
}

/// Corrupts what rank 1 receives in its n-th group of messages.
class Corrupting final : public ThreadFabric {
 public:
  using Damage = void (*)(float* rows, std::size_t width, std::size_t count);
  Corrupting(LetterBox& box, int rank, int ranks, int group, std::size_t width, Damage damage)
      : ThreadFabric(box, rank, ranks), group_(group), width_(width), damage_(damage) {}

  double exchange(std::span<const Send> sends, std::span<const Receive> receives) override {
    const double seconds = ThreadFabric::exchange(sends, receives);
    if (rank() == 1 && group_-- == 0) {
      REQUIRE(!receives.empty());
      const auto& largest =
          *std::max_element(receives.begin(), receives.end(),
                            [](const auto& a, const auto& b) { return a.bytes < b.bytes; });
      const std::size_t rows = largest.bytes / sizeof(float) / width_;
      REQUIRE(rows >= 2);
      damage_(static_cast<float*>(largest.data), width_, rows);
    }
    return seconds;
  }

 private:
  int group_;
  std::size_t width_;
  Damage damage_;
};

void swap_rows(float* rows, std::size_t width, std::size_t count) {
  std::swap_ranges(rows, rows + width, rows + (count - 1) * width);
}

void lose_row(float* rows, std::size_t width, std::size_t) { std::fill_n(rows, width, 0.0F); }

TEST_CASE("rows that change places or get lost on any of the four ways show in the result") {
  const StackShape shape = shape_of(true, false);
  const Trained one = train(alone(shape), 1);
  const Parts parts = crowds().front();
  // Groups of a micro-batch: counts, dispatch, collect of both layers; then, last layer first,
  // collect and dispatch backward.
  for (const int group : {1, 2, 4, 5, 6, 7, 8, 9}) {
    for (const auto damage : {&swap_rows, &lose_row}) {
      INFO("group " << group << (damage == &swap_rows ? ", swapped" : ", lost"));
      CrowdOptions options = options_of(shape, parts, 1);
      options.tamper = [group, damage, &shape](LetterBox& box, int rank, int ranks) {
        return std::make_unique<Corrupting>(box, rank, ranks, group,
                                            static_cast<std::size_t>(shape.hidden), damage);
      };
      CHECK(train(std::move(options), 1).state != one.state);
    }
  }
}

TEST_CASE("averaging the replicas' gradients instead of summing them shows") {
  CrowdOptions options = options_of(shape_of(false, false), crowds().front(), 1);
  RankCrowd one(alone(options.shape));
  one.gradients(7);
  options.average = true;
  RankCrowd many(options);
  many.gradients(7);
  CHECK(relative_error(wide(gradients_of(many, options.shape)),
                       wide(gradients_of(one, options.shape))) > 0.1);
}

TEST_CASE("a replica that came without its moments shows in exact arithmetic") {
  const StackShape shape = shape_of(true, false);
  const auto state_after = [&](bool damaged) {
    RankCrowd crowd(alone(shape));
    for (int step = 0; step < 3; ++step) {
      crowd.gradients(4);
      crowd.update(4);
      if (damaged && step == 1) {
        const std::size_t weights = crowd.state(0).expert_bytes() / 3;
        std::memset(crowd.state(0).expert_state(1, 2) + weights, 0, weights);
      }
    }
    return everything(crowd, shape);
  };
  CHECK(state_after(true) != state_after(false));
  CHECK(state_after(false) == state_after(false));
}

}  // namespace
}  // namespace bethany
