#pragma once

#include "sim/engine/event_key.h"

namespace bethany {

// What the engine's templates call when a caller broke a precondition: each fails a CHECK. Out of
// line, because formatting the message in place would make push and pop too large to be inlined.

[[noreturn]] void fail_empty_queue(const char* operation);
[[noreturn]] void fail_phase(int phase);
/// `what` was asked for (time, phase), which is past at (now, now_phase) or never comes.
[[noreturn]] void fail_time(const char* what, SimTime time, int phase, SimTime now, int now_phase);
[[noreturn]] void fail_nested_run();

}  // namespace bethany
