#include <fmt/format.h>

#include "gpu/validate/report.h"

namespace bethany {
namespace {

JsonNode optional_number(const std::optional<double>& value) {
  return value ? JsonNode::of(*value) : JsonNode{};
}

JsonNode texts(const std::vector<std::string>& values) {
  std::vector<JsonNode> items;
  for (const auto& value : values) items.push_back(JsonNode::of(value));
  return JsonNode::array_of(std::move(items));
}

/// An array with an object for each value, filled by `fill`.
template <class Value, class Fill>
JsonNode rows_of(const std::vector<Value>& values, const Fill& fill) {
  std::vector<JsonNode> items;
  for (const auto& value : values) {
    JsonNode item;
    fill(value, item);
    items.push_back(std::move(item));
  }
  return JsonNode::array_of(std::move(items));
}

void add_errors(const ErrorSummary& error, JsonNode& into) {
  const bool known = error.points > 0;
  into.member("points") = JsonNode::of(error.points);
  into.member("unmeasured") = JsonNode::of(error.unmeasured);
  into.member("bias") = known ? JsonNode::of(error.bias) : JsonNode{};
  into.member("median_ape") = known ? JsonNode::of(error.median) : JsonNode{};
  into.member("p90_ape") = known ? JsonNode::of(error.p90) : JsonNode{};
  into.member("worst_ape") = known ? JsonNode::of(error.worst) : JsonNode{};
}

JsonNode error_rows(const std::vector<ErrorRow>& rows, const char* what) {
  return rows_of(rows, [&](const ErrorRow& row, JsonNode& item) {
    item.member(what) = JsonNode::of(row.name);
    item.member("in_domain") = JsonNode::of(row.in_domain);
    item.member("share") = JsonNode::of(row.share);
    add_errors(row.error, item);
    item.member("noise") = optional_number(row.noise);
  });
}

JsonNode setup_json(const Validation& v) {
  JsonNode setup;
  setup.member("quick") = JsonNode::of(v.context.quick);
  setup.member("cases") = JsonNode::of(static_cast<std::int64_t>(v.context.cases.size()));
  setup.member("cases_sha256") = JsonNode::of(cases_sha256(v.context.cases));
  setup.member("passes") = JsonNode::of(std::int64_t{v.context.passes});
  JsonNode& pilot = setup.member("pilot");
  pilot.member("steps_seen") = JsonNode::of(v.pilot.steps_seen);
  pilot.member("coefficient_of_variation") = JsonNode::of(v.pilot.variation);
  pilot.member("samples_wanted") = JsonNode::of(v.pilot.samples_wanted);
  pilot.member("steps_of_a_case") = JsonNode::of(v.pilot.steps);
  setup.member("planned") = JsonNode::of(v.planned);
  setup.member("attempted") = JsonNode::of(v.attempted);
  setup.member("interrupted") = JsonNode::of(v.interrupted);
  setup.member("failed") = rows_of(v.failed, [](const FailedRun& run, JsonNode& item) {
    item.member("run") = JsonNode::of(run.name);
    item.member("reason") = JsonNode::of(run.reason);
  });
  return setup;
}

JsonNode profile_json(const ProfileStamp& profile) {
  JsonNode stamp;
  stamp.member("name") = JsonNode::of(profile.name);
  stamp.member("sha256") = JsonNode::of(profile.sha256);
  stamp.member("kind") = JsonNode::of(profile.kind);
  stamp.member("assumed") = texts(profile.assumed);
  return stamp;
}

JsonNode ranking_json(const Ranking& ranking, const Sensitivity& sensitivity) {
  JsonNode made;
  made.member("tau") = optional_number(ranking.tau);
  made.member("pairs") = JsonNode::of(std::int64_t{ranking.pairs_apart});
  made.member("pairs_right") = JsonNode::of(std::int64_t{ranking.pairs_right});
  made.member("pairs_all") = JsonNode::of(std::int64_t{ranking.pairs});
  made.member("wrong") = texts(ranking.wrong);
  made.member("regret_mean") = optional_number(ranking.regret_mean);
  made.member("regret_setting") = JsonNode::of(ranking.regret_setting);
  JsonNode& network = made.member("network");
  network.member("pairs") = JsonNode::of(std::int64_t{sensitivity.pairs});
  network.member("flipped_at_half") = JsonNode::of(std::int64_t{sensitivity.flipped_half});
  network.member("flipped_at_double") = JsonNode::of(std::int64_t{sensitivity.flipped_double});
  network.member("settings") = JsonNode::of(std::int64_t{sensitivity.settings});
  network.member("best_changed") = JsonNode::of(std::int64_t{sensitivity.best_changed});
  return made;
}

}  // namespace

JsonNode validation_json(const Validation& v) {
  JsonNode made;
  made.member("schema") = JsonNode::of("bethany/validation/1");
  made.member("version") = JsonNode::of(BETHANY_VERSION);
  made.member("seed") = JsonNode::of(static_cast<std::int64_t>(v.context.seed));
  made.member("backend") = JsonNode::of(v.context.backend);
  made.member("mode") = JsonNode::of(std::string(name_of(v.context.mode)));
  made.member("claims") = texts(claims_of(v.context.mode).may);
  made.member("no_claims") = texts(claims_of(v.context.mode).may_not);
  JsonNode& machine = made.member("machine");
  machine.kind = JsonNode::Kind::object;
  for (const auto& [key, value] : v.context.facts) machine.member(key) = JsonNode::of(value);
  made.member("profile") = profile_json(v.context.profile);
  made.member("setup") = setup_json(v);
  made.member("phases") = error_rows(v.terms, "phase");
  made.member("measured_phases") = rows_of(v.phases, [](const PhaseRow& row, JsonNode& item) {
    item.member("phase") = JsonNode::of(row.name);
    item.member("term") = JsonNode::of(row.term);
    item.member("seconds") = JsonNode::of(row.seconds);
    item.member("waited_s") = optional_number(row.waited);
    item.member("launch_bound") = row.waited ? JsonNode::of(row.launch_bound()) : JsonNode{};
  });
  made.member("steps") = error_rows(v.steps, "what");
  made.member("runs") = error_rows(v.runs, "what");
  made.member("policies") = rows_of(v.policies, [](const PolicyRow& row, JsonNode& item) {
    item.member("policy") = JsonNode::of(row.policy);
    item.member("runs") = JsonNode::of(row.runs);
    item.member("predicted_s") = JsonNode::of(row.predicted);
    item.member("measured_s") = JsonNode::of(row.measured);
    const bool known = row.measured > 0;
    item.member("ape") =
        known ? JsonNode::of(std::abs(row.predicted / row.measured - 1)) : JsonNode{};
    item.member("low") = row.interval ? JsonNode::of(row.interval->low) : JsonNode{};
    item.member("high") = row.interval ? JsonNode::of(row.interval->high) : JsonNode{};
  });
  made.member("recovery") = error_rows(v.stages, "stage");
  made.member("recoveries") = error_rows(v.recoveries, "what");
  if (v.memory) {
    add_errors(*v.memory, made.member("memory"));
  } else {
    made.member("memory") = {};
  }
  made.member("ranking") = ranking_json(v.ranking, v.sensitivity);
  made.member("regret") = optional_number(v.ranking.regret_worst);
  made.member("noise_floor") = optional_number(v.noise_floor);
  made.member("noise_median") = optional_number(v.score_noise_median);
  made.member("step_noise") = optional_number(v.step_noise);
  JsonNode& skills = made.member("skill");
  skills.member("one_time_for_all") = optional_number(v.skill_mean);
  skills.member("roofline") = optional_number(v.skill_roofline);
  JsonNode& coverage = made.member("coverage");
  coverage.member("inside") = JsonNode::of(v.coverage.inside);
  coverage.member("points") = JsonNode::of(v.coverage.points);
  JsonNode& digests = made.member("decided_performed");
  digests.member("compared") = JsonNode::of(v.digests_compared);
  digests.member("different") = JsonNode::of(v.digests_different);
  made.member("out_of_domain") = JsonNode::of(v.out_of_domain);
  made.member("bounds") = rows_of(v.bounds, [](const BoundResult& bound, JsonNode& item) {
    item.member("bound") = JsonNode::of(bound.name);
    item.member("what") = JsonNode::of(bound.what);
    item.member("low") = JsonNode::of(bound.low);
    item.member("high") = JsonNode::of(bound.high);
    item.member("value") = optional_number(bound.value);
    item.member("holds") = bound.value ? JsonNode::of(!bound.missed()) : JsonNode{};
  });
  made.member("passed") = JsonNode::of(v.passed());
  made.member("verdict") = JsonNode::of(v.verdict());
  return made;
}

std::string observations_csv(const ValidationContext& context, std::span<const CaseRun> runs) {
  std::string out =
      "policy,routing,nodes,failures,seed,pass,kind,step,recovery,in_domain,predicted_s,measured_s,"
      "low_s,high_s,terms,phases,decided,performed\n";
  for (const auto& run : runs) {
    const auto& made = context.cases[run.index];
    for (const auto& each : run.observations) {
      std::string terms;
      for (const auto& term : each.terms) {
        terms += fmt::format("{}{}:{:.7g}:{:.7g}", terms.empty() ? "" : " ", term.name,
                             term.predicted, term.measured);
      }
      std::string phases;
      for (const auto& phase : each.phases) {
        phases += fmt::format("{}{}:{:.7g}", phases.empty() ? "" : " ", phase.name, phase.measured);
        if (phase.waited) phases += fmt::format(":{:.7g}", *phase.waited);
      }
      std::string interval = ",";
      if (each.interval)
        interval = fmt::format("{:.7g},{:.7g}", each.interval->low, each.interval->high);
      out +=
          fmt::format("{},{},{},{},{},{},{},{},{},{},{:.9g},{:.9g},{},{},{},{},{}\n", made.policy,
                      made.routing, made.nodes, made.failures, made.seed, run.pass == 0 ? "A" : "B",
                      each.kind, each.step, each.recovery, each.in_domain ? 1 : 0, each.predicted,
                      each.measured, interval, terms, phases, each.decided, each.performed);
    }
  }
  return out;
}

}  // namespace bethany
