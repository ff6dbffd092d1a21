#pragma once

#include <CLI/CLI.hpp>
#include <span>
#include <string>
#include <vector>

#include "analysis/assertion.h"
#include "sim/study/setup.h"

namespace bethany {

/// `--assert 'METRIC OP NUMBER'`, may be repeated.
void add_asserts(CLI::App& command, std::vector<std::string>& asserts);

/// Reads them before anything runs. Throws InputError on one that is malformed, or that names a
/// policy that is not replayed.
std::vector<Assertion> read_asserts(const std::vector<std::string>& asserts,
                                    const std::vector<NamedPolicy>& policies);

/// A line on stderr for each that is missed. Returns the exit code: 0, or kBoundMissed.
int report_asserts(std::span<const Assertion> asserts, const Replications& replications,
                   std::span<const Comparison> comparisons);

}  // namespace bethany
