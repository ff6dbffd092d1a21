#pragma once

#include <string>
#include <utility>
#include <vector>

#include "gpu/pieces/pieces.h"

namespace bethany {

/// What ranks of real training do, measured piece by piece on some arithmetic.
struct PieceBackendOptions {
  PieceRanks ranks;
  int together = 5;          // ranks that go through a phase, as in the cases of validation
  double rotated_bytes = 0;  // of the buffers of one piece: more than caches hold
  double flop_max = 0;       // of a point
  double bytes_max = 0;      // of a point
  bool processes = false;    // ranks can be processes of this machine
  std::vector<std::pair<std::string, std::string>> facts;
  Sweeps sweeps;
  std::uint64_t seed = 0;
};

/// A backend of that; whoever derives adds its Numerics.
class PieceBackend : public Backend {
 public:
  explicit PieceBackend(PieceBackendOptions options) : options_(std::move(options)) {}

  Machine machine() const override { return {options_.facts}; }
  std::string refuses(const Point& point) const override;
  std::unique_ptr<PreparedOperation> prepare(const Point& point) override;
  std::vector<std::string> expert_variants() const override { return {"loop"}; }
  std::vector<MemoryCheck> memory() override;
  Sweeps sweeps() const override { return options_.sweeps; }

 protected:
  PieceBackendOptions options_;
};

}  // namespace bethany
