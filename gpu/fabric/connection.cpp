#include "gpu/fabric/connection.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

#include "gpu/fabric/fabric.h"
#include "gpu/protocol.h"
#include "sim/base/error.h"

namespace bethany {
namespace {

constexpr double kRetrySeconds = 0.02;
constexpr int kSilenceSeconds = 60;  // of a peer's machine, until it counts as gone
constexpr int kProbes = 3;

using AddressList = std::unique_ptr<addrinfo, decltype(&freeaddrinfo)>;

AddressList resolve(const std::string& host, int port, bool passive) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = passive ? AI_PASSIVE : 0;
  addrinfo* found = nullptr;
  const auto service = std::to_string(port);
  const int error =
      getaddrinfo(host.empty() ? nullptr : host.c_str(), service.c_str(), &hints, &found);
  if (error != 0) {
    throw MachineError(fmt::format("{}:{}: {}", host, port, gai_strerror(error)));
  }
  return {found, &freeaddrinfo};
}

void set(int descriptor, int level, int option, int value) {
  setsockopt(descriptor, level, option, &value, sizeof value);
}

/// Not blocking, and small messages leave at once. A machine that vanishes without a word, or the
/// network to it, ends the connection, whether it is idle or not.
void prepare(int descriptor) {
  set(descriptor, IPPROTO_TCP, TCP_NODELAY, 1);
  set(descriptor, SOL_SOCKET, SO_KEEPALIVE, 1);
  set(descriptor, IPPROTO_TCP, TCP_KEEPIDLE, kSilenceSeconds / (kProbes + 1));
  set(descriptor, IPPROTO_TCP, TCP_KEEPINTVL, kSilenceSeconds / (kProbes + 1));
  set(descriptor, IPPROTO_TCP, TCP_KEEPCNT, kProbes);
  set(descriptor, IPPROTO_TCP, TCP_USER_TIMEOUT, kSilenceSeconds * 1000);
  fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK);
}

Descriptor socket_for(const addrinfo& at) {
  return Descriptor(::socket(at.ai_family, at.ai_socktype | SOCK_CLOEXEC, at.ai_protocol));
}

/// One try at one address; none when refused.
Descriptor try_connect(const addrinfo& at, const Patience& patience) {
  Descriptor socket = socket_for(at);
  if (!socket.open()) return socket;
  prepare(socket.get());
  if (::connect(socket.get(), at.ai_addr, at.ai_addrlen) == 0) return socket;
  if (errno != EINPROGRESS || !wait_for(socket.get(), POLLOUT, patience)) return Descriptor();
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  return error == 0 ? std::move(socket) : Descriptor();
}

int port_of(int descriptor) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size) != 0) return 0;
  if (address.ss_family == AF_INET6) {
    return ntohs(reinterpret_cast<const sockaddr_in6&>(address).sin6_port);
  }
  return ntohs(reinterpret_cast<const sockaddr_in&>(address).sin_port);
}

/// Calls `move`, which sends or receives some bytes, until all are done.
template <class Move>
bool move_all(int descriptor, short events, std::size_t bytes, const Patience& patience,
              const Move& move) {
  for (std::size_t done = 0; done < bytes;) {
    const ssize_t moved = move(done);
    if (moved > 0) {
      done += static_cast<std::size_t>(moved);
      continue;
    }
    if (moved == 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)) return false;
    if (!wait_for(descriptor, events, patience)) return false;
  }
  return true;
}

}  // namespace

std::string text_of(const Address& address) {
  return fmt::format("{}:{}", address.host, address.port);
}

void Descriptor::close() {
  if (descriptor_ >= 0) ::close(descriptor_);
  descriptor_ = -1;
}

Listener::Listener(int port, const std::string& host) {
  const auto found = resolve(host, port, true);
  std::vector<const addrinfo*> tries;  // IPv6 first: its unspecified address hears IPv4 too
  for (const addrinfo* at = found.get(); at != nullptr; at = at->ai_next) {
    const bool first = host.empty() && at->ai_family == AF_INET6;
    tries.insert(first ? tries.begin() : tries.end(), at);
  }
  std::string why = "no address";
  for (const auto* const at : tries) {
    if (socket_.open()) break;
    Descriptor socket = socket_for(*at);
    if (!socket.open()) continue;
    set(socket.get(), SOL_SOCKET, SO_REUSEADDR, 1);
    if (at->ai_family == AF_INET6) set(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, 0);
    if (::bind(socket.get(), at->ai_addr, at->ai_addrlen) == 0 &&
        ::listen(socket.get(), SOMAXCONN) == 0) {
      socket_ = std::move(socket);
    } else {
      why = std::strerror(errno);
    }
  }
  if (!socket_.open())
    throw MachineError(fmt::format("cannot listen on {}:{}: {}", host, port, why));
  fcntl(socket_.get(), F_SETFL, fcntl(socket_.get(), F_GETFL) | O_NONBLOCK);
  port_ = port_of(socket_.get());
}

Descriptor Listener::accept() const {
  Descriptor connection(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (connection.open()) prepare(connection.get());
  return connection;
}

bool called_off(int abort_descriptor) {
  pollfd look = {abort_descriptor, POLLIN, 0};
  return ::poll(&look, 1, 0) > 0;
}

bool wait_for(int descriptor, short events, const Patience& patience) {
  pollfd waits[2] = {{descriptor, events, 0}, {patience.abort_descriptor, POLLIN, 0}};
  for (;;) {
    const double left = patience.deadline - wall_seconds();
    if (left <= 0) return false;
    const int milliseconds = static_cast<int>(std::min(left * 1e3 + 1, 1e6));
    const int ready = ::poll(waits, 2, milliseconds);
    if (ready < 0 && errno != EINTR) return false;
    if (ready <= 0) continue;
    if (waits[1].revents != 0) throw PeerLost("called off");
    if (waits[0].revents != 0) return true;
  }
}

Descriptor connect_to(const Address& address, const Patience& patience) {
  const auto found = resolve(address.host, address.port, false);
  while (wall_seconds() < patience.deadline) {
    for (const addrinfo* at = found.get(); at != nullptr; at = at->ai_next) {
      Descriptor socket = try_connect(*at, patience);
      if (socket.open()) return socket;
    }
    // A descriptor of -1 is never ready: this sleeps, but not through an abort.
    const double pause = std::min(patience.deadline, wall_seconds() + kRetrySeconds);
    wait_for(-1, POLLIN, {pause, patience.abort_descriptor});
  }
  return Descriptor();
}

bool loopback(const std::string& host) { return host.starts_with("127.") || host == "::1"; }

std::string own_host(int descriptor) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  char host[NI_MAXHOST] = {};
  if (getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size) != 0 ||
      getnameinfo(reinterpret_cast<sockaddr*>(&address), size, host, sizeof host, nullptr, 0,
                  NI_NUMERICHOST) != 0) {
    throw MachineError("a connection without an address");
  }
  constexpr std::string_view kMapped = "::ffff:";  // IPv4 that came to a listener of IPv6
  const std::string_view name = host;
  const bool mapped = name.starts_with(kMapped) && name.find('.') != name.npos;
  return std::string(mapped ? name.substr(kMapped.size()) : name);
}

bool send_all(int descriptor, const void* data, std::size_t bytes, const Patience& patience) {
  return move_all(descriptor, POLLOUT, bytes, patience, [&](std::size_t done) {
    return ::send(descriptor, static_cast<const char*>(data) + done, bytes - done, MSG_NOSIGNAL);
  });
}

bool receive_all(int descriptor, void* data, std::size_t bytes, const Patience& patience) {
  return move_all(descriptor, POLLIN, bytes, patience, [&](std::size_t done) {
    return ::recv(descriptor, static_cast<char*>(data) + done, bytes - done, 0);
  });
}

}  // namespace bethany
