#include "sim/model/run_record_file.h"

#include <fmt/format.h>

#include <iterator>

#include "sim/base/json.h"
#include "sim/model/run_record_fields.h"

namespace bethany {
namespace {

/// Appends `,"key":value` for every field.
class FieldWriter {
 public:
  explicit FieldWriter(std::string& out) : out_(out) {}

  void operator()(std::string_view key, std::int64_t value) { put(key, "{}", value); }
  void operator()(std::string_view key, int value) { put(key, "{}", value); }
  void operator()(std::string_view key, bool value) { put(key, "{}", value ? "true" : "false"); }
  void operator()(std::string_view key, double value) { put(key, "{}", value); }
  void operator()(std::string_view key, SimTime value) {
    put(key, "{}", value.time_since_epoch().count());
  }
  void operator()(std::string_view key, Duration value) { put(key, "{}", value.count()); }
  void operator()(std::string_view key, Int128 value) { put(key, "\"{}\"", to_text(value)); }
  void operator()(std::string_view key, std::string_view value) {
    put(key, "{}", to_line(JsonNode::of(std::string(value))));
  }
  void operator()(std::string_view key, Stage value) { put(key, "\"{}\"", name_of(value)); }
  void operator()(std::string_view key, Recovery value) { put(key, "\"{}\"", name_of(value)); }
  void operator()(std::string_view key, PlanCause value) { put(key, "\"{}\"", name_of(value)); }
  void operator()(std::string_view key, Blocked value) {
    put(key, "\"{}\"", kBlockedNames[static_cast<std::size_t>(value)]);
  }

  void operator()(std::string_view key, const std::vector<NodeId>& nodes) {
    open(key, '[');
    for (const NodeId node : nodes) item(node.value);
    out_ += ']';
  }

  void operator()(std::string_view key, const std::shared_ptr<const PlacementPlan>& plan) {
    if (plan == nullptr) return put(key, "{}", "null");
    open(key, '{');
    (*this)("nodes", plan->nodes);
    (*this)("gpus_per_node", plan->gpus_per_node);
    (*this)("slots_per_node", plan->slots_per_node);
    (*this)("experts", plan->experts);
    open("slots", '[');
    for (const LayerPlan& layer : plan->layers) {
      separate();
      out_ += '[';
      for (const auto expert : layer.expert_of_slot) item(expert);
      out_ += ']';
    }
    out_ += "]}";
  }

  void operator()(std::string_view key, const TransferSummary& summary) {
    open(key, '{');
    record_fields(*this, summary);
    out_ += '}';
  }

  void operator()(std::string_view key, const Ledger& ledger) {
    open(key, '{');
    (*this)("total", ledger.total);
    (*this)("productive", ledger.productive);
    buckets("blocked", kBlockedNames, ledger.blocked);
    open("discarded", '{');
    (*this)("rolled_back", ledger.rolled_back);
    (*this)("step_in_flight", ledger.step_in_flight);
    out_ += '}';
    buckets("unavailable", kUnavailableNames, ledger.unavailable);
    out_ += '}';
  }

 private:
  template <class Value>
  void put(std::string_view key, fmt::format_string<const Value&> form, const Value& value) {
    begin(key);
    fmt::format_to(std::back_inserter(out_), form, value);
  }

  template <std::size_t N>
  void buckets(std::string_view key, const std::array<std::string_view, N>& names,
               const std::array<Int128, N>& values) {
    open(key, '{');
    for (std::size_t i = 0; i < N; ++i) (*this)(names[i], values[i]);
    out_ += '}';
  }

  void begin(std::string_view key) {
    separate();
    fmt::format_to(std::back_inserter(out_), "\"{}\":", key);
  }
  void open(std::string_view key, char bracket) {
    begin(key);
    out_ += bracket;
  }
  void item(std::int32_t value) {
    separate();
    fmt::format_to(std::back_inserter(out_), "{}", value);
  }
  void separate() {
    if (out_.back() != '{' && out_.back() != '[') out_ += ',';
  }

  std::string& out_;
};

}  // namespace

RecordWriter::RecordWriter(const RecordHeader& header) {
  JsonNode line;
  line.member("bethany_record") = JsonNode::of(std::int64_t{kRecordVersion});
  std::vector<JsonNode> names;
  for (const auto& name : header.node_names) names.push_back(JsonNode::of(name));
  line.member("node_names") = JsonNode::array_of(std::move(names));
  text_ = to_line(line) + "\n";
}

void RecordWriter::take(const RunEvent& event) {
  std::visit(
      [this](const auto& fact) {
        text_ += '{';
        FieldWriter writer(text_);
        writer("event", record_name(fact));
        record_fields(writer, fact);
        text_ += "}\n";
      },
      event);
}

}  // namespace bethany
