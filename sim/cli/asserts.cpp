#include "sim/cli/asserts.h"

#include <fmt/format.h>

#include "sim/cli/command.h"

namespace bethany {

void add_asserts(CLI::App& command, std::vector<std::string>& asserts) {
  command
      .add_option("--assert", asserts,
                  "exit 5 unless it holds: [POLICY:] METRIC OP NUMBER, as in 'ettr>=0.9' or "
                  "'p10(ettr)>0.8' (may be repeated)")
      ->type_name("BOUND")
      ->allow_extra_args(false);
}

std::vector<Assertion> read_asserts(const std::vector<std::string>& asserts,
                                    const std::vector<NamedPolicy>& policies) {
  std::vector<std::string> names;
  for (const auto& policy : policies) names.push_back(policy.name);
  std::vector<Assertion> read;
  for (const auto& text : asserts) {
    read.push_back(parse_assertion(text));
    check_assertion(read.back(), names);
  }
  return read;
}

int report_asserts(std::span<const Assertion> asserts, const Replications& replications,
                   std::span<const Comparison> comparisons) {
  bool all = true;
  for (const auto& assertion : asserts) {
    for (const auto& sentence : missed(assertion, replications, comparisons)) {
      fmt::print(stderr, "assertion missed: {}\n", sentence);
      all = false;
    }
  }
  return all ? 0 : kBoundMissed;
}

}  // namespace bethany
