#include "sim/cost/measured_curves.h"

#include "sim/base/error.h"
#include "tests/support/catch.h"

namespace bethany {
namespace {

constexpr char kForm[] =
    "\"model\":\"start + per_count*count + max(bytes/bandwidth, flop/flop_rate)\"";

std::string fit_text(const std::string& key, const std::string& rest) {
  return "{\"op\":\"adam\",\"key\":\"" + key + "\"," + kForm + "," + rest + "}";
}

const std::string kPlain =
    R"("params":{"start":1e-5,"bandwidth":3e11},"domain":{"min":10,"max":40})";

std::vector<MeasuredCurve> curves_of(const std::string& fits) {
  return read_curves(parse_json("[\n" + fits + "\n]", "p.json"), "/fits");
}

TEST_CASE("a fit is read with its curve, domain and table") {
  const auto curves = curves_of(fit_text("adam", kPlain + R"(,"n":3,"mape_in":0.1,"note":"x",
      "ci95":{"start":[1e-6,2e-5]},"table":{"extent":[10,20,40],"seconds":[2e-5,4e-5,4e-5]})"));
  REQUIRE(curves.size() == 1);
  const auto& adam = curves.front();
  CHECK(adam.operation == Operation::adam);
  CHECK(adam.curve.start == 1e-5);
  CHECK(adam.curve.flop_rate == 0);
  CHECK(adam.covers(10, 0));
  CHECK(adam.covers(40, 1e9));
  CHECK_FALSE(adam.covers(9, 0));
  CHECK_FALSE(adam.covers(41, 0));
  // Linear between the entries.
  CHECK(adam.seconds({}, 15) == Approx(3e-5));
  CHECK(adam.seconds({}, 20) == Approx(4e-5));
  CHECK(adam.seconds({}, 40) == Approx(4e-5));
  // Beyond them the curve, but never cheaper for more.
  CHECK(adam.seconds({.bytes = 3e6}, 50) == Approx(4e-5));
  CHECK(adam.seconds({.bytes = 3e7}, 50) == Approx(11e-5));
  CHECK(adam.seconds({.bytes = 0}, 5) == Approx(1e-5));
  CHECK(adam.seconds({.bytes = 3e7}, 5) == Approx(2e-5));
}

TEST_CASE("a curve with both rates takes their maximum or their sum, as its form says") {
  const Work work{.count = 2, .bytes = 6, .flop = 8};
  Curve curve{.start = 1, .per_count = 3, .bandwidth = 2, .flop_rate = 2, .sum = false};
  CHECK(curve.seconds(work) == 1 + 6 + 4);
  curve.sum = true;
  CHECK(curve.seconds(work) == 1 + 6 + 3 + 4);
}

TEST_CASE("fits that nothing could be predicted from are refused with file, line and path") {
  const auto refused = [](const std::string& fits, const std::string& message) {
    INFO(fits);
    CHECK_THROWS_WITH(curves_of(fits), Catch::Contains(message));
    CHECK_THROWS_AS(curves_of(fits), InputError);
  };
  const auto adam = fit_text("adam", kPlain);
  refused(adam + ",\n" + adam, "p.json:3: /fits/1/key: 'adam' is fitted twice");
  refused(R"({"op":"adem","key":"a"})", "p.json:2: /fits/0/op: unknown operation 'adem'");
  refused(fit_text("adam", kPlain + ",\"tabel\":{}"), "/fits/0/tabel");
  refused(R"({"op":"adam","key":"a","model":"cubic","params":{},"domain":{}})", "/fits/0/model");
  refused(fit_text("a", R"("params":{"bandwidth":0},"domain":{"min":1,"max":2})"),
          "/fits/0/params/bandwidth: a rate must be above 0");
  refused(fit_text("a", R"("params":{"start":-1},"domain":{"min":1,"max":2})"),
          "/fits/0/params/start");
  refused(fit_text("a", R"("params":{"start":null,"slope":1},"domain":{"min":1,"max":2})"),
          "/fits/0/params/slope");
  refused(fit_text("a", R"("params":{},"domain":{"min":3,"max":2})"), "/fits/0/domain/max");
  refused(fit_text("a", R"("params":{})"), "/fits/0");
  const auto table = [&](const std::string& extents, const std::string& seconds) {
    return fit_text("a",
                    kPlain + ",\"table\":{\"extent\":" + extents + ",\"seconds\":" + seconds + "}");
  };
  refused(table("[1,2]", "[3]"), "1 times for 2 extents");
  refused(table("[1,2]", "[3,2]"), "/fits/0/table/seconds: times must not fall");
  refused(table("[2,2]", "[3,4]"), "extents must rise");
  refused(table("[1,2]", "[0,4]"), "a time must be above 0");
  refused(table("[1,\"2\"]", "[3,4]"), "expected a number");
  CHECK_THROWS_AS(curves_of(table("[1,2]", "[3,NaN]")), InputError);
}

}  // namespace
}  // namespace bethany
