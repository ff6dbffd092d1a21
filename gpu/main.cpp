// The program `bethany-gpu`: measures a device, fits, and writes a profile for `bethany`.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <memory>
#include <new>

#include "gpu/calibration.h"
#include "gpu/compute_check.h"
#include "gpu/elastic/launched_check.h"
#include "gpu/elastic/launched_device.h"
#include "gpu/progress.h"
#include "gpu/rank_check.h"
#include "gpu/rank_testbed.h"
#include "gpu/raw.h"
#include "gpu/selftest.h"
#include "gpu/validate/command.h"
#include "sim/base/error.h"
#include "sim/base/files.h"

namespace {

using namespace bethany;

enum ExitCode {
  kOk = 0,
  kMachineFailed = 1,
  kUsage = 2,
  kInputWrong = 3,
  kBoundMissed = 5,
  kNoDevice = 77,
  kInterrupted = 130
};

volatile std::sig_atomic_t interrupted = 0;

int fail(int code, const char* message) {
  fmt::print(stderr, "bethany-gpu: {}\n", message);
  return code;
}

struct Options {
  std::string backend;  // empty: a GPU if there is one, else the CPU
  std::string output;
  std::string raw;
  std::string model;
  std::string name;
  std::string element;  // empty: the backend's
  std::string kill = "soft";
  std::int64_t seed = 1;
  double within = 0;
  double warm = 0;
  int passes = 0;  // 0: as many as suit the backend
  bool quick = false;
  bool force = false;
  bool launched = false;
};

/// The chosen backend; without a choice it is made here, and said.
std::unique_ptr<Backend> backend_of(Options& options) {
  const auto seed = static_cast<std::uint64_t>(options.seed);
  if (!options.backend.empty()) return make_backend(options.backend, seed, options.element);
  try {
    options.backend = "cuda";
    auto backend = make_backend("cuda", seed, options.element);
    fmt::print(stderr, "backend: cuda\n");
    return backend;
  } catch (const NoDevice& error) {
    fmt::print(stderr, "backend: cpu ({})\n", error.what());
    options.backend = "cpu";
    return make_backend("cpu", seed, options.element);
  }
}

void print_machine(const Machine& machine) {
  for (const auto& [key, value] : machine.facts) fmt::print("{}: {}\n", key, value);
}

int info(Options& options) {
  fmt::print("bethany-gpu {}\n", BETHANY_VERSION);
  for (const auto& entry : backends().entries()) fmt::print("{}: {}\n", entry.name, entry.summary);
  print_machine(backend_of(options)->machine());
  return kOk;
}

int report(const std::vector<CheckResult>& results) {
  int failed = 0;
  for (const auto& result : results) {
    failed += result.passed() ? 0 : 1;
    fmt::print("{} {}: {:.3g} (bound {:.0e})\n", result.passed() ? "ok  " : "FAIL", result.what,
               result.error, result.bound);
  }
  fmt::print("{} checks, {} failed\n", results.size(), failed);
  return failed == 0 ? kOk : kBoundMissed;
}

int check_processes(const Options& options) {
  if (options.backend.empty()) throw InputError("selftest --launched needs --backend");
  if (serve_if_launched(options.backend, Products::fp32, options.kill)) return kOk;
  LaunchedProcesses processes(launched_options(options.backend, Products::fp32,
                                               options.kill == "hard" ? Kill::hard : Kill::soft));
  return report(check_launched(processes, static_cast<std::uint64_t>(options.seed)));
}

int check(Options& options) {
  if (options.launched) return check_processes(options);
  const auto seed = static_cast<std::uint64_t>(options.seed);
  const auto backend = backend_of(options);
  auto results = selftest(*backend, seed);
  for (const auto& more :
       {check_compute(options.backend, seed), check_ranks(options.backend, seed)}) {
    results.insert(results.end(), more.begin(), more.end());
  }
  if (const auto device = launched_device(options.backend)) {
    const auto more = device->check_fabric();
    if (more.empty()) fmt::print(stderr, "built without NCCL: no fabric is checked\n");
    results.insert(results.end(), more.begin(), more.end());
  }
  return report(results);
}

/// "DIR/x.json" → "DIR/x.csv".
std::string raw_path(const std::string& profile) {
  const bool json = profile.ends_with(".json");
  return profile.substr(0, profile.size() - (json ? 5 : 0)) + ".csv";
}

void write_profile(const Options& options, const Measurements& measurements) {
  const auto name = options.name.empty() ? options.backend + "-calibration" : options.name;
  const auto result = calibrate(measurements, name, options.model);
  write_output(options.output, to_text(profile_json(result.profile)) + "\n", options.force);
  fmt::print("{}", calibration_table(measurements, result));
  for (const auto& [key, constant] : result.profile.constants) {
    fmt::print("{} = {:.4g}\n", key, constant.value);
  }
  fmt::print(stderr, "{}: {} points, {} fits, {} constants\n", options.output, result.measured,
             result.fits.size(), result.profile.constants.size());
}

/// Complains before anything is measured that could not be written.
void check_output(const std::string& path, bool overwrite) {
  if (!overwrite && std::filesystem::exists(path)) {
    throw InputError(path + ": exists already; --force overwrites it");
  }
  const OutputFile probe(path);  // leaves nothing
}

int calibrate_device(Options& options) {
  for (const auto& path : {raw_path(options.output), options.output}) {
    check_output(path, options.force);
  }
  const auto backend = backend_of(options);
  Protocol protocol;
  protocol.within_seconds = options.within;
  protocol.warm_seconds = options.warm;
  if (options.quick) protocol.seconds_max = 0.1;
  if (options.quick && options.backend == "cpu") {
    // Cores that others share have more than one speed, each for seconds at a time: a point is seen
    // more often, shorter each time.
    protocol.passes = 4;
    protocol.seconds_max = 0.025;
    protocol.samples_least = 3;
    protocol.warm_up = 1;
  }
  if (options.passes > 0) protocol.passes = options.passes;
  std::signal(SIGINT, [](int) { interrupted = 1; });
  Progress progress("points measured");
  auto measurements = measure(
      *backend, options.backend, measurement_points(*backend, options.quick), protocol,
      static_cast<std::uint64_t>(options.seed), [] { return interrupted != 0; },
      [&progress](std::size_t done, std::size_t total) {
        progress.tell(static_cast<std::int64_t>(done), static_cast<std::int64_t>(total),
                      "Ctrl-C keeps what is measured");
      });
  progress.finish();
  for (const auto& check : backend->memory()) {
    measurements.machine.facts.emplace_back(
        "memory", fmt::format("{}: {} B predicted, {} B allocated at most ({:+.1f} %); {}",
                              check.what, check.predicted, check.measured,
                              100.0 * static_cast<double>(check.predicted - check.measured) /
                                  static_cast<double>(check.measured),
                              check.parts));
  }
  write_output(raw_path(options.output), raw_text(measurements), options.force);
  write_profile(options, measurements);
  if (!measurements.complete) fmt::print(stderr, "not every point was measured\n");
  return interrupted != 0 ? kInterrupted : kOk;
}

int fit_raw(const Options& options) {
  auto measurements = parse_raw(read_input(options.raw), options.raw);
  measurements.seed = static_cast<std::uint64_t>(options.seed);
  write_profile(options, measurements);
  return kOk;
}

int validate_policies(const ValidateOptions& options, const ValidateOutput& output) {
  if (options.testbed.mode == name_of(Mode::cluster)) {
    const auto products = options.testbed.products.empty()
                              ? Products::fp32
                              : products_named(options.testbed.products);
    if (serve_if_launched(options.backend, products, options.testbed.kill)) return kOk;
  }
  std::signal(SIGINT, [](int) { interrupted = 1; });
  std::signal(SIGTERM, [](int) { interrupted = 1; });
  switch (validate_command(options, output, [] { return interrupted != 0; })) {
    case ValidateEnd::passed:
      return kOk;
    case ValidateEnd::missed:
      return kBoundMissed;
    case ValidateEnd::interrupted:
      return kInterrupted;
    case ValidateEnd::machines_failed:
      return kMachineFailed;
  }
  return kOk;
}

void add_output(CLI::App& command, Options& options) {
  command.add_option("-o,--output", options.output, "the profile (JSON)")->required();
  command.add_option("--model", options.model, "take the constants from the shape of this model");
  command.add_option("--name", options.name, "name of the profile");
  command.add_flag("--force", options.force, "overwrite");
}

void add_backend(CLI::App& command, Options& options) {
  command.add_option("--backend", options.backend,
                     "cuda, cpu or synthetic (default: cuda where there is a GPU, else cpu)");
  command.add_option("--seed", options.seed, "of orders and random data (default 1)")
      ->check(CLI::NonNegativeNumber);
}

void add_validate(CLI::App& program, std::function<int()>& chosen) {
  auto options = std::make_shared<ValidateOptions>();
  auto output = std::make_shared<ValidateOutput>();
  auto* const command = program.add_subcommand(
      "validate", "run policies for real and set what was predicted beside what was measured");
  command->add_option("--backend", options->backend, "what ranks run on: see info")->required();
  command->add_option("--mode", options->testbed.mode, "how ranks share the machine")
      ->check(CLI::IsMember(mode_names()));
  command
      ->add_option("--kill", options->testbed.kill,
                   "how launched processes die (mode cluster): soft (default) or hard")
      ->check(CLI::IsMember({"soft", "hard"}));
  command
      ->add_option("--products", options->testbed.products,
                   "what ranks round the operands of products to (default fp32: nothing)")
      ->check(CLI::IsMember(products_names()));
  command->add_flag("--cold", options->testbed.cold,
                    "empty the caches before each phase of a rank (mode serialised)");
  command->add_option("--profile", options->profile, "what predicts: a file of calibrate");
  command->add_option("--cost-model", options->cost_model, "how it predicts (default calibrated)");
  command->add_option("--policies", options->policies, "as in compare; default: five")
      ->delimiter(',');
  command->add_option("--seed", options->seed, "of cases and orders (default 1)");
  command->add_flag("--quick", options->quick, "a tenth of the cases, shorter ones");
  command->add_option("--within", options->within_seconds, "begin no run after so many seconds")
      ->check(CLI::NonNegativeNumber);
  command->add_option("-o,--output", output->directory,
                      "directory for cases, observations and results");
  command->add_flag("--json", output->json, "print JSON");
  command->add_flag("--force", output->force, "write into a directory that is not empty");
  command->callback([options, output, &chosen] {
    chosen = [options, output] { return validate_policies(*options, *output); };
  });
}

int run(int argc, char** argv) {
  CLI::App program{"Measures real MoE layers and writes profiles for bethany."};
  program.name("bethany-gpu");
  program.set_version_flag("--version", std::string("bethany-gpu ") + BETHANY_VERSION);
  program.require_subcommand(1);
  program.failure_message(CLI::FailureMessage::simple);
  Options options;
  std::function<int()> chosen;
  auto* const info_command = program.add_subcommand("info", "backends, device and versions");
  add_backend(*info_command, options);
  info_command->callback([&] { chosen = [&] { return info(options); }; });
  auto* const check_command =
      program.add_subcommand("selftest", "compare the arithmetic with a float64 reference");
  add_backend(*check_command, options);
  auto* const launched = check_command->add_flag(
      "--launched", options.launched,
      "instead: processes of a launcher, three or more, train through a death");
  check_command
      ->add_option(
          "--kill", options.kill,
          "how the one dies: soft (default) or hard, by SIGKILL, which takes a process more")
      ->check(CLI::IsMember({"soft", "hard"}))
      ->needs(launched);
  check_command->callback([&] { chosen = [&] { return check(options); }; });
  auto* const calibrate_command =
      program.add_subcommand("calibrate", "measure, fit and write a profile");
  add_backend(*calibrate_command, options);
  add_output(*calibrate_command, options);
  calibrate_command
      ->add_option("--element", options.element, "of rows and matrices, on cuda (default bf16)")
      ->check(CLI::IsMember({"bf16", "fp16", "fp32"}));
  calibrate_command->add_flag("--quick", options.quick, "about a tenth of the points");
  calibrate_command
      ->add_option("--passes", options.passes,
                   "over all points (default 2; with --quick on the CPU 4)")
      ->check(CLI::Range(1, 10));
  calibrate_command
      ->add_option("--warm", options.warm,
                   "seconds that each point runs before it is timed (default 0)")
      ->check(CLI::Range(0.0, 10.0));
  calibrate_command->add_option("--within", options.within, "stop measuring after so many seconds")
      ->check(CLI::NonNegativeNumber);
  calibrate_command->callback([&] { chosen = [&] { return calibrate_device(options); }; });
  add_validate(program, chosen);
  auto* const fit_command =
      program.add_subcommand("fit", "write a profile from the raw CSV of a calibration");
  fit_command->add_option("RAW", options.raw, "the CSV")->required();
  add_output(*fit_command, options);
  fit_command->callback([&] { chosen = [&] { return fit_raw(options); }; });
  try {
    program.parse(argc, argv);
    return chosen();
  } catch (const CLI::Success& asked) {  // --help, --version
    return program.exit(asked);
  } catch (const CLI::ParseError& error) {
    return fail(kUsage, error.what());
  } catch (const InputError& error) {
    return fail(kInputWrong, error.what());
  } catch (const MachineError& error) {
    return fail(kMachineFailed, error.what());
  } catch (const NoDevice& error) {
    return fail(kNoDevice, error.what());
  } catch (const std::bad_alloc&) {
    return fail(kMachineFailed, "out of memory");
  }
}

}  // namespace

int main(int argc, char** argv) { return run(argc, argv); }
