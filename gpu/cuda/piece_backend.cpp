// What a rank of real training does on a GPU, measured piece by piece: alone (modes serialised and
// threads), or on its part of the GPU while others do the same on theirs (mode partitioned).
#include "gpu/pieces/piece_backend.h"

#include <limits>

#include "gpu/cuda/device.h"
#include "gpu/cuda/trained.h"
#include "sim/base/object_reader.h"

namespace bethany {
namespace {

Sweeps sweeps(bool partitioned) {
  Sweeps all;
  all.shapes = {"medium"};
  all.peak = partitioned ? 2048 : 8192;
  all.sentinel = 2048;
  all.bytes_max = 1 << 28;
  all.elements_max = 1 << 25;
  all.separate_host = false;
  all.arrays = {1, 4, 16};
  all.rows_factor = 16;
  all.fabric_ranks = {2, 4, 6, 10};
  all.crew_ranks = {2, 4, 8, 12};
  return all;
}

std::unique_ptr<Backend> make(ObjectReader& options, bool partitioned) {
  const auto seed = static_cast<std::uint64_t>(
      options.integer("seed", 0, std::numeric_limits<std::int64_t>::max()));
  PieceBackendOptions pieces;
  pieces.facts = cuda::facts_of_trained(partitioned ? Mode::partitioned : Mode::serialised);
  pieces.ranks = {.make =
                      [partitioned](int rank) {
                        return make_compute("cuda", {.rank = rank % cuda::kParts,
                                                     .ranks = cuda::kParts,
                                                     .partitioned = partitioned});
                      },
                  .clock = nullptr,
                  .device_memory = true,
                  .serialised = !partitioned,
                  .waiting = waiting_beside_device(cuda::kParts),
                  .trained = cuda::trained_world().stack,
                  .made = {}};
  pieces.rotated_bytes = 1.6e8;  // three times the largest cache (H200: 50 MB)
  pieces.flop_max = 2e12;
  pieces.bytes_max = 4e9;
  pieces.sweeps = sweeps(partitioned);
  pieces.seed = seed;
  return std::make_unique<PieceBackend>(std::move(pieces));
}

const bool whole = backends().add({
    .name = "cuda-training",
    .summary = "one NVIDIA GPU, piece by piece what a rank of `validate --backend cuda` does",
    .make = [](ObjectReader& options) { return make(options, false); },
});
const bool part = backends().add({
    .name = "cuda-partition",
    .summary = "the same on a tenth of the GPU beside others that do it too (mode partitioned)",
    .make = [](ObjectReader& options) { return make(options, true); },
});

}  // namespace
}  // namespace bethany
