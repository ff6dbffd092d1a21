#include "gpu/cuda/nccl_check.h"

#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <limits>
#include <thread>

#include "gpu/cuda/device.h"
#include "gpu/cuda/nccl_fabric.h"
#include "gpu/cuda/stream_of.h"
#include "gpu/protocol.h"
#include "sim/base/check.h"

namespace bethany::cuda {
namespace {

constexpr double kWrong = std::numeric_limits<double>::infinity();
constexpr double kPatienceSeconds = 10;

/// A pipe whose reading end calls off.
class CallOff {
 public:
  CallOff() {
    int ends[2];
    if (::pipe(ends) != 0) throw MachineError("cannot make a pipe");
    read_ = Descriptor(ends[0]);
    write_ = Descriptor(ends[1]);
  }
  int descriptor() const { return read_.get(); }
  void say() const { BETHANY_CHECK(::write(write_.get(), "!", 1) == 1, "a full pipe"); }
  void take_back() const {
    char byte = 0;
    BETHANY_CHECK(::read(read_.get(), &byte, 1) == 1, "an empty pipe");
  }

 private:
  Descriptor read_;
  Descriptor write_;
};

/// Work that keeps a stream waiting until it is let go, or patience is over.
class Obstacle {
 public:
  explicit Obstacle(cudaStream_t stream) : stream_(stream) {
    check(cudaLaunchHostFunc(stream, &Obstacle::wait, &gone_), "cudaLaunchHostFunc");
  }
  ~Obstacle() {
    gone_ = true;
    cudaStreamSynchronize(stream_);
  }
  Obstacle(const Obstacle&) = delete;
  Obstacle& operator=(const Obstacle&) = delete;

 private:
  static void wait(void* gone) {
    const double deadline = wall_seconds() + kPatienceSeconds;
    while (!*static_cast<std::atomic<bool>*>(gone) && wall_seconds() < deadline) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }

  cudaStream_t stream_;
  std::atomic<bool> gone_{false};
};

class Check {
 public:
  Check()
      : compute_(make_compute("cuda")),
        listener_(0, "127.0.0.1"),
        maker_(nccl_maker("127.0.0.1")) {}

  std::vector<CheckResult> run() {
    passes("connects", [this] { return connects(-1, "new"); });
    passes("sends to itself", [this] { return sends_arrive({4, 4096, 1 << 20, 12345 * 4}); });
    passes("waits for itself", [this] { fabric().barrier(); });
    passes("is called off while it waits", [this] { return called_off_while_waiting(); });
    passes("stays called off", [this] { return loses([this] { fabric().barrier(); }); });
    passes("connects anew after that", [this] { return connects(0, "new"); });
    passes("sends to itself again", [this] { return sends_arrive({1 << 22, 8}); });
    passes("keeps its communicator", [this] { return connects(0, "renumbered"); });
    passes("sends to itself in it", [this] { return sends_arrive({8, 1 << 18}); });
    passes("is called off while rank 1 does not come", [this] { return called_off_alone(); });
    passes("connects once more", [this] { return connects(-1, "new"); });
    passes("sends to itself once more", [this] { return sends_arrive({400}); });
    return std::move(results_);
  }

 private:
  template <class Work>
  void passes(const std::string& what, const Work& work) {
    const double begin = wall_seconds();
    std::string name = nccl_name() + " " + what;
    double error = kWrong;
    try {
      if constexpr (std::is_void_v<decltype(work())>) {
        work();
        error = 0;
      } else {
        error = work() ? 0 : kWrong;
      }
    } catch (const std::exception& failure) {
      name += std::string(": ") + failure.what();
    }
    results_.push_back({fmt::format("{} ({:.2f} s)", name, wall_seconds() - begin), error, 0});
  }

  Connection connection(int before, int ranks) {
    Connection connection{.epoch = ++epoch_, .store_port = store_.port()};
    for (int rank = 0; rank < ranks; ++rank) {
      connection.addresses.push_back({"127.0.0.1", listener_.port()});
      connection.before.push_back(before);
    }
    return connection;
  }
  std::unique_ptr<Fabric> make(const Connection& connection) {
    return maker_(connection, {.listener = listener_,
                               .called_off = call_off_.descriptor(),
                               .compute = *compute_,
                               .previous = std::move(fabric_)});
  }
  Fabric& fabric() {
    if (fabric_ == nullptr) throw MachineError("not connected");
    return *fabric_;
  }
  bool connects(int before, std::string_view origin) {
    fabric_ = make(connection(before, 1));
    return fabric_->origin() == origin;
  }

  /// All in one exchange, each message of other values.
  bool sends_arrive(const std::vector<std::size_t>& sizes) {
    std::vector<DeviceArray<std::byte>> arrays;
    std::vector<std::vector<std::byte>> sent;
    std::vector<Send> sends;
    std::vector<Receive> receives;
    for (const auto bytes : sizes) {
      sent.emplace_back(bytes);
      for (std::size_t i = 0; i < bytes; ++i) {
        sent.back()[i] = static_cast<std::byte>((i * 7 + i / 256 + 31 * sent.size()) % 251);
      }
      const auto* from = arrays.emplace_back(*compute_).upload(sent.back());
      auto* to = arrays.emplace_back(*compute_).reserve(static_cast<std::int64_t>(bytes));
      compute_->clear(to, bytes);
      sends.push_back({0, from, bytes});
      receives.push_back({0, to, bytes});
    }
    const double seconds = fabric().exchange(sends, receives);
    bool same = seconds > 0;
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      std::vector<std::byte> came(sizes[i]);
      compute_->download(came.data(), receives[i].data, sizes[i]);
      same = same && came == sent[i];
    }
    return same;
  }

  template <class Work>
  static bool loses(const Work& work) {
    try {
      work();
    } catch (const PeerLost&) {
      return true;
    }
    return false;
  }

  /// The stream has work before the exchange that does not end in time.
  bool called_off_while_waiting() {
    DeviceArray<std::byte> room(*compute_);  // in use until the obstacle is gone
    auto* const at = room.reserve(2048);
    const Send send{0, at, 1024};
    const Receive receive{0, at + 1024, 1024};
    const Obstacle obstacle(stream_of(*compute_));
    const double begin = wall_seconds();
    std::jthread caller([this] {
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
      call_off_.say();
    });
    const bool lost = loses([&] { fabric().exchange({&send, 1}, {&receive, 1}); });
    const double took = wall_seconds() - begin;
    caller.join();
    call_off_.take_back();
    return lost && took > 0.04 && took < kPatienceSeconds / 2;
  }

  /// Rank 0 of two.
  bool called_off_alone() {
    std::jthread caller([this] {
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
      call_off_.say();
    });
    const bool lost = loses([this] { make(connection(-1, 2)); });
    caller.join();
    call_off_.take_back();
    return lost;
  }

  std::unique_ptr<Compute> compute_;
  StoreServer store_;
  Listener listener_;
  CallOff call_off_;
  FabricMaker maker_;
  std::unique_ptr<Fabric> fabric_;
  std::uint64_t epoch_ = 0;
  std::vector<CheckResult> results_;
};

}  // namespace

std::vector<CheckResult> check_nccl() { return Check().run(); }

}  // namespace bethany::cuda
