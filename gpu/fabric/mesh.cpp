#include "gpu/fabric/mesh.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "gpu/protocol.h"
#include "sim/base/check.h"

namespace bethany {
namespace {

constexpr std::uint64_t kMagic = 0x796e616874656201;  // of the form of Hello and Answer
constexpr double kPauseSeconds = 0.01;

/// The first bytes of a connection, in the byte order of the machines.
struct Hello {
  std::uint64_t magic = kMagic;
  std::uint64_t epoch = 0;
  std::uint64_t rank = 0;
  std::uint64_t ranks = 0;
};

struct Answer {
  std::uint64_t magic = kMagic;
  std::uint64_t epoch = 0;
  std::uint64_t welcome = 0;
};

/// An accepted connection that has not said all of its Hello.
struct Guest {
  Descriptor connection;
  Hello hello;
  std::size_t heard = 0;
};

class Mesh {
 public:
  Mesh(const Listener& listener, const MeshOptions& options)
      : listener_(listener),
        options_(options),
        patience_{wall_seconds() + options.timeout_seconds, options.abort_descriptor},
        peers_(options.addresses.size()) {
    BETHANY_CHECK(options.rank >= 0 && options.rank < std::ssize(peers_), "rank {} of {}",
                  options.rank, peers_.size());
  }

  std::vector<Descriptor> connect() {
    for (int rank = 0; rank < options_.rank; ++rank) call(rank);
    while (!complete()) accept_some();
    return std::move(peers_);
  }

 private:
  [[noreturn]] static void late(int rank) {
    throw PeerLost(fmt::format("rank {} did not connect in time", rank));
  }

  /// Connects to a lower rank. One that is still in an earlier configuration is asked again.
  void call(int rank) {
    const auto r = static_cast<std::size_t>(rank);
    const Hello hello{.epoch = options_.epoch,
                      .rank = static_cast<std::uint64_t>(options_.rank),
                      .ranks = peers_.size()};
    for (;;) {
      Descriptor connection = connect_to(options_.addresses[r], patience_);
      if (!connection.open()) late(rank);
      Answer answer;
      const bool answered = send_all(connection.get(), &hello, sizeof hello, patience_) &&
                            receive_all(connection.get(), &answer, sizeof answer, patience_) &&
                            answer.magic == kMagic;
      if (answered && answer.welcome == 1) {
        peers_[r] = std::move(connection);
        return;
      }
      if (answered && answer.epoch >= options_.epoch) {
        throw PeerLost(fmt::format("rank {} is of epoch {} and refuses rank {} of epoch {}", rank,
                                   answer.epoch, options_.rank, options_.epoch));
      }
      if (wall_seconds() >= patience_.deadline) late(rank);
      wait_for(-1, POLLIN, {wall_seconds() + kPauseSeconds, patience_.abort_descriptor});
    }
  }

  /// Whether all higher ranks are there; `missing` becomes the first that is not.
  bool complete() {
    for (missing_ = options_.rank + 1; missing_ < std::ssize(peers_); ++missing_) {
      if (!peers_[static_cast<std::size_t>(missing_)].open()) return false;
    }
    return true;
  }

  /// Waits for whatever comes next: a connection or a guest's words. A guest that says nothing
  /// keeps nobody else waiting.
  void accept_some() {
    std::vector<pollfd> waits = {{patience_.abort_descriptor, POLLIN, 0},
                                 {listener_.descriptor(), POLLIN, 0}};
    for (const auto& guest : guests_) waits.push_back({guest.connection.get(), POLLIN, 0});
    const double left = patience_.deadline - wall_seconds();
    if (left <= 0) late(missing_);
    const int ready =
        ::poll(waits.data(), waits.size(), static_cast<int>(std::min(left * 1e3 + 1, 1e6)));
    if (ready < 0) {
      BETHANY_CHECK(errno == EINTR, "poll: error {}", errno);
      return;
    }
    if (waits[0].revents != 0) throw PeerLost("called off");
    for (std::size_t i = 0; i < guests_.size(); ++i) {
      if (waits[i + 2].revents != 0) listen_to(guests_[i]);
    }
    std::erase_if(guests_, [](const Guest& guest) { return !guest.connection.open(); });
    if (waits[1].revents != 0) {
      Descriptor connection = listener_.accept();
      if (connection.open()) guests_.push_back({.connection = std::move(connection), .hello = {}});
    }
  }

  void listen_to(Guest& guest) {
    const ssize_t heard =
        ::recv(guest.connection.get(), reinterpret_cast<char*>(&guest.hello) + guest.heard,
               sizeof guest.hello - guest.heard, 0);
    if (heard < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) return;
    if (heard <= 0) return guest.connection.close();
    guest.heard += static_cast<std::size_t>(heard);
    if (guest.heard == sizeof guest.hello) answer(guest);
  }

  void answer(Guest& guest) {
    const Hello& hello = guest.hello;
    const bool expected = hello.magic == kMagic && hello.epoch == options_.epoch &&
                          hello.ranks == peers_.size() && hello.rank < peers_.size() &&
                          hello.rank > static_cast<std::uint64_t>(options_.rank);
    const bool welcome = expected && !peers_[static_cast<std::size_t>(hello.rank)].open();
    const Answer said{.epoch = options_.epoch, .welcome = welcome ? 1U : 0U};
    const bool told = send_all(guest.connection.get(), &said, sizeof said, patience_);
    if (welcome && told) peers_[static_cast<std::size_t>(hello.rank)] = std::move(guest.connection);
    guest.connection.close();
  }

  const Listener& listener_;
  const MeshOptions& options_;
  Patience patience_;
  std::vector<Descriptor> peers_;
  std::vector<Guest> guests_;
  int missing_ = 0;
};

}  // namespace

std::vector<Descriptor> connect_peers(const Listener& listener, const MeshOptions& options) {
  return Mesh(listener, options).connect();
}

}  // namespace bethany
