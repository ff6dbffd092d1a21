// The small pieces: random streams, digests, statistics, names, files, 128-bit numbers.
#include <cmath>
#include <filesystem>
#include <map>

#include "sim/base/digest.h"
#include "sim/base/error.h"
#include "sim/base/files.h"
#include "sim/base/int128.h"
#include "sim/base/random.h"
#include "sim/base/statistics.h"
#include "sim/base/text.h"
#include "tests/support/catch.h"
#include "tests/support/process.h"

namespace bethany {
namespace {

TEST_CASE("streams are equal by seed, replication, name and number, and different otherwise") {
  const auto first = [](const RngStreams& streams, const char* name, std::uint64_t number) {
    return streams.stream(name, number).next();
  };
  const RngStreams streams(1, 0);
  const auto base = first(streams, "a", 0);
  CHECK(first(RngStreams(1, 0), "a", 0) == base);
  CHECK(first(RngStreams(2, 0), "a", 0) != base);
  CHECK(first(RngStreams(1, 1), "a", 0) != base);
  CHECK(first(streams, "b", 0) != base);
  CHECK(first(streams, "a", 1) != base);
  // Pinned: a change would silently change every result that draws.
  auto pinned = streams.stream("a");
  CHECK(pinned.next() == 6600114728255264626U);
  CHECK(pinned.next() == 3270685546260190416U);
}

TEST_CASE("random numbers have the moments of their distributions") {
  auto rng = RngStreams(7, 0).stream("moments");
  constexpr int kCount = 200'000;
  double unit = 0;
  double exponential = 0;
  double normal = 0;
  double square = 0;
  std::map<std::uint64_t, int> dice;
  for (int i = 0; i < kCount; ++i) {
    const double u = rng.unit();
    REQUIRE((u > 0 && u < 1));
    unit += u;
    exponential += rng.exponential(3);
    const double z = rng.normal();
    normal += z;
    square += z * z;
    ++dice[rng.below(6)];
  }
  // Five standard errors: 0.289, 3, 1 and 1.41 over the root of the count.
  const double root = std::sqrt(kCount);
  CHECK(unit / kCount == Approx(0.5).margin(5 * 0.289 / root));
  CHECK(exponential / kCount == Approx(3).margin(5 * 3 / root));
  CHECK(normal / kCount == Approx(0).margin(5 / root));
  CHECK(square / kCount == Approx(1).margin(5 * 1.4143 / root));
  REQUIRE(dice.size() == 6);
  for (const auto& [face, count] : dice) {
    CHECK(count == Approx(kCount / 6.0).margin(5 * std::sqrt(kCount * 5 / 36.0)));
  }
}

TEST_CASE("digests see values, order and the borders between texts") {
  const auto of = [](std::initializer_list<const char*> texts) {
    Digest digest;
    for (const auto* text : texts) digest.add(text);
    return digest.hex();
  };
  CHECK(of({"ab", "c"}) == of({"ab", "c"}));
  CHECK(of({"ab", "c"}) != of({"a", "bc"}));
  CHECK(of({"a", "b"}) != of({"b", "a"}));
  CHECK(of({}).size() == 16);
  // FIPS 180-2, appendix B.1.
  CHECK(sha256("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST_CASE("Clopper-Pearson intervals have their published values") {
  const auto most = clopper_pearson(990, 1000);
  CHECK(most.low == Approx(0.9817).margin(5e-5));
  CHECK(most.high == Approx(0.9952).margin(5e-5));
  // All or none of n: the bound is (tail)^(1/n).
  CHECK(clopper_pearson(5, 5).low == Approx(std::pow(0.025, 0.2)));
  CHECK(clopper_pearson(5, 5).high == 1);
  CHECK(clopper_pearson(0, 5).low == 0);
  CHECK(clopper_pearson(0, 5).high == Approx(1 - std::pow(0.025, 0.2)));
}

TEST_CASE("quantiles, means and t intervals") {
  const std::vector<double> values = {1, 2, 3, 4};
  CHECK(quantile_sorted(values, 0.5) == 2.5);
  CHECK(quantile_sorted(values, 0) == 1);
  CHECK(quantile_sorted(values, 1) == 4);
  CHECK(mean(values) == 2.5);
  CHECK(standard_deviation(values) == Approx(1.2909944));
  // t(0.975, 3) = 3.182446.
  CHECK(mean_interval(values).high == Approx(2.5 + 3.182446 * 1.2909944 / 2).epsilon(1e-6));
}

TEST_CASE("text is broken at spaces") {
  using Lines = std::vector<std::string>;
  CHECK(wrapped("a bc def ghij", 6) == Lines{"a bc", "def", "ghij"});
  CHECK(wrapped("a bc def", 8) == Lines{"a bc def"});
  CHECK(wrapped("abcdefgh i", 3) == Lines{"abcdefgh", "i"});
  CHECK(wrapped("", 3) == Lines{""});
}

TEST_CASE("the nearest name is found, and none when all are far") {
  CHECK(nearest_name("lazzarus", {"ds", "lazarus"}) == "lazarus");
  // Two letters exchanged are one slip, nearer than one letter wrong and one missing.
  CHECK(nearest_name("mor", {"core", "mro"}) == "mro");
  CHECK_FALSE(nearest_name("xyz", {"lazarus", "spread"}));
  CHECK(unknown_name("policy", "sd", {"ds"}) == "unknown policy 'sd'; did you mean 'ds'?");
  CHECK(list_in_words({"a", "b", "c"}) == "a, b and c");
}

TEST_CASE("128-bit numbers are written in full") {
  CHECK(to_text(Int128{0}) == "0");
  CHECK(to_text(Int128{-5}) == "-5");
  CHECK(to_text(Int128{1'000'000'000'000} * 1'000'000'000'000) == "1000000000000000000000000");
  CHECK(to_seconds(Int128{1'500'000'000}) == 1.5);
}

TEST_CASE("files are written whole or not at all, and not over others") {
  const test::TemporaryDirectory directory;
  const auto path = directory.path() + "/f";
  write_output(path, "one", false);
  CHECK(read_input(path) == "one");
  CHECK_THROWS_AS(write_output(path, "two", false), InputError);
  CHECK(read_input(path) == "one");
  write_output(path, "two", true);
  CHECK(read_input(path) == "two");
  CHECK_THROWS_AS(write_output(directory.path() + "/no/f", "x", false), MachineError);
  CHECK_THROWS_AS(read_input(directory.path()), InputError);
  CHECK_THROWS_AS(read_input(directory.path() + "/absent"), InputError);
  CHECK(std::distance(std::filesystem::directory_iterator(directory.path()), {}) == 1);
}

}  // namespace
}  // namespace bethany
