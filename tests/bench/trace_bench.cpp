// How fast canonical traces are read, beside simdjson's bare parse of the same bytes in the same
// run, and how fast a large failure trace is drawn. `--quick` is for the test suite.
#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "sim/base/check.h"
#include "sim/base/object_reader.h"
#include "sim/model/trace.h"
#include "sim/model/trace_file.h"

namespace {

using namespace bethany;

double seconds_of(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

Trace poisson(const std::string& options) {
  const auto node = parse_json(options, "options");
  ObjectReader reader(node, "");
  const auto generator = trace_generators().find("poisson")->make(reader);
  reader.finish();
  return generator->generate(RngStreams(1, 0));
}

/// simdjson's DOM of every line in one stream: the whole of JSON, no check of what it says.
std::size_t dom_stream(simdjson::dom::parser& parser, const simdjson::padded_string& bytes) {
  std::size_t documents = 0;
  // A batch must hold the longest line: all nodes join in one.
  for (auto document : parser.parse_many(bytes, std::size_t{4} << 20)) {
    BETHANY_CHECK(document.error() == simdjson::SUCCESS, "line {}: {}", documents + 1,
                  simdjson::error_message(document.error()));
    ++documents;
  }
  return documents;
}

/// simdjson's on-demand parser, line by line, reading every value into place.
std::size_t on_demand_lines(simdjson::ondemand::parser& parser, const std::string& bytes) {
  std::size_t documents = 0;
  std::int64_t sum = 0;
  std::size_t first = bytes.find('\n') + 1;  // behind the header
  // The last bytes are left out: on demand wants readable bytes behind a line.
  const std::size_t end = bytes.size() - simdjson::SIMDJSON_PADDING;
  while (first < end) {
    const std::size_t stop = bytes.find('\n', first);
    auto document = parser.iterate(bytes.data() + first, stop - first, bytes.size() - first);
    for (auto field : document.get_object()) {
      const auto key = std::string_view(field.unescaped_key());
      if (key == "nodes") {
        for (auto name : field.value().get_array()) {
          sum += static_cast<std::int64_t>(name.get_string().value().size());
        }
      } else if (key == "event" || key == "cause") {
        sum += static_cast<std::int64_t>(field.value().get_string().value().size());
      } else {
        sum += field.value().get_int64().value();
      }
    }
    ++documents;
    first = stop + 1;
  }
  BETHANY_CHECK(sum != 0, "nothing was read");
  return documents;
}

void bench_reader(bool quick) {
  const Trace trace =
      poisson(quick ? R"({"nodes":200,"mtbf":"10d","mttr":"6h","length":"40d"})"
                    : R"({"nodes":100000,"mtbf":"10d","mttr":"6h","length":"42d"})");
  const std::string bytes = write_trace(trace);
  const simdjson::padded_string padded(bytes);
  simdjson::dom::parser dom;
  simdjson::ondemand::parser on_demand;
  struct Row {
    const char* name;
    std::function<void()> work;
    double best = std::numeric_limits<double>::infinity();
  };
  std::string digest;
  std::vector<Row> rows = {
      {"bethany read_trace, every check",
       [&] { digest = trace_digest(read_trace(bytes, "bench")); }},
      {"simdjson dom, parse_many", [&] { dom_stream(dom, padded); }},
      {"simdjson ondemand, line by line", [&] { on_demand_lines(on_demand, bytes); }},
      {"bethany write_trace", [&] { BETHANY_CHECK(write_trace(trace) == bytes, "not the same"); }},
  };
  // Interleaved, so that a change of the machine's speed meets all of them.
  for (int repeat = 0; repeat < (quick ? 1 : 9); ++repeat) {
    for (auto& row : rows) row.best = std::min(row.best, seconds_of(row.work));
  }
  const double megabytes = static_cast<double>(bytes.size()) / 1e6;
  fmt::print("{:.1f} MB, {} events, {} nodes, digest {}\n", megabytes, trace.events.size(),
             trace.node_names.size(), digest);
  for (const auto& row : rows) {
    fmt::print("  {:<34} {:8.1f} MB/s  {:5.2f} x read_trace\n", row.name, megabytes / row.best,
               rows[0].best / row.best);
  }
  BETHANY_CHECK(digest == trace_digest(trace), "what was read is not what was written");
}

void bench_generator(bool quick) {
  // 3.79 failures per 1000 node-days is a mean of 263.85 days between failures of a node.
  const std::string options = quick ? R"({"nodes":1000,"mtbf":"263.85d","length":"90d"})"
                                    : R"({"nodes":100000,"mtbf":"263.85d","length":"90d"})";
  double best = std::numeric_limits<double>::infinity();
  Trace trace;
  for (int repeat = 0; repeat < (quick ? 1 : 5); ++repeat) {
    best = std::min(best, seconds_of([&] { trace = poisson(options); }));
  }
  fmt::print("poisson, {} nodes x 90 days: {} losses in {:.1f} ms, digest {}\n",
             trace.node_names.size(), trace.events.size() - 1, best * 1e3, trace_digest(trace));
}

}  // namespace

int main(int argc, char** argv) {
  const bool quick = argc > 1 && std::strcmp(argv[1], "--quick") == 0;
  bench_reader(quick);
  bench_generator(quick);
}
