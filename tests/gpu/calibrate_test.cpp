// From a calibration to a simulated run, through the programs as users call them.
#include <chrono>
#include <cmath>
#include <csignal>
#include <filesystem>
#include <thread>

#include "gpu/calibration.h"
#include "gpu/raw.h"
#include "gpu/synthetic/truth.h"
#include "sim/base/error.h"
#include "sim/base/files.h"
#include "sim/base/json.h"
#include "tests/support/catch.h"
#include "tests/support/process.h"

namespace bethany::test {
namespace {

ProcessResult gpu_command(const std::vector<std::string>& arguments) {
  std::vector<std::string> all;
  all.emplace_back(BETHANY_GPU_BINARY);
  for (const auto& argument : arguments) all.push_back(argument);
  return run_process(all);
}

constexpr char kScenario[] = R"({
  "bethany_scenario": 1,
  "model": "gpt-l",
  "training": { "until": { "time": "600s" }, "start": "warm" },
  "cluster": { "nodes": 4, "slots_per_gpu": 6 },
  "trace": "none"
})";

const SeriesFit& series(const Calibration& calibration, const std::string& key) {
  for (const auto& fit : calibration.fits) {
    if (fit.key == key) return fit;
  }
  FAIL(key << " was not fitted");
  return calibration.fits.front();
}

/// The full sweeps, once for all tests.
const Measurements& synthetic() {
  static const Measurements measurements = [] {
    constexpr std::uint64_t kSeed = 11;
    const auto backend = make_backend("synthetic", kSeed);
    return measure(
        *backend, "synthetic", measurement_points(*backend, false), {.passes = 2}, kSeed,
        [] { return false; }, [](std::size_t, std::size_t) {});
  }();
  return measurements;
}
TEST_CASE("calibrate, then simulate with the profile") {
  const TemporaryDirectory directory;
  const auto profile = directory.path() + "/synth.json";
  const auto result =
      bethany_command({"calibrate", "--backend", "synthetic", "--quick", "-o", profile});
  INFO(result.err);
  REQUIRE(result.exit_code == 0);
  CHECK(result.out.find("expert.flop_rate = ") != std::string::npos);
  const auto scenario = directory.write("scenario.json", kScenario);
  const auto replay = bethany_command({"replay", scenario, "--policy", "lazarus", "--format",
                                       "json", "--set", "cost.profile=" + profile});
  INFO(replay.err);
  REQUIRE(replay.exit_code == 0);
  const JsonNode run = parse_json(replay.out, "replay");
  CHECK(run.find("profile")->find("name")->text == "synthetic-calibration");
  CHECK(run.find("steps_committed")->integer > 0);
  // The raw file alone gives the same profile again.
  const auto again = directory.path() + "/again.json";
  REQUIRE(gpu_command({"fit", directory.path() + "/synth.csv", "-o", again, "--name",
                       "synthetic-calibration"})
              .exit_code == 0);
  CHECK(parse_profile(read_text(again), again).constants.size() ==
        parse_profile(read_text(profile), profile).constants.size());
  // Nothing is overwritten unasked.
  CHECK(gpu_command({"fit", directory.path() + "/synth.csv", "-o", again}).exit_code == 3);
}

TEST_CASE("equal seeds give equal files") {
  const TemporaryDirectory directory;
  const auto run = [&](const std::string& name, const std::string& seed) {
    const auto path = directory.path() + "/" + name;
    REQUIRE(gpu_command({"calibrate", "--backend", "synthetic", "--quick", "--seed", seed,
                         "--passes", "1", "-o", path + ".json"})
                .exit_code == 0);
    return read_text(path + ".json") + read_text(path + ".csv");
  };
  const auto first = run("a", "5");
  CHECK(first == run("b", "5"));
}

TEST_CASE("an interrupted calibration keeps what was measured") {
  const TemporaryDirectory directory;
  const auto path = directory.path() + "/cut.json";
  // Every point runs a tenth of a second before it is timed: it cannot be done when the signal
  // comes.
  Process process(
      {BETHANY_GPU_BINARY, "calibrate", "--backend", "synthetic", "--warm", "0.1", "-o", path});
  std::this_thread::sleep_for(std::chrono::milliseconds(1500));
  process.signal(SIGINT);
  const auto result = process.wait();
  INFO(result.err);
  CHECK(result.exit_code == 130);
  CHECK(result.err.find("not every point was measured") != std::string::npos);
  const auto raw = parse_raw(read_text(directory.path() + "/cut.csv"), "cut.csv");
  CHECK_FALSE(raw.complete);
  CHECK_FALSE(raw.points.empty());
  CHECK(read_profile(path).name == "synthetic-calibration");
}

TEST_CASE("the synthetic backend's constants are found again") {
  const auto calibration = calibrate(synthetic(), "synth", "", 0);
  const SyntheticTruth& truth = kSyntheticTruth;
  const auto near = [](double found, double value) { return std::abs(found / value - 1) < 0.01; };
  for (const char* key : {"adam", "device_copy", "activation_forward/gelu", "row_gather/mixtral"}) {
    INFO(key);
    const auto& curve = series(calibration, key).fit.curve;
    CHECK(near(curve.bandwidth, truth.bandwidth));
    CHECK(near(curve.start, truth.start));
  }
  const auto& loop = series(calibration, "expert_forward/mixtral/loop").fit.curve;
  CHECK(near(loop.flop_rate, truth.flop_rate));
  CHECK(near(loop.bandwidth, truth.bandwidth));
  const auto& grouped = series(calibration, "expert_backward/deepseek/grouped").fit.curve;
  CHECK(near(grouped.flop_rate, truth.flop_rate));
  CHECK(near(grouped.bandwidth, truth.bandwidth));
  for (const char* key : {"all_to_all", "reduce", "migrate"}) {
    INFO(key);
    const auto& curve = series(calibration, key).fit.curve;
    CHECK(near(curve.bandwidth, truth.network_bandwidth));
    CHECK(near(curve.start, truth.network_start));
    if (curve.per_count > 0) CHECK(near(curve.per_count, truth.per_message));
  }
  CHECK(near(calibration.profile.find("optimizer.bandwidth")->value, truth.bandwidth));
  CHECK(calibration.profile.find("optimizer.bytes_per_parameter")->value == 30);
  // Nothing real was measured, and the profile says so.
  CHECK(calibration.profile.kind == "assumed");
  CHECK(calibration.profile.find("expert.flop_rate")->kind == "assumed");
}

TEST_CASE("the element stands in the sources, and that bytes are of 16-bit ones") {
  auto measurements = synthetic();
  const auto source = [&](const char* key) {
    return calibrate(measurements, "synth", "", 0).profile.find(key)->source;
  };
  CHECK(source("expert.flop_rate").find("element") == std::string::npos);
  for (const std::string element : {"fp16", "fp32"}) {
    measurements.machine.facts = {{"device", "synthetic"}, {"element", element}};
    const auto read = parse_raw(raw_text(measurements), "raw");
    CHECK(read.machine.fact("element") == element);
    CHECK(source("expert.flop_rate").find(", element " + element) != std::string::npos);
    const bool told = source("optimizer.bytes_per_parameter").find("as if") != std::string::npos;
    CHECK(told == (element == "fp32"));
  }
}

TEST_CASE("constants of one model come from its shape") {
  const auto& measurements = synthetic();
  const auto gpt = calibrate(measurements, "synth", "gpt-m", 0);
  CHECK(gpt.profile.find("expert.flop_rate")->source.find("gpt-l and gpt-m") != std::string::npos);
  const auto mixtral = calibrate(measurements, "synth", "mixtral-8x7b", 0);
  CHECK(mixtral.profile.find("dense.flop_rate")->value >
        gpt.profile.find("dense.flop_rate")->value);
  CHECK_THROWS_AS(calibrate(measurements, "synth", "gpt-s"), InputError);
}

TEST_CASE("whole layers are predicted from their parts, though no fit has seen them") {
  const auto calibration = calibrate(synthetic(), "synth", "mixtral-8x7b", 0);
  REQUIRE(calibration.layers.size() == 40);
  for (const auto& layer : calibration.layers) {
    INFO(describe(layer.point));
    CHECK(std::abs(layer.predicted / layer.measured - 1) < 0.02);  // the noise of a median is 0.5 %
  }
}

TEST_CASE("the committed profiles follow from the committed measurements") {
  const auto folder = std::filesystem::path(BETHANY_SOURCE_DIR) / "gpu/profiles";
  struct Committed {
    std::string raw;
    std::string profile;
    std::string model;
    std::string backend;
    std::string device;
  };
  for (const auto& [name, profile, model, backend, device] :
       {Committed{"h100-80gb", "h100-80gb-gpt", "gpt-l", "cuda", "NVIDIA H100"},
        Committed{"h200", "h200-gpt", "gpt-l", "cuda", "NVIDIA H200"},
        Committed{"h100-80gb-training", "h100-80gb-training", "", "cuda-training", "NVIDIA H100"},
        Committed{"h100-80gb-partition", "h100-80gb-partition", "", "cuda-partition",
                  "NVIDIA H100"},
        Committed{"cpu-epyc", "cpu-epyc", "", "cpu", "EPYC"}}) {
    const auto raw = parse_raw(read_input((folder / (name + ".csv.gz")).string()), "raw");
    CHECK(raw.backend == backend);
    const auto again = calibrate(raw, profile, model, 0);
    const Profile committed = read_profile((folder / (profile + ".json")).string());
    CHECK(committed.kind == "measured");
    REQUIRE(committed.constants.size() == again.profile.constants.size());
    for (const auto& [key, constant] : committed.constants) {
      INFO(profile << ": " << key);
      if (constant.value < 1e-6) continue;  // a fit that found nothing there
      // Another compiler or math library may take another way to the same minimum.
      CHECK(constant.value == Approx(again.profile.find(key)->value).epsilon(0.002));
      CHECK(constant.source.find(device) != std::string::npos);
    }
  }
}

TEST_CASE("what cannot be written is said before anything is measured") {
  const auto nowhere = gpu_command({"calibrate", "--backend", "cpu", "-o", "/nowhere/at/all.json"});
  CHECK(nowhere.exit_code == 1);
  CHECK(nowhere.err.find("/nowhere/at/all.csv") != std::string::npos);
  CHECK(nowhere.err.find("points measured") == std::string::npos);
}

TEST_CASE("a choice of elements is refused where there is none") {
  const TemporaryDirectory directory;
  const auto path = directory.path() + "/p.json";
  for (const std::string backend : {"cpu", "synthetic"}) {
    const auto result =
        gpu_command({"calibrate", "--backend", backend, "--element", "fp16", "-o", path});
    CHECK(result.exit_code == 3);
    CHECK(result.err.find("element") != std::string::npos);
  }
  CHECK(gpu_command({"calibrate", "--backend", "cuda", "--element", "fp8", "-o", path}).exit_code ==
        2);
}

TEST_CASE("without a GPU the cuda backend ends with 77 and says why") {
  const auto result = gpu_command({"info", "--backend", "cuda"});
  if (result.exit_code == 0) return;  // there is a GPU
  CHECK(result.exit_code == 77);
  CHECK(result.err.find("no GPU") != std::string::npos);
  CHECK(gpu_command({"info", "--backend", "cudda"}).exit_code == 3);
  CHECK(gpu_command({"calibrate", "--backend", "synthetic"}).exit_code == 2);
}

}  // namespace
}  // namespace bethany::test
