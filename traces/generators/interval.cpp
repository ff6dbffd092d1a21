#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <limits>
#include <numeric>
#include <utility>

#include "sim/base/error.h"
#include "sim/base/object_reader.h"
#include "sim/base/quantities.h"
#include "sim/model/trace.h"
#include "sim/model/trace_text.h"

namespace bethany {
namespace {

constexpr std::int64_t kMostNodes = 100'000;
constexpr std::int64_t kMostLosses = 10'000'000;

std::string node_name(std::int64_t number) { return fmt::format("node{}", number); }

/// Losses at a fixed interval, as papers inject them: "one node every five minutes until half are
/// left" (Lazarus, papers.md §1.6). Who is lost is drawn or prescribed; whoever is lost may come
/// back after a fixed time.
class Interval final : public TraceGenerator {
 public:
  explicit Interval(ObjectReader& options) {
    nodes_ = options.integer("nodes", 1, kMostNodes);
    every_ = options.duration("every", {}, Duration(1));
    first_ = options.duration("first", every_, Duration(1));
    read_bulk(options);
    read_victims(options);
    read_repair(options);
    read_losses(options);
    check_victims(options);
  }

  Trace generate(const RngStreams& streams) const override;

 private:
  enum class Victims { random, first, last, listed };

  void read_bulk(ObjectReader& options) {
    const auto* value = options.raw("bulk");
    if (value != nullptr && value->kind == JsonNode::Kind::array) {
      bulks_ = options.integers("bulk", 1, nodes_);
      if (bulks_.empty()) options.fail("bulk", "the list is empty");
      bulk_is_list_ = true;
    } else {
      bulks_ = {options.integer("bulk", 1, nodes_, 1)};
    }
  }

  void read_victims(ObjectReader& options) {
    const auto* value = options.raw("victims");
    if (value != nullptr && value->kind == JsonNode::Kind::array) {
      victims_ = Victims::listed;
      for (const auto& name : options.strings("victims")) {
        listed_.push_back(number_of(options, name));
      }
      if (listed_.empty()) options.fail("victims", "the list is empty");
      return;
    }
    const auto word = options.choice("victims", {"random", "first", "last"}, "random");
    victims_ = word == "random"  ? Victims::random
               : word == "first" ? Victims::first
                                 : Victims::last;
  }

  std::int64_t number_of(const ObjectReader& options, const std::string& name) const {
    const std::string_view digits =
        std::string_view(name).substr(std::min<std::size_t>(4, name.size()));
    std::int64_t number = 0;
    for (const char c : digits) {
      if (c < '0' || c > '9' || number > nodes_) break;
      number = 10 * number + (c - '0');
    }
    if (number < 1 || number > nodes_ || name != node_name(number)) {
      options.fail("victims", fmt::format("there is no node '{}'; the nodes are {}..{}",
                                          printable(name), node_name(1), node_name(nodes_)));
    }
    return number;
  }

  void read_repair(ObjectReader& options) {
    const auto* value = options.raw("repair");
    const bool never =
        value == nullptr || (value->kind == JsonNode::Kind::string && value->text == "never");
    if (never) {
      options.set_effective("repair", JsonNode::of("never"));
    } else {
      repair_ = options.duration("repair", {}, Duration(1));
    }
  }

  std::int64_t bulk(std::int64_t event) const {
    return bulks_[static_cast<std::size_t>(event) % bulks_.size()];
  }

  /// How many losses have come before `end`.
  std::int64_t losses_before(Duration end) const {
    return end <= first_ ? 0 : (end - first_ - Duration(1)) / every_ + 1;
  }

  /// The number of events whose bulks sum to at most `total`.
  std::int64_t losses_of(std::int64_t total) const {
    std::int64_t losses = 0;
    while (total >= bulk(losses)) total -= bulk(losses++);
    return losses;
  }

  void read_losses(ObjectReader& options);
  void check_victims(ObjectReader& options) const;
  std::size_t victim(const std::vector<NodeId>& live, std::int64_t taken, Rng& rng) const;

  SimTime loss_time(std::int64_t event) const { return at(first_ + event * every_); }

  std::int64_t nodes_ = 0;
  Duration every_{0};
  Duration first_{0};
  std::vector<std::int64_t> bulks_;
  bool bulk_is_list_ = false;
  Victims victims_ = Victims::random;
  std::vector<std::int64_t> listed_;  // numbers of nodes
  Duration repair_{0};                // 0: never back
  std::int64_t losses_ = 0;
  Duration length_{0};
};

void Interval::read_losses(ObjectReader& options) {
  const bool has_length = options.has("length");
  std::int64_t fallback = 0;
  if (victims_ == Victims::listed) {
    fallback = losses_of(static_cast<std::int64_t>(listed_.size()));
  } else if (bulk_is_list_) {
    fallback = static_cast<std::int64_t>(bulks_.size());
  } else if (repair_.count() == 0) {
    fallback = losses_of(nodes_ / 2);
  } else if (!has_length && !options.has("losses")) {
    options.fail("",
                 "with 'repair' the losses have no end of their own: give 'losses' or 'length'");
  } else {
    fallback = std::numeric_limits<std::int64_t>::max();
  }
  if (has_length) {
    length_ = options.duration("length", {}, Duration(1));
    fallback = std::min(fallback, losses_before(length_));
  }
  if (!options.has("losses") && fallback > kMostLosses) {
    options.fail("every", fmt::format("{} losses; at most {} are drawn", fallback, kMostLosses));
  }
  losses_ = options.integer("losses", 0, kMostLosses, fallback);
  if (losses_ > 0 && (kLongest - first_) / every_ < losses_) {
    options.fail("losses", "the last loss would come after 100 years");
  }
  const std::int64_t fitting = has_length ? losses_before(length_) : losses_;
  if (losses_ > fitting) {
    options.fail("losses",
                 fmt::format("only {} come before the length {}", fitting, to_text(length_)));
  }
  const Duration last = losses_ == 0 ? Duration(0) : loss_time(losses_ - 1).time_since_epoch();
  length_ = options.duration("length", std::min(last + repair_ + every_, kLongest), Duration(1));
}

void Interval::check_victims(ObjectReader& options) const {
  const std::int64_t rounds = losses_ / static_cast<std::int64_t>(bulks_.size());
  std::int64_t needed = rounds * std::accumulate(bulks_.begin(), bulks_.end(), std::int64_t{0});
  for (std::int64_t i = rounds * static_cast<std::int64_t>(bulks_.size()); i < losses_; ++i) {
    needed += bulk(i);
  }
  if (victims_ == Victims::listed && needed != static_cast<std::int64_t>(listed_.size())) {
    options.fail("victims", fmt::format("{} names, but {} losses take {} nodes", listed_.size(),
                                        losses_, needed));
  }
  if (repair_.count() == 0 && needed > nodes_) {
    options.fail("losses", fmt::format("{} losses take {} nodes and none comes back; there are {}",
                                       losses_, needed, nodes_));
  }
}

/// The place in `live` of the next to be lost, `taken` having been lost before.
std::size_t Interval::victim(const std::vector<NodeId>& live, std::int64_t taken, Rng& rng) const {
  const auto complain = [](const std::string& message) {
    throw InputError(fmt::format("generator interval: {}", message));
  };
  if (live.empty()) complain(fmt::format("no node is left for loss {}", taken + 1));
  switch (victims_) {
    case Victims::random:
      return rng.below(live.size());
    case Victims::first:
      return 0;
    case Victims::last:
      return live.size() - 1;
    case Victims::listed:
      break;
  }
  const std::int64_t number = listed_[static_cast<std::size_t>(taken)];
  const NodeId node(static_cast<std::int32_t>(number - 1));
  const auto found = std::lower_bound(live.begin(), live.end(), node);
  if (found == live.end() || *found != node) {
    complain(fmt::format("victim {}, '{}', is gone already", taken + 1, node_name(number)));
  }
  return static_cast<std::size_t>(found - live.begin());
}

Trace Interval::generate(const RngStreams& streams) const {
  TraceBuilder builder("generator interval");
  builder.header().name = "interval";
  builder.header().source = "bethany generator interval";
  std::vector<NodeId> live;  // by number
  for (std::int64_t i = 1; i <= nodes_; ++i) live.push_back(builder.node(node_name(i)));
  builder.add(at(Duration(0)), TraceEventKind::join, live, 0);
  auto rng = streams.stream("trace/interval/victims");
  std::deque<std::pair<SimTime, std::vector<NodeId>>> repairs;
  const auto return_until = [&](SimTime time) {
    for (; !repairs.empty() && repairs.front().first < time; repairs.pop_front()) {
      const auto& [when, back] = repairs.front();
      builder.add(when, TraceEventKind::join, back, 0);
      for (const NodeId node : back) {
        live.insert(std::lower_bound(live.begin(), live.end(), node), node);
      }
    }
  };
  std::int64_t taken = 0;
  for (std::int64_t i = 0; i < losses_; ++i) {
    const SimTime time = loss_time(i);
    return_until(time);
    std::vector<NodeId> bulk_nodes;
    for (std::int64_t n = bulk(i); n > 0; --n) {
      const auto place = victim(live, taken++, rng);
      bulk_nodes.push_back(live[place]);
      live.erase(live.begin() + static_cast<std::ptrdiff_t>(place));
    }
    builder.add(time, TraceEventKind::lost, bulk_nodes, 0);
    if (repair_.count() > 0) repairs.emplace_back(time + repair_, std::move(bulk_nodes));
  }
  return_until(at(length_));
  return builder.finish(at(Duration(0)), at(length_));
}

const bool registered = trace_generators().add({
    .name = "interval",
    .summary = "losses at a fixed interval, victims drawn or listed, back or not",
    .make = [](ObjectReader& options) -> std::unique_ptr<TraceGenerator> {
      return std::make_unique<Interval>(options);
    },
});

}  // namespace
}  // namespace bethany
