#pragma once

#include <fmt/core.h>

#include <string>

namespace bethany {

/// Prints the condition, its place and the message to stderr, then aborts (exit 134).
[[noreturn]] void check_failed(const char* condition, const char* file, int line,
                               const std::string& message);

}  // namespace bethany

/// Our own bug if it does not hold. Stays on in every build.
#define BETHANY_CHECK(condition, ...) \
  (static_cast<bool>(condition)       \
       ? (void)0                      \
       : ::bethany::check_failed(#condition, __FILE__, __LINE__, fmt::format(__VA_ARGS__)))

/// A costly invariant: checked in debug builds only.
#ifdef BETHANY_INVARIANTS
#define BETHANY_DCHECK(condition, ...) BETHANY_CHECK(condition, __VA_ARGS__)
#else
#define BETHANY_DCHECK(condition, ...) ((void)0)
#endif
