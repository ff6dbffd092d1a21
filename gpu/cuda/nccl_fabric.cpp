#include "gpu/cuda/nccl_fabric.h"

#include <fmt/format.h>
#include <nccl.h>
#include <sched.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "gpu/fabric/rendezvous.h"
#include "gpu/protocol.h"
#include "sim/base/check.h"

namespace bethany::cuda {
namespace {

/// A communicator, aborted at the end: destroying one waits for its peers, which may be gone.
class Communicator {
 public:
  Communicator() = default;
  ~Communicator() { abort(); }
  Communicator(Communicator&& other) noexcept : comm_(std::exchange(other.comm_, nullptr)) {}
  Communicator& operator=(Communicator&& other) noexcept {
    if (this != &other) {
      abort();
      comm_ = std::exchange(other.comm_, nullptr);
    }
    return *this;
  }
  ncclComm_t get() const { return comm_; }
  ncclComm_t* out() { return &comm_; }
  void abort() {
    if (comm_ != nullptr) ncclCommAbort(comm_);
    comm_ = nullptr;
  }

 private:
  ncclComm_t comm_ = nullptr;
};

ncclConfig_t not_blocking() {
  ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
  config.blocking = 0;
  return config;
}

/// What the communicator is at; ncclInProgress: ask again.
ncclResult_t state_of(ncclComm_t comm) {
  ncclResult_t state = ncclSuccess;
  const ncclResult_t asked = ncclCommGetAsyncError(comm, &state);
  return asked == ncclSuccess ? state : asked;
}

bool asked_off(const NcclOptions& options) { return options.called_off && options.called_off(); }

/// Waits until the communicator has done what it was asked for. False when it failed or time is
/// over; throws PeerLost when called off.
bool settled(ncclComm_t comm, const NcclOptions& options) {
  const double deadline = wall_seconds() + options.timeout_seconds;
  for (;;) {
    const ncclResult_t state = state_of(comm);
    if (state != ncclInProgress) return state == ncclSuccess;
    if (asked_off(options)) throw PeerLost("called off");
    if (wall_seconds() > deadline) return false;
    sched_yield();
  }
}

std::string bus_id() {
  int device = 0;
  check(cudaGetDevice(&device), "cudaGetDevice");
  char name[64] = {};
  check(cudaDeviceGetPCIBusId(name, sizeof name, device), "cudaDeviceGetPCIBusId");
  return name;
}

std::string topic(const NcclOptions& options, const char* what) {
  return fmt::format("nccl/{}/{}", options.epoch, what);
}

Communicator fresh_communicator(Store& store, const NcclOptions& options) {
  const double patience = options.timeout_seconds;
  refuse_shared_devices(store, topic(options, "devices"), options.rank, options.ranks, bus_id(),
                        patience);
  ncclUniqueId id{};
  std::string mine;
  if (options.rank == 0) {
    if (ncclGetUniqueId(&id) != ncclSuccess) throw GpuError("ncclGetUniqueId failed");
    mine.assign(id.internal, sizeof id.internal);
  }
  const auto all = gather(store, topic(options, "id"), options.rank, options.ranks, mine, patience);
  BETHANY_CHECK(all[0].size() == sizeof id.internal, "an id of {} bytes", all[0].size());
  std::memcpy(id.internal, all[0].data(), sizeof id.internal);
  Communicator made;
  ncclConfig_t config = not_blocking();
  const ncclResult_t begun =
      ncclCommInitRankConfig(made.out(), options.ranks, id, options.rank, &config);
  if ((begun != ncclSuccess && begun != ncclInProgress) || !settled(made.get(), options)) {
    throw PeerLost("NCCL could not connect the ranks");
  }
  return made;
}

class NcclWorld final : public NcclFabric {
 public:
  NcclWorld(const Device& device, const NcclOptions& options, Communicator comm,
            std::vector<int> member_of)
      : device_(device),
        options_(options),
        comm_(std::move(comm)),
        member_of_(std::move(member_of)) {}

  int rank() const override { return options_.rank; }
  int ranks() const override { return options_.ranks; }

  double exchange(std::span<const Send> sends, std::span<const Receive> receives) override {
    require_alive();
    if (sends.empty() && receives.empty()) return 0;
    begin_.record(device_.stream());
    begun(post(sends, receives));
    wait_for_device();
    float milliseconds = 0;
    check(cudaEventElapsedTime(&milliseconds, begin_, end_), "cudaEventElapsedTime");
    return milliseconds * 1e-3;
  }

  void barrier() override {
    require_alive();
    void* token = device_.scratch();
    begun(ncclAllReduce(token, token, 1, ncclChar, ncclMax, comm_.get(), device_.stream()));
    wait_for_device();
  }

  std::unique_ptr<NcclFabric> reconnect(const std::vector<int>& survivors, Store& store,
                                        const NcclOptions& options) override;

 private:
  int member(int rank) const { return member_of_[static_cast<std::size_t>(rank)]; }

  /// One group of NCCL; ended in any case, because an open one would swallow every later call.
  ncclResult_t post(std::span<const Send> sends, std::span<const Receive> receives) {
    const cudaStream_t stream = device_.stream();
    ncclResult_t result = ncclGroupStart();
    if (result != ncclSuccess) return result;
    const auto add = [&](ncclResult_t one) {
      if (result == ncclSuccess && one != ncclInProgress) result = one;
    };
    for (const auto& send : sends) {
      add(ncclSend(send.data, send.bytes, ncclChar, member(send.to), comm_.get(), stream));
    }
    for (const auto& receive : receives) {
      add(ncclRecv(receive.data, receive.bytes, ncclChar, member(receive.from), comm_.get(),
                   stream));
    }
    const ncclResult_t ended = ncclGroupEnd();
    return result == ncclSuccess ? ended : result;
  }

  void require_alive() const {
    if (!lost_.empty()) throw PeerLost(lost_);
  }
  [[noreturn]] void lose(const std::string& why) {
    lost_ = why;
    throw PeerLost(why);
  }
  void begun(ncclResult_t result) {
    if (result == ncclSuccess || result == ncclInProgress) return;
    lose(ncclGetErrorString(result));
  }

  /// Until the group is launched and the stream is done. Whatever NCCL reports is a lost peer: it
  /// cannot tell, and a communicator with an error is of no more use.
  void wait_for_device() {
    poll([&] { return state_of(comm_.get()) == ncclSuccess; });
    end_.record(device_.stream());
    poll([&] {
      const cudaError_t state = cudaEventQuery(end_);
      if (state != cudaErrorNotReady) check(state, "cudaEventQuery");
      return state == cudaSuccess;
    });
  }
  template <class Done>
  void poll(const Done& done) {
    while (!done()) {
      const ncclResult_t state = state_of(comm_.get());
      if (state != ncclSuccess && state != ncclInProgress) lose(ncclGetErrorString(state));
      if (asked_off(options_)) lose("called off");
      sched_yield();
    }
  }

  /// The survivors' communicator made out of this one; none when it does not come about here.
  Communicator shrunk(const std::vector<int>& survivors, const NcclOptions& options);

  const Device& device_;
  NcclOptions options_;
  Communicator comm_;
  std::vector<int> member_of_;  // of each rank, its number within the communicator
  std::string lost_;
  Event begin_{true};
  Event end_{true};
};

Communicator NcclWorld::shrunk(const std::vector<int>& survivors, const NcclOptions& options) {
  Communicator child;
#if NCCL_VERSION_CODE >= NCCL_VERSION(2, 27, 0)
  std::vector<int> gone;
  for (int rank = 0; rank < ranks(); ++rank) {
    if (std::find(survivors.begin(), survivors.end(), rank) == survivors.end()) {
      gone.push_back(member(rank));
    }
  }
  if (gone.empty() || comm_.get() == nullptr) return child;  // it refuses to exclude nobody
  ncclConfig_t config = not_blocking();
  const ncclResult_t begun = ncclCommShrink(comm_.get(), gone.data(), static_cast<int>(gone.size()),
                                            child.out(), &config, NCCL_SHRINK_ABORT);
  const bool made = (begun == ncclSuccess || begun == ncclInProgress) &&
                    settled(comm_.get(), options) && child.get() != nullptr &&
                    settled(child.get(), options);
  if (!made) child.abort();
#else
  (void)survivors, (void)options;
#endif
  return child;
}

/// The numbers in the child, which keeps the order of the parent's numbers.
std::vector<int> numbers_in_order(const std::vector<int>& parent_numbers) {
  std::vector<int> numbers;
  for (const int number : parent_numbers) {
    numbers.push_back(static_cast<int>(std::count_if(parent_numbers.begin(), parent_numbers.end(),
                                                     [&](int other) { return other < number; })));
  }
  return numbers;
}

std::vector<int> identity(int ranks) {
  std::vector<int> numbers(static_cast<std::size_t>(ranks));
  for (int rank = 0; rank < ranks; ++rank) numbers[static_cast<std::size_t>(rank)] = rank;
  return numbers;
}

std::unique_ptr<NcclFabric> NcclWorld::reconnect(const std::vector<int>& survivors, Store& store,
                                                 const NcclOptions& options) {
  BETHANY_CHECK(std::ssize(survivors) == options.ranks, "{} survivors, {} ranks", survivors.size(),
                options.ranks);
  std::vector<int> parent_numbers;
  for (const int old : survivors) parent_numbers.push_back(member(old));
  lost_ = "replaced";
  Communicator child = shrunk(survivors, options);
  // Aborted, never destroyed: after a shrink that aborts, destroying the parent may hang.
  comm_.abort();
  const auto votes = gather(store, topic(options, "shrunk"), options.rank, options.ranks,
                            child.get() != nullptr ? "yes" : "no", options.timeout_seconds);
  if (std::count(votes.begin(), votes.end(), "no") > 0) {
    child = Communicator();
    return connect(device_, store, options);
  }
  return std::make_unique<NcclWorld>(device_, options, std::move(child),
                                     numbers_in_order(parent_numbers));
}

}  // namespace

std::unique_ptr<NcclFabric> NcclFabric::connect(const Device& device, Store& store,
                                                const NcclOptions& options) {
  auto comm = fresh_communicator(store, options);
  return std::make_unique<NcclWorld>(device, options, std::move(comm), identity(options.ranks));
}

}  // namespace bethany::cuda
