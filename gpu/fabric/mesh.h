#pragma once

#include <vector>

#include "gpu/fabric/sockets.h"

namespace bethany {

/// The connections of connect_mesh by rank, none for the own one. Each side first says its epoch,
/// its rank and how many ranks there are, and the one that accepted answers whether they agree.
std::vector<Descriptor> connect_peers(const Listener& listener, const MeshOptions& options);

}  // namespace bethany
