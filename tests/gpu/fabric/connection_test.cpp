#include "gpu/fabric/connection.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include "gpu/protocol.h"
#include "tests/support/catch.h"

namespace bethany {
namespace {

bool has_ipv6() {
  try {
    const Listener listener(0, "::1");
    return true;
  } catch (const std::exception&) {
    return false;
  }
}

int option(int descriptor, int level, int name) {
  int value = -1;
  socklen_t size = sizeof value;
  getsockopt(descriptor, level, name, &value, &size);
  return value;
}

}  // namespace

TEST_CASE("connection: a listener on all interfaces hears IPv4 and IPv6") {
  const Listener listener;
  for (const std::string host : {"127.0.0.1", "::1"}) {
    if (host == "::1" && !has_ipv6()) {
      WARN("skipped: this machine has no IPv6");
      continue;
    }
    INFO(host);
    const double deadline = wall_seconds() + 10;
    const auto caller = connect_to({host, listener.port()}, {.deadline = deadline});
    REQUIRE(caller.open());
    REQUIRE(wait_for(listener.descriptor(), POLLIN, {.deadline = deadline}));
    const auto called = listener.accept();
    REQUIRE(called.open());
    CHECK(own_host(caller.get()) == host);
    CHECK(own_host(called.get()) == host);
    CHECK(loopback(host));
  }
  CHECK_FALSE(loopback("10.0.0.1"));
  CHECK_FALSE(loopback("12.7.0.1"));
  CHECK_FALSE(loopback("fd00::1"));
}

TEST_CASE("connection: both ends count a machine as gone that is silent for a minute") {
  const Listener listener(0, "127.0.0.1");
  const double deadline = wall_seconds() + 10;
  const auto caller = connect_to({"127.0.0.1", listener.port()}, {.deadline = deadline});
  REQUIRE(wait_for(listener.descriptor(), POLLIN, {.deadline = deadline}));
  const auto called = listener.accept();
  for (const auto* const end : {&caller, &called}) {
    REQUIRE(end->open());
    CHECK(option(end->get(), SOL_SOCKET, SO_KEEPALIVE) == 1);
    const int first = option(end->get(), IPPROTO_TCP, TCP_KEEPIDLE);
    const int later = option(end->get(), IPPROTO_TCP, TCP_KEEPINTVL);
    CHECK(first + later * option(end->get(), IPPROTO_TCP, TCP_KEEPCNT) == 60);
    CHECK(option(end->get(), IPPROTO_TCP, TCP_USER_TIMEOUT) == 60000);
  }
}

}  // namespace bethany
