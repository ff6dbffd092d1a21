#include "sim/engine/preconditions.h"

#include <fmt/format.h>

#include <string>

#include "sim/base/check.h"

namespace bethany {
namespace {

std::string in_words(SimTime time, int phase) {
  return time == kNever ? "kNever"
                        : fmt::format("{} ns, phase {}", time.time_since_epoch().count(), phase);
}

}  // namespace

void fail_empty_queue(const char* operation) {
  check_failed("!empty()", __FILE__, __LINE__, fmt::format("{} on an empty queue", operation));
}

void fail_phase(int phase) {
  check_failed("0 <= phase && phase < kPhases", __FILE__, __LINE__, fmt::format("phase {}", phase));
}

void fail_time(const char* what, SimTime time, int phase, SimTime now, int now_phase) {
  check_failed("the time is to come", __FILE__, __LINE__,
               fmt::format("{} {} at {}", what, in_words(time, phase), in_words(now, now_phase)));
}

void fail_nested_run() {
  check_failed("!running_", __FILE__, __LINE__, "a handler runs the simulator that runs it");
}

}  // namespace bethany
