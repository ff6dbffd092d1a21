#include "traces/replay_options.h"

#include <fmt/format.h>

#include <array>

namespace bethany {
namespace {

constexpr std::array kRules = {CapRule::members, CapRule::hot_surplus, CapRule::level,
                               CapRule::scale};
constexpr std::array kOrders = {CapOrder::random, CapOrder::name};
constexpr std::array kAtEnds = {AtEnd::hold, AtEnd::stop, AtEnd::repeat};

/// The one of `values` that the key names.
template <class Value, std::size_t N>
Value choose(ObjectReader& reader, std::string_view key, const std::array<Value, N>& values,
             Value fallback) {
  std::vector<std::string> names;
  for (const Value value : values) names.emplace_back(name_of(value));
  const auto chosen = reader.choice(key, names, std::string(name_of(fallback)));
  for (const Value value : values) {
    if (name_of(value) == chosen) return value;
  }
  return fallback;
}

}  // namespace

std::string_view name_of(CapRule rule) {
  switch (rule) {
    case CapRule::members:
      return "members";
    case CapRule::hot_surplus:
      return "hot-surplus";
    case CapRule::level:
      return "level";
    case CapRule::scale:
      return "scale";
  }
  return "?";
}

std::string_view name_of(CapOrder order) { return order == CapOrder::random ? "random" : "name"; }

std::string_view name_of(AtEnd at_end) {
  switch (at_end) {
    case AtEnd::hold:
      return "hold";
    case AtEnd::stop:
      return "stop";
    case AtEnd::repeat:
      return "repeat";
  }
  return "?";
}

ReplayOptions read_replay_options(ObjectReader& trace_object, const ReplayDefaults& defaults) {
  ReplayOptions options;
  options.from = trace_object.duration("from", Duration(0));
  auto keep = trace_object.object("keep");
  options.keep_every = static_cast<int>(keep.integer("every", 1, 1'000'000, 1));
  options.keep_first = static_cast<int>(keep.integer("first", 1, options.keep_every, 1));
  keep.finish();
  options.shuffle_joins =
      trace_object.choice("join_order", {"trace", "random"}, "trace") == "random";
  auto cap = trace_object.object("cap");
  options.cap_nodes = defaults.cluster_nodes;
  options.rule = choose(cap, "rule", kRules, CapRule::members);
  options.order = choose(cap, "order", kOrders, CapOrder::random);
  options.cap_seed = static_cast<std::uint64_t>(
      cap.integer("seed", 0, INT64_MAX, static_cast<std::int64_t>(defaults.seed)));
  cap.finish();
  options.coalesce = trace_object.duration("coalesce", Duration(0));
  options.at_end =
      choose(trace_object, "at_end", kAtEnds, defaults.until_given ? AtEnd::hold : AtEnd::stop);
  return options;
}

std::string cap_in_words(const ReplayOptions& options) {
  std::string text;
  if (options.keep_every > 1) {
    text = fmt::format("machines {}, {}, … of the trace; ", options.keep_first,
                       options.keep_first + options.keep_every);
  }
  if (options.shuffle_joins) text += "joins of an instant in drawn order; ";
  if (options.cap_nodes == 0) return text + "no cap";
  text += fmt::format("{} of {} nodes, {} order", name_of(options.rule), options.cap_nodes,
                      name_of(options.order));
  if (options.order == CapOrder::random) text += fmt::format(", seed {}", options.cap_seed);
  return text;
}

}  // namespace bethany
