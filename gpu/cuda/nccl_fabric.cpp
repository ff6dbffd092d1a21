#include "gpu/cuda/nccl_fabric.h"

#include <fmt/format.h>
#include <nccl.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <utility>

#include "gpu/cuda/device.h"
#include "gpu/cuda/stream_of.h"
#include "gpu/fabric/environment.h"
#include "gpu/fabric/rendezvous.h"
#include "gpu/protocol.h"
#include "sim/base/check.h"

namespace bethany::cuda {
namespace {

/// A shrink takes 1.4 to 2 s on up to 1,024 GPUs (published); beyond this it has failed.
constexpr double kShrinkSeconds = 30;
constexpr std::size_t kScratchBytes = 256;

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

/// Waits until the communicator has done what it was asked for. False when it failed or time is
/// over; throws PeerLost when called off.
bool settled(ncclComm_t comm, double timeout_seconds, int abort_descriptor) {
  const double deadline = wall_seconds() + timeout_seconds;
  for (;;) {
    const ncclResult_t state = state_of(comm);
    if (state != ncclInProgress) return state == ncclSuccess;
    if (called_off(abort_descriptor)) throw PeerLost("called off");
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

std::vector<std::string> gather(Store& store, const NcclOptions& options, const char* what,
                                const std::string& mine) {
  return bethany::gather(store, topic(options, what), options.rank, options.ranks, mine,
                         options.timeout_seconds, options.abort_descriptor);
}

/// Whether all ranks say yes.
bool agree(Store& store, const NcclOptions& options, const char* what, bool yes) {
  const auto votes = gather(store, options, what, yes ? "yes" : "no");
  return std::count(votes.begin(), votes.end(), "no") == 0;
}

Communicator fresh_communicator(Store& store, const NcclOptions& options) {
  if (!options.shares_devices) {
    refuse_shared_devices(store, topic(options, "devices"), options.rank, options.ranks, bus_id(),
                          options.timeout_seconds, options.abort_descriptor);
  }
  ncclUniqueId id{};
  std::string mine;
  if (options.rank == 0) {
    if (ncclGetUniqueId(&id) != ncclSuccess) throw GpuError("ncclGetUniqueId failed");
    mine.assign(id.internal, sizeof id.internal);
  }
  const auto all = gather(store, options, "id", mine);
  BETHANY_CHECK(all[0].size() == sizeof id.internal, "an id of {} bytes", all[0].size());
  std::memcpy(id.internal, all[0].data(), sizeof id.internal);
  Communicator made;
  ncclConfig_t config = not_blocking();
  const ncclResult_t begun =
      ncclCommInitRankConfig(made.out(), options.ranks, id, options.rank, &config);
  if ((begun != ncclSuccess && begun != ncclInProgress) ||
      !settled(made.get(), options.timeout_seconds, options.abort_descriptor)) {
    throw PeerLost(fmt::format("NCCL could not connect {} ranks: {}", options.ranks,
                               ncclGetLastError(nullptr)));
  }
  return made;
}

class NcclWorld final : public NcclFabric {
 public:
  /// `member_of`: of each rank its number within the communicator.
  NcclWorld(cudaStream_t stream, const NcclOptions& options, Communicator comm,
            std::vector<int> member_of, std::string_view origin)
      : stream_(stream),
        options_(options),
        comm_(std::move(comm)),
        member_of_(std::move(member_of)),
        origin_(origin) {}

  int rank() const override { return options_.rank; }
  int ranks() const override { return options_.ranks; }
  std::string_view origin() const override { return origin_; }

  double exchange(std::span<const Send> sends, std::span<const Receive> receives) override {
    require_alive();
    if (sends.empty() && receives.empty()) return 0;
    begin_.record(stream_);
    begun(post(sends, receives));
    wait_for_device();
    float milliseconds = 0;
    check(cudaEventElapsedTime(&milliseconds, begin_, end_), "cudaEventElapsedTime");
    return milliseconds * 1e-3;
  }

  void barrier() override {
    require_alive();
    void* const token = scratch_.take(1);
    scratch_.reset();
    begun(ncclAllReduce(token, token, 1, ncclChar, ncclMax, comm_.get(), stream_));
    wait_for_device();
  }

  std::unique_ptr<NcclFabric> reconnect(const std::vector<int>& survivors, Store& store,
                                        const NcclOptions& options) override;

 private:
  int member(int rank) const { return member_of_[static_cast<std::size_t>(rank)]; }

  /// One group of NCCL; ended in any case, because an open one would swallow every later call.
  ncclResult_t post(std::span<const Send> sends, std::span<const Receive> receives) {
    ncclResult_t result = ncclGroupStart();
    if (result != ncclSuccess) return result;
    const auto add = [&](ncclResult_t one) {
      if (result == ncclSuccess && one != ncclInProgress) result = one;
    };
    for (const auto& send : sends) {
      add(ncclSend(send.data, send.bytes, ncclChar, member(send.to), comm_.get(), stream_));
    }
    for (const auto& receive : receives) {
      add(ncclRecv(receive.data, receive.bytes, ncclChar, member(receive.from), comm_.get(),
                   stream_));
    }
    const ncclResult_t ended = ncclGroupEnd();
    return result == ncclSuccess ? ended : result;
  }

  /// Nothing is begun in what was called off already.
  void require_alive() {
    if (!lost_.empty()) throw PeerLost(lost_);
    if (called_off(options_.abort_descriptor)) lose("called off");
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
    end_.record(stream_);
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
      if (called_off(options_.abort_descriptor)) lose("called off");
      sched_yield();
    }
  }

  /// The survivors' communicator made out of this one; none when it does not come about here.
  Communicator shrunk(const std::vector<int>& survivors, const NcclOptions& options);

  cudaStream_t stream_;
  Arena scratch_{kScratchBytes};
  NcclOptions options_;
  Communicator comm_;  // goes before the memory: what is under way is aborted first
  std::vector<int> member_of_;
  std::string_view origin_;
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
  ncclConfig_t config = not_blocking();
  bool made = false;
  try {
    const ncclResult_t begun =
        ncclCommShrink(comm_.get(), gone.data(), static_cast<int>(gone.size()), child.out(),
                       &config, NCCL_SHRINK_ABORT);
    made = (begun == ncclSuccess || begun == ncclInProgress) &&
           settled(comm_.get(), kShrinkSeconds, options.abort_descriptor) &&
           child.get() != nullptr && settled(child.get(), kShrinkSeconds, options.abort_descriptor);
  } catch (const PeerLost&) {
    comm_.abort();  // NCCL's thread writes to `child` until it has ended
    throw;
  }
  if (!made) {
    comm_.abort();
    child.abort();
  }
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
  // NCCL refuses to exclude nobody, and to begin with what has failed or is still connecting: then
  // those who could would wait for those who cannot.
  const bool fit = state_of(comm_.get()) == ncclSuccess;
  const bool all = std::ssize(survivors) == ranks();
  const bool agreed = agree(store, options, "fit", fit && (lost_.empty() || !all));
  lost_ = "replaced";
  if (agreed && all) {
    return std::make_unique<NcclWorld>(stream_, options, std::move(comm_),
                                       std::move(parent_numbers), "renumbered");
  }
  Communicator child;
  if (agreed) {
    child = shrunk(survivors, options);
    if (!agree(store, options, "shrunk", child.get() != nullptr)) child.abort();
  }
  // Aborted, never destroyed: after a shrink that aborts, destroying the parent may hang.
  comm_.abort();
  if (child.get() == nullptr) return connect(stream_, store, options);
  return std::make_unique<NcclWorld>(stream_, options, std::move(child),
                                     numbers_in_order(parent_numbers), "shrunk");
}

bool gpus_are_shared() { return environment_variable("BETHANY_SHARE_GPUS").has_value(); }

/// NCCL refuses two ranks of one machine on one GPU: to it, each process becomes a machine of its
/// own that is reached by the loopback. What is set already stays.
void pose_as_machine() {
  const auto name = fmt::format("{}-{}", machine_name(), getpid());
  for (const auto& [variable, value] :
       std::vector<std::pair<const char*, std::string>>{{"NCCL_HOSTID", name},
                                                        {"NCCL_NET", "Socket"},
                                                        {"NCCL_SOCKET_IFNAME", "lo"},
                                                        {"NCCL_MNNVL_ENABLE", "0"},
                                                        {"NCCL_NVLS_ENABLE", "0"},
                                                        {"NCCL_RAS_ENABLE", "0"},
                                                        {"NCCL_MAX_CTAS", "2"}}) {
    setenv(variable, value.c_str(), 0);
  }
}

/// The store is asked over one connection, whatever the configuration.
struct Meeting {
  std::string host;
  std::optional<Store> store;

  std::unique_ptr<Fabric> connect(const Connection& connection, OwnEnd end) {
    if (!store) store.emplace(Address{host, connection.store_port});
    const NcclOptions options{.rank = connection.rank,
                              .ranks = static_cast<int>(connection.addresses.size()),
                              .epoch = connection.epoch,
                              .abort_descriptor = end.called_off,
                              .shares_devices = gpus_are_shared()};
    const auto& before = connection.before;
    if (std::count(before.begin(), before.end(), -1) == 0) {
      auto* const previous = dynamic_cast<NcclFabric*>(end.previous.get());
      BETHANY_CHECK(previous != nullptr, "rank {} has lost its communicator", connection.rank);
      return previous->reconnect(before, *store, options);
    }
    end.previous.reset();
    return NcclFabric::connect(stream_of(end.compute), *store, options);
  }
};

}  // namespace

std::unique_ptr<NcclFabric> NcclFabric::connect(cudaStream_t stream, Store& store,
                                                const NcclOptions& options) {
  auto comm = fresh_communicator(store, options);
  return std::make_unique<NcclWorld>(stream, options, std::move(comm), identity(options.ranks),
                                     "new");
}

FabricMaker nccl_maker(std::string store_host) {
  if (gpus_are_shared()) pose_as_machine();
  const auto meeting = std::make_shared<Meeting>();
  meeting->host = std::move(store_host);
  return [meeting](const Connection& connection, OwnEnd end) {
    return meeting->connect(connection, std::move(end));
  };
}

std::string nccl_name() {
  int version = 0;
  if (ncclGetVersion(&version) != ncclSuccess) return "NCCL";
  return fmt::format("NCCL {}.{}.{}{}", version / 10000, version / 100 % 100, version % 100,
                     gpus_are_shared() ? ", ranks share GPUs: times mean nothing" : "");
}

}  // namespace bethany::cuda
