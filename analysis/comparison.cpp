#include "analysis/comparison.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "analysis/metric.h"
#include "sim/base/check.h"
#include "sim/base/error.h"
#include "sim/base/text.h"

namespace bethany {
namespace {

/// Ratios within this of 1 are called equal in words.
constexpr double kEqual = 0.005;

constexpr std::array<std::string_view, kBlockedCount> kBlockedWords = {
    "time blocked in the first start",
    "time blocked in checkpoint writes",
    "time blocked in detection",
    "time blocked in planning",
    "time blocked in making communicators",
    "time blocked in moving state",
    "time blocked in restarts",
    "time blocked in restarts",  // loading the checkpoint is a stage of a restart
    "time blocked in rebalances",
    "time blocked in joins",
    "time blocked in drains"};
constexpr std::array<std::string_view, kUnavailableCount> kUnavailableWords = {
    "places without a machine", "machines that start up", "nodes that wait",
    "nodes held back as spares", "nodes that fill no group"};

double goodput(const RunSummary& run) {
  return metric_value("goodput_tokens_per_s", run).value_or(0);
}

struct Cause {
  std::string_view words;
  double weight = 0;
};

/// How much larger a part of the ledger is at `other`, as a share of the total, under its words.
std::vector<Cause> ledger_causes(const RunSummary& leader, const RunSummary& other) {
  std::vector<Cause> causes;
  const auto share = [](Int128 part, const Ledger& ledger) {
    return static_cast<double>(part) / static_cast<double>(ledger.total);
  };
  const auto add = [&](std::string_view words, Int128 at_leader, Int128 at_other) {
    const double more = share(at_other, other.ledger) - share(at_leader, leader.ledger);
    for (auto& cause : causes) {
      if (cause.words == words) {
        cause.weight += more;
        return;
      }
    }
    causes.push_back({words, more});
  };
  for (std::size_t i = 0; i < kBlockedCount; ++i) {
    add(kBlockedWords[i], leader.ledger.blocked[i], other.ledger.blocked[i]);
  }
  add("work rolled back", leader.ledger.rolled_back, other.ledger.rolled_back);
  add("steps cut short", leader.ledger.step_in_flight, other.ledger.step_in_flight);
  for (std::size_t i = 0; i < kUnavailableCount; ++i) {
    add(kUnavailableWords[i], leader.ledger.unavailable[i], other.ledger.unavailable[i]);
  }
  return causes;
}

const RunSummary* find_run(std::span<const RunSummary> runs, std::string_view policy) {
  for (const auto& run : runs) {
    if (run.policy == policy) return &run;
  }
  return nullptr;
}

/// The feasible run with most goodput, `but` left out; the first of equals; null without any.
const RunSummary* best_run(std::span<const RunSummary> runs, const RunSummary* but = nullptr) {
  const RunSummary* best = nullptr;
  for (const auto& run : runs) {
    if (!run.feasible || run.is_bound || &run == but) continue;
    if (best == nullptr || goodput(run) > goodput(*best)) best = &run;
  }
  return best;
}

/// "commits 1.9 times the tokens of ds"; when the runs are not equally long: "trains 1.9 times as
/// fast as ds".
std::string advantage(const RunSummary& leader, const RunSummary& other, double ratio) {
  const bool same_time = leader.horizon == other.horizon;
  if (ratio < 1.1) {
    const std::string more = fmt::format("{:.2g} %", (ratio - 1) * 100);
    return same_time ? fmt::format("commits {} more tokens than {}", more, other.policy)
                     : fmt::format("trains {} faster than {}", more, other.policy);
  }
  const std::string times =
      ratio < 10 ? fmt::format("{:.2g}", ratio) : fmt::format("{:.0f}", ratio);
  return same_time ? fmt::format("commits {} times the tokens of {}", times, other.policy)
                   : fmt::format("trains {} times as fast as {}", times, other.policy);
}

/// The comparison between the two, as a ratio of `leader` by `other`; the interval with it.
Comparison between(const RunSummary& leader, const RunSummary& other,
                   std::span<const Comparison> comparisons) {
  Comparison result;
  for (const auto& comparison : comparisons) {
    const bool forward = comparison.policy == leader.policy && comparison.baseline == other.policy;
    const bool backward = comparison.policy == other.policy && comparison.baseline == leader.policy;
    if (!forward && !backward) continue;
    result = comparison;
    if (backward && comparison.interval) {
      result.interval = Interval{1 / comparison.interval->high, 1 / comparison.interval->low};
    }
    if (backward && comparison.goodput_ratio) result.goodput_ratio = 1 / *comparison.goodput_ratio;
  }
  if (!result.goodput_ratio) result.goodput_ratio = ratio(goodput(leader), goodput(other));
  return result;
}

std::string ending(const Comparison& comparison) {
  if (!comparison.interval) return " One trace: no interval.";
  const auto text =
      fmt::format(" {} replications: ratio {:.3g} [{:.3g}, {:.3g}], {}", comparison.replications,
                  *comparison.goodput_ratio, comparison.interval->low, comparison.interval->high,
                  comparison.method);
  const bool unclear = verdict_of(*comparison.interval) == Verdict::no_clear_winner;
  return text + (unclear ? ": no clear winner." : ".");
}

/// " It reaches 62 % of ideal, an upper bound." or nothing; of several bounds the lowest.
std::string share_of_bound(std::span<const RunSummary> runs, const RunSummary& leader) {
  const RunSummary* bound = nullptr;
  for (const auto& run : runs) {
    if (!run.feasible || !run.is_bound || goodput(run) <= 0) continue;
    if (bound == nullptr || goodput(run) < goodput(*bound)) bound = &run;
  }
  if (bound == nullptr) return "";
  return fmt::format(" {} reaches {:.3g} % of {}, an upper bound.", leader.policy,
                     100 * goodput(leader) / goodput(*bound), bound->policy);
}

std::string sentence(const RunSummary& leader, const RunSummary& other, const RunSummary* next,
                     const Comparison& comparison, const std::string& of_bound) {
  const std::string begin = comparison.interval ? "On these traces " : "On this trace ";
  if (goodput(leader) == 0) return begin + "no policy commits a token." + ending(comparison);
  if (goodput(other) == 0) {
    return begin + fmt::format("{} commits tokens and {} none.", leader.policy, other.policy) +
           ending(comparison);
  }
  const double ratio = *comparison.goodput_ratio;
  if (std::abs(ratio - 1) < kEqual) {
    return begin +
           fmt::format("{} and {} train equally fast (ratio {:.4g}).", leader.policy, other.policy,
                       ratio) +
           ending(comparison);
  }
  std::string text = begin + leader.policy + " " + advantage(leader, other, ratio);
  if (next != nullptr && goodput(*next) > 0) {
    text += fmt::format(" ({:.3g} times those of {}, the next best)",
                        goodput(leader) / goodput(*next), next->policy);
  }
  const std::string why = difference_in_words(leader, other);
  if (!why.empty()) text += "; the difference is mostly " + why;
  return text + "." + of_bound + ending(comparison);
}

}  // namespace

std::string_view name_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::better:
      return "better";
    case Verdict::worse:
      return "worse";
    case Verdict::no_clear_winner:
      return "no clear winner";
    case Verdict::single_trace:
      return "single trace";
  }
  return "?";
}

Verdict verdict_of(const Interval& ratio) {
  if (ratio.low > 1) return Verdict::better;
  return ratio.high < 1 ? Verdict::worse : Verdict::no_clear_winner;
}

std::vector<Comparison> compare_on_one_trace(std::span<const RunSummary> runs,
                                             std::string_view baseline) {
  BETHANY_CHECK(!runs.empty(), "a comparison of nothing");
  const RunSummary* base = &runs.front();
  if (!baseline.empty()) {
    base = find_run(runs, baseline);
    if (base == nullptr) {
      std::vector<std::string> names;
      for (const auto& run : runs) names.push_back(run.policy);
      throw InputError(unknown_name("baseline", baseline, names));
    }
  } else {
    const auto first = std::find_if(runs.begin(), runs.end(), [](const RunSummary& run) {
      return run.feasible && !run.is_bound;
    });
    if (first != runs.end()) base = &*first;
  }
  std::vector<Comparison> comparisons;
  for (const auto& run : runs) {
    if (&run == base) continue;
    Comparison comparison;
    comparison.policy = run.policy;
    comparison.baseline = base->policy;
    if (run.feasible && base->feasible) {
      comparison.goodput_ratio = ratio(goodput(run), goodput(*base));
    }
    if (comparison.goodput_ratio) comparison.verdict = Verdict::single_trace;
    comparisons.push_back(std::move(comparison));
  }
  return comparisons;
}

std::string difference_in_words(const RunSummary& leader, const RunSummary& other) {
  const auto share = ratio(leader.ledger.productive, leader.ledger.total);
  const auto other_share = ratio(other.ledger.productive, other.ledger.total);
  const auto speed = metric_value("tokens_per_productive_node_s", leader);
  const auto other_speed = metric_value("tokens_per_productive_node_s", other);
  if (!share || !speed || !other_share || !other_speed) return "";
  if (*speed <= 0 || *other_speed <= 0) return "";
  // The parts of the ledger sum to 1, so the differences of the others sum to that of productive.
  std::vector<Cause> causes;
  const double more = *share - *other_share;
  if (more > 0) {
    causes = ledger_causes(leader, other);
    for (auto& cause : causes) cause.weight *= std::log(*share / *other_share) / more;
  }
  causes.push_back({"faster steps", std::log(*speed / *other_speed)});
  std::stable_sort(causes.begin(), causes.end(),
                   [](const Cause& a, const Cause& b) { return a.weight > b.weight; });
  if (causes.front().weight <= 0) return "";
  std::string words(causes.front().words);
  if (causes.size() > 1 && causes[1].weight >= causes[0].weight / 2) {
    words += fmt::format(" and {}", causes[1].words);
  }
  return words;
}

std::string verdict_sentence(std::span<const RunSummary> runs,
                             std::span<const Comparison> comparisons) {
  const RunSummary* leader = best_run(runs);
  if (leader == nullptr) return "No policy has a run in this scenario.";
  const RunSummary* next = best_run(runs, leader);
  if (next == nullptr) {
    return fmt::format("Only {} has a run in this scenario.", leader->policy) +
           share_of_bound(runs, *leader);
  }
  const RunSummary* base =
      comparisons.empty() ? nullptr : find_run(runs, comparisons.front().baseline);
  const bool against_next = base == nullptr || base == leader || base == next || !base->feasible;
  const RunSummary& other = against_next ? *next : *base;
  return sentence(*leader, other, against_next ? nullptr : next,
                  between(*leader, other, comparisons), share_of_bound(runs, *leader));
}

}  // namespace bethany
