#pragma once

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <string>
#include <utility>

#include "gpu/protocol.h"

namespace bethany {

/// How far something is, on stderr. At most twice a second: a line that is written over on a
/// terminal, else one for every tenth part.
class Progress {
 public:
  /// `things`: what is counted, in the plural.
  explicit Progress(std::string things) : things_(std::move(things)) {}

  void tell(std::int64_t done, std::int64_t total, const std::string& next) {
    const double now = wall_seconds();
    if (terminal_) {
      if (done > 0 && now - last_ < 0.5) return;
      fmt::print(stderr, "\r\033[K{} of {} {}; {}", done, total, things_, next.substr(0, 60));
      std::fflush(stderr);
    } else {
      const auto tenth = 10 * done / std::max<std::int64_t>(total, 1);
      if (tenth == tenth_) return;
      tenth_ = tenth;
      fmt::print(stderr, "{} of {} {}\n", done, total, things_);
    }
    last_ = now;
  }
  void finish() const {
    if (terminal_) fmt::print(stderr, "\r\033[K");
  }

 private:
  std::string things_;
  bool terminal_ = isatty(STDERR_FILENO) != 0;
  std::int64_t tenth_ = -1;
  double last_ = 0;
};

}  // namespace bethany
