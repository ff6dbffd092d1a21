#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "gpu/validate/report.h"
#include "sim/base/text.h"

namespace bethany {
namespace {

constexpr std::size_t kMostRows = 20;     // of one table
constexpr std::size_t kMostLines = 6;     // of one list
constexpr std::size_t kLineLength = 120;  // of one item
constexpr std::size_t kNameLength = 40;   // of a row

std::string percent(double share) { return fmt::format("{:.1f} %", 100 * share); }

std::string percent(const std::optional<double>& share) {
  return share ? percent(*share) : std::string("-");
}

std::string seconds_text(double seconds) {
  if (seconds >= 1) return fmt::format("{:.3g} s", seconds);
  if (seconds >= 1e-3) return fmt::format("{:.3g} ms", 1e3 * seconds);
  return fmt::format("{:.3g} us", 1e6 * seconds);
}

std::string shortened(const std::string& text, std::size_t length = kLineLength) {
  return text.size() <= length ? text : text.substr(0, length - 3) + "...";
}

/// How many rows of a table are shown; the rest is counted.
template <class Row>
std::size_t shown(const std::vector<Row>& rows, std::string& out) {
  if (rows.size() > kMostRows) out += fmt::format("(the first {} of {})\n", kMostRows, rows.size());
  return std::min(rows.size(), kMostRows);
}

void add_list(const std::vector<std::string>& items, std::string_view before, std::string& out) {
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (i == kMostLines) {
      out += fmt::format("{}... and {} more\n", before, items.size() - i);
      return;
    }
    out += fmt::format("{}{}\n", before, shortened(items[i]));
  }
}

void add_errors(const std::vector<ErrorRow>& rows, std::string_view title, std::string& out) {
  const bool noise = std::any_of(rows.begin(), rows.end(),
                                 [](const ErrorRow& row) { return row.noise.has_value(); });
  out += fmt::format("\n{:<26} {:>7} {:>7} {:>8} {:>8} {:>8} {:>8}{}\n", title, "points", "share",
                     "bias", "median", "P90", "worst", noise ? "    noise" : "");
  const std::size_t count = shown(rows, out);
  for (std::size_t i = 0; i < count; ++i) {
    const auto& row = rows[i];
    const auto name = shortened(row.name, kNameLength) + (row.in_domain ? "" : " (outside)");
    if (row.error.points == 0) {
      out += fmt::format("{:<26} {:>7} nothing measured of {} predictions\n", name, 0,
                         row.error.unmeasured);
      continue;
    }
    out += fmt::format(
        "{:<26} {:>7} {:>7} {:>+7.1f}% {:>8} {:>8} {:>8}{}{}\n", name, row.error.points,
        percent(row.share), 100 * row.error.bias, percent(row.error.median), percent(row.error.p90),
        percent(row.error.worst), row.noise ? fmt::format(" {:>8}", percent(row.noise)) : "",
        row.error.unmeasured > 0 ? fmt::format("  + {} unmeasured", row.error.unmeasured) : "");
  }
}

void add_header(const Validation& v, std::string& out) {
  out += fmt::format("Validation: {}, mode {}, seed {}{}\n", v.context.backend,
                     name_of(v.context.mode), v.context.seed, v.context.quick ? ", quick" : "");
  std::vector<std::string> facts;
  for (const auto& [key, value] : v.context.facts) facts.push_back(key + ": " + value);
  add_list(facts, "  ", out);
  out += fmt::format("  profile {} ({}), sha256 {}\n", shortened(v.context.profile.name),
                     v.context.profile.kind, v.context.profile.sha256.substr(0, 16));
  out += fmt::format("  {} held-out cases x {} passes, list sha256 {}\n", v.context.cases.size(),
                     v.context.passes, cases_sha256(v.context.cases).substr(0, 16));
  out += fmt::format("  planned {} runs, attempted {}, failed {}{}\n", v.planned, v.attempted,
                     v.failed.size(), v.interrupted ? ", interrupted" : "");
  out += fmt::format("  pilot: {} steps, variation {}, {} samples wanted, {} steps a case\n",
                     v.pilot.steps_seen, percent(v.pilot.variation), v.pilot.samples_wanted,
                     v.pilot.steps);
  const auto& claims = claims_of(v.context.mode);
  out += "This mode shows:\n";
  add_list(claims.may, "  + ", out);
  out += "It does not show:\n";
  add_list(claims.may_not, "  - ", out);
}

void add_policies(const Validation& v, std::string& out) {
  out += fmt::format("\n{:<26} {:>5} {:>10} {:>10} {:>8}  {}\n", "policy", "runs", "predicted",
                     "measured", "error", "95 % interval");
  const std::size_t count = shown(v.policies, out);
  for (std::size_t i = 0; i < count; ++i) {
    const auto& row = v.policies[i];
    std::string interval = "-";
    if (row.interval) {
      const bool in = row.measured >= row.interval->low && row.measured <= row.interval->high;
      interval = fmt::format("{} .. {}, {}", seconds_text(row.interval->low),
                             seconds_text(row.interval->high), in ? "inside" : "outside");
    }
    out += fmt::format("{:<26} {:>5} {:>10} {:>10} {:>+7.1f}%  {}\n",
                       shortened(row.policy, kNameLength), row.runs, seconds_text(row.predicted),
                       seconds_text(row.measured),
                       row.measured > 0 ? 100 * (row.predicted / row.measured - 1) : 0, interval);
  }
}

void add_phases(const Validation& v, std::string& out) {
  if (v.phases.empty()) return;
  double all = 0;
  for (const auto& row : v.phases) all += row.seconds;
  const bool waits = std::any_of(v.phases.begin(), v.phases.end(),
                                 [](const PhaseRow& row) { return row.waited.has_value(); });
  out += fmt::format("\n{:<26} {:>18} {:>12} {:>8}{}\n", "measured phase of a step", "term", "mean",
                     "share", waits ? "   waited for the device" : "");
  const std::size_t count = shown(v.phases, out);
  for (std::size_t i = 0; i < count; ++i) {
    const auto& row = v.phases[i];
    const auto waited = row.waited && row.seconds > 0
                            ? fmt::format(" {:>10}{}", percent(*row.waited / row.seconds),
                                          row.launch_bound() ? "  launch-bound" : "")
                            : "";
    out += fmt::format("{:<26} {:>18} {:>12} {:>8}{}\n", row.name, row.term,
                       seconds_text(row.seconds), percent(all > 0 ? row.seconds / all : 0), waited);
  }
}

void add_order(const Validation& v, std::string& out) {
  const auto& r = v.ranking;
  out += fmt::format(
      "\nOrder of policies: tau {}, {} of {} pairs right that are apart by more than twice the "
      "noise ({} pairs in all)\n",
      r.tau ? fmt::format("{:.3f}", *r.tau) : "-", r.pairs_right, r.pairs_apart, r.pairs);
  add_list(r.wrong, "  wrong: ", out);
  out += fmt::format("  regret: mean {}, worst {}{}\n", percent(r.regret_mean),
                     percent(r.regret_worst),
                     r.regret_worst.value_or(0) > 0 ? " (" + r.regret_setting + ")" : "");
  out += fmt::format(
      "  noise between passes: of a step {}, of a run {} (median), {} (P90: the floor)\n",
      percent(v.step_noise), percent(v.score_noise_median), percent(v.noise_floor));
  out += fmt::format("  skill: {} against one step time for all policies, {} against peaks\n",
                     v.skill_mean ? fmt::format("{:.2f}", *v.skill_mean) : "-",
                     v.skill_roofline ? fmt::format("{:.2f}", *v.skill_roofline) : "-");
  const auto& s = v.sensitivity;
  out += fmt::format(
      "  another network (predicted): {} of {} pairs turn at half the speed, {} at twice; the best "
      "policy changes in {} of {} settings\n",
      s.flipped_half, s.pairs, s.flipped_double, s.best_changed, s.settings);
  out += fmt::format("  95 % intervals: {} of {} measurements inside\n", v.coverage.inside,
                     v.coverage.points);
}

void add_doubts(const Validation& v, std::string& out) {
  out += "\nDoubts\n";
  out += fmt::format("  {} of {} steps followed another plan or dispatch than was decided\n",
                     v.digests_different, v.digests_compared);
  out +=
      fmt::format("  {} things were predicted outside the range of the profile\n", v.out_of_domain);
  std::vector<std::string> bound;
  for (const auto& row : v.phases) {
    if (row.launch_bound()) bound.push_back(row.name);
  }
  if (!bound.empty()) {
    out += fmt::format("  launch-bound, the device waits for the host: {}\n",
                       shortened(list_in_words(bound)));
  }
  if (!v.context.profile.assumed.empty()) {
    out += fmt::format("  assumed, not measured: {}\n",
                       shortened(list_in_words(v.context.profile.assumed)));
  }
  std::vector<std::string> failed;
  for (const auto& run : v.failed) failed.push_back(run.name + ": " + run.reason);
  add_list(failed, "  failed: ", out);
}

}  // namespace

std::string validation_text(const Validation& v) {
  std::string out;
  add_header(v, out);
  add_errors(v.terms, "term of a step", out);
  add_errors(v.steps, "whole steps", out);
  add_errors(v.stages, "stage", out);
  add_errors(v.recoveries, "loss to next step", out);
  add_errors(v.runs, "whole runs", out);
  if (v.memory) {
    out += fmt::format("memory of the fullest rank: median error {}, worst {}\n",
                       percent(v.memory->median), percent(v.memory->worst));
  }
  add_phases(v, out);
  add_policies(v, out);
  add_order(v, out);
  add_doubts(v, out);
  out += fmt::format("\n{:<8} {:<68} {:>9} {:>18}\n", "bound", "", "value", "wanted");
  for (const auto& bound : v.bounds) {
    const auto wanted = bound.low == bound.high ? percent(bound.high)
                        : bound.low > 0
                            ? fmt::format("{} .. {}", percent(bound.low), percent(bound.high))
                            : "<= " + percent(bound.high);
    out += fmt::format("{:<8} {:<68} {:>9} {:>18}\n",
                       !bound.value     ? "no data"
                       : bound.missed() ? "MISSED"
                                        : "ok",
                       bound.what, percent(bound.value), wanted);
  }
  return out + fmt::format("\n{}: {}\n", v.passed() ? "PASSED" : "NOT PASSED", v.verdict());
}

}  // namespace bethany
