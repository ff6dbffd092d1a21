#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bethany {

/// How the ranks of a validation share the hardware.
enum class Mode : std::uint8_t {
  synthetic,    // no hardware: a formula
  serialised,   // ranks take turns; each phase of each is timed alone
  threads,      // ranks run beside each other and take each other's time
  processes,    // a process a rank on one machine, sockets between them
  partitioned,  // each rank has its own part of one device; all run beside each other
  cluster       // a device a rank and a real network
};

std::string_view name_of(Mode mode);
std::vector<std::string> mode_names();
/// Requires: a name of mode_names().
Mode mode_named(std::string_view name);

/// What a run in that mode shows, and what it does not, in sentences.
struct Claims {
  std::vector<std::string> may;
  std::vector<std::string> may_not;
};
const Claims& claims_of(Mode mode);

struct Validation;

/// One acceptance bound and what came out. Shares: 0.03 is 3 %.
struct BoundResult {
  std::string name;
  std::string what;  // in words
  double low = 0;    // value must lie in low … high
  double high = 0;
  std::optional<double> value;  // empty: nothing was measured that could show it

  bool missed() const { return value && !(*value >= low && *value <= high); }
};

/// The bounds of the validation's mode, each with its value.
std::vector<BoundResult> check_bounds(const Validation& validation);

}  // namespace bethany
