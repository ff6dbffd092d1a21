#include "tests/nccl/nccl_double.h"

#include <cuda_runtime.h>
#include <fmt/format.h>
#include <nccl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <thread>
#include <vector>

#include "gpu/cuda/device.h"
#include "gpu/cuda/stream_of.h"
#include "gpu/fabric/rendezvous.h"
#include "gpu/fabric/sockets.h"
#include "sim/base/check.h"
#include "sim/base/object_reader.h"

namespace {

using bethany::PeerLost;
using bethany::test::NcclDouble;

// The one stream of the process.
std::atomic<int> works{0};      // not done
std::atomic<int> obstacles{0};  // before what comes next

void wait_a_little() { std::this_thread::sleep_for(std::chrono::microseconds(100)); }

struct Work {
  const void* from = nullptr;  // a send
  void* to = nullptr;          // a receive
  std::size_t bytes = 0;
  int peer = 0;
};

const bool registered = bethany::computes().add(
    {.name = "cuda",
     .summary = "the processor's, for checks that ask for a GPU",
     .make = [](bethany::ObjectReader&) { return bethany::make_compute("cpu"); }});

}  // namespace

struct ncclComm {
  ncclComm(int own, int all, int port, std::string at)
      : rank(own), ranks(all), store_port(port), topic(std::move(at)) {
    BETHANY_CHECK(::pipe(abort_ends) == 0, "no pipe");
  }
  ~ncclComm() {
    ::close(abort_ends[0]);
    ::close(abort_ends[1]);
  }

  /// Ends what is under way.
  void abort() {
    BETHANY_CHECK(::write(abort_ends[1], "!", 1) == 1, "a full pipe");
    if (init.joinable()) init.join();
    if (kernel.joinable()) kernel.join();
  }
  void recover() const {
    char byte = 0;
    BETHANY_CHECK(::read(abort_ends[0], &byte, 1) == 1, "not aborted");
  }

  void meet() {
    bethany::Store store({"127.0.0.1", store_port});
    const auto addresses =
        bethany::gather_addresses(store, topic, rank, ranks, {"127.0.0.1", listener.port()}, 30);
    fabric = bethany::connect_mesh(
        listener,
        {.rank = rank, .addresses = addresses, .epoch = 1, .abort_descriptor = abort_ends[0]});
  }

  template <class Do>
  void launch(const Do& what) {
    if (kernel.joinable()) kernel.join();
    ++works;
    kernel = std::thread([this, what] {
      while (obstacles > 0) wait_a_little();
      try {
        what();
      } catch (const PeerLost&) {
        pollfd aborted{abort_ends[0], POLLIN, 0};
        ::poll(&aborted, 1, -1);  // NCCL does not notice
      }
      --works;
    });
  }

  void exchange(const std::vector<Work>& all) const {
    std::vector<Work> to_self;
    std::vector<bethany::Send> sends;
    std::vector<bethany::Receive> receives;
    for (const auto& work : all) {
      if (work.peer == rank) {
        to_self.push_back(work);
      } else if (work.from != nullptr) {
        sends.push_back({work.peer, work.from, work.bytes});
      } else {
        receives.push_back({work.peer, work.to, work.bytes});
      }
    }
    const auto first_receive = std::stable_partition(
        to_self.begin(), to_self.end(), [](const Work& work) { return work.to == nullptr; });
    BETHANY_CHECK(2 * (first_receive - to_self.begin()) == std::ssize(to_self),
                  "a send without receive");
    for (auto send = to_self.begin(), receive = first_receive; send != first_receive;
         ++send, ++receive) {
      BETHANY_CHECK(send->bytes == receive->bytes, "sizes differ");
      std::memcpy(receive->to, send->from, send->bytes);
    }
    fabric->exchange(sends, receives);
  }

  int rank;
  int ranks;
  int store_port;
  std::string topic;
  bethany::Listener listener{0, "127.0.0.1"};
  int abort_ends[2] = {};
  std::atomic<ncclResult_t> state{ncclInProgress};
  std::unique_ptr<bethany::Fabric> fabric;
  std::thread init;
  std::thread kernel;
};

namespace {

thread_local std::vector<Work> group;
thread_local ncclComm* group_of = nullptr;

}  // namespace

extern "C" {

ncclResult_t ncclGetVersion(int* version) {
  *version = NCCL_VERSION_CODE;
  return ncclSuccess;
}
const char* ncclGetErrorString(ncclResult_t) { return "an error of the double"; }
const char* ncclGetLastError(ncclComm_t) { return "an error of the double"; }

ncclResult_t ncclGetUniqueId(ncclUniqueId* id) {
  static std::vector<std::unique_ptr<bethany::StoreServer>> servers;
  servers.push_back(std::make_unique<bethany::StoreServer>(0, "127.0.0.1"));
  const int port = servers.back()->port();
  std::memset(id, 0, sizeof *id);
  std::memcpy(id->internal, &port, sizeof port);
  return ncclSuccess;
}

ncclResult_t ncclCommInitRankConfig(ncclComm_t* made, int ranks, ncclUniqueId id, int rank,
                                    ncclConfig_t* config) {
  if (config->blocking != 0) return ncclInvalidArgument;
  int port = 0;
  std::memcpy(&port, id.internal, sizeof port);
  auto* const comm = new ncclComm(rank, ranks, port, "init");
  *made = comm;
  comm->init = std::thread([comm] {
    try {
      comm->meet();
      comm->state = ncclSuccess;
    } catch (const std::exception&) {
      comm->state = ncclSystemError;
    }
  });
  return ncclInProgress;
}

ncclResult_t ncclCommGetAsyncError(ncclComm_t comm, ncclResult_t* state) {
  if (comm == nullptr) return ncclInvalidArgument;
  *state = comm->state;
  return ncclSuccess;
}

ncclResult_t ncclCommAbort(ncclComm_t comm) {
  comm->abort();
  delete comm;
  return ncclSuccess;
}

ncclResult_t ncclCommShrink(ncclComm_t parent, int* excluded, int count, ncclComm_t* made,
                            ncclConfig_t*, int flags) {
  if (count < 1 || flags != NCCL_SHRINK_ABORT || parent->state != ncclSuccess) {
    return ncclInvalidArgument;
  }
  std::sort(excluded, excluded + count);
  auto topic = parent->topic + " without";
  int rank = parent->rank;
  for (int i = 0; i < count; ++i) {
    if (excluded[i] == parent->rank || excluded[i] >= parent->ranks) return ncclInvalidArgument;
    if (excluded[i] < parent->rank) --rank;
    topic += fmt::format(" {}", excluded[i]);
  }
  parent->abort();
  parent->recover();
  parent->state = ncclInProgress;
  *made = nullptr;
  const bool fails = parent->rank == NcclDouble::shrink_fails_on;
  auto* const child = new ncclComm(rank, parent->ranks - count, parent->store_port, topic);
  parent->init = std::thread([parent, child, made, fails] {
    try {
      child->meet();
      if (fails) throw PeerLost("it has to fail");
      child->state = ncclSuccess;
      *made = child;
      parent->state = ncclSuccess;
    } catch (const std::exception&) {
      delete child;
      parent->state = ncclSystemError;
    }
  });
  return ncclInProgress;
}

ncclResult_t ncclGroupStart() {
  group.clear();
  group_of = nullptr;
  return ncclSuccess;
}
ncclResult_t ncclSend(const void* from, size_t bytes, ncclDataType_t, int peer, ncclComm_t comm,
                      cudaStream_t) {
  group.push_back({.from = from, .bytes = bytes, .peer = peer});
  group_of = comm;
  return ncclSuccess;
}
ncclResult_t ncclRecv(void* to, size_t bytes, ncclDataType_t, int peer, ncclComm_t comm,
                      cudaStream_t) {
  group.push_back({.to = to, .bytes = bytes, .peer = peer});
  group_of = comm;
  return ncclSuccess;
}
ncclResult_t ncclGroupEnd() {
  auto* const comm = group_of;
  comm->launch([comm, all = group] { comm->exchange(all); });
  return ncclInProgress;
}
ncclResult_t ncclAllReduce(const void*, void*, size_t, ncclDataType_t, ncclRedOp_t, ncclComm_t comm,
                           cudaStream_t) {
  comm->launch([comm] { comm->fabric->barrier(); });
  return ncclInProgress;
}

cudaError_t cudaGetDevice(int* device) {
  *device = 0;
  return cudaSuccess;
}
cudaError_t cudaDeviceGetPCIBusId(char* name, int size, int) {
  std::snprintf(name, static_cast<std::size_t>(size), "device of %d", ::getpid());
  return cudaSuccess;
}
cudaError_t cudaEventQuery(cudaEvent_t) { return works > 0 ? cudaErrorNotReady : cudaSuccess; }
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t, cudaEvent_t) {
  *milliseconds = 1;
  return cudaSuccess;
}
cudaError_t cudaLaunchHostFunc(cudaStream_t, cudaHostFn_t function, void* data) {
  ++works;
  ++obstacles;
  std::thread([function, data] {
    function(data);
    --obstacles;
    --works;
  }).detach();
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t) {
  while (works > 0) wait_a_little();
  return cudaSuccess;
}

}  // extern "C"

namespace bethany::cuda {

void check(cudaError_t status, const char* what) {
  if (status != cudaSuccess) throw GpuError(what);
}
Event::Event(bool) {}
Event::~Event() = default;
void Event::record(cudaStream_t) const {}
Arena::Arena(std::size_t bytes) : base_(static_cast<char*>(std::malloc(bytes))), size_(bytes) {}
Arena::~Arena() { std::free(base_); }
void* Arena::take(std::size_t) { return base_; }
cudaStream_t stream_of(const Compute&) { return nullptr; }

}  // namespace bethany::cuda
