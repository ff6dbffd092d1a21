#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "sim/base/error.h"
#include "sim/base/text.h"
#include "sim/model/run_record_fields.h"
#include "sim/model/run_record_file.h"

namespace bethany {
namespace {

using simdjson::dom::element;

/// Sums of a record stay below this, so that no metric can overflow.
constexpr Int128 kLargestCount = Int128{1} << 62;
constexpr Int128 kLargestNodeTime = Int128{1} << 120;

/// Where a value stands: the complaints' first half.
struct Place {
  const std::string& name;
  int line;

  [[noreturn]] void fail(const std::string& path, const std::string& message) const {
    throw InputError(
        fmt::format("{}:{}: {}{}{}", name, line, path, path.empty() ? "" : ": ", message));
  }
};

/// Reads the keys of one object of a line, each asked for once, and refuses the rest.
class FieldReader {
 public:
  FieldReader(const Place& place, std::string path, const element& value)
      : place_(place), path_(std::move(path)) {
    if (value.get(object_) != simdjson::SUCCESS) place_.fail(path_, "expected an object");
  }

  void operator()(std::string_view key, std::int64_t& value) {
    value = integer(key, std::numeric_limits<std::int64_t>::max());
  }
  void operator()(std::string_view key, int& value) {
    value = static_cast<int>(integer(key, std::numeric_limits<int>::max()));
  }
  void operator()(std::string_view key, bool& value) {
    if (take(key).get(value) != simdjson::SUCCESS) fail(key, "expected true or false");
  }
  void operator()(std::string_view key, double& value) {
    if (take(key).get(value) != simdjson::SUCCESS) fail(key, "expected a number");
  }
  void operator()(std::string_view key, SimTime& value) {
    value = at(Duration(integer(key, static_cast<std::int64_t>(kLargestCount))));
  }
  void operator()(std::string_view key, Duration& value) {
    std::int64_t ns = 0;
    (*this)(key, ns);
    value = Duration(ns);
  }
  void operator()(std::string_view key, Int128& value) {
    std::string_view text;
    (*this)(key, text);
    if (text.empty() || text.size() > 38 ||
        text.find_first_not_of("0123456789") != std::string_view::npos) {
      fail(key, "expected a whole number as text");
    }
    value = 0;
    for (const char digit : text) value = value * 10 + (digit - '0');
    if (value > kLargestNodeTime) fail(key, "too large");
  }
  void operator()(std::string_view key, std::string_view& value) {
    if (take(key).get(value) != simdjson::SUCCESS) fail(key, "expected a text");
  }
  void operator()(std::string_view key, std::string& value) {
    std::string_view text;
    (*this)(key, text);
    value = std::string(text);
  }
  void operator()(std::string_view key, Stage& value) {
    value = named(key, Stage::load, [](Stage stage) { return name_of(stage); });
  }
  void operator()(std::string_view key, Recovery& value) {
    value = named(key, Recovery::none, [](Recovery recovery) { return name_of(recovery); });
  }
  void operator()(std::string_view key, PlanCause& value) {
    value = named(key, PlanCause::evict, [](PlanCause cause) { return name_of(cause); });
  }
  void operator()(std::string_view key, Blocked& value) {
    value = named(key, Blocked::drain,
                  [](Blocked bucket) { return kBlockedNames[static_cast<std::size_t>(bucket)]; });
  }

  void operator()(std::string_view key, std::vector<NodeId>& nodes) {
    for (const auto number : integers(key, take(key), 0)) nodes.push_back(NodeId(number));
  }
  void operator()(std::string_view key, std::vector<std::string>& texts) {
    for (const element item : array(key, take(key))) {
      std::string_view text;
      if (item.get(text) != simdjson::SUCCESS) fail(key, "expected texts");
      texts.emplace_back(text);
    }
  }

  void operator()(std::string_view key, TransferSummary& summary) {
    FieldReader inner(place_, path_of(key), take(key));
    record_fields(inner, summary);
    inner.finish();
  }
  void operator()(std::string_view key, std::shared_ptr<const PlacementPlan>& plan);
  void operator()(std::string_view key, Ledger& ledger);

  /// Refuses keys that nobody asked for, and keys that stand twice.
  void finish() const {
    std::vector<std::string> seen;
    for (const auto field : object_) {
      const std::string key(field.key);
      if (std::find(asked_.begin(), asked_.end(), key) == asked_.end()) {
        fail(key, unknown_name("key", key, asked_));
      }
      if (std::find(seen.begin(), seen.end(), key) != seen.end()) fail(key, "duplicate key");
      seen.push_back(key);
    }
  }

  [[noreturn]] void fail(std::string_view key, const std::string& message) const {
    place_.fail(path_of(key), message);
  }

 private:
  std::string path_of(std::string_view key) const {
    return fmt::format("{}/{}", path_, key.substr(0, 80));
  }

  element take(std::string_view key) {
    asked_.emplace_back(key);
    element value;
    if (object_.at_key(key).get(value) != simdjson::SUCCESS) {
      place_.fail(path_, fmt::format("missing key '{}'", key));
    }
    return value;
  }

  std::int64_t integer(std::string_view key, std::int64_t high) {
    std::int64_t value = 0;
    if (take(key).get(value) != simdjson::SUCCESS || value < 0 || value > high) {
      fail(key, fmt::format("expected a whole number in 0..{}", high));
    }
    return value;
  }

  simdjson::dom::array array(std::string_view key, const element& value) const {
    simdjson::dom::array items;
    if (value.get(items) != simdjson::SUCCESS) fail(key, "expected an array");
    return items;
  }

  std::vector<std::int32_t> integers(std::string_view key, const element& value,
                                     std::int32_t low) const {
    std::vector<std::int32_t> numbers;
    for (const element item : array(key, value)) {
      std::int64_t number = 0;
      if (item.get(number) != simdjson::SUCCESS || number < low ||
          number > std::numeric_limits<std::int32_t>::max()) {
        fail(key, "expected whole numbers");
      }
      numbers.push_back(static_cast<std::int32_t>(number));
    }
    return numbers;
  }

  template <class Enum, class NameOf>
  Enum named(std::string_view key, Enum last, NameOf name) {
    std::string_view text;
    (*this)(key, text);
    std::vector<std::string> names;
    for (int i = 0; i <= static_cast<int>(last); ++i) {
      const auto value = static_cast<Enum>(i);
      if (name(value) == text) return value;
      names.emplace_back(name(value));
    }
    fail(key, unknown_name("value", text, names));
  }

  template <std::size_t N>
  void buckets(std::string_view key, const std::array<std::string_view, N>& names,
               std::array<Int128, N>& values) {
    FieldReader inner(place_, path_of(key), take(key));
    for (std::size_t i = 0; i < N; ++i) inner(names[i], values[i]);
    inner.finish();
  }

  LayerPlan layer(const PlacementPlan& plan, const element& slots) const {
    LayerPlan layer;
    layer.expert_of_slot = integers("slots", slots, kVacant);
    const auto count = static_cast<std::int64_t>(layer.expert_of_slot.size());
    if (count != std::int64_t{plan.nodes} * plan.slots_per_node) {
      fail("slots", fmt::format("{} slots in a layer of {} nodes with {} slots", count, plan.nodes,
                                plan.slots_per_node));
    }
    layer.replicas.resize(static_cast<std::size_t>(plan.experts));
    for (const auto expert : layer.expert_of_slot) {
      if (expert >= plan.experts) fail("slots", fmt::format("there is no expert {}", expert));
      if (expert != kVacant) ++layer.replicas[static_cast<std::size_t>(expert)];
    }
    for (const auto replicas : layer.replicas) {
      if (replicas == 0) fail("slots", "an expert without a replica");
    }
    return layer;
  }

  const Place& place_;
  std::string path_;
  simdjson::dom::object object_;
  std::vector<std::string> asked_;
};

void FieldReader::operator()(std::string_view key, std::shared_ptr<const PlacementPlan>& plan) {
  const element value = take(key);
  if (value.is_null()) return;
  FieldReader inner(place_, path_of(key), value);
  PlacementPlan read;
  inner("nodes", read.nodes);
  inner("gpus_per_node", read.gpus_per_node);
  inner("slots_per_node", read.slots_per_node);
  inner("experts", read.experts);
  if (read.gpus_per_node < 1 || read.slots_per_node % read.gpus_per_node != 0) {
    inner.fail("slots_per_node", "not a multiple of gpus_per_node");
  }
  const element slots = inner.take("slots");
  // Experts are as many as slots at most, so that a short line cannot ask for much memory.
  if (read.experts < 1) inner.fail("experts", "expected at least 1");
  if (read.experts > std::int64_t{read.nodes} * read.slots_per_node) {
    inner.fail("experts", "more experts than slots");
  }
  for (const element row : inner.array("slots", slots)) {
    read.layers.push_back(inner.layer(read, row));
  }
  if (read.layers.empty()) inner.fail("slots", "a plan without layers");
  inner.finish();
  plan = std::make_shared<const PlacementPlan>(std::move(read));
}

void FieldReader::operator()(std::string_view key, Ledger& ledger) {
  FieldReader inner(place_, path_of(key), take(key));
  inner("total", ledger.total);
  inner("productive", ledger.productive);
  inner.buckets("blocked", kBlockedNames, ledger.blocked);
  FieldReader discarded(place_, inner.path_of("discarded"), inner.take("discarded"));
  discarded("rolled_back", ledger.rolled_back);
  discarded("step_in_flight", ledger.step_in_flight);
  discarded.finish();
  inner.buckets("unavailable", kUnavailableNames, ledger.unavailable);
  inner.finish();
}

/// Checks what holds between facts, so that whoever folds over them can rely on it.
class RecordCheck {
 public:
  void check(const Place& place, const RunEvent& event) {
    const bool starts = std::holds_alternative<RunStarted>(event);
    if (starts == started_) place.fail("", "a record has one run_started, as its first event");
    if (ended_) place.fail("", "an event after run_ended");
    started_ = true;
    std::visit([&](const auto& fact) { look_at(place, fact); }, event);
  }
  bool ended() const { return ended_; }

 private:
  template <class Fact>
  void look_at(const Place& place, const Fact& fact) {
    if constexpr (std::is_same_v<Fact, RunStarted>) {
      target_nodes_ = fact.target_nodes;
      tokens_per_sample_ = fact.tokens_per_sample;
    } else if constexpr (std::is_same_v<Fact, SpeedChanged>) {
      if (!(fact.speed > 0 && fact.speed <= 1)) place.fail("/speed", "not above 0 and at most 1");
    } else if constexpr (std::is_same_v<Fact, StepsCommitted>) {
      is_counter(place, "/first_step", fact.first_step);
      const Int128 stepped = Int128{fact.count} * fact.step_time.count();
      if (!spans(fact, stepped)) place.fail("", "to_ns is not from_ns + count x step_time_ns");
      committed(place, fact.count, fact.samples, stepped);
      spent(place, stepped);
    } else if constexpr (std::is_same_v<Fact, RoundsCommitted>) {
      is_counter(place, "/first_step", fact.first_step);
      const Int128 steps = Int128{fact.rounds} * fact.steps;
      const Int128 writes = Int128{fact.rounds} * fact.write_time.count();
      const bool small = steps < kLargestCount && writes < kLargestCount;
      if (!small || !spans(fact, steps * fact.step_time.count() + writes)) {
        place.fail("", "to_ns is not from_ns + rounds x (steps x step_time_ns + write_time_ns)");
      }
      committed(place, steps, fact.samples, steps * fact.step_time.count());
      spent(place, (fact.to - fact.from).count());
    } else if constexpr (std::is_same_v<Fact, StepDiscarded> || std::is_same_v<Fact, StageEnded>) {
      if (fact.to < fact.from) place.fail("", "to_ns lies before from_ns");
      spent(place, (fact.to - fact.from).count());
    } else if constexpr (std::is_same_v<Fact, RolledBack>) {
      is_counter(place, "/from_step", fact.from_step);
      if (fact.to_step > fact.from_step) place.fail("", "to_step lies behind from_step");
      if (fact.node_ns > Int128{std::numeric_limits<int>::max()} * fact.wall_time.count()) {
        place.fail("/node_ns", "more than any nodes have in wall_time_ns");
      }
      steps_ -= fact.from_step - fact.to_step;
      samples_ -= fact.samples;
      wall_ns_ -= fact.wall_time.count();
      if (steps_ < 0 || samples_ < 0 || wall_ns_ < 0) {
        place.fail("", "more rolled back than was committed");
      }
    } else if constexpr (std::is_same_v<Fact, DisruptionBegan>) {
      if (fact.disruption != disruptions_) {
        place.fail("/disruption", fmt::format("expected {}", disruptions_));
      }
      ++disruptions_;
    } else if constexpr (std::is_same_v<Fact, RecoveryDecided>) {
      if (fact.disruption >= disruptions_) place.fail("/disruption", "has not begun");
    } else if constexpr (std::is_same_v<Fact, ConfigurationCompleted>) {
      const auto places = fact.plan == nullptr ? 0 : static_cast<std::size_t>(fact.plan->nodes);
      if (fact.machine_of_place.size() != places) {
        place.fail("/machine_of_place", fmt::format("expected {} nodes", places));
      }
    } else if constexpr (std::is_same_v<Fact, RunEnded>) {
      ended_ = true;
      look_at_end(place, fact);
    }
  }

  template <class Fact>
  static bool spans(const Fact& fact, Int128 length) {
    return fact.to >= fact.from && (fact.to - fact.from).count() == length;
  }

  void is_counter(const Place& place, const char* path, std::int64_t step) const {
    if (step != steps_) place.fail(path, fmt::format("the step counter is {}", to_text(steps_)));
  }

  void committed(const Place& place, Int128 steps, std::int64_t samples, Int128 wall_ns) {
    steps_ += steps;
    samples_ += samples;
    wall_ns_ += wall_ns;
    ever_steps_ += steps;
    ever_samples_ += samples;
    const Int128 tokens = ever_samples_ * std::max<std::int64_t>(tokens_per_sample_, 1);
    if (std::max(ever_steps_, tokens) > kLargestCount) {
      place.fail("", "more steps or tokens than a record can hold");
    }
  }

  void spent(const Place& place, Int128 ns) {
    spent_ns_ += ns;
    if (spent_ns_ > kLargestCount) place.fail("", "more time than a record can hold");
  }

  void look_at_end(const Place& place, const RunEnded& end) const {
    if (end.steps_committed != steps_ || end.samples != samples_) {
      place.fail("",
                 fmt::format("{} steps and {} samples, but the events before add up to {} "
                             "and {}",
                             end.steps_committed, end.samples, to_text(steps_), to_text(samples_)));
    }
    const Int128 total = Int128{target_nodes_} * end.horizon.time_since_epoch().count();
    if (end.ledger.total != total || end.ledger.sum() != total) {
      place.fail("/ledger", "its parts do not add up to target_nodes x horizon_ns");
    }
  }

  bool started_ = false;
  bool ended_ = false;
  int target_nodes_ = 0;
  std::int64_t tokens_per_sample_ = 0;
  std::int64_t disruptions_ = 0;
  Int128 steps_ = 0;
  Int128 samples_ = 0;
  Int128 wall_ns_ = 0;
  Int128 ever_steps_ = 0;  // with those rolled back later
  Int128 ever_samples_ = 0;
  Int128 spent_ns_ = 0;  // in steps and stages
};

template <std::size_t... Alternatives>
std::vector<std::string> record_names(std::index_sequence<Alternatives...>) {
  return {std::string(record_name(std::variant_alternative_t<Alternatives, RunEvent>()))...};
}

std::vector<std::string> record_names() {
  return record_names(std::make_index_sequence<std::variant_size_v<RunEvent>>());
}

/// Finds the alternative of that name and reads its fields.
template <std::size_t Alternative = 0>
RunEvent read_event(FieldReader& reader, std::string_view name) {
  if constexpr (Alternative < std::variant_size_v<RunEvent>) {
    std::variant_alternative_t<Alternative, RunEvent> fact;
    if (record_name(fact) != name) return read_event<Alternative + 1>(reader, name);
    record_fields(reader, fact);
    reader.finish();
    return fact;
  } else {
    reader.fail("event", unknown_name("event", name, record_names()));
  }
}

/// Splits the text into lines and parses them.
class LineParser {
 public:
  LineParser(std::string_view bytes, const std::string& name) : rest_(bytes), place_{name, 0} {}

  bool at_end() const { return rest_.empty(); }
  const Place& place() const { return place_; }

  element next() {
    ++place_.line;
    const std::size_t end = std::min(rest_.find('\n'), rest_.size());
    const std::string_view line = rest_.substr(0, end);
    rest_.remove_prefix(std::min(end + 1, rest_.size()));
    element value;
    const auto error = parser_.parse(line.data(), line.size()).get(value);
    if (error != simdjson::SUCCESS) {
      place_.fail("", fmt::format("not a line of JSON ({})", simdjson::error_message(error)));
    }
    return value;
  }

 private:
  std::string_view rest_;
  Place place_;
  simdjson::dom::parser parser_;
};

RecordHeader read_header(LineParser& lines) {
  if (lines.at_end()) lines.place().fail("", "the record is empty");
  const element line = lines.next();
  FieldReader reader(lines.place(), "", line);
  int version = 0;
  reader("bethany_record", version);
  if (version != kRecordVersion) {
    reader.fail("bethany_record", fmt::format("version {} is unknown; this program reads {}",
                                              version, kRecordVersion));
  }
  RecordHeader header;
  reader("node_names", header.node_names);
  reader.finish();
  return header;
}

}  // namespace

RecordHeader read_record_header(std::string_view bytes, const std::string& place) {
  LineParser lines(bytes, place);
  return read_header(lines);
}

RecordHeader read_record(std::string_view bytes, const std::string& place, RunSink& sink) {
  LineParser lines(bytes, place);
  RecordHeader header = read_header(lines);
  RecordCheck check;
  while (!lines.at_end()) {
    const element line = lines.next();
    FieldReader reader(lines.place(), "", line);
    std::string_view name;
    reader("event", name);
    const RunEvent event = read_event(reader, name);
    check.check(lines.place(), event);
    sink.take(event);
  }
  if (!check.ended()) lines.place().fail("", "the record ends without run_ended");
  return header;
}

}  // namespace bethany
