#include "gpu/phase.h"

#include "gpu/protocol.h"

namespace bethany {

PhaseClock PhaseLog::wall_clock() { return wall_seconds; }

}  // namespace bethany
