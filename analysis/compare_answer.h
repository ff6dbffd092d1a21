#pragma once

#include <span>
#include <string>
#include <vector>

#include "analysis/replications.h"
#include "sim/base/json.h"

namespace bethany {

/// The JSON of `compare` ("bethany/compare/1"): `runs` (each as `replay` prints it, replication
/// after replication), `policies` (every metric over the replications), `comparison`, `ranking`,
/// `notes`. Keys: analysis/README.md.
JsonNode compare_answer(const Replications& replications, std::span<const Comparison> comparisons);

/// {"policy","baseline","goodput_ratio","low","high","replications","method","verdict", …}.
JsonNode comparison_answer(const Comparison& comparison);

/// What a reader of the comparison has to know, in sentences: what differs between replications,
/// and what the intervals do not cover. Empty with one replication.
std::vector<std::string> comparison_notes(const Replications& replications);

}  // namespace bethany
