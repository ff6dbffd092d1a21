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
#include "sim/model/trace_file.h"
#include "traces/generate.h"

namespace {

using namespace bethany;

double seconds_of(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

Trace poisson(const std::string& options) {
  return generate_trace("poisson", parse_json(options, "options"), 1);
}

/// Calls visit(first, size) for every line.
template <class Visit>
void each_line(const std::string& bytes, Visit visit) {
  for (std::size_t first = 0; first < bytes.size();) {
    const std::size_t stop = bytes.find('\n', first);
    visit(first, stop - first);
    first = stop + 1;
  }
}

/// simdjson's DOM, a line a document: all of JSON, no look at what it says.
void dom_lines(simdjson::dom::parser& parser, const simdjson::padded_string& padded,
               const std::string& bytes) {
  each_line(bytes, [&](std::size_t first, std::size_t size) {
    const auto error = parser.parse(padded.data() + first, size, false).error();
    BETHANY_CHECK(error == simdjson::SUCCESS, "{}", simdjson::error_message(error));
  });
}

/// The same as one stream; simdjson takes a second thread for this.
void dom_stream(simdjson::dom::parser& parser, const simdjson::padded_string& padded) {
  // A batch must hold the longest line: all nodes join in one.
  for (auto document : parser.parse_many(padded, std::size_t{4} << 20)) {
    BETHANY_CHECK(document.error() == simdjson::SUCCESS, "{}",
                  simdjson::error_message(document.error()));
  }
}

/// simdjson's on-demand parser, a line a document, every value of an event taken in its type.
void on_demand_lines(simdjson::ondemand::parser& parser, const simdjson::padded_string& padded,
                     const std::string& bytes) {
  std::int64_t sum = 0;
  each_line(bytes, [&](std::size_t first, std::size_t size) {
    if (first == 0) return;  // the header
    auto document = parser.iterate(padded.data() + first, size, size + simdjson::SIMDJSON_PADDING);
    for (auto field : document.get_object()) {
      const std::string_view key = field.unescaped_key();
      if (key == "nodes") {
        for (auto name : field.value().get_array()) {
          sum += static_cast<std::int64_t>(name.get_string().value().size());
        }
      } else if (key == "event") {
        sum += static_cast<std::int64_t>(field.value().get_string().value().size());
      } else {
        sum += field.value().get_int64().value() & 1;
      }
    }
  });
  BETHANY_CHECK(sum != 0, "nothing was read");
}

void bench_reader(const std::string& options, int repeats) {
  const Trace trace = poisson(options);
  const std::string bytes = write_trace(trace);
  const simdjson::padded_string padded(bytes);
  simdjson::dom::parser dom;
  simdjson::ondemand::parser on_demand;
  Trace again;
  struct Row {
    const char* name;
    std::function<void()> work;
    double best = std::numeric_limits<double>::infinity();
  };
  std::vector<Row> rows = {
      {"read_trace, every check", [&] { again = read_trace(bytes, "bench"); }},
      {"simdjson on demand, by line", [&] { on_demand_lines(on_demand, padded, bytes); }},
      {"simdjson dom, by line", [&] { dom_lines(dom, padded, bytes); }},
      {"simdjson dom, two threads", [&] { dom_stream(dom, padded); }},
      {"write_trace", [&] { BETHANY_CHECK(write_trace(trace) == bytes, "not the same"); }},
  };
  // Interleaved, so that a change of the machine's speed meets all of them.
  for (int repeat = 0; repeat < repeats; ++repeat) {
    for (auto& row : rows) row.best = std::min(row.best, seconds_of(row.work));
  }
  const double megabytes = static_cast<double>(bytes.size()) / 1e6;
  fmt::print("{:.1f} MB, {} events, {} nodes, digest {}\n", megabytes, trace.events.size(),
             trace.node_names.size(), trace_digest(trace));
  for (const auto& row : rows) {
    fmt::print("  {:<28} {:7.0f} MB/s   read_trace has {:.2f} of its speed\n", row.name,
               megabytes / row.best, row.best / rows[0].best);
  }
  BETHANY_CHECK(trace_digest(again) == trace_digest(trace),
                "what was read is not what was written");
}

void bench_generator(bool quick) {
  // 3.79 failures per 1000 node-days is a mean time between failures of 263.85
  // days.
  const auto options =
      fmt::format(R"({{"nodes":{},"mtbf":"263.85d","length":"90d"}})", quick ? 1000 : 100'000);
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
  if (quick) {
    bench_reader(R"({"nodes":200,"mtbf":"10d","mttr":"6h","length":"40d"})", 1);
  } else {
    bench_reader(R"({"nodes":5000,"mtbf":"10d","mttr":"6h","length":"840d"})", 15);
    bench_reader(R"({"nodes":100000,"mtbf":"10d","mttr":"6h","length":"42d"})", 15);
  }
  bench_generator(quick);
}
