#include <algorithm>
#include <thread>

#include "gpu/cpu/operations.h"
#include "gpu/fabric/host_local.h"
#include "gpu/fabric/reduce.h"
#include "gpu/protocol.h"
#include "sim/base/check.h"

namespace bethany::cpu {
namespace {

std::size_t z(std::int64_t value) { return static_cast<std::size_t>(value); }

/// Ranks as threads that copy one after the other, as in the serialised mode: what counts is what
/// the slowest rank of each group of messages took.
class FabricOperation final : public PreparedOperation {
 public:
  explicit FabricOperation(const Point& point)
      : point_(point), ranks_(point.operation == Operation::migrate ? 2 : point.experts) {
    constexpr std::size_t kRotated = 40'000'000;  // bytes together: more than caches hold
    stride_ = (z(point.size) + 2 * sizeof(float)) / sizeof(float) * sizeof(float);
    copies_ = std::clamp<std::size_t>(kRotated / (2 * stride_ * z(ranks_)), 1, 1000);
    for (int rank = 0; rank < ranks_; ++rank) {
      out_.emplace_back(stride_ * copies_, std::byte{1});
      in_.emplace_back(stride_ * copies_);
      next_.push_back(0);
    }
  }

  Sample run(int repeats) override {
    Turn turn;
    HostLocal fabrics(ranks_, &turn);
    std::vector<std::vector<double>> seconds(z(ranks_));
    {
      std::vector<std::jthread> threads;
      for (int rank = 0; rank < ranks_; ++rank) {
        threads.emplace_back([&, rank] {
          const auto fabric = fabrics.fabric(rank);
          for (int i = 0; i < repeats; ++i) once(rank, *fabric, turn, seconds[z(rank)]);
        });
      }
    }
    double sum = 0;
    for (std::size_t phase = 0; phase < seconds.front().size(); ++phase) {
      double slowest = 0;
      for (const auto& of_rank : seconds) slowest = std::max(slowest, of_rank[phase]);
      sum += slowest;
    }
    return {.seconds = sum / repeats, .enqueue_seconds = 0};
  }

 private:
  void once(int rank, Fabric& fabric, Turn& turn, std::vector<double>& seconds) {
    const std::size_t at = next_[z(rank)]++ % copies_ * stride_;
    if (point_.operation == Operation::reduce) return reduce(rank, fabric, turn, at, seconds);
    std::vector<Send> sends;
    std::vector<Receive> receives;
    std::byte* out = out_[z(rank)].data() + at;
    std::byte* in = in_[z(rank)].data() + at;
    if (point_.operation == Operation::migrate) {
      if (rank == 0) sends.push_back({.to = 1, .data = out, .bytes = z(point_.size)});
      if (rank == 1) receives.push_back({.from = 0, .data = in, .bytes = z(point_.size)});
    } else {
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

  void reduce(int rank, Fabric& fabric, Turn& turn, std::size_t at, std::vector<double>& seconds) {
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
    PhaseLog log(&turn, thread_seconds);
    reduction.run(fabric, data, reinterpret_cast<float*>(in_[z(rank)].data() + at), sum_slices, log,
                  "reduce");
    for (const auto& phase : log.times()) seconds.push_back(phase.seconds);
  }

  Point point_;
  int ranks_;
  std::vector<std::vector<std::byte>> out_;
  std::vector<std::vector<std::byte>> in_;
  std::size_t stride_ = 0;  // bytes of one copy of a rank's buffer
  std::size_t copies_ = 0;
  std::vector<std::size_t> next_;  // copy, by rank
};

}  // namespace

std::unique_ptr<PreparedOperation> fabric_operation(const Point& point) {
  return std::make_unique<FabricOperation>(point);
}

}  // namespace bethany::cpu
