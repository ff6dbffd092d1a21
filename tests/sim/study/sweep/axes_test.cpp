// What the options of a sweep mean: values, ranges, distributions, the order of the runs.
#include <cmath>
#include <set>

#include "sim/base/error.h"
#include "sim/study/sweep/space.h"
#include "sim/study/sweep/values.h"
#include "tests/support/catch.h"

namespace bethany {
namespace {

using Texts = std::vector<std::string>;

template <class Work>
std::string complaint(const Work& work) {
  try {
    work();
  } catch (const InputError& error) {
    return error.what();
  }
  return "";
}

bool says(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST_CASE("the values of an axis are lists, ranges, or both") {
  CHECK(axis_values("--grid", "a,b") == Texts{"a", "b"});
  CHECK(axis_values("--grid", "1..4") == Texts{"1", "2", "3", "4"});
  CHECK(axis_values("--grid", "-2..2..2") == Texts{"-2", "0", "2"});
  CHECK(axis_values("--grid", "4..4") == Texts{"4"});
  CHECK(axis_values("--grid", "6..11..3,20") == Texts{"6", "9", "20"});
  CHECK(axis_values("--grid", "0.1..0.3..0.1") == Texts{"0.1", "0.2", "0.3"});
  CHECK(axis_values("--grid", "10s..60s..25s") == Texts{"10s", "35s", "60s"});
  CHECK(axis_values("--grid", "1GB/s..2GB/s") == Texts{"1GB/s", "2GB/s"});
  CHECK(axis_values("--grid", "../a.csv,b..c") == Texts{"../a.csv", "b..c"});
  CHECK(axis_values("--grid", R"({"kind":"steps","every":5},[1,2],"x,y")") ==
        Texts{R"({"kind":"steps","every":5})", "[1,2]", "\"x,y\""});
}

TEST_CASE("malformed values are refused with the option") {
  for (const auto* bad : {"", "1,,2", ",", "5..1", "1..9..0", "1..9..-1", "0.5..2.5", "1..2..3..4",
                          "{1", "\"a", "1..1000000000"}) {
    INFO(bad);
    CHECK(says(complaint([&] { axis_values("--grid k=", bad); }), "--grid k="));
  }
  CHECK(says(complaint([] { split_setting("--zip", "novalue"); }), "expected KEY=VALUES"));
  CHECK(says(complaint([] { split_setting("--zip", "=4"); }), "expected KEY=VALUES"));
  for (const auto* bad : {"", "5", "a..b", "9..1", "log:0..5", "1s..2min", "1..2..3", "a||b"}) {
    INFO(bad);
    CHECK(says(complaint([&] { RandomValues("--random k=", bad); }), "--random k="));
  }
}

TEST_CASE("random values stay in their range, reach its ends, and keep kind and unit") {
  const RngStreams streams(7, 0);
  const auto draws = [&](const std::string& text) {
    const RandomValues values("--random", text);
    std::set<std::string> seen;
    for (std::uint64_t s = 0; s < 4000; ++s) seen.insert(values.draw(streams.stream("x", s)));
    return seen;
  };
  CHECK(draws("3..6") == std::set<std::string>{"3", "4", "5", "6"});
  CHECK(draws("log:1..3") == std::set<std::string>{"1", "2", "3"});
  CHECK(draws("spread|mro") == std::set<std::string>{"spread", "mro"});
  CHECK(draws("8s..9s") == std::set<std::string>{"8s", "9s"});
  int low = 0;
  for (const auto& text : draws("log:0.01..100.0")) {
    const double value = std::stod(text);
    CHECK(value >= 0.01);
    CHECK(value <= 100);
    low += value < 1 ? 1 : 0;
  }
  CHECK(low > 1800);  // half of them in the mean; the standard deviation is 32
  CHECK(low < 2200);
}

SweepAxes axes_of(Texts grid, Texts zip = {}, Texts random = {}, std::int64_t samples = 0) {
  SweepAxes axes;
  axes.grid = std::move(grid);
  axes.zip = std::move(zip);
  axes.random = std::move(random);
  axes.samples = samples;
  axes.policies = {"p", "q"};
  axes.replications = 2;
  return axes;
}

std::string text_of(const SweepRun& run) {
  std::string text;
  for (const auto& [key, value] : run.assigned) text += key + "=" + value + " ";
  return text + run.policy + " " + std::to_string(run.replication);
}

TEST_CASE("runs are in the order of the page: grid, zip, samples, policies, replications") {
  const SweepSpace space(axes_of({"a=1,2", "b=3,4"}, {"c=5,6", "d=7,8"}), 1, 10);
  CHECK(space.runs() == 2 * 2 * 2 * 2 * 2);
  CHECK(text_of(space.run(0)) == "a=1 b=3 c=5 d=7 p 10");
  CHECK(text_of(space.run(1)) == "a=1 b=3 c=5 d=7 p 11");
  CHECK(text_of(space.run(2)) == "a=1 b=3 c=5 d=7 q 10");
  CHECK(text_of(space.run(4)) == "a=1 b=3 c=6 d=8 p 10");
  CHECK(text_of(space.run(8)) == "a=1 b=4 c=5 d=7 p 10");
  CHECK(text_of(space.run(16)) == "a=2 b=3 c=5 d=7 p 10");
  CHECK(text_of(space.run(31)) == "a=2 b=4 c=6 d=8 q 11");
}

TEST_CASE("a sample has the same random values for every policy, replication and grid point") {
  const SweepSpace space(axes_of({"a=1,2"}, {}, {"r=1..1000000", "s=1..1000000"}, 3), 1, 0);
  REQUIRE(space.runs() == 2 * 3 * 2 * 2);
  const auto drawn = [&](std::int64_t index, std::size_t axis) {
    return space.run(index).assigned[axis].value;
  };
  for (std::int64_t other : {1, 2, 3, 12}) {
    CHECK(drawn(0, 1) == drawn(other, 1));
    CHECK(drawn(0, 2) == drawn(other, 2));
  }
  CHECK(drawn(0, 1) != drawn(4, 1));
  CHECK(drawn(0, 1) != drawn(0, 2));
  const SweepSpace seeded(axes_of({}, {}, {"r=1..1000000"}, 3), 2, 0);
  CHECK(seeded.run(0).assigned[0].value != drawn(0, 1));
}

TEST_CASE("a large space costs nothing until a run is asked for") {
  auto axes = axes_of({"a=1..1000"}, {}, {"r=1..9"}, 1000);
  axes.replications = 500;
  const SweepSpace space(axes, 1, 0);
  CHECK(space.runs() == 1'000'000'000);
  CHECK(space.run(999'999'999).assigned[0].value == "1000");
  axes.replications = 501;
  CHECK(says(complaint([&] { SweepSpace(axes, 1, 0); }), "more than 1000000000 runs"));
}

TEST_CASE("axes that contradict one another are refused") {
  const auto refuse = [](const SweepAxes& axes, const std::string& part) {
    const auto text = complaint([&] { SweepSpace(axes, 1, 0); });
    INFO(text);
    CHECK(says(text, part));
  };
  refuse(axes_of({"a=1", "a=2"}), "is an axis already");
  refuse(axes_of({"a=1"}, {"a=2"}), "is an axis already");
  refuse(axes_of({"a.b=1", "a=2"}), "hold one another");
  refuse(axes_of({"a=1", "a.b=2"}), "hold one another");
  refuse(axes_of({}, {"a=1,2", "b=1"}), "--zip b=1: 1 values, but --zip a has 2");
  refuse(axes_of({"policy=lazarus"}), "--policies");
  refuse(axes_of({"policies.x.preset=ds"}), "--policies");
  refuse(axes_of({"replication=1..3"}), "--replications");
  refuse(axes_of({}, {}, {"a=1..2"}, 0), "come together");
  refuse(axes_of({}, {}, {}, 5), "come together");
}

}  // namespace
}  // namespace bethany
