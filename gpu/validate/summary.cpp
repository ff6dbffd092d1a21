#include "gpu/validate/summary.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>

#include "sim/base/check.h"
#include "sim/base/text.h"

namespace bethany {
namespace {

constexpr char kStep[] = "step";

std::optional<double> quantile(std::vector<double> values, double share) {
  if (values.empty()) return {};
  std::sort(values.begin(), values.end());
  return quantile_sorted(values, share);
}

/// Pairs by name and domain, in the order in which names come first.
class PairTable {
 public:
  void add(const std::string& name, bool in_domain, Pair pair) {
    auto& [pairs, measured] = rows_[{place_of(name), in_domain ? 0 : 1}];
    pairs.push_back(pair);
    measured += pair.measured;
    all_ += pair.measured;
  }

  std::vector<ErrorRow> rows() const {
    std::vector<ErrorRow> made;
    for (const auto& [key, row] : rows_) {
      ErrorRow out{.name = names_[key.first],
                   .in_domain = key.second == 0,
                   .share = all_ > 0 ? row.second / all_ : 0,
                   .error = {}};
      if (const auto summary = summarise(row.first)) {
        out.error = *summary;
      } else {
        for (const auto& pair : row.first) out.error.unmeasured += pair.predicted > 0 ? 1 : 0;
      }
      if (out.error.points + out.error.unmeasured > 0) made.push_back(std::move(out));
    }
    return made;
  }

 private:
  std::size_t place_of(const std::string& name) {
    const auto found = std::find(names_.begin(), names_.end(), name);
    if (found != names_.end()) return static_cast<std::size_t>(found - names_.begin());
    names_.push_back(name);
    return names_.size() - 1;
  }

  std::vector<std::string> names_;
  std::map<std::pair<std::size_t, int>, std::pair<std::vector<Pair>, double>> rows_;
  double all_ = 0;
};

/// Sums over one run.
struct RunSums {
  double predicted = 0;
  double measured = 0;
  double half = 0;
  double twice = 0;
  bool others_known = true;
  bool in_domain = true;
  std::optional<Interval> interval = Interval{};

  explicit RunSums(const CaseRun& run) {
    for (const auto& each : run.observations) {
      predicted += each.predicted;
      measured += each.measured;
      in_domain = in_domain && each.in_domain;
      others_known = others_known && each.others.has_value();
      if (each.others) {
        half += each.others->half_network;
        twice += each.others->double_network;
      }
      if (!each.interval) interval.reset();
      if (interval) {
        interval->low += each.interval->low;
        interval->high += each.interval->high;
      }
    }
  }
};

bool has_result(const CaseRun& run) {
  return run.failure.empty() && run.samples > 0 && !run.observations.empty();
}

/// The tables of errors.
class Tables {
 public:
  void add(const CaseRun& run) {
    std::map<std::int64_t, std::pair<Pair, bool>> recoveries;
    for (const auto& each : run.observations) {
      const Pair pair{each.predicted, each.measured};
      if (each.kind == kStep) {
        steps.add(kStep, each.in_domain, pair);
        for (const auto& term : each.terms) {
          terms.add(term.name, each.in_domain, {term.predicted, term.measured});
        }
      } else {
        stages.add(each.kind, each.in_domain, pair);
        if (each.recovery >= 0) {
          auto& [sum, inside] = recoveries.try_emplace(each.recovery, Pair{}, true).first->second;
          sum.predicted += each.predicted;
          sum.measured += each.measured;
          inside = inside && each.in_domain;
        }
      }
    }
    for (const auto& [number, recovery] : recoveries) {
      whole.add("recovery", recovery.second, recovery.first);
    }
    if (has_result(run)) {
      const RunSums sums(run);
      runs.add("run", sums.in_domain, {sums.predicted, sums.measured});
    }
    if (run.memory) memory.push_back({run.memory->predicted, run.memory->measured});
  }

  PairTable terms, steps, stages, whole, runs;
  std::vector<Pair> memory;
};

std::vector<PhaseRow> phase_rows(std::span<const CaseRun> runs) {
  std::vector<PhaseRow> rows;
  std::int64_t steps = 0;
  for (const auto& run : runs) {
    for (const auto& each : run.observations) {
      if (each.phases.empty()) continue;
      ++steps;
      for (const auto& phase : each.phases) {
        auto row = std::find_if(rows.begin(), rows.end(),
                                [&](const PhaseRow& made) { return made.name == phase.name; });
        if (row == rows.end()) {
          rows.push_back({phase.name, std::string(term_of_phase(phase.name))});
          row = rows.end() - 1;
        }
        row->seconds += phase.measured;
        if (phase.waited) row->waited = row->waited.value_or(0) + *phase.waited;
      }
    }
  }
  for (auto& row : rows) {
    row.seconds /= static_cast<double>(steps);
    if (row.waited) *row.waited /= static_cast<double>(steps);
  }
  return rows;
}

std::vector<PolicyRow> policy_rows(const ValidationContext& context,
                                   std::span<const CaseRun> runs) {
  std::vector<PolicyRow> rows;
  for (const auto& run : runs) {
    if (!has_result(run)) continue;
    const auto& policy = context.cases[run.index].policy;
    auto row = std::find_if(rows.begin(), rows.end(),
                            [&](const PolicyRow& each) { return each.policy == policy; });
    if (row == rows.end()) {
      rows.push_back({.policy = policy, .interval = Interval{}});
      row = rows.end() - 1;
    }
    const RunSums sums(run);
    ++row->runs;
    row->predicted += sums.predicted;
    row->measured += sums.measured;
    if (!sums.interval) row->interval.reset();
    if (row->interval) {
      row->interval->low += sums.interval->low;
      row->interval->high += sums.interval->high;
    }
  }
  return rows;
}

/// Scores by setting, means over the passes. A setting is in the order of the frozen list.
std::vector<Setting> settings_of(const ValidationContext& context, std::span<const CaseRun> runs) {
  std::map<std::size_t, std::pair<Score, int>> by_case;
  for (const auto& run : runs) {
    if (!has_result(run)) continue;
    const RunSums sums(run);
    const auto samples = static_cast<double>(run.samples);
    auto& [score, passes] = by_case[run.index];
    score.predicted += sums.predicted / samples;
    score.measured += sums.measured / samples;
    score.half_network += sums.others_known ? sums.half / samples : 0;
    score.double_network += sums.others_known ? sums.twice / samples : 0;
    ++passes;
  }
  std::vector<Setting> settings;
  for (auto& [index, sums] : by_case) {
    auto& [score, passes] = sums;
    for (auto* value :
         {&score.predicted, &score.measured, &score.half_network, &score.double_network}) {
      *value /= passes;
    }
    score.policy = context.cases[index].policy;
    const auto name = context.cases[index].setting();
    if (settings.empty() || settings.back().name != name) settings.push_back({name, {}});
    settings.back().scores.push_back(score);
  }
  return settings;
}

/// Which observation of a run this is, whatever happened between: kind, step, how many such before.
using Place = std::tuple<std::string, std::int64_t, int>;

std::map<Place, const Observation*> places_of(const CaseRun& run) {
  std::map<Place, const Observation*> places;
  for (const auto& each : run.observations) {
    int number = 0;
    while (places.count({each.kind, each.step, number}) > 0) ++number;
    places[{each.kind, each.step, number}] = &each;
  }
  return places;
}

/// Differences of the same thing in two passes, by name: of steps and of their terms.
using Differences = std::map<std::string, std::vector<double>>;

void add_difference(const std::string& name, double a, double b, Differences& differences) {
  if (a + b > 0) differences[name].push_back(relative_difference(a, b));
}

void compare_steps(const Observation& a, const Observation& b, Differences& differences) {
  add_difference(kStep, a.measured, b.measured, differences);
  for (const auto& term : a.terms) {
    const auto other = std::find_if(b.terms.begin(), b.terms.end(),
                                    [&](const auto& each) { return each.name == term.name; });
    if (other == b.terms.end()) continue;
    add_difference(term.name, term.measured, other->measured, differences);
  }
}

/// How much the first two passes of a case differ.
void compare_passes(std::span<const CaseRun> runs, Validation& validation) {
  std::map<std::size_t, const CaseRun*> first;
  Differences of_steps;
  std::vector<double> of_scores;
  for (const auto& run : runs) {
    if (run.pass == 0) first[run.index] = &run;
  }
  for (const auto& run : runs) {
    if (run.pass != 1 || first.count(run.index) == 0) continue;
    const CaseRun& a = *first[run.index];
    const auto places = places_of(a);
    for (const auto& [place, observation] : places_of(run)) {
      const auto found = places.find(place);
      if (std::get<0>(place) != kStep || found == places.end()) continue;
      compare_steps(*found->second, *observation, of_steps);
    }
    if (!has_result(a) || !has_result(run)) continue;
    of_scores.push_back(
        relative_difference(RunSums(a).measured / static_cast<double>(a.samples),
                            RunSums(run).measured / static_cast<double>(run.samples)));
  }
  for (auto* const rows : {&validation.terms, &validation.steps}) {
    for (auto& row : *rows) row.noise = quantile(of_steps[row.name], 0.5);
  }
  validation.step_noise = quantile(of_steps[kStep], 0.5);
  validation.score_noise_median = quantile(of_scores, 0.5);
  validation.noise_floor = quantile(std::move(of_scores), 0.9);
}

/// Skill against one step time for all policies of a setting (the mean of what was measured there)
/// and against the roofline.
void compare_baselines(const ValidationContext& context, std::span<const CaseRun> runs,
                       Validation& validation) {
  std::map<std::string, std::vector<double>> measured;
  for (const auto& run : runs) {
    auto& of_setting = measured[context.cases[run.index].setting()];
    for (const auto& each : run.observations) {
      if (each.kind == kStep) of_setting.push_back(each.measured);
    }
  }
  std::vector<Pair> model;
  std::vector<Pair> same;
  std::vector<Pair> with_roofline;
  std::vector<Pair> roofline;
  for (const auto& run : runs) {
    const auto& of_setting = measured[context.cases[run.index].setting()];
    const double middle = of_setting.empty() ? 0 : mean(of_setting);
    for (const auto& each : run.observations) {
      if (each.kind != kStep) continue;
      model.push_back({each.predicted, each.measured});
      same.push_back({middle, each.measured});
      if (!each.others || !(each.others->roofline > 0)) continue;
      with_roofline.push_back(model.back());
      roofline.push_back({each.others->roofline, each.measured});
    }
  }
  const auto compare = [](const std::vector<Pair>& ours, const std::vector<Pair>& theirs) {
    const auto our_errors = summarise(ours);
    const auto their_errors = summarise(theirs);
    return our_errors && their_errors ? skill(our_errors->median, their_errors->median)
                                      : std::nullopt;
  };
  validation.skill_mean = compare(model, same);
  validation.skill_roofline = compare(with_roofline, roofline);
}

void count(std::span<const CaseRun> runs, Validation& validation) {
  for (const auto& run : runs) {
    ++validation.attempted;
    if (!run.failure.empty() || run.samples == 0) {
      validation.failed.push_back(
          {fmt::format("{}, pass {}", validation.context.cases[run.index].name(),
                       run.pass == 0 ? "A" : "B"),
           run.failure.empty() ? "nothing was committed" : run.failure});
    }
    for (const auto& each : run.observations) {
      validation.out_of_domain += each.in_domain ? 0 : 1;
      if (!each.decided.empty() && !each.performed.empty()) {
        ++validation.digests_compared;
        validation.digests_different += each.decided == each.performed ? 0 : 1;
      }
      if (each.interval && each.measured > 0) {
        ++validation.coverage.points;
        const bool in = each.measured >= each.interval->low && each.measured <= each.interval->high;
        validation.coverage.inside += in ? 1 : 0;
      }
    }
  }
}

}  // namespace

bool PhaseRow::launch_bound() const {
  constexpr double kLeastWait = 0.1;  // of a phase that keeps its device busy
  return waited && *waited < kLeastWait * seconds;
}

bool Validation::passed() const {
  const bool missed = std::any_of(bounds.begin(), bounds.end(),
                                  [](const BoundResult& bound) { return bound.missed(); });
  return !missed && !steps.empty();
}

std::string Validation::verdict() const {
  if (steps.empty()) return "nothing was measured";
  std::vector<std::string> missed;
  std::size_t unknown = 0;
  for (const auto& bound : bounds) {
    if (bound.missed()) missed.push_back(bound.name);
    unknown += bound.value ? 0U : 1U;
  }
  std::string text = missed.empty() ? fmt::format("all {} bounds that could be checked hold",
                                                  bounds.size() - unknown)
                                    : fmt::format("{} of {} bounds missed: {}", missed.size(),
                                                  bounds.size() - unknown, list_in_words(missed));
  if (unknown > 0) text += fmt::format("; {} could not be checked", unknown);
  if (!failed.empty()) text += fmt::format("; {} runs failed", failed.size());
  if (attempted < planned) text += fmt::format("; {} of {} runs made", attempted, planned);
  return text;
}

Pilot evaluate_pilot(std::span<const CaseRun> pilot, std::int64_t least, std::int64_t most) {
  Pilot result;
  for (const auto& run : pilot) {
    // Steps of one configuration: those before the first thing that is no step. By prediction, so
    // that a load that drifts is no noise.
    std::vector<double> times;
    for (const auto& each : run.observations) {
      if (each.kind != kStep) break;
      if (each.predicted > 0) times.push_back(each.measured / each.predicted);
    }
    result.steps_seen += static_cast<std::int64_t>(times.size());
    // The first one pays for what ranks set up once: memory, the choice of kernels.
    if (times.size() > 1) times.erase(times.begin());
    if (times.size() < 2 || !(mean(times) > 0)) continue;
    result.variation = std::max(result.variation, coefficient_of_variation(times));
  }
  result.samples_wanted = sample_size(result.variation);
  result.steps = std::clamp(result.samples_wanted, least, most);
  return result;
}

void add_intervals(std::span<const CaseRun> pilot, std::span<CaseRun> runs) {
  std::size_t cases = 0;
  for (const auto& run : pilot) cases = std::max(cases, run.index + 1);
  std::map<std::string, std::vector<std::vector<double>>> errors;  // by kind and case
  for (const auto& run : pilot) {
    for (const auto& each : run.observations) {
      if (each.in_domain && each.predicted > 0 && each.measured > 0) {
        auto& of_cases = errors[each.kind];
        of_cases.resize(cases);
        of_cases[run.index].push_back(std::log(each.measured / each.predicted));
      }
    }
  }
  std::map<std::string, LogInterval> intervals;
  for (const auto& [kind, logs] : errors) {
    if (const auto interval = interval_of_cases(logs)) intervals[kind] = *interval;
  }
  for (auto& run : runs) {
    for (auto& each : run.observations) {
      const auto found = intervals.find(each.kind);
      if (found == intervals.end() || !each.in_domain) continue;
      each.interval = Interval{each.predicted * std::exp(found->second.low),
                               each.predicted * std::exp(found->second.high)};
    }
  }
}

Validation evaluate(ValidationContext context, Pilot pilot, std::span<const CaseRun> runs,
                    bool interrupted) {
  Validation result;
  result.context = std::move(context);
  result.pilot = pilot;
  result.interrupted = interrupted;
  const auto passes = static_cast<std::size_t>(result.context.passes);
  result.planned = static_cast<std::int64_t>(result.context.cases.size() * passes);
  Tables tables;
  for (const auto& run : runs) tables.add(run);
  result.terms = tables.terms.rows();
  result.steps = tables.steps.rows();
  result.stages = tables.stages.rows();
  result.recoveries = tables.whole.rows();
  result.runs = tables.runs.rows();
  result.memory = summarise(tables.memory);
  result.phases = phase_rows(runs);
  result.policies = policy_rows(result.context, runs);
  count(runs, result);
  compare_passes(runs, result);
  compare_baselines(result.context, runs, result);
  const auto settings = settings_of(result.context, runs);
  result.ranking = rank_policies(settings, result.noise_floor.value_or(0));
  result.sensitivity = network_sensitivity(settings);
  result.bounds = check_bounds(result);
  return result;
}

}  // namespace bethany
