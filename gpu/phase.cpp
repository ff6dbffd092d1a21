#include "gpu/phase.h"

#include "gpu/protocol.h"

namespace bethany {

double PhaseLog::seconds_now() { return wall_seconds(); }

}  // namespace bethany
