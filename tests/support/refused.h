#pragma once

#include <algorithm>
#include <string>

#include "tests/support/catch.h"
#include "tests/support/process.h"

namespace bethany::test {

inline bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// One line on stderr with `part` in it, nothing on stdout, and the exit code.
inline void check_refused(const ProcessResult& result, int exit_code, const std::string& part) {
  INFO(result.err);
  CHECK(result.exit_code == exit_code);
  CHECK(result.out.empty());
  CHECK(contains(result.err, part));
  CHECK(std::count(result.err.begin(), result.err.end(), '\n') == 1);
}

}  // namespace bethany::test
