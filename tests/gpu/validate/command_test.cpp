// The command, as users call it, on the synthetic testbed: its bias is known.
#include <csignal>
#include <filesystem>

#include "gpu/validate/synthetic_bias.h"
#include "sim/base/files.h"
#include "sim/base/json.h"
#include "tests/support/catch.h"
#include "tests/support/process.h"
#include "tests/support/refused.h"

namespace bethany::test {
namespace {

ProcessResult gpu_command(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), BETHANY_GPU_BINARY);
  return run_process(arguments);
}

TEST_CASE("validate finds the bias that was put in, and says the same twice") {
  const std::vector<std::string> command{"validate", "--backend", "synthetic", "--quick",
                                         "--json",   "--seed",    "2"};
  const auto first = gpu_command(command);
  INFO(first.err);
  REQUIRE(first.exit_code == 0);
  CHECK(first.out == gpu_command(command).out);
  const auto answer = parse_json(first.out, "answer");
  CHECK(answer.find("schema")->text == "bethany/validation/1");
  const SyntheticBias bias;
  int found = 0;
  for (const auto& row : answer.find("phases")->items) {
    const double truth = bias.of(row.find("phase")->text) - 1;
    INFO(row.find("phase")->text);
    // The median of over 1,000 points with 2 % noise is within 0.25 %.
    REQUIRE(row.find("points")->integer > 1000);
    CHECK(std::abs(row.find("bias")->real - truth) < 0.0025);
    ++found;
  }
  CHECK(found == 7);
  for (const auto& row : answer.find("recovery")->items) {
    INFO(row.find("stage")->text);
    CHECK(std::abs(row.find("bias")->real + 0.1) < 0.03);
  }
  CHECK(answer.find("setup")->find("failed")->items.empty());
  CHECK(answer.find("setup")->find("attempted")->integer == 60);
  CHECK(answer.find("decided_performed")->find("different")->integer == 0);
  CHECK(answer.find("decided_performed")->find("compared")->integer > 1000);
}

TEST_CASE(
    "validate -o freezes the cases and keeps everything; a bound that is missed ends with 5") {
  const TemporaryDirectory directory;
  const auto kept = directory.path() + "/kept";
  const auto result = bethany_command(
      {"validate", "--backend", "synthetic", "--quick", "--policies", "lazarus,ds", "-o", kept});
  INFO(result.err);
  const auto answer = parse_json(read_text(kept + "/validation.json"), "validation.json");
  CHECK(result.exit_code == (answer.find("passed")->boolean ? 0 : 5));
  CHECK(result.out == read_text(kept + "/validation.txt"));
  const auto frozen = parse_json(read_text(kept + "/cases.json"), "cases.json");
  CHECK(frozen.find("cases")->items.size() == 12);
  CHECK(frozen.find("sha256")->text == answer.find("setup")->find("cases_sha256")->text);
  CHECK(read_text(kept + "/observations.csv").find("lazarus,zipf,") != std::string::npos);
  check_refused(gpu_command({"validate", "--backend", "synthetic", "-o", kept}), 3, "kept");
}

TEST_CASE("report makes a page of a validation, alone or beside a comparison") {
  const TemporaryDirectory directory;
  const auto kept = directory.path() + "/kept";
  gpu_command(
      {"validate", "--backend", "synthetic", "--quick", "--policies", "lazarus", "-o", kept});
  auto result = bethany_command({"report", kept, "--static"});
  INFO(result.err);
  REQUIRE(result.exit_code == 0);
  const auto page = read_text(kept + "/report.html");
  CHECK(contains(page, "<section id=\"validation\">"));
  CHECK(contains(page, "<figure id=\"validation-errors\""));
  CHECK(contains(page, "median error of a step, in domain"));
  CHECK_FALSE(contains(page, "<section id=\"comparison\">"));
  check_refused(bethany_command({"report", kept, "--md"}), 3, "validation.txt");

  // What a file says is text, never markup; what the page relies on has to be there.
  auto answer = parse_json(read_text(kept + "/validation.json"), "validation.json");
  answer.member("verdict") = JsonNode::of("<script>alert(1)</script>");
  write_output(kept + "/validation.json", to_text(answer), true);
  REQUIRE(bethany_command({"report", kept, "--static"}).exit_code == 0);
  CHECK_FALSE(contains(read_text(kept + "/report.html"), "<script>alert"));
  answer.member("bounds") = JsonNode::of("none");
  write_output(kept + "/validation.json", to_text(answer), true);
  check_refused(bethany_command({"report", kept}), 3, "bounds");
}

TEST_CASE("an interrupted validation keeps what it measured") {
  const TemporaryDirectory directory;
  const auto kept = directory.path() + "/kept";
  Process process({BETHANY_GPU_BINARY, "validate", "--backend", "synthetic", "-o", kept});
  while (!std::filesystem::exists(kept + "/cases.json")) {
  }
  process.signal(SIGINT);
  CHECK(process.wait().exit_code == 130);
  const auto answer = parse_json(read_text(kept + "/validation.json"), "validation.json");
  CHECK(answer.find("setup")->find("interrupted")->boolean);
  CHECK(answer.find("setup")->find("attempted")->integer <
        answer.find("setup")->find("planned")->integer);
  CHECK(std::filesystem::exists(kept + "/observations.csv"));
}

TEST_CASE("validate refuses unknown names before it measures") {
  check_refused(gpu_command({"validate", "--backend", "syntetic"}), 3, "did you mean 'synthetic'?");
  check_refused(gpu_command({"validate", "--backend", "synthetic", "--policies", "lazaruss"}), 3,
                "did you mean 'lazarus'?");
  CHECK(gpu_command({"validate", "--backend", "synthetic", "--mode", "x"}).exit_code == 2);
  check_refused(gpu_command({"validate", "--backend", "synthetic", "--mode", "threads"}), 3,
                "synthetic");
  check_refused(gpu_command({"validate", "--backend", "cpu", "--mode", "cluster"}), 3, "launcher");
  check_refused(gpu_command({"validate", "--backend", "synthetic", "--profile", "no/file.json"}), 3,
                "no/file.json");
}

TEST_CASE("a profile of calibrate predicts") {
  const TemporaryDirectory directory;
  const auto profile = directory.path() + "/synth.json";
  REQUIRE(
      gpu_command({"calibrate", "--backend", "synthetic", "--quick", "-o", profile}).exit_code ==
      0);
  const auto result = gpu_command({"validate", "--backend", "synthetic", "--quick", "--policies",
                                   "lazarus", "--profile", profile, "--json"});
  INFO(result.err);
  const auto answer = parse_json(result.out, "answer");
  CHECK(answer.find("profile")->find("name")->text == "synthetic-calibration");
  CHECK_FALSE(answer.find("profile")->find("assumed")->items.empty());  // network, stages
}

}  // namespace
}  // namespace bethany::test
