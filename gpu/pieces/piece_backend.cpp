#include "gpu/pieces/piece_backend.h"

#include <algorithm>
#include <barrier>

#include "gpu/phase.h"
#include "gpu/protocol.h"
#include "gpu/rank_threads.h"
#include "sim/cost/slowest.h"

namespace bethany {
namespace {

/// Several copies of a rank's work, each with its own buffers: in a step every rank comes back to
/// its data after all others have used the caches, so none may still be there.
class Piece {
 public:
  Piece(Compute& compute, PhaseClock clock) : compute_(compute), clock_(clock), before_(compute) {
    before_.reserve(kBefore);
  }

  /// Runs it once, untimed: what it finds memory for as it goes (attention) is there from then on,
  /// as in every step but the first.
  void add(std::function<void()> work) {
    works_.push_back(std::move(work));
    works_.back()();
  }
  /// Ends with the device idle, as a phase does. Most phases follow another of their rank, so its
  /// thread is awake.
  Sample once() {
    for (int i = 0; i < 2; ++i) {
      compute_.clear(before_.data(), kBefore * sizeof(float));
      compute_.synchronize();
    }
    const double begin = clock_();
    works_[next_++ % works_.size()]();
    const double enqueued = clock_();
    compute_.synchronize();
    return {.seconds = clock_() - begin, .enqueue_seconds = enqueued - begin};
  }

 private:
  Compute& compute_;
  static constexpr std::int64_t kBefore = 1024;

  PhaseClock clock_;
  DeviceArray<float> before_;
  std::vector<std::function<void()>> works_;
  std::size_t next_ = 0;
};

/// The same phase on several ranks, threads as in a step: one after the other, or beside each other
/// on their parts of the device. In a step the slowest counts: which that is depends on its rows,
/// and where these are equal on chance. So what is told is the mean of equal ranks, and how far the
/// slowest of them is from it.
class PhaseOfRanks final : public PreparedOperation {
 public:
  PhaseOfRanks(std::vector<Piece> pieces, bool serialised, Waiting waiting)
      : pieces_(std::move(pieces)),
        serialised_(serialised),
        turn_(waiting),
        threads_(waiting) {}

  Sample run(int repeats) override {
    std::vector<std::vector<Sample>> samples(pieces_.size());
    std::barrier together(static_cast<std::ptrdiff_t>(pieces_.size()));
    threads_.run(
        pieces_.size(),
        [&](std::size_t rank) {
          for (int i = 0; i < repeats; ++i) {
            together.arrive_and_wait();
            const auto guard = serialised_ ? std::unique_lock(turn_) : std::unique_lock<Turn>();
            samples[rank].push_back(pieces_[rank].once());
          }
        },
        [&] { together.arrive_and_drop(); });
    return summary(samples, repeats);
  }

 private:
  static Sample summary(const std::vector<std::vector<Sample>>& samples, int repeats) {
    const auto ranks = static_cast<double>(samples.size());
    Sample mean;
    double slowest = 0;
    for (std::size_t i = 0; i < static_cast<std::size_t>(repeats); ++i) {
      double most = 0;
      for (const auto& of_rank : samples) {
        most = std::max(most, of_rank[i].seconds);
        mean.seconds += of_rank[i].seconds / ranks / repeats;
        mean.enqueue_seconds += of_rank[i].enqueue_seconds / ranks / repeats;
      }
      slowest += most / repeats;
    }
    if (samples.size() > 1 && mean.seconds > 0) {
      mean.spread = (slowest / mean.seconds - 1) / expected_extreme(std::ssize(samples));
    }
    return mean;
  }

  std::vector<Piece> pieces_;
  bool serialised_;
  Turn turn_;
  RankThreads threads_;
};

bool of_processes(Operation operation) {
  return operation == Operation::process_start || operation == Operation::communicator ||
         operation == Operation::detection;
}

}  // namespace

std::string PieceBackend::refuses(const Point& point) const {
  if (point.operation == Operation::moe_layer) return "layers are measured in training";
  if (!options_.processes && of_processes(point.operation)) return "ranks are threads here";
  const Work work = point_work(point);
  return work.flop > options_.flop_max || work.bytes > options_.bytes_max ? "too large" : "";
}

std::unique_ptr<PreparedOperation> PieceBackend::prepare(const Point& point) {
  auto& ranks = options_.ranks;
  if (point.operation == Operation::all_to_all || point.operation == Operation::reduce ||
      point.operation == Operation::migrate) {
    return fabric_piece(ranks, point);
  }
  if (auto lifecycle = lifecycle_piece(ranks, point)) return lifecycle;
  constexpr double kMostCopies = 2000;
  const double bytes = 2 * point_work(point).bytes;  // floats, where Work counts 16-bit elements
  const double each = options_.rotated_bytes / options_.together;
  const auto copies = static_cast<std::uint64_t>(std::clamp(each / (bytes + 1), 1.0, kMostCopies));
  std::vector<Piece> pieces;
  for (int rank = 0; rank < options_.together; ++rank) {
    pieces.emplace_back(ranks.at(rank), ranks.clock != nullptr ? ranks.clock : wall_seconds);
    for (std::uint64_t i = 0; i < copies; ++i) {
      pieces.back().add(piece_work(ranks.at(rank), point, options_.seed * 64 + i));
    }
    ranks.at(rank).synchronize();
  }
  return std::make_unique<PhaseOfRanks>(std::move(pieces), ranks.serialised, ranks.waiting);
}

std::vector<MemoryCheck> PieceBackend::memory() {
  std::vector<MemoryCheck> checks;
  for (const auto& entry : shape_zoo()) {
    const auto& shapes = options_.sweeps.shapes;
    if (std::find(shapes.begin(), shapes.end(), entry.name) == shapes.end()) continue;
    const auto compute = options_.ranks.make(0);
    checks.push_back(memory_check(*compute, entry));
  }
  return checks;
}

}  // namespace bethany
