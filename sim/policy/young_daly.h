#pragma once

#include <cmath>

namespace bethany {

/// Young's interval between checkpoints: the square root of twice the write times the mean time
/// between losses.
inline double young_interval_s(double write_s, double mtbf_s) {
  return std::sqrt(2 * write_s * mtbf_s);
}

/// Daly's higher-order optimum for a write w and a mean time M between losses (J. T. Daly, FGCS 22,
/// 2006): √(2wM)·[1 + ⅓√(w/2M) + w/(9·2M)] − w for w < 2M, else M.
inline double daly_interval_s(double write_s, double mtbf_s) {
  if (write_s >= 2 * mtbf_s) return mtbf_s;
  const double x = write_s / (2 * mtbf_s);
  return young_interval_s(write_s, mtbf_s) * (1 + std::sqrt(x) / 3 + x / 9) - write_s;
}

}  // namespace bethany
