#pragma once

#include <cstddef>
#include <functional>

namespace bethany {

/// Calls task(0) … task(count-1) on up to `threads` threads, each index once. An exception of a
/// task is thrown here after the others have ended; of several, that of the lowest index.
void parallel_for(std::size_t count, int threads, const std::function<void(std::size_t)>& task);

}  // namespace bethany
