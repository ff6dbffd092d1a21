#include "gpu/fabric/store.h"

#include <chrono>
#include <set>
#include <thread>

#include "gpu/fabric/store_frames.h"
#include "gpu/protocol.h"
#include "sim/base/error.h"
#include "sim/base/random.h"
#include "tests/support/catch.h"

namespace bethany {
namespace {

using namespace std::chrono_literals;
using Names = std::vector<std::string>;

Address address_of(const StoreServer& server) { return {"127.0.0.1", server.port()}; }

TEST_CASE("values are set, replaced and found, whatever bytes they have") {
  const StoreServer server;
  Store a(address_of(server));
  Store b(address_of(server));
  const std::string bytes("\0\xff\n text", 8);
  a.set("key", bytes);
  CHECK(b.wait("key", 0) == bytes);
  b.set("key", "");
  CHECK(a.wait("key", 0) == "");
  CHECK(a.wait("other", 0) == std::nullopt);
  a.set("long", std::string(900'000, 'x'));
  CHECK(b.wait("long", 0) == std::string(900'000, 'x'));
}

TEST_CASE("a wait ends with the value or with its time") {
  const StoreServer server;
  Store waiting(address_of(server));
  std::thread later([&] {
    Store store(address_of(server));
    std::this_thread::sleep_for(50ms);
    store.set("unrelated", "x");
    store.set("key", "value");
  });
  CHECK(waiting.wait("key", 30) == "value");
  later.join();
  const double begin = wall_seconds();
  CHECK(waiting.wait("never", 0.1) == std::nullopt);
  CHECK(wall_seconds() - begin >= 0.1);
}

TEST_CASE("a counter gives each of those who add another number") {
  const StoreServer server;
  std::vector<std::vector<std::int64_t>> got(4);
  std::vector<std::thread> threads;
  for (auto& mine : got) {
    threads.emplace_back([&] {
      Store store(address_of(server));
      for (int i = 0; i < 50; ++i) mine.push_back(store.add("counter", 1));
    });
  }
  for (auto& thread : threads) thread.join();
  std::set<std::int64_t> all;
  for (const auto& mine : got) all.insert(mine.begin(), mine.end());
  CHECK(all.size() == 200);
  CHECK(*all.begin() == 1);
  CHECK(*all.rbegin() == 200);
  Store store(address_of(server));
  CHECK(store.wait("counter", 0) == "200");
  CHECK(store.add("counter", -250) == -50);
}

TEST_CASE("who beats is alive; who has not been heard of for so long is silent") {
  const StoreServer server;
  Store store(address_of(server));
  CHECK(store.silent(0).empty());
  store.beat("b");
  store.beat("a");
  store.beat("gone");
  store.leave("gone");
  CHECK(store.silent(60).empty());
  std::this_thread::sleep_for(300ms);
  store.beat("b");
  CHECK(store.silent(0.2) == Names{"a"});
}

TEST_CASE("a client that dies while it waits leaves the store at work") {
  const StoreServer server;
  const Patience patience{1e18, -1};
  auto dying = connect_to(address_of(server), patience);
  const auto request = encode_frame({"wait", "key", "1000000"});
  REQUIRE(send_all(dying.get(), request.data(), request.size(), patience));
  auto half = connect_to(address_of(server), patience);
  REQUIRE(send_all(half.get(), request.data(), 7, patience));
  dying.close();
  half.close();
  Store store(address_of(server));
  store.set("key", "value");
  CHECK(store.wait("key", 0) == "value");
}

TEST_CASE("whatever bytes come, the store serves the others") {
  const StoreServer server;
  Store store(address_of(server));
  store.set("key", "value");
  const Patience patience{1e18, -1};
  auto rng = RngStreams(1, 0).stream("test");
  for (int i = 0; i < 200; ++i) {
    const auto stranger = connect_to(address_of(server), patience);
    auto bytes = encode_frame({"set", "stranger", "x"});
    for (int flips = 0; flips < 3; ++flips) {
      bytes[rng.below(bytes.size())] = static_cast<char>(rng.below(256));
    }
    send_all(stranger.get(), bytes.data(), bytes.size(), patience);
  }
  CHECK(store.wait("key", 0) == "value");
}

TEST_CASE("what is no request or no number is refused by name, and the store goes on") {
  const StoreServer server;
  Store store(address_of(server));
  store.set("text", "abc");
  CHECK_THROWS_AS(store.add("text", 1), MachineError);
  store.set("most", std::to_string(std::numeric_limits<std::int64_t>::max()));
  CHECK_THROWS_AS(store.add("most", 1), MachineError);
  CHECK(store.add("fresh", 2) == 2);
  const Patience patience{1e18, -1};
  const auto stranger = connect_to(address_of(server), patience);
  const auto request = encode_frame({"drop", "all"});
  REQUIRE(send_all(stranger.get(), request.data(), request.size(), patience));
  std::string answer(encode_frame({"error", "unknown request"}).size(), '\0');
  REQUIRE(receive_all(stranger.get(), answer.data(), answer.size(), patience));
  CHECK(answer == encode_frame({"error", "unknown request"}));
}

TEST_CASE("a store that is gone or never was is a failure of the machine, by its address") {
  auto server = std::make_unique<StoreServer>();
  const Address at = address_of(*server);
  Store store(at);
  server.reset();
  CHECK_THROWS_WITH(store.set("key", "x"), "the store at " + text_of(at) + " is gone");
  CHECK_THROWS_WITH(Store(at, 0.05), "no store at " + text_of(at));
}

TEST_CASE("frames hold any texts and are refused when their lengths lie") {
  const StoreFields fields = {"set", "", std::string("\0x", 2)};
  const auto frame = encode_frame(fields);
  CHECK(decode_length(frame) == frame.size() - kLengthBytes);
  CHECK(decode_frame(std::string_view(frame).substr(kLengthBytes)) == fields);
  CHECK(decode_frame("") == StoreFields{});
  for (std::size_t cut = 1; cut < 3; ++cut) {
    const auto body = std::string_view(frame).substr(kLengthBytes);
    CHECK(decode_frame(body.substr(0, body.size() - cut)) == std::nullopt);
  }
}

}  // namespace
}  // namespace bethany
