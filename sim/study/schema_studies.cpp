#include "sim/study/schemas.h"

namespace bethany {

std::vector<NamedShape> study_shapes() {
  return {
      {"plan-answer", "what `plan` prints, and answer.json",
       "@plan_checkpoint|@plan_spares|@plan_f|@plan_breakeven|@plan_finish"},
      {"plan_mean", "", "{mean: num, low: num?, high: num?}"},
      {"plan_ratio", "", "{ratio: num, low: num?, high: num?}"},
      {"trace_source", "", "{name: str, sha256: str?, cap: str?, statistics: str?}"},
      {"profile_source", "", "{name: str, sha256: str?, kind: str}"},
      {"plan_checkpoint", "", R"({
        schema: 'bethany/plan/1', version: str, question: 'checkpoint', seed: int|str,
        trace: @trace_source, profile: @profile_source, policies: [str], replications: int,
        replays: int,
        rows: [{interval_s: int, goodput_tokens_per_s: @plan_mean?, ratio_to_best: @plan_ratio?,
          restarts: int?}],
        answer: {interval_s: int, flat_low_s: int, flat_high_s: int, goodput_tokens_per_s: num,
          ratio_as_given: @plan_ratio?, write_s: num?, mean_time_between_restarts_s: num?,
          young_s: num?, daly_s: num?},
        text: [str]})"},
      {"plan_spares", "", R"({
        schema: 'bethany/plan/1', version: str, question: 'spares', seed: int|str,
        trace: @trace_source, profile: @profile_source, policies: [str], replications: int,
        replays: int,
        rows: [{spares: int, machines: int, goodput_tokens_per_s: @plan_mean?,
          ratio_to_one_less: @plan_ratio?, tokens_per_machine_hour: num?,
          usd_per_million_tokens: num?, stalled_share: num?}],
        answer: {spares: int, kind: 'hot'|'cold', tokens_per_machine_hour: num}, text: [str]})"},
      {"plan_f", "", R"({
        schema: 'bethany/plan/1', version: str, question: 'f', seed: int|str,
        trace: @trace_source, profile: @profile_source, policies: [str], replications: int,
        replays: int,
        rows: [{fault_threshold: int, goodput_tokens_per_s: @plan_mean?,
          ratio_to_best: @plan_ratio?, restarts: int?, observed: num?, predicted: num?,
          guaranteed_losses_min: int?}],
        answer: {fault_threshold: int, goodput_tokens_per_s: num}, text: [str]})"},
      {"plan_breakeven", "", R"({
        schema: 'bethany/plan/1', version: str, question: 'breakeven', seed?: int|str,
        trace?: @trace_source, profile?: @profile_source, policies: [str], replications: int,
        replays: int,
        rows: [{value: num, text: str, goodput_tokens_per_s: [@plan_mean?], ratio: @plan_ratio?}],
        answer: {key: str, unit: 'count'|'number'|'s'|'B/s'|'B', value: num?, low: num?,
          high: num?, better_above: str?, crossings: int},
        text: [str]})"},
      {"plan_finish", "", R"({
        schema: 'bethany/plan/1', version: str, question: 'finish', seed: int|str,
        trace: @trace_source, profile: @profile_source, policies: [str], replications: int,
        replays: int, rows: [@finish_row],
        answer: {tokens: int, P10: @finish_row, P50: @finish_row, P90: @finish_row},
        text: [str]})"},
      {"finish_row", "", "{share: num, finish_s: num, cost_usd: num?}"},
      {"validation", "what `validate --json` prints, and validation.json", R"({
        schema: 'bethany/validation/1', version: str, seed: int|str, backend: str,
        mode: 'synthetic'|'serialised'|'threads'|'processes'|'partitioned'|'cluster',
        claims: [str], no_claims: [str], machine: {*: str},
        profile: {name: str, sha256: str, kind: 'measured'|'assumed', assumed: [str]},
        setup: {quick: bool, cases: int, cases_sha256: str, passes: int,
          pilot: {steps_seen: int, coefficient_of_variation: num, samples_wanted: int,
            steps_of_a_case: int},
          planned: int, attempted: int, interrupted: bool, failed: [{run: str, reason: str}]},
        phases: [{phase: str, in_domain: bool, share: num, points: int, unmeasured: int,
          bias: num?, median_ape: num?, p90_ape: num?, worst_ape: num?, noise: num?}],
        measured_phases: [{phase: str, term: str, seconds: num, waited_s: num?,
          launch_bound: bool?}],
        steps: [@what_errors], runs: [@what_errors],
        policies: [{policy: str, runs: int, predicted_s: num, measured_s: num, ape: num?, low: num?,
          high: num?}],
        recovery: [{stage: str, in_domain: bool, share: num, points: int, unmeasured: int,
          bias: num?, median_ape: num?, p90_ape: num?, worst_ape: num?, noise: num?}],
        recoveries: [@what_errors],
        memory: {points: int, unmeasured: int, bias: num?, median_ape: num?, p90_ape: num?,
          worst_ape: num?}?,
        ranking: {tau: num?, pairs: int, pairs_right: int, pairs_all: int, wrong: [str],
          regret_mean: num?, regret_setting: str,
          network: {pairs: int, flipped_at_half: int, flipped_at_double: int, settings: int,
            best_changed: int}},
        regret: num?, noise_floor: num?, noise_median: num?, step_noise: num?,
        skill: {one_time_for_all: num?, roofline: num?}, coverage: {inside: int, points: int},
        decided_performed: {compared: int, different: int}, out_of_domain: int,
        bounds: [{bound: str, what: str, low: num, high: num, value: num?, holds: bool?}],
        passed: bool, verdict: str})"},
      {"what_errors", "", R"({what: str, in_domain: bool, share: num, points: int, unmeasured: int,
        bias: num?, median_ape: num?, p90_ape: num?, worst_ape: num?, noise: num?})"},
      {"sweep", "what `sweep` and `merge` print when complete", R"({
        schema: 'bethany/sweep/1', version: str, directory: str, runs: int,
        status: {ok: int, infeasible: int, invalid: int},
        rows: [{assignment: {*: any}, runs: int, ok: int, goodput_tokens_per_s: num?,
          reason: str?}],
        rows_left_out: int})"},
      {"sweep-manifest", "manifest.json of a sweep", R"({
        schema: 'bethany/sweep-manifest/1', version: str, hash: str, runs: int,
        shard: {index: int, count: int}?, seed: int,
        axes: [{kind: 'grid'|'zip', key: str, values: [any]}|
          {kind: 'random', key: str, from: str, samples: int}],
        policies: [str], replications: int, files: [{key: str, path: str, sha256: str}],
        scenario: {*: any}})"},
      {"sweep-run", "a line of runs.jsonl", R"({
        run_id: str, assignment: {*: any}, replication: int,
        status: 'ok'|'infeasible'|'invalid', reason: str?, result: @replay?})"},
      {"sweep-plan", "what `sweep --dry-run` prints", R"({
        schema: 'bethany/sweep-plan/1', version: str, runs: int, first: {*: any}, last: {*: any},
        timed_runs: int, seconds_per_run: num, threads: int, estimated_s: num})"},
  };
}

}  // namespace bethany
