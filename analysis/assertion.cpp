#include "analysis/assertion.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "analysis/metric.h"
#include "sim/base/error.h"
#include "sim/base/text.h"

namespace bethany {
namespace {

constexpr std::string_view kRatio = "goodput_ratio";
constexpr std::array<std::string_view, 6> kStatistics = {"mean", "low", "high",
                                                         "p10",  "p50", "p90"};
constexpr std::array<std::string_view, 4> kOrders = {">=", "<=", ">", "<"};

std::string_view trimmed(std::string_view text) {
  const auto from = text.find_first_not_of(" \t");
  if (from == std::string_view::npos) return {};
  return text.substr(from, text.find_last_not_of(" \t") - from + 1);
}

[[noreturn]] void refuse(const Assertion& assertion, const std::string& why) {
  throw InputError(fmt::format("--assert '{}': {}", assertion.text, why));
}

std::vector<std::string> metric_names() {
  std::vector<std::string> names;
  for (const auto& entry : metrics().entries()) names.push_back(entry.name);
  names.emplace_back(kRatio);
  return names;
}

/// METRIC or STATISTIC(METRIC).
void read_quantity(std::string_view text, Assertion& assertion) {
  const auto open = text.find('(');
  auto name = text;
  if (open != std::string_view::npos) {
    if (text.back() != ')') refuse(assertion, "expected STATISTIC(METRIC), as in p10(ettr)");
    const auto statistic = trimmed(text.substr(0, open));
    const auto* const found = std::find(kStatistics.begin(), kStatistics.end(), statistic);
    if (found == kStatistics.end()) {
      refuse(assertion,
             unknown_name("statistic", statistic, {kStatistics.begin(), kStatistics.end()}));
    }
    assertion.statistic = static_cast<Assertion::Statistic>(found - kStatistics.begin());
    name = trimmed(text.substr(open + 1, text.size() - open - 2));
  }
  assertion.metric = std::string(name);
  const auto names = metric_names();
  if (std::find(names.begin(), names.end(), assertion.metric) == names.end()) {
    refuse(assertion, unknown_name("metric", assertion.metric, names));
  }
  const bool reported = assertion.statistic != Assertion::Statistic::p50 &&
                        assertion.statistic != Assertion::Statistic::p90;
  if (assertion.metric == kRatio && !reported) {
    refuse(assertion, "of goodput_ratio there are mean, low, high and p10");
  }
}

std::optional<double> of(const std::optional<Spread>& spread, Assertion::Statistic statistic) {
  if (!spread) return std::nullopt;
  switch (statistic) {
    case Assertion::Statistic::mean:
      return spread->mean;
    case Assertion::Statistic::low:
      return spread->interval ? std::optional(spread->interval->low) : std::nullopt;
    case Assertion::Statistic::high:
      return spread->interval ? std::optional(spread->interval->high) : std::nullopt;
    case Assertion::Statistic::p10:
      return spread->p10;
    case Assertion::Statistic::p50:
      return spread->p50;
    case Assertion::Statistic::p90:
      return spread->p90;
  }
  return std::nullopt;
}

/// Of the ratio to the baseline; nothing for the baseline itself.
std::optional<double> ratio_of(std::span<const Comparison> comparisons, std::string_view policy,
                               Assertion::Statistic statistic) {
  for (const auto& comparison : comparisons) {
    if (comparison.policy != policy) continue;
    const auto& interval = comparison.interval;
    switch (statistic) {
      case Assertion::Statistic::low:
        return interval ? std::optional(interval->low) : std::nullopt;
      case Assertion::Statistic::high:
        return interval ? std::optional(interval->high) : std::nullopt;
      case Assertion::Statistic::p10:
        return comparison.p10_ratio;
      default:
        return comparison.goodput_ratio;
    }
  }
  return std::nullopt;
}

bool kept(double value, Assertion::Order order, double bound) {
  switch (order) {
    case Assertion::Order::at_least:
      return value >= bound;
    case Assertion::Order::at_most:
      return value <= bound;
    case Assertion::Order::above:
      return value > bound;
    case Assertion::Order::below:
      return value < bound;
  }
  return false;
}

/// Has a run in some replication, and could be chosen.
bool is_candidate(const Replications& replications, std::size_t place) {
  return std::any_of(replications.runs.begin(), replications.runs.end(), [&](const auto& runs) {
    return runs[place].summary.feasible && !runs[place].summary.is_bound;
  });
}

bool is_compared(std::span<const Comparison> comparisons, std::string_view policy) {
  return std::any_of(comparisons.begin(), comparisons.end(),
                     [&](const Comparison& each) { return each.policy == policy; });
}

template <class Enum>
std::size_t index_of(Enum value) {
  return static_cast<std::size_t>(value);
}

std::string quantity_text(const Assertion& assertion) {
  if (assertion.statistic == Assertion::Statistic::mean) return assertion.metric;
  return fmt::format("{}({})", kStatistics[index_of(assertion.statistic)], assertion.metric);
}

}  // namespace

Assertion parse_assertion(std::string_view text) {
  Assertion assertion;
  assertion.text = std::string(text);
  // Names of policies have ':' and '=' in them, quantities have neither.
  const auto colon = text.rfind(':');
  const bool named = colon != std::string_view::npos;
  if (named) assertion.policy = std::string(trimmed(text.substr(0, colon)));
  const auto rest = trimmed(named ? text.substr(colon + 1) : text);
  const auto sign = rest.find_first_of("<>");
  if (sign == std::string_view::npos || (named && assertion.policy.empty())) {
    refuse(assertion, "expected [POLICY:] METRIC OP NUMBER, as in 'ettr>=0.9'");
  }
  const bool equal = sign + 1 < rest.size() && rest[sign + 1] == '=';
  const auto order = rest.substr(sign, equal ? 2 : 1);
  const auto* const found = std::find(kOrders.begin(), kOrders.end(), order);
  assertion.order = static_cast<Assertion::Order>(found - kOrders.begin());
  const auto number = trimmed(rest.substr(sign + order.size()));
  const auto [stop, error] =
      std::from_chars(number.data(), number.data() + number.size(), assertion.bound);
  const bool whole = stop == number.data() + number.size();
  if (error != std::errc{} || !whole || !std::isfinite(assertion.bound)) {
    refuse(assertion, fmt::format("expected a number after {}", order));
  }
  read_quantity(trimmed(rest.substr(0, sign)), assertion);
  return assertion;
}

void check_assertion(const Assertion& assertion, const std::vector<std::string>& policies) {
  const auto& name = assertion.policy;
  if (!name.empty() && std::find(policies.begin(), policies.end(), name) == policies.end()) {
    refuse(assertion, unknown_name("policy", name, policies));
  }
  if (assertion.metric == kRatio && policies.size() < 2) {
    refuse(assertion, "goodput_ratio needs a second policy to compare with");
  }
}

std::vector<std::string> missed(const Assertion& assertion, const Replications& replications,
                                std::span<const Comparison> comparisons) {
  const bool is_ratio = assertion.metric == kRatio;
  const auto wanted =
      fmt::format("wanted {} {}", kOrders[index_of(assertion.order)], assertion.bound);
  std::vector<std::string> sentences;
  bool any = false;
  for (std::size_t place = 0; place < replications.runs.front().size(); ++place) {
    const auto& policy = replications.runs.front()[place].summary.policy;
    const bool chosen =
        assertion.policy.empty()
            ? is_candidate(replications, place) && (!is_ratio || is_compared(comparisons, policy))
            : assertion.policy == policy;
    if (!chosen) continue;
    any = true;
    const auto value =
        is_ratio ? ratio_of(comparisons, policy, assertion.statistic)
                 : of(metric_spread(replications, place, assertion.metric), assertion.statistic);
    if (value && kept(*value, assertion.order, assertion.bound)) continue;
    sentences.push_back(fmt::format("{}: {} is {}, {}", policy, quantity_text(assertion),
                                    value ? fmt::format("{}", *value) : "UNKNOWN", wanted));
  }
  if (!any) {
    sentences.push_back(
        fmt::format("{} is UNKNOWN, no policy has it, {}", quantity_text(assertion), wanted));
  }
  return sentences;
}

}  // namespace bethany
