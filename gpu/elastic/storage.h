#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "sim/model/plan.h"

namespace bethany {

/// The checkpoint files of a training: one of the dense state, one of each expert of each layer, in
/// a folder of the step they cover. A folder without a file `complete` is none.
std::string dense_path(const std::string& folder);
std::string expert_path(const std::string& folder, int layer, int expert);

/// The rank that writes each part of a checkpoint: the dense state first, then expert by expert,
/// layer by layer. Each goes to the holder that has least to write so far, ties to the lowest.
std::vector<int> writers_of(const PlacementPlan& plan, std::size_t dense_bytes,
                            std::size_t expert_bytes);

/// Throw MachineError; reading also when the size is another.
void write_state(const std::string& path, std::span<const std::byte> state);
void read_state(const std::string& path, std::span<std::byte> state);

}  // namespace bethany
