#include <fmt/format.h>

#include <cstdint>
#include <memory>
#include <type_traits>

#include "sim/model/run_record.h"
#include "sim/model/run_record_fields.h"
#include "sim/study/schemas.h"

namespace bethany {
namespace {

constexpr char kPlanInRecord[] = R"({nodes: int, gpus_per_node: int, slots_per_node: int,
  experts: int, slots: [[int]]})";
constexpr char kLedgerInRecord[] = R"({total: str, productive: str, blocked: {#blocked: str},
  discarded: {rolled_back: str, step_in_flight: str}, unavailable: {#unavailable: str}})";

/// Puts down the fields of a fact, from the very list that writes and reads them.
class FieldShapes {
 public:
  template <class T>
  void operator()(std::string_view key, const T& value) {
    text_ += fmt::format("{}{}: {}", text_.empty() ? "" : ", ", key, shape_of(value));
  }
  const std::string& text() const { return text_; }

 private:
  template <class T>
  static std::string shape_of(const T&) {
    if constexpr (std::is_same_v<T, bool>) {
      return "bool";
    } else if constexpr (std::is_same_v<T, double>) {
      return "num";
    } else if constexpr (std::is_same_v<T, Int128> || std::is_enum_v<T> ||
                         std::is_convertible_v<T, std::string_view>) {
      return "str";
    } else {
      return "int";  // whole numbers, and times in ns
    }
  }
  static std::string shape_of(const std::vector<NodeId>&) { return "[int]"; }
  static std::string shape_of(const std::shared_ptr<const PlacementPlan>&) {
    return std::string(kPlanInRecord) + "?";
  }
  static std::string shape_of(const Ledger&) { return kLedgerInRecord; }
  static std::string shape_of(const TransferSummary& summary) {
    FieldShapes fields;
    record_fields(fields, summary);
    return "{" + fields.text() + "}";
  }

  std::string text_;
};

template <class Fact>
std::string fact_shape() {
  FieldShapes fields;
  const Fact fact{};
  record_fields(fields, fact);
  return fmt::format("{{event: '{}', {}}}", record_name(fact), fields.text());
}

template <class... Facts>
std::string facts_shape(const std::variant<Facts...>*) {
  std::string text = "{bethany_record: int, node_names: [str]}";
  ((text += "|" + fact_shape<Facts>()), ...);
  return text;
}

}  // namespace

std::vector<NamedShape> file_shapes() {
  return {
      {"trace", "a line of a trace (JSON Lines): the header, or an event", R"(
        {bethany_trace: int, name?: str, source?: str, source_sha256?: str, node_type?: str,
          start_ns: int, end_ns: int, nodes?: int, rows_dropped?: int, rows_merged?: int,
          rows_repaired?: int}
        |{t_ns: int, event: 'join'|'lost'|'notice'|'slow'|'normal', nodes: [str], cause?: str,
          deadline_ns?: int, factor?: num})"},
      {"routing", "a line of a routing load (JSON Lines): the header, or an entry", R"(
        {bethany_routing: int, layers: int, experts: int, top_k: int}
        |{step: int, loads: [[int]]})"},
      {"plan", "a plan file", R"({bethany_plan: int, nodes: int, gpus_per_node?: int,
        slots_per_node: int, experts: int,
        layers: [{replicas: [int], plan: [[int]], gpu_plan?: [[[int]]]}],
        domains?: [@plan_domain]})"},
      {"plan_domain", "", "{name: str, nodes?: [int], domains?: [@plan_domain]}"},
      {"profile", "a cost profile", R"({bethany_profile: int, name: str,
        kind: 'measured'|'assumed', constants: {*: {value: num, unit: str, source: str,
          kind: 'measured'|'assumed'|'published'|'fitted'}}, spread?: num, fits?: [@fit]})"},
      {"fit", "", R"({op: str, key: str, model: str, params: {*: num}, ci95?: {*: [num]},
        domain: {min: num, max: num, count_min?: num, count_max?: num},
        mape_in?: num, mape_holdout?: num, p95?: num, worst?: num, n?: int, note?: str,
        table?: {extent: [num], seconds: [num]}})"},
      {"record", "a line of events.jsonl: the header, or a fact",
       facts_shape(static_cast<const RunEvent*>(nullptr))},
  };
}

}  // namespace bethany
