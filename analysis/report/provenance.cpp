#include "analysis/report/provenance.h"

#include <fmt/format.h>

#include <algorithm>

#include "analysis/number_text.h"
#include "analysis/report/clean_text.h"
#include "analysis/report/figure_parts.h"
#include "analysis/report/json_values.h"
#include "analysis/table.h"
#include "sim/base/quantities.h"
#include "sim/base/text.h"

namespace bethany {
namespace {

/// Characters of a name in a sentence.
constexpr std::size_t kName = 60;

bool is_sweep(const ReportData& data) { return data.comparison.kind == JsonNode::Kind::null; }

std::string model_text(const JsonNode& scenario) {
  const auto* model = scenario.find("model");
  if (model == nullptr) return "UNKNOWN";
  if (model->kind == JsonNode::Kind::string) return model->text;
  for (const auto* key : {"name", "config"}) {
    const auto name = text_at(*model, {key});
    if (!name.empty()) return name;
  }
  return "given in the scenario";
}

/// "" when the scenario leaves it to defaults, as that of a sweep may.
std::string batch_text(const JsonNode& scenario) {
  const auto sequences = integer_at(scenario, {"training", "batch", "sequences"});
  const auto length = integer_at(scenario, {"training", "sequence_length"});
  if (!sequences || !length) return "";
  const bool global = text_at(scenario, {"training", "batch", "mode"}) == "global";
  const auto accumulation = integer_at(scenario, {"training", "batch", "accumulation"});
  return fmt::format("{} sequences of {} tokens {}, accumulation {}", grouped(*sequences),
                     grouped(*length), global ? "in all" : "on each GPU", accumulation.value_or(1));
}

std::string cluster_text(const JsonNode& scenario) {
  const auto* type = value_at(scenario, {"cluster", "node_type"});
  std::string name = "given in the scenario";
  if (type != nullptr && type->kind == JsonNode::Kind::string) name = type->text;
  if (type != nullptr && type->kind == JsonNode::Kind::object) {
    const std::string given = text_at(*type, {"name"});
    if (!given.empty()) name = given;
  }
  const auto nodes = integer_at(scenario, {"cluster", "nodes"});
  std::string text = nodes ? grouped(*nodes) + " nodes" : "nodes by default";
  text += ", type " + name;
  const auto slots = integer_at(scenario, {"cluster", "slots_per_gpu"});
  if (slots) text += fmt::format(", {} expert slots on a GPU", *slots);
  return text;
}

std::string joined(const std::vector<std::string>& values) {
  std::string all;
  for (const auto& value : values) all += (all.empty() ? "" : ",") + value;
  return all;
}

/// "cluster.nodes=8,10", or "cluster.nodes=1..9" of a random one: as sweep takes it.
std::string axis_setting(const JsonNode& axis) {
  std::vector<std::string> values;
  for (const auto& value : items_of(axis, "values")) {
    values.push_back(value.kind == JsonNode::Kind::string ? value.text : to_line(value));
  }
  return text_at(axis, {"key"}) + "=" + (values.empty() ? text_at(axis, {"from"}) : joined(values));
}

std::string axis_text(const JsonNode& axis) {
  const std::string kind = text_at(axis, {"kind"});
  return axis_setting(axis) + (kind == "grid" ? "" : ", " + kind);
}

std::string with_hash(std::string text, const std::string& hash) {
  return hash.empty() ? text : text + fmt::format(" (sha256 {})", hash.substr(0, 12));
}

/// A run that says where results come from; null of a sweep without any.
const JsonNode* any_run(const ReportData& data) {
  if (!is_sweep(data)) return &items_of(data.comparison, "runs").front();
  for (const auto& run : data.sweep_runs) {
    const auto* result = value_at(run, {"result"});
    if (result != nullptr) return result;
  }
  return nullptr;
}

bool any_price(const ReportData& data) {
  const auto has_cost = [](const JsonNode& run) {
    return number_at(run, {"cost_usd"}).has_value();
  };
  if (!is_sweep(data)) {
    const auto& runs = items_of(data.comparison, "runs");
    return std::any_of(runs.begin(), runs.end(), has_cost);
  }
  return std::any_of(data.sweep_runs.begin(), data.sweep_runs.end(), [&](const JsonNode& run) {
    const auto* result = value_at(run, {"result"});
    return result != nullptr && has_cost(*result);
  });
}

}  // namespace

std::vector<std::pair<std::string, std::string>> scenario_card(const ReportData& data) {
  std::vector<std::pair<std::string, std::string>> card;
  const JsonNode& scenario = data.scenario;
  card.emplace_back("Model", model_text(scenario));
  const std::string batch = batch_text(scenario);
  if (!batch.empty()) card.emplace_back("Batch", batch);
  card.emplace_back("Cluster", cluster_text(scenario));
  for (const auto& axis : items_of(data.manifest, "axes")) {
    card.emplace_back("Varied", axis_text(axis));
  }
  const JsonNode* run = any_run(data);
  if (run != nullptr) {
    const std::string trace = text_at(*run, {"trace", "name"});
    card.emplace_back("Failure trace", with_hash(trace.empty() ? "none" : trace,
                                                 text_at(*run, {"trace", "sha256"})));
    const std::string cap = text_at(*run, {"trace", "cap"});
    if (!cap.empty()) card.emplace_back("Nodes of the trace", cap);
    const std::string statistics = text_at(*run, {"trace", "statistics"});
    if (!statistics.empty()) {
      const bool one = !is_sweep(data) && replications_of(data) == 1;
      card.emplace_back(one ? "Trace as replayed" : "Trace of the first run", statistics);
    }
    card.emplace_back("Cost profile",
                      with_hash(fmt::format("{}, {}", text_at(*run, {"profile", "name"}),
                                            text_at(*run, {"profile", "kind"})),
                                text_at(*run, {"profile", "sha256"})));
    const auto horizon = number_at(*run, {"horizon_s"});
    if (horizon) {
      card.emplace_back("Horizon",
                        rounded_text(Duration(static_cast<std::int64_t>(*horizon * 1e9))));
    }
    const auto* seed = value_at(*run, {"seed"});
    if (seed != nullptr) {
      card.emplace_back("Seed", seed->kind == JsonNode::Kind::string ? seed->text : to_line(*seed));
    }
    card.emplace_back("Made by", "bethany " + text_at(*run, {"version"}));
  }
  if (replications_of(data) > 1) {
    card.emplace_back("Replications",
                      fmt::format("{}, every policy on the same traces", replications_of(data)));
  }
  if (!any_price(data)) {
    card.emplace_back("Prices", "UNKNOWN: the scenario has none, so no cost is shown");
  }
  return card;
}

std::vector<std::string> report_warnings(const ReportData& data) {
  std::vector<std::string> warnings;
  const JsonNode* run = any_run(data);
  if (run != nullptr && text_at(*run, {"profile", "kind"}) != "measured") {
    warnings.push_back(
        fmt::format("Durations come from the profile {}, which is assumed, not measured on a "
                    "machine of this kind: trust ratios more than absolute numbers.",
                    text_at(*run, {"profile", "name"})));
  }
  if (is_sweep(data)) return warnings;
  if (replications_of(data) == 1 && items_of(data.comparison, "policies").size() > 1) {
    warnings.emplace_back(
        "One trace only: another trace may rank the policies differently, and no interval can be "
        "given.");
  }
  std::int64_t outside = 0;
  for (const auto& each : items_of(data.comparison, "runs")) {
    outside += integer_at(each, {"out_of_range_queries"}).value_or(0);
  }
  if (outside > 0) {
    warnings.push_back(fmt::format(
        "{} durations were asked for outside the range that the profile was measured in.",
        grouped(outside)));
  }
  for (const auto& entry : items_of(data.comparison, "policies")) {
    if (!flag_at(entry, {"feasible"})) {
      warnings.push_back(fmt::format("{} has no run: {}",
                                     short_text(text_at(entry, {"policy"}), kName),
                                     text_at(entry, {"reason"})));
    }
  }
  for (const auto& note : items_of(data.comparison, "notes")) {
    if (note.kind == JsonNode::Kind::string) warnings.push_back(note.text);
  }
  return warnings;
}

std::string command_of(const ReportData& data) {
  if (!is_sweep(data)) {
    const std::string command = text_at(data.comparison, {"command"});
    return command.empty() ? "bethany compare scenario.json" : command;
  }
  std::string command = "bethany sweep scenario.json";
  std::int64_t samples = 0;
  for (const auto& axis : items_of(data.manifest, "axes")) {
    command += fmt::format(" --{} {}", text_at(axis, {"kind"}), shell_word(axis_setting(axis)));
    samples = std::max(samples, integer_at(axis, {"samples"}).value_or(0));
  }
  if (samples > 0) command += fmt::format(" --samples {}", samples);
  std::vector<std::string> policies;
  for (const auto& policy : items_of(data.manifest, "policies")) policies.push_back(policy.text);
  if (!policies.empty()) command += " --policies " + shell_word(joined(policies));
  const auto replications = integer_at(data.manifest, {"replications"}).value_or(1);
  if (replications > 1) command += fmt::format(" --replications {}", replications);
  return command;
}

std::string title_of(const ReportData& data) {
  const std::string name = text_at(data.scenario, {"name"});
  return name.empty() ? model_text(data.scenario) : name;
}

}  // namespace bethany
