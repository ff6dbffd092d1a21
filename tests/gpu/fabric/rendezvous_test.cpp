#include "gpu/fabric/rendezvous.h"

#include <unistd.h>

#include <chrono>
#include <thread>

#include "gpu/fabric/sockets.h"
#include "sim/base/error.h"
#include "tests/gpu/fabric/crew.h"

namespace bethany {
namespace {

using test::all_to_all;
using test::run_ranks;

TEST_CASE("ranks that know only the store find each other") {
  const StoreServer server;
  const Address at{"127.0.0.1", server.port()};
  std::atomic<int> wrong{0};
  const auto lost = run_ranks(4, [&](int rank) {
    Store store(at);
    const Listener listener;
    const auto addresses =
        gather_addresses(store, "1/addresses", rank, 4, {store.own_host(), listener.port()}, 30);
    const auto fabric = connect_mesh(listener, {.rank = rank, .addresses = addresses, .epoch = 1});
    all_to_all(*fabric, 0, wrong);
    fabric->barrier();
  });
  CHECK(lost == std::vector<bool>(4, false));
  CHECK(Store(at).own_host() == "127.0.0.1");
  CHECK(wrong == 0);
}

TEST_CASE("who does not come is named") {
  const StoreServer server;
  Store store({"127.0.0.1", server.port()});
  CHECK(gather(store, "x", 0, 1, "alone", 0) == std::vector<std::string>{"alone"});
  CHECK_THROWS_WITH(gather(store, "y", 0, 2, "alone", 0.05), "rank 1 did not come to y");
}

TEST_CASE("who is called off waits no longer") {
  const StoreServer server;
  Store store({"127.0.0.1", server.port()});
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  const Descriptor abort(ends[0]);
  Descriptor other(ends[1]);
  CHECK(gather(store, "x", 0, 1, "alone", 0, abort.get()) == std::vector<std::string>{"alone"});
  CHECK_THROWS_WITH(gather(store, "y", 0, 2, "alone", 0.1, abort.get()),
                    "rank 1 did not come to y");
  CHECK_FALSE(called_off(abort.get()));
  std::thread caller([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    other.close();
  });
  CHECK_THROWS_WITH(gather(store, "z", 0, 2, "alone", 600, abort.get()), "called off");
  caller.join();
  CHECK(called_off(abort.get()));
}

TEST_CASE("two ranks on one device are refused by every rank") {
  const StoreServer server;
  const Address at{"127.0.0.1", server.port()};
  std::atomic<int> refused{0};
  std::string why;
  run_ranks(3, [&](int rank) {
    Store store(at);
    refuse_shared_devices(store, "good", rank, 3, "device " + std::to_string(rank), 30);
    try {
      refuse_shared_devices(store, "bad", rank, 3, "0000:1" + std::to_string(rank % 2), 30);
    } catch (const InputError& error) {
      ++refused;
      if (rank == 1) why = error.what();
    }
  });
  CHECK(refused == 3);
  CHECK(why == "ranks 0 and 2 have the same device 0000:10; start one process a GPU");
}

}  // namespace
}  // namespace bethany
