#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace bethany {

/// The checkpoint files of a training: one of the dense state, one of each expert of each layer, in
/// a folder of the step they cover. A folder without a file `complete` is none.
std::string dense_path(const std::string& folder);
std::string expert_path(const std::string& folder, int layer, int expert);

/// Throw MachineError; reading also when the size is another.
void write_state(const std::string& path, std::span<const std::byte> state);
void read_state(const std::string& path, std::span<std::byte> state);

}  // namespace bethany
