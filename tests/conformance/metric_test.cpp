#include "analysis/metric.h"

#include <cmath>
#include <set>

#include "sim/base/object_reader.h"
#include "sim/model/run_record_file.h"
#include "tests/analysis/streams.h"
#include "tests/support/catch.h"

using namespace bethany;
using namespace bethany::streams;

namespace {

RunSummary summary_of(const std::vector<RunEvent>& events) {
  SummaryFold fold({.usd_per_node_hour = 2.5, .recovery_cache = {}});
  feed(events, fold);
  return fold.summary();
}

std::vector<std::vector<RunEvent>> runs() {
  return {lazarus_run(false), lazarus_run(true), ds_run(), empty_run()};
}

}  // namespace

TEST_CASE("every metric says its unit and, in one sentence, its definition") {
  REQUIRE(metrics().entries().size() > 5);
  for (const auto& entry : metrics().entries()) {
    INFO(entry.name);
    const Metric found = metric(entry.name);
    CHECK(found.name == entry.name);
    CHECK_FALSE(found.unit.empty());
    REQUIRE_FALSE(found.definition.empty());
    CHECK(found.definition == entry.summary);
    CHECK(found.definition.back() == '.');
    CHECK(found.definition.find(". ") == std::string::npos);
    CHECK(found.definition.find('\n') == std::string::npos);
    CHECK(found.low <= found.high);
    CHECK((found.unit != "share" || found.high == 1));
    CHECK(found.name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") ==
          std::string::npos);
  }
}

TEST_CASE("every metric has a defined value for every run: finite and in its bounds, or null") {
  for (const auto& name : metrics().names()) {
    for (const auto& events : runs()) {
      INFO(name);
      const Metric found = metric(name);
      const auto value = found.value(summary_of(events));
      if (!value) continue;
      CHECK(std::isfinite(*value));
      CHECK(*value >= found.low);
      CHECK(*value <= found.high);
    }
  }
}

TEST_CASE("of an empty run counts are 0 and what divides by nothing is null") {
  const RunSummary empty = summary_of(empty_run());
  for (const auto& name : metrics().names()) {
    INFO(name);
    const Metric found = metric(name);
    const auto value = found.value(empty);
    if (found.unit == "count" && name != "guaranteed_losses_min") CHECK(value == 0.0);
    if (found.unit == "share" || found.unit.find('/') != std::string::npos) {
      CHECK_FALSE(value.has_value());
    }
  }
}

TEST_CASE("every metric is the same from the stream and from the record read back") {
  for (const auto& events : runs()) {
    RecordWriter writer;
    feed(events, writer);
    SummaryFold fold({.usd_per_node_hour = 2.5, .recovery_cache = {}});
    read_record(writer.text(), "events.jsonl", fold);
    const RunSummary streamed = summary_of(events);
    CHECK(fold.summary().digest == streamed.digest);
    for (const auto& name : metrics().names()) {
      INFO(name);
      CHECK(metric_value(name, fold.summary()) == metric_value(name, streamed));
    }
  }
}

TEST_CASE("every metric is the same however equal steps are grouped") {
  for (const auto& name : metrics().names()) {
    INFO(name);
    CHECK(metric_value(name, summary_of(lazarus_run(true))) ==
          metric_value(name, summary_of(lazarus_run(false))));
  }
}

TEST_CASE("every metric is built from the registry, without options") {
  for (const auto& entry : metrics().entries()) {
    const JsonNode none;
    ObjectReader options(none, "/metric");
    const auto made = entry.make(options);
    options.finish();
    CHECK(made->name == entry.name);
  }
}
