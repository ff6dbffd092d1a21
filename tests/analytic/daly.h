#pragma once

#include <cmath>

namespace bethany::test {

// Checkpoint-restart under exponential failures, mean time M between them, has an exact expected
// completion time (Daly 2006, eq. 13, with this job's rules put in).
//
// One segment is work τ and the write δ of its checkpoint, together A. A failure at any time loses
// the segment: steps since the last usable checkpoint are rolled back, and an interrupted write
// leaves the previous one. Then, by DESIGN §4.5,
// - detection takes D; further failures meanwhile join the same disruption and the clock runs on
//   (rule 4), so D passes once whatever happens;
// - the restart takes R (reschedule, process_start, group_init, load); a failure during it is a new
//   disruption: detection, then the restart from its first stage;
// - the segment begins anew.
// Failures have no memory, so when detection ends the time to the next one is exponential again,
// and an attempt after a failure needs R + A free of failures. Let T1 be the time that is still
// needed when a failure has just happened, X exponential with mean M, a = R + A:
//   E[T1] = D + E[min(X, a)] + P(X < a) E[T1],   E[min(X, a)] = M (1 − e^(−a/M))
//   E[T1] = D e^(a/M) + M (e^(a/M) − 1).
// The first attempt of a segment follows at once on the last one's checkpoint, without R:
//   E[T] = M (1 − e^(−A/M)) + (1 − e^(−A/M)) E[T1] = (M + D) e^(R/M) (e^(A/M) − 1).
// With D = 0 that is Daly's M e^(R/M) (e^((τ+δ)/M) − 1). The last segment of a run ends with its
// last step, so its A is τ alone. The start is warm: free. Every run trains equally many samples,
// so samples / E[T] is the goodput over many runs.

struct DalySetting {
  double mtbf = 0;  // seconds, all of them
  double detection = 0;
  double restart = 0;
  double write = 0;
  double work = 0;  // of one segment
  int segments = 0;
};

inline double expected_seconds(const DalySetting& setting) {
  const auto segment = [&](double length) {
    return (setting.mtbf + setting.detection) * std::exp(setting.restart / setting.mtbf) *
           std::expm1(length / setting.mtbf);
  };
  return (setting.segments - 1) * segment(setting.work + setting.write) + segment(setting.work);
}

}  // namespace bethany::test
