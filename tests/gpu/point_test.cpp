#include "gpu/point.h"

#include <algorithm>
#include <numeric>
#include <set>

#include "gpu/protocol.h"
#include "gpu/raw.h"
#include "sim/base/error.h"
#include "sim/model/moe_model.h"
#include "tests/support/catch.h"

namespace bethany {
namespace {

TEST_CASE("rows of experts sum to the rows for every skew") {
  for (const char* skew : {"uniform", "zipf", "empty", "odd"}) {
    for (const int experts : {1, 4, 6, 16, 256}) {
      for (const std::int64_t rows : {0, 1, 5, 1000, 4096}) {
        Point point;
        point.skew = skew;
        point.experts = experts;
        point.rows = rows;
        const auto counts = expert_rows(point);
        INFO(skew << " " << experts << " " << rows);
        CHECK(counts.size() == static_cast<std::size_t>(experts));
        CHECK(std::accumulate(counts.begin(), counts.end(), std::int64_t{0}) == rows);
        CHECK(*std::min_element(counts.begin(), counts.end()) >= 0);
      }
    }
  }
}

TEST_CASE("skews are what they say") {
  Point point;
  point.experts = 8;
  point.rows = 4096;
  point.skew = "empty";
  auto counts = expert_rows(point);
  CHECK(std::count(counts.begin(), counts.end(), 0) == 2);
  point.skew = "odd";
  counts = expert_rows(point);
  CHECK(std::none_of(counts.begin(), counts.end(), [](std::int64_t n) { return n % 8 == 0; }));
  point.skew = "zipf";
  counts = expert_rows(point);
  CHECK(counts[0] == 1507);  // 4096 / (1 + 1/2 + … + 1/8) = 1507.1
  point.skew = "zips";
  CHECK_THROWS_WITH(expert_rows(point), Catch::Contains("did you mean 'zipf'?"));
}

TEST_CASE("work of a point, counted by hand") {
  Point point;
  point.inputs = 1024;
  point.outputs = 4096;
  point.rows = 128;
  CHECK(point_work(point).flop == 2.0 * 128 * 1024 * 4096);
  CHECK(point_work(point).bytes == 2.0 * (128 * 1024 + 128 * 4096 + 1024 * 4096));
  point.operation = Operation::expert_forward;
  point.skew = "uniform";
  point.experts = 4;
  CHECK(point_work(point).flop == 2.0 * 128 * 2 * 1024 * 4096);
  point.operation = Operation::adam;
  point.size = 10;
  CHECK(point_work(point).bytes == 300);
}

TEST_CASE("the measured shapes are those of the built-in models") {
  for (const auto& entry : shape_zoo()) {
    for (const auto& name : entry.models) {
      INFO(name);
      const MoeModel* model = find_model(name);
      REQUIRE(model != nullptr);
      CHECK(model->hidden == entry.hidden);
      CHECK(model->top_k == entry.top_k);
      CHECK(model->expert_parameters ==
            std::int64_t{entry.gated ? 3 : 2} * entry.hidden * entry.ffn);
    }
  }
}

TEST_CASE("operations have names that read back") {
  std::set<std::string> names;
  for (const auto& name : operation_names()) {
    CHECK(names.insert(name).second);
    CHECK(operation_name(parse_operation(name)) == name);
  }
  CHECK_THROWS_AS(parse_operation("matmult"), InputError);
}

TEST_CASE("raw measurements read back as written, and wrong ones are refused by line") {
  const auto backend = make_backend("synthetic", 4);
  std::vector<Point> points = measurement_points(*backend, true);
  points.resize(40);
  auto all = measure(
      *backend, "synthetic", points, {}, 4, [] { return false; }, [](std::size_t, std::size_t) {});
  CHECK(all.complete);
  REQUIRE(all.points.size() == 80);
  all.points[3].spread = 0.0625;
  CHECK(all.sentinel.size() == 4);
  const auto text = raw_text(all);
  const auto again = parse_raw(text, "raw.csv");
  REQUIRE(again.points.size() == all.points.size());
  for (std::size_t i = 0; i < again.points.size(); ++i) {
    CHECK(again.points[i].point == all.points[i].point);
    CHECK(again.points[i].median == Approx(all.points[i].median).epsilon(1e-5));
  }
  CHECK(again.points[3].spread == 0.0625);
  CHECK(again.points[4].spread == 0);
  CHECK(again.backend == "synthetic");
  CHECK(again.machine.fact("device") == "synthetic");
  const auto refuse = [&](const std::string& from, const std::string& to, const char* part) {
    auto wrong = text;
    wrong.replace(wrong.find(from), from.size(), to);
    CHECK_THROWS_WITH(parse_raw(wrong, "raw.csv"), Catch::Contains(part));
  };
  // Files of before ranks were told apart.
  std::string older;
  for (std::size_t at = 0; at < text.size();) {
    const auto line = text.substr(at, text.find('\n', at) - at);
    at += line.size() + 1;
    older += line.starts_with("#") ? line : line.substr(0, line.rfind(','));
    older += '\n';
  }
  REQUIRE(parse_raw(older, "raw.csv").points.size() == 80);
  CHECK(parse_raw(older, "raw.csv").points[3].spread == 0);
  refuse("bethany_raw: 1", "bethany_raw: 2", "raw.csv:1: version 2 is unknown");
  refuse("operation,shape", "operation;shape", "not a raw file");
  refuse("\nmatmul,", "\nmatmull,", "did you mean 'matmul'?");
  refuse("\nmatmul,", "\nmatmul,,", "27 cells, expected 26");
}

TEST_CASE("measuring ends where it is told to and keeps what it has") {
  const auto backend = make_backend("synthetic", 4);
  const auto points = measurement_points(*backend, true);
  int left = 10;
  const auto all = measure(
      *backend, "synthetic", points, {}, 4, [&left] { return left-- == 0; },
      [](std::size_t, std::size_t) {});
  CHECK_FALSE(all.complete);
  CHECK(all.points.size() == 10);
}

TEST_CASE("a full calibration has each point once and a hundred and more of each kind of GEMM") {
  const auto backend = make_backend("synthetic", 4);
  const auto points = measurement_points(*backend, false);
  std::set<std::string> names;
  for (const auto& point : points) CHECK(names.insert(describe(point)).second);
  CHECK(measurement_points(*backend, true).size() * 3 < points.size());
}

}  // namespace
}  // namespace bethany
