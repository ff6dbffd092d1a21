#include <algorithm>
#include <optional>

#include "gpu/fabric/host_local.h"
#include "gpu/fabric/reduce.h"
#include "gpu/pieces/pieces.h"
#include "gpu/protocol.h"
#include "gpu/rank_threads.h"
#include "sim/base/check.h"

namespace bethany {
namespace {

std::size_t z(std::int64_t value) { return static_cast<std::size_t>(value); }

/// Ranks as threads; what counts is what the slowest rank of each group of messages took.
class FabricPiece final : public PreparedOperation {
 public:
  FabricPiece(PieceRanks& all, const Point& point)
      : all_(all),
        point_(point),
        ranks_(point.operation == Operation::migrate ? 2 : point.experts),
        turn_(all.waiting),
        threads_(all.waiting) {
    constexpr std::size_t kRotated = 40'000'000;  // bytes together: more than caches hold
    stride_ = (z(point.size) + 2 * sizeof(float) + kAligned - 1) / kAligned * kAligned;
    copies_ = std::clamp<std::size_t>(kRotated / (2 * stride_ * z(ranks_)), 1, 1000);
    const bool moves = point.operation == Operation::migrate;
    for (int rank = 0; rank < ranks_; ++rank) {
      for (auto* const buffers : {&out_, &in_}) {
        const std::size_t bytes = moves && buffers == &in_ ? kAligned : stride_ * copies_;
        buffers->emplace_back(all_.at(rank)).reserve(static_cast<std::int64_t>(bytes));
        all_.at(rank).clear(buffers->back().data(), bytes);
      }
      all_.at(rank).synchronize();
      next_.push_back(0);
    }
  }

  Sample run(int repeats) override {
    Turn* const taken = all_.serialised ? &turn_ : nullptr;
    HostLocal fabrics(ranks_, taken, all_.waiting);
    std::vector<std::vector<double>> seconds(z(ranks_));
    threads_.run(
        z(ranks_),
        [&](std::size_t number) {
          const int rank = static_cast<int>(number);
          CopyBytes copy;
          if (all_.device_memory) {
            copy = [&compute = all_.at(rank)](void* to, const void* from, std::size_t bytes) {
              compute.copy_now(to, from, bytes);
            };
          }
          const auto fabric = fabrics.fabric(rank, std::move(copy));
          try {
            for (int i = 0; i < repeats; ++i) {
              come(rank, taken);
              once(rank, *fabric, taken, seconds[number]);
            }
          } catch (const PeerLost&) {  // of the one that failed
          }
        },
        [&] { fabrics.abort("a rank failed"); });
    double sum = 0;
    for (std::size_t phase = 0; phase < seconds.front().size(); ++phase) {
      double slowest = 0;
      for (const auto& of_rank : seconds) slowest = std::max(slowest, of_rank[phase]);
      sum += slowest;
    }
    return {.seconds = sum / repeats, .enqueue_seconds = 0};
  }

 private:
  /// As out of a phase: one after the other where ranks take turns.
  void come(int rank, Turn* turn) {
    const auto guard = turn != nullptr ? std::unique_lock(*turn) : std::unique_lock<Turn>();
    all_.at(rank).clear(in_[z(rank)].data(), kAligned);
    all_.at(rank).synchronize();
  }

  void once(int rank, Fabric& fabric, Turn* turn, std::vector<double>& seconds) {
    const std::size_t at = next_[z(rank)]++ % copies_ * stride_;
    if (point_.operation == Operation::reduce) return reduce(rank, fabric, turn, at, seconds);
    std::vector<Send> sends;
    std::vector<Receive> receives;
    std::byte* out = out_[z(rank)].data() + at;
    std::optional<DeviceArray<std::byte>> room;
    if (point_.operation == Operation::migrate) {
      const std::int64_t messages = std::max(1, point_.experts);
      const std::size_t bytes = z(point_.size / messages);
      std::byte* in = nullptr;
      if (rank == 1) {  // whoever gets state has just found room for it
        in = room.emplace(all_.at(rank)).reserve(point_.size);
        all_.at(rank).synchronize();
      }
      for (std::int64_t i = 0; i < messages; ++i, out += bytes, in += rank == 1 ? bytes : 0) {
        if (rank == 0) sends.push_back({.to = 1, .data = out, .bytes = bytes});
        if (rank == 1) receives.push_back({.from = 0, .data = in, .bytes = bytes});
      }
      fabric.barrier();
    } else {
      std::byte* in = in_[z(rank)].data() + at;
      const std::size_t bytes = z(point_.size / (ranks_ - 1));
      for (int peer = 0; peer < ranks_; ++peer) {
        if (peer == rank) continue;
        sends.push_back({.to = peer, .data = out, .bytes = bytes});
        receives.push_back({.from = peer, .data = in, .bytes = bytes});
        out += bytes;
        in += bytes;
      }
    }
    seconds.push_back(fabric.exchange(sends, receives));
  }

  void reduce(int rank, Fabric& fabric, Turn* turn, std::size_t at, std::vector<double>& seconds) {
    const std::int64_t gradients = std::max<std::int64_t>(1, point_.rows);
    SharedGradient gradient{.holders = {}, .values = point_.size / 4 / gradients};
    for (int holder = 0; holder < ranks_; ++holder) gradient.holders.push_back(holder);
    const Reduction reduction(std::vector<SharedGradient>(z(gradients), gradient), rank);
    std::vector<float*> data;
    for (std::int64_t i = 0; i < gradients; ++i) {
      data.push_back(reinterpret_cast<float*>(out_[z(rank)].data() + at) + i * gradient.values);
    }
    BETHANY_CHECK(reduction.staging_values() * sizeof(float) <= stride_, "{} values to receive",
                  reduction.staging_values());
    Compute& compute = all_.at(rank);
    const auto sum = [&compute](std::span<const float* const> addends, std::int64_t values,
                                float* out) {
      compute.slice_sum(addends, values, out);
      compute.synchronize();
    };
    PhaseLog log({.turn = turn, .clock = all_.clock});
    reduction.run(fabric, data, reinterpret_cast<float*>(in_[z(rank)].data() + at), sum, log,
                  "reduce");
    for (const auto& phase : log.times()) seconds.push_back(phase.seconds);
  }

  static constexpr std::size_t kAligned = 256;  // bytes: as device memory is

  PieceRanks& all_;
  Point point_;
  int ranks_;
  std::vector<DeviceArray<std::byte>> out_;
  std::vector<DeviceArray<std::byte>> in_;
  std::size_t stride_ = 0;  // bytes of one copy of a rank's buffer
  std::size_t copies_ = 0;
  std::vector<std::size_t> next_;  // copy, by rank
  Turn turn_;
  RankThreads threads_;
};

}  // namespace

std::unique_ptr<PreparedOperation> fabric_piece(PieceRanks& ranks, const Point& point) {
  return std::make_unique<FabricPiece>(ranks, point);
}

}  // namespace bethany
