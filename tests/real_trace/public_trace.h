#pragma once

#include <cmath>
#include <cstdlib>
#include <string>

#include "sim/base/digest.h"
#include "sim/base/files.h"
#include "tests/support/catch.h"
#include "traces/catalogue.h"
#include "traces/import.h"

namespace bethany::test {

/// The bytes of a public trace below $BETHANY_TRACES, which must be those of the catalogue.
inline std::string real_bytes(const PublicTrace& known) {
  REQUIRE(std::getenv("BETHANY_TRACES") != nullptr);
  const auto path = known.unpacked.empty() ? known.path : known.unpacked;
  auto bytes = read_input(std::string(std::getenv("BETHANY_TRACES")) + "/" +
                          std::string(known.folder) + "/" + std::string(path));
  REQUIRE(sha256(bytes) == known.sha256);
  return bytes;
}

inline Trace real_trace(const PublicTrace& known, const std::string& options = "{}") {
  const auto node = parse_json(options, "options");
  ObjectReader reader(node, "");
  auto trace = import_trace(real_bytes(known), std::string(known.path), "", reader);
  reader.finish();
  return trace;
}

/// Equal to the digits printed.
inline bool prints_as(double value, double printed, int digits) {
  return std::abs(value - printed) <= 0.5 * std::pow(10.0, -digits) * (1 + 1e-9);
}

}  // namespace bethany::test
