#include "analysis/report/validation.h"

#include <fmt/format.h>

#include "analysis/report/json_values.h"
#include "sim/base/text.h"

namespace bethany {
namespace {

using Kind = JsonNode::Kind;

constexpr char kSchema[] = "bethany/validation/1";

ReportTable::Cell text_cell(const JsonNode& row, const char* key) {
  return {text_at(row, {key}), {}, false};
}

ReportTable::Cell count_cell(const JsonNode& row, const char* key) {
  const auto value = number_at(row, {key});
  return {value ? fmt::format("{:.0f}", *value) : "–", value, false};
}

ReportTable::Cell percent_cell(const JsonNode& row, const char* key) {
  const auto value = number_at(row, {key});
  return {value ? fmt::format("{:.1f} %", 100 * *value) : "–", value, false};
}

ReportTable::Cell seconds_cell(const JsonNode& row, const char* key) {
  const auto value = number_at(row, {key});
  return {value ? fmt::format("{:.4g}", *value) : "–", value, false};
}

/// Rows of errors: of phases, steps, stages.
ReportTable error_table(const JsonNode& validation, std::initializer_list<const char*> lists,
                        const char* title) {
  ReportTable table;
  table.columns = {{title, "", false},
                   {"points", "measurements with a prediction", true},
                   {"share", "of the time measured in this table", true},
                   {"bias", "median of predicted / measured - 1", true},
                   {"median error", "of the absolute value", true},
                   {"P90 error", "", true},
                   {"worst error", "", true}};
  for (const auto* list : lists) {
    for (const auto& row : items_of(validation, list)) {
      std::string name;
      for (const auto* key : {"phase", "stage", "what"}) name += text_at(row, {key});
      if (!flag_at(row, {"in_domain"})) name += ", outside the profile's range";
      table.rows.push_back({.cells = {{name, {}, false},
                                      count_cell(row, "points"),
                                      percent_cell(row, "share"),
                                      percent_cell(row, "bias"),
                                      percent_cell(row, "median_ape"),
                                      percent_cell(row, "p90_ape"),
                                      percent_cell(row, "worst_ape")}});
    }
  }
  return table;
}

ReportTable bounds_table(const JsonNode& validation) {
  ReportTable table;
  table.columns = {{"bound", "", false},
                   {"result", "", false},
                   {"value", "", true},
                   {"from", "", true},
                   {"to", "", true}};
  for (const auto& row : items_of(validation, "bounds")) {
    const auto* holds = value_at(row, {"holds"});
    const char* result = holds == nullptr ? "no data" : holds->boolean ? "holds" : "MISSED";
    table.rows.push_back({.cells = {text_cell(row, "what"),
                                    {result, {}, false},
                                    percent_cell(row, "value"),
                                    percent_cell(row, "low"),
                                    percent_cell(row, "high")}});
  }
  return table;
}

ReportTable policy_table(const JsonNode& validation) {
  ReportTable table;
  table.columns = {{"policy", "", false},
                   {"runs", "", true},
                   {"predicted, s", "all runs together", true},
                   {"measured, s", "", true},
                   {"error", "", true},
                   {"low, s", "end of the 95 % interval of the prediction", true},
                   {"high, s", "", true}};
  for (const auto& row : items_of(validation, "policies")) {
    table.rows.push_back(
        {.cells = {text_cell(row, "policy"), count_cell(row, "runs"),
                   seconds_cell(row, "predicted_s"), seconds_cell(row, "measured_s"),
                   percent_cell(row, "ape"), seconds_cell(row, "low"), seconds_cell(row, "high")}});
  }
  return table;
}

std::vector<std::string> texts_of(const JsonNode& object, std::string_view key) {
  std::vector<std::string> texts;
  for (const auto& item : items_of(object, key)) texts.push_back(item.text);
  return texts;
}

std::string percent_or_none(const std::optional<double>& share) {
  return share ? fmt::format("{:.1f} %", 100 * *share) : "not measured";
}

}  // namespace

void check_validation(const JsonNode& validation) {
  const auto& schema = required(validation, "schema", Kind::string);
  if (schema.text != kSchema) {
    fail_at(schema, fmt::format("/schema: expected '{}'", kSchema));
  }
  for (const auto* text : {"verdict", "mode", "backend"}) {
    required(validation, text, Kind::string);
  }
  required(validation, "passed", Kind::boolean);
  for (const auto* object : {"machine", "profile", "setup", "ranking", "coverage"}) {
    required(validation, object, Kind::object);
  }
  for (const auto* list : {"claims", "no_claims", "phases", "steps", "runs", "policies", "recovery",
                           "recoveries", "bounds"}) {
    required(validation, list, Kind::array);
  }
}

std::vector<std::pair<std::string, std::string>> validation_card(const JsonNode& validation) {
  std::vector<std::pair<std::string, std::string>> card{
      {"result", flag_at(validation, {"passed"}) ? "passed" : "not passed"},
      {"measured on",
       fmt::format("{}, mode {}", text_at(validation, {"backend"}), text_at(validation, {"mode"}))},
      {"predicted with",
       fmt::format("profile {} ({}), sha256 {}", text_at(validation, {"profile", "name"}),
                   text_at(validation, {"profile", "kind"}),
                   text_at(validation, {"profile", "sha256"}).substr(0, 16))},
      {"runs", fmt::format("{} of {} planned, {} failed",
                           integer_at(validation, {"setup", "attempted"}).value_or(0),
                           integer_at(validation, {"setup", "planned"}).value_or(0),
                           items_of(*validation.find("setup"), "failed").size())},
      {"held-out cases, sha256", text_at(validation, {"setup", "cases_sha256"}).substr(0, 16)},
      {"noise between passes", percent_or_none(number_at(validation, {"noise_floor"}))},
      {"worst regret", percent_or_none(number_at(validation, {"regret"}))},
      {"pairs of policies in the right order",
       fmt::format("{} of {} beyond the noise",
                   integer_at(validation, {"ranking", "pairs_right"}).value_or(0),
                   integer_at(validation, {"ranking", "pairs"}).value_or(0))}};
  for (const auto& fact : validation.find("machine")->members) {
    card.emplace_back(fact.key, fact.value.text);
  }
  return card;
}

std::vector<std::pair<std::string, ReportTable>> validation_tables(const JsonNode& validation) {
  return {
      {"Bounds of this mode", bounds_table(validation)},
      {"Policies: all their runs, recoveries included", policy_table(validation)},
      {"Terms of a step", error_table(validation, {"phases"}, "term")},
      {"Steps, recoveries from the loss to the next step, and whole runs",
       error_table(validation, {"steps", "recoveries", "runs"}, "what")},
      {"Stages of changes, and checkpoint writes", error_table(validation, {"recovery"}, "stage")}};
}

std::string claims_text(const JsonNode& validation) {
  return fmt::format("Shown: {}. Not shown: {}.", fmt::join(texts_of(validation, "claims"), "; "),
                     fmt::join(texts_of(validation, "no_claims"), "; "));
}

}  // namespace bethany
