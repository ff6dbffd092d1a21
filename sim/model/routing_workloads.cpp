// The workloads W0 to W7 of a public benchmark of token imbalance (Megatron-LM pull request 7488),
// as far as shares of experts can say them. Each isolates one thing, and all of it comes from the
// workload, the seed and the step.

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "sim/base/error.h"
#include "sim/base/object_reader.h"
#include "sim/model/routing_weights.h"

namespace bethany {
namespace {

using Marks = std::vector<bool>;  // by expert

/// Gives `share` of the tokens to the marked experts alike, the rest to the others alike; none has
/// more than 1/top_k. Without a mark, or with all marked, all have the same.
void write_row(const Marks& marks, double share, int top_k, std::span<std::int64_t> row) {
  const auto marked = static_cast<double>(std::count(marks.begin(), marks.end(), true));
  const auto others = static_cast<double>(marks.size()) - marked;
  if (marked == 0 || others == 0) {
    std::fill(row.begin(), row.end(), 1);
    return;
  }
  std::vector<double> weights(marks.size());
  for (std::size_t e = 0; e < marks.size(); ++e) {
    weights[e] = marks[e] ? share / marked : (1 - share) / others;
  }
  if (share > 0) cap_shares(weights, top_k);
  whole_loads(weights, row);
}

/// A load in which some experts differ from the rest: which they are is the workload.
class Workload : public RoutingGenerator {
 public:
  Workload(std::string name, double share) : name_(std::move(name)), share_(share) {}

  RoutingLoad generate(const RoutingShape& shape, const RngStreams& streams) const override {
    check(shape);
    auto entries = empty_entries(steps(), shape, name_);
    for (int layer = 0; layer < shape.layers; ++layer) {
      const Rng shared = streams.stream("routing/" + name_, 0);  // draws the same in every layer
      Rng own = streams.stream("routing/" + name_ + "/layer", static_cast<std::uint64_t>(layer));
      for (std::size_t i = 0; i < entries.size(); ++i) {
        write_row(marked(shape.experts, i, shared, own), share_, shape.top_k,
                  entries[i].shares.row(layer));
      }
    }
    return RoutingLoad(shape.top_k, std::move(entries));
  }

 protected:
  virtual void check(const RoutingShape&) const {}
  virtual std::vector<std::int64_t> steps() const { return {0}; }
  virtual Marks marked(int experts, std::size_t entry, Rng shared, Rng& own) const = 0;

  [[noreturn]] void fail(const std::string& message) const {
    throw InputError(fmt::format("routing generator '{}': {}", name_, message));
  }

 private:
  std::string name_;
  double share_;
};

double read_hot_share(ObjectReader& options) { return options.real("hot_share", 0.01, 0.99, 0.75); }

class Balanced final : public Workload {
 public:
  explicit Balanced(ObjectReader&) : Workload("W0", 0) {}

 protected:
  Marks marked(int experts, std::size_t, Rng, Rng&) const override {
    return Marks(static_cast<std::size_t>(experts));
  }
};

/// Workloads about ranks: experts lie on them as without any planning, in blocks of neighbours.
class OfRanks : public Workload {
 public:
  OfRanks(const std::string& name, double share, ObjectReader& options)
      : Workload(name, share), ranks_(options.integer("ranks", 2, 65'536, 4)) {}

 protected:
  void check(const RoutingShape& shape) const override {
    if (shape.experts % ranks_ == 0) return;
    fail(fmt::format("{} experts are not divisible by 'ranks' {}", shape.experts, ranks_));
  }

  std::size_t draw_rank(Rng& rng) const {
    return static_cast<std::size_t>(rng.below(static_cast<std::uint64_t>(ranks_)));
  }

  /// The experts of a rank.
  Marks block(int experts, std::size_t rank) const {
    const std::size_t size = static_cast<std::size_t>(experts) / ranks();
    Marks marks(static_cast<std::size_t>(experts));
    for (std::size_t i = 0; i < size; ++i) marks[rank * size + i] = true;
    return marks;
  }

  std::size_t ranks() const { return static_cast<std::size_t>(ranks_); }

 private:
  std::int64_t ranks_;
};

class HotRank final : public OfRanks {
 public:
  explicit HotRank(ObjectReader& options) : OfRanks("W2", read_hot_share(options), options) {}

 protected:
  Marks marked(int experts, std::size_t, Rng shared, Rng&) const override {
    return block(experts, draw_rank(shared));
  }
};

/// As many hot experts as a rank has, as far apart as can be.
class SpreadHotExperts final : public OfRanks {
 public:
  explicit SpreadHotExperts(ObjectReader& options)
      : OfRanks("W3", read_hot_share(options), options) {}

 protected:
  Marks marked(int experts, std::size_t, Rng shared, Rng&) const override {
    Marks marks(static_cast<std::size_t>(experts));
    for (std::size_t e = draw_rank(shared); e < marks.size(); e += ranks()) marks[e] = true;
    return marks;
  }
};

class ZeroExpertRank final : public OfRanks {
 public:
  explicit ZeroExpertRank(ObjectReader& options) : OfRanks("W5", 0, options) {}

 protected:
  void check(const RoutingShape& shape) const override {
    OfRanks::check(shape);
    const int left = shape.experts - shape.experts / static_cast<int>(ranks());
    if (left < shape.top_k) {
      fail(fmt::format("a token goes to {} experts, but only {} have any", shape.top_k, left));
    }
  }

  Marks marked(int experts, std::size_t, Rng shared, Rng&) const override {
    return block(experts, draw_rank(shared));
  }
};

class RotatingHotspot final : public OfRanks {
 public:
  explicit RotatingHotspot(ObjectReader& options)
      : OfRanks("W6", read_hot_share(options), options),
        changes_(RoutingChanges::read(options, {.every = 100, .until_step = 5000})) {}

 protected:
  std::vector<std::int64_t> steps() const override { return changes_.steps(); }

  Marks marked(int experts, std::size_t entry, Rng shared, Rng&) const override {
    return block(experts, (draw_rank(shared) + entry) % ranks());
  }

 private:
  RoutingChanges changes_;
};

/// Workloads with a hot set of their own in each layer; 0 hot experts stand for a quarter of all.
class OfHotSet : public Workload {
 public:
  OfHotSet(const std::string& name, ObjectReader& options)
      : Workload(name, read_hot_share(options)),
        hot_experts_(options.integer("hot_experts", 0, 65'536, 0)) {}

 protected:
  void check(const RoutingShape& shape) const override {
    if (hot_experts_ <= shape.experts) return;
    fail(fmt::format("'hot_experts' is {}, but there are only {}", hot_experts_, shape.experts));
  }

  Marks draw_set(int experts, Rng& rng) const {
    const int count = hot_experts_ == 0 ? std::max(1, experts / 4) : static_cast<int>(hot_experts_);
    std::vector<std::size_t> order(static_cast<std::size_t>(experts));
    std::iota(order.begin(), order.end(), std::size_t{0});
    rng.shuffle(order);
    Marks marks(order.size());
    for (int i = 0; i < count; ++i) marks[order[static_cast<std::size_t>(i)]] = true;
    return marks;
  }

 private:
  std::int64_t hot_experts_;
};

class HotExpertSet final : public OfHotSet {
 public:
  explicit HotExpertSet(ObjectReader& options) : OfHotSet("W1", options) {}

 protected:
  Marks marked(int experts, std::size_t, Rng, Rng& own) const override {
    return draw_set(experts, own);
  }
};

/// Balanced, but from every multiple of `period` on for `length` steps a hot set, drawn anew.
class Burst final : public OfHotSet {
 public:
  explicit Burst(ObjectReader& options)
      : OfHotSet("W7", options),
        period_(options.integer("period", 2, 1'000'000'000, 500)),
        length_(options.integer("length", 1, 999'999'999, 50)),
        until_step_(options.integer("until_step", 0, 1'000'000'000'000, 5000)) {
    if (length_ >= period_) options.fail("length", "a burst must be over before the next begins");
    if (until_step_ / period_ >= kMostRoutingEntries / 2) {
      options.fail("until_step", fmt::format("more than {} bursts", kMostRoutingEntries / 2));
    }
  }

 protected:
  std::vector<std::int64_t> steps() const override {
    std::vector<std::int64_t> steps = {0};
    for (std::int64_t start = period_; start + length_ <= until_step_; start += period_) {
      steps.push_back(start);
      steps.push_back(start + length_);
    }
    return steps;
  }

  Marks marked(int experts, std::size_t entry, Rng, Rng& own) const override {
    return entry % 2 == 1 ? draw_set(experts, own) : Marks(static_cast<std::size_t>(experts));
  }

 private:
  std::int64_t period_;
  std::int64_t length_;
  std::int64_t until_step_;
};

template <class Kind>
bool add(const char* name, const char* summary) {
  return routing_generators().add({
      .name = name,
      .summary = summary,
      .make = [](ObjectReader& options) -> std::unique_ptr<RoutingGenerator> {
        return std::make_unique<Kind>(options);
      },
  });
}

std::unique_ptr<RoutingGenerator> refuse_source_ragged(ObjectReader& options) {
  const std::string why =
      "W4 (source-ragged) cannot be said with shares of experts: every rank sends as many tokens "
      "of "
      "the same mixture; a batch of mode \"global\" that the ranks do not divide is nearest to it";
  if (options.has("generator")) options.fail("generator", why);
  throw InputError("routing generator " + why);
}

const bool registered =
    add<Balanced>("W0", "balanced: every expert the same") &&
    add<HotExpertSet>("W1", "hot expert set: a random quarter of each layer's experts is hot") &&
    add<HotRank>("W2", "hot rank: neighbouring experts, the same in every layer, are hot") &&
    add<SpreadHotExperts>("W3", "spread hot experts: as many as in W2, as far apart as can be") &&
    routing_generators().add(
        {.name = "W4",
         .summary = "source-ragged: refused, because all ranks send as many tokens here",
         .make = refuse_source_ragged}) &&
    add<ZeroExpertRank>("W5", "zero-expert rank: neighbouring experts get no token") &&
    add<RotatingHotspot>("W6", "rotating hotspot: the hot rank of W2 moves on at every change") &&
    add<Burst>("W7", "burst: balanced, with a hot set of W1 for a few steps now and then");

}  // namespace
}  // namespace bethany
