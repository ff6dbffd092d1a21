#include "sim/study/sweep/space.h"

#include <fmt/format.h>

#include "sim/base/check.h"
#include "sim/base/error.h"
#include "sim/study/setup.h"

namespace bethany {
namespace {

constexpr std::int64_t kMostRuns = 1'000'000'000;

std::int64_t product(std::int64_t a, std::int64_t b) {
  if (a > kMostRuns / b) {
    throw InputError(fmt::format("the sweep has more than {} runs", kMostRuns));
  }
  return a * b;
}

}  // namespace

JsonNode typed_value(const std::string& text) {
  JsonNode holder;
  apply_set(holder, "value=" + text);
  return std::move(*holder.find("value"));
}

SweepSpace::SweepSpace(const SweepAxes& axes, std::uint64_t seed, std::int64_t first_replication)
    : policies_(axes.policies),
      first_replication_(first_replication),
      replications_(axes.replications),
      seed_(seed) {
  BETHANY_CHECK(!policies_.empty(), "a sweep without a policy");
  for (const auto& text : axes.grid) {
    add("--grid", text);
    grid_points_ = product(grid_points_, static_cast<std::int64_t>(axes_.back().second.size()));
  }
  grid_axes_ = axes_.size();
  for (const auto& text : axes.zip) {
    add("--zip", text);
    const auto length = static_cast<std::int64_t>(axes_.back().second.size());
    if (axes_.size() > grid_axes_ + 1 && length != zip_length_) {
      throw InputError(fmt::format("--zip {}: {} values, but --zip {} has {}", text, length,
                                   axes_[grid_axes_].first, zip_length_));
    }
    zip_length_ = length;
  }
  for (const auto& text : axes.random) {
    const auto [key, values] = split_setting("--random", text);
    check_key("--random " + text, key);
    random_.emplace_back(key, RandomValues("--random " + text, values));
  }
  if (random_.empty() != (axes.samples == 0)) {
    throw InputError("--random and --samples come together");
  }
  if (axes.samples > 0) samples_ = axes.samples;
  product(product(product(product(grid_points_, zip_length_), samples_), policies()),
          replications_);
}

void SweepSpace::add(const std::string& option, const std::string& text) {
  const auto [key, values] = split_setting(option, text);
  const auto place = fmt::format("{} {}", option, text);
  check_key(place, key);
  axes_.emplace_back(key, axis_values(place, values));
}

void SweepSpace::check_key(const std::string& option, const std::string& key) const {
  const auto refuse = [&](const std::string& why) {
    throw InputError(fmt::format("{}: {}", option, why));
  };
  if (key == "policy" || key == "policies" || key.starts_with("policies.")) {
    refuse("name policies with --policies; policy.PART varies a part of each");
  }
  if (key == "replication") refuse("--replications varies it");
  for (const auto& known : keys()) {
    if (known == key) refuse(fmt::format("the key '{}' is an axis already", key));
    if (known.starts_with(key + ".") || key.starts_with(known + ".")) {
      refuse(fmt::format("the key '{}' and the axis '{}' hold one another", key, known));
    }
  }
}

std::vector<std::string> SweepSpace::keys() const {
  std::vector<std::string> keys;
  for (const auto& axis : axes_) keys.push_back(axis.first);
  for (const auto& axis : random_) keys.push_back(axis.first);
  return keys;
}

SweepRun SweepSpace::run(std::int64_t index) const {
  BETHANY_CHECK(index >= 0 && index < runs(), "run {} of {}", index, runs());
  const auto next = [&index](std::int64_t size) {
    const std::int64_t place = index % size;
    index /= size;
    return static_cast<std::size_t>(place);
  };
  SweepRun run;
  run.replication = first_replication_ + static_cast<std::int64_t>(next(replications_));
  run.policy = policies_[next(policies())];
  const std::size_t sample = next(samples_);
  const std::size_t zipped = next(zip_length_);
  run.assigned.resize(axes_.size());
  for (std::size_t a = axes_.size(); a-- > 0;) {
    const auto& [key, values] = axes_[a];
    const bool grid = a < grid_axes_;
    const std::size_t place = grid ? next(static_cast<std::int64_t>(values.size())) : zipped;
    run.assigned[a] = {key, values[place]};
  }
  const RngStreams streams(seed_, 0);
  for (const auto& [key, values] : random_) {
    run.assigned.push_back({key, values.draw(streams.stream("sweep/" + key, sample))});
  }
  return run;
}

JsonNode SweepSpace::axes_answer() const {
  std::vector<JsonNode> answer;
  for (std::size_t a = 0; a < axes_.size(); ++a) {
    std::vector<JsonNode> values;
    for (const auto& value : axes_[a].second) values.push_back(typed_value(value));
    JsonNode axis;
    axis.member("kind") = JsonNode::of(a < grid_axes_ ? "grid" : "zip");
    axis.member("key") = JsonNode::of(axes_[a].first);
    axis.member("values") = JsonNode::array_of(std::move(values));
    answer.push_back(std::move(axis));
  }
  for (const auto& [key, values] : random_) {
    JsonNode axis;
    axis.member("kind") = JsonNode::of("random");
    axis.member("key") = JsonNode::of(key);
    axis.member("from") = JsonNode::of(values.text());
    axis.member("samples") = JsonNode::of(samples_);
    answer.push_back(std::move(axis));
  }
  return JsonNode::array_of(std::move(answer));
}

}  // namespace bethany
