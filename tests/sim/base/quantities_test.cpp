#include "sim/base/quantities.h"

#include <rapidcheck.h>

#include "tests/support/catch.h"

namespace bethany {
namespace {

using namespace std::chrono_literals;

TEST_CASE("quantities are read exactly") {
  CHECK(parse_duration("0.90s") == 900ms);
  CHECK(parse_duration("1.5h") == 90min);
  CHECK(parse_duration("7ns") == 7ns);
  CHECK(parse_duration("2us") == 2us);
  CHECK(parse_duration("1d") == 24h);
  CHECK(parse_bytes("80GiB")->value == 80LL << 30);
  CHECK(parse_bytes("1kB")->value == 1000);
  CHECK(parse_bandwidth("400Gbps")->bytes_per_second == 50e9);
  CHECK(parse_bandwidth("0.35GB/s")->bytes_per_second == 0.35e9);
  CHECK(parse_flop_rate("71TFLOPS")->flops == 71e12);
}

TEST_CASE("what is no quantity is none") {
  for (const auto* text : {"", "s", "5", "5 s", "-5s", "5S", "1e999s", "0.5ns", "nan s", "1..2s",
                           "1e3", "0x10s", "101y", "1e12d", "5sec", "+5s"}) {
    INFO(text);
    CHECK_FALSE(parse_duration(text));
  }
  CHECK_FALSE(parse_bytes("1.5B"));
  CHECK_FALSE(parse_bandwidth("5GB"));
  CHECK_FALSE(parse_bytes("5GB/s"));
}

TEST_CASE("texts are in the largest unit that is exact") {
  CHECK(to_text(Duration(80min)) == "80min");
  CHECK(to_text(Duration(1500ms)) == "1500ms");
  CHECK(to_text(Duration(0)) == "0s");
  CHECK(to_text(Bytes{3'000'000'000}) == "3GB");
  CHECK(to_text(Bandwidth{50e9}) == "50GB/s");
}

TEST_CASE("property: every quantity is read back from its text") {
  CHECK(rc::check([](std::uint64_t seed) {
    const Duration d(
        static_cast<std::int64_t>(seed % static_cast<std::uint64_t>(kLongest.count())));
    // Doubles hold whole numbers up to 2^53; a text of more digits is rounded, and says so.
    if (d.count() < (std::int64_t{1} << 53)) RC_ASSERT(parse_duration(to_text(d)) == d);
    const double rate = static_cast<double>(seed) / 7.0 + 1;
    RC_ASSERT(parse_bandwidth(to_text(Bandwidth{rate}))->bytes_per_second == rate);
    RC_ASSERT(parse_flop_rate(to_text(FlopRate{rate}))->flops == rate);
  }));
}

}  // namespace
}  // namespace bethany
