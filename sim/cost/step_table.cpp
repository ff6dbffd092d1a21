#include "sim/cost/step_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "sim/base/check.h"
#include "sim/base/int128.h"

namespace bethany {
namespace {

constexpr int kMostNodes = 1'000'000;

/// Plain digits only, so that no count can be written in two ways.
std::optional<int> parse_count(std::string_view text) {
  int count = 0;
  const auto end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, count);
  const bool plain = !text.empty() && text.front() >= '1' && text.front() <= '9';
  if (error != std::errc() || stop != end || !plain || count > kMostNodes) return std::nullopt;
  return count;
}

Duration positive(ObjectReader& keys, std::string_view key) {
  const Duration duration = keys.duration(key);
  if (duration.count() == 0) keys.fail(key, "a step of 0 ns is refused: time would stand still");
  return duration;
}

}  // namespace

StepTable::StepTable(std::vector<std::pair<int, Duration>> points) : points_(std::move(points)) {
  BETHANY_CHECK(!points_.empty(), "a step table without durations");
  for (std::size_t i = 1; i < points_.size(); ++i) {
    BETHANY_CHECK(points_[i - 1].first < points_[i].first, "node counts {} and {}",
                  points_[i - 1].first, points_[i].first);
  }
}

bool StepTable::covers(int nodes) const {
  return any_count_ || (nodes >= points_.front().first && nodes <= points_.back().first);
}

Duration StepTable::at(int nodes) const {
  if (nodes <= points_.front().first) return points_.front().second;
  const auto after = std::lower_bound(points_.begin(), points_.end(), nodes,
                                      [](const auto& point, int n) { return point.first < n; });
  if (after == points_.end()) return points_.back().second;
  const auto& [low, low_time] = *(after - 1);
  const auto& [high, high_time] = *after;
  const Int128 span = high - low;
  const Int128 product = Int128{high_time.count() - low_time.count()} * (nodes - low) * 2 + span;
  const Int128 twice = 2 * span;
  // Rounds half up also where durations fall: floor, not truncation.
  const Int128 floor = product >= 0 ? product / twice : -((-product + twice - 1) / twice);
  return low_time + Duration(static_cast<std::int64_t>(floor));
}

std::string StepTable::text() const {
  if (any_count_) return to_text(points_.front().second);
  std::string text;
  for (const auto& [count, time] : points_) {
    text += fmt::format("{}{}:{}", text.empty() ? "" : " ", count, to_text(time));
  }
  return text;
}

StepTable read_step_table(ObjectReader& cost, std::string_view key) {
  const JsonNode* value = cost.raw(key);
  if (value == nullptr || value->kind != JsonNode::Kind::object) {
    return StepTable(positive(cost, key));
  }
  ObjectReader counts = cost.object(key);
  std::vector<std::pair<int, Duration>> points;
  for (const auto& text : counts.keys()) {
    const auto count = parse_count(text);
    if (!count) {
      counts.fail(text, fmt::format("expected a node count in 1..{}, found '{}'", kMostNodes,
                                    text.substr(0, 40)));
    }
    points.emplace_back(*count, positive(counts, text));
  }
  if (points.empty()) cost.fail(key, "give a duration for at least one node count");
  std::sort(points.begin(), points.end());
  return StepTable(std::move(points));
}

}  // namespace bethany
