#include "gpu/validate/command.h"

#include <fmt/format.h>

#include "gpu/progress.h"
#include "gpu/validate/report.h"
#include "sim/base/files.h"

namespace bethany {
ValidateEnd validate_command(const ValidateOptions& options, const ValidateOutput& output,
                             const std::function<bool()>& interrupted) {
  const auto write = [&](const char* name, const std::string& bytes) {
    if (!output.directory.empty()) write_output(output.directory + "/" + name, bytes, true);
  };
  if (!output.directory.empty()) make_output_directory(output.directory, output.force);
  Progress progress("runs");
  const auto result = validate(
      options,
      [&](const ValidationContext& context) {
        // On record before the first measurement: nothing is chosen afterwards.
        JsonNode frozen;
        frozen.member("schema") = JsonNode::of("bethany/validation-cases/1");
        frozen.member("version") = JsonNode::of(BETHANY_VERSION);
        frozen.member("sha256") = JsonNode::of(cases_sha256(context.cases));
        frozen.member("cases") = cases_json(context.cases);
        write("cases.json", to_text(frozen) + "\n");
        fmt::print(stderr, "{} held-out cases, sha256 {}\n", context.cases.size(),
                   cases_sha256(context.cases));
      },
      interrupted,
      [&](std::int64_t done, std::int64_t total, const std::string& next) {
        progress.tell(done, total, next);
      });
  progress.finish();
  const auto json = to_text(validation_json(result.validation)) + "\n";
  const auto text = validation_text(result.validation);
  write("observations.csv", observations_csv(result.validation.context, result.runs));
  write("validation.json", json);
  write("validation.txt", text);
  fmt::print("{}", output.json ? json : text);
  if (!result.machine_failure.empty()) {
    fmt::print(stderr, "the machines failed, what was measured is kept: {}\n",
               result.machine_failure);
    return ValidateEnd::machines_failed;
  }
  if (result.validation.interrupted) return ValidateEnd::interrupted;
  return result.validation.passed() ? ValidateEnd::passed : ValidateEnd::missed;
}

}  // namespace bethany
