// The CPU as a backend: its arithmetic, its points, a profile. No time is asserted.
#include "gpu/backend.h"
#include "gpu/calibration.h"
#include "gpu/selftest.h"
#include "tests/support/catch.h"

namespace bethany {
namespace {

TEST_CASE("the CPU computes what the float64 reference computes") {
  const auto backend = make_backend("cpu", 3);
  const auto results = selftest(*backend, 3);
  CHECK(results.size() > 40);
  for (const auto& result : results) {
    INFO(result.what << ": " << result.error << ", bound " << result.bound);
    CHECK(result.passed());
  }
}

TEST_CASE("the CPU measures every piece of a step of the small shapes") {
  const auto backend = make_backend("cpu", 3);
  // As short as can be: one sample is enough to see that every operation runs.
  Protocol protocol;
  protocol.warm_up = 1;
  protocol.samples_min = 1;
  protocol.samples_max = 1;
  protocol.sample_seconds = 0;
  protocol.passes = 1;
  auto points = measurement_points(*backend, true);
  std::erase_if(points, [](const Point& point) {
    const Work work = point_work(point);
    return point.shape == "small" || work.flop > 2e8 || work.bytes > 3e7;
  });
  const auto measurements = measure(
      *backend, "cpu", points, protocol, 3, [] { return false; }, [](std::size_t, std::size_t) {});
  CHECK(measurements.complete);
  for (const auto& refused : measurements.refused) {
    INFO(refused);
    CHECK(refused.find("moe_layer") == 0);
  }
  const auto calibration = calibrate(measurements, "cpu", "", 0);
  CHECK(calibration.profile.kind == "measured");
  for (const char* key :
       {"attention_forward/tiny/64", "attention_backward/tiny/64", "loss/tiny", "gate/tiny",
        "gate_backward/tiny", "routing_sort/8", "row_gather/tiny", "row_scatter_sum/tiny",
        "row_dot/tiny", "expert_forward/tiny/best", "expert_backward/tiny/best", "adam",
        "all_to_all", "reduce", "migrate", "device_copy"}) {
    INFO(key);
    bool found = false;
    for (const auto& fit : calibration.fits) found = found || fit.key == key;
    CHECK(found);
  }
  CHECK(measurements.machine.fact("device") != "");
  CHECK(measurements.machine.fact("blas") != "");
}

TEST_CASE("a rank allocates what was predicted for it, to the byte") {
  const auto checks = make_backend("cpu", 3)->memory();
  REQUIRE(checks.size() == 2);
  for (const auto& check : checks) {
    INFO(check.what << ": " << check.parts);
    CHECK(check.measured == check.predicted);
  }
}

}  // namespace
}  // namespace bethany
