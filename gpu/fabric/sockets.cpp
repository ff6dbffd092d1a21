#include "gpu/fabric/sockets.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "gpu/fabric/mesh.h"
#include "gpu/protocol.h"
#include "sim/base/check.h"

namespace bethany {
namespace {

/// Pieces of memory that go through a connection one after the other.
class Pieces {
 public:
  void add(const void* data, std::size_t bytes) {
    pieces_.push_back({const_cast<void*>(data), bytes});
  }
  bool done() const { return next_ == pieces_.size(); }
  /// The next pieces, as many as one call takes.
  msghdr message() {
    msghdr header{};
    header.msg_iov = pieces_.data() + next_;
    header.msg_iovlen = std::min<std::size_t>(pieces_.size() - next_, 64);
    return header;
  }
  void advance(std::size_t bytes) {
    while (bytes > 0) {
      iovec& piece = pieces_[next_];
      const auto taken = std::min(bytes, piece.iov_len);
      piece.iov_base = static_cast<char*>(piece.iov_base) + taken;
      piece.iov_len -= taken;
      bytes -= taken;
      if (piece.iov_len == 0) ++next_;
    }
  }

 private:
  std::vector<iovec> pieces_;
  std::size_t next_ = 0;
};

/// What both sides of a pair must agree on before data moves: how many messages of how many bytes
/// in all, and a digest of their sizes in order (FNV-1a).
struct Announcement {
  std::uint64_t count = 0;
  std::uint64_t bytes = 0;
  std::uint64_t digest = 14695981039346656037U;

  void add(std::size_t message_bytes) {
    ++count;
    bytes += message_bytes;
    digest = (digest ^ message_bytes) * 1099511628211U;
  }
  friend bool operator==(const Announcement&, const Announcement&) = default;
};

/// One peer in one exchange.
struct Talk {
  int peer = 0;
  Announcement sends;     // to the peer
  Announcement receives;  // expected of the peer
  Announcement heard;     // what the peer says it sends
  Pieces out;
  Pieces in;
};

class SocketFabric final : public Fabric {
 public:
  SocketFabric(int rank, int abort_descriptor, std::vector<Descriptor> peers)
      : rank_(rank), abort_descriptor_(abort_descriptor), peers_(std::move(peers)) {}

  int rank() const override { return rank_; }
  int ranks() const override { return static_cast<int>(peers_.size()); }

  double exchange(std::span<const Send> sends, std::span<const Receive> receives) override {
    if (!lost_.empty()) throw PeerLost(lost_);
    std::vector<Talk> talks = talks_of(sends, receives);
    if (talks.empty()) return 0;
    for (auto& talk : talks) {
      talk.out.add(&talk.sends, sizeof talk.sends);
      talk.in.add(&talk.heard, sizeof talk.heard);
    }
    pump(talks);
    for (const auto& talk : talks) {
      BETHANY_CHECK(talk.heard == talk.receives,
                    "rank {} sends {} messages, {} bytes; rank {} receives {} messages, {} bytes",
                    talk.peer, talk.heard.count, talk.heard.bytes, rank_, talk.receives.count,
                    talk.receives.bytes);
    }
    const double begin = wall_seconds();
    for (const auto& send : sends) talk_with(talks, send.to).out.add(send.data, send.bytes);
    for (const auto& receive : receives) {
      talk_with(talks, receive.from).in.add(receive.data, receive.bytes);
    }
    pump(talks);
    return wall_seconds() - begin;
  }

  /// In round k each rank tells the one 2^k further on that it has heard of the 2^k ranks before
  /// itself.
  void barrier() override {
    if (!lost_.empty()) throw PeerLost(lost_);
    for (int distance = 1; distance < ranks(); distance *= 2) {
      char token = 0;
      char heard = 0;
      const Send send{(rank_ + distance) % ranks(), &token, 1};
      const Receive receive{(rank_ - distance + ranks()) % ranks(), &heard, 1};
      exchange({&send, 1}, {&receive, 1});
    }
  }

 private:
  std::vector<Talk> talks_of(std::span<const Send> sends, std::span<const Receive> receives) const {
    std::vector<int> with;
    const auto add = [&](int peer, std::size_t bytes) {
      BETHANY_CHECK(peer >= 0 && peer < ranks() && peer != rank_ && bytes > 0,
                    "rank {} of {}: {} bytes with rank {}", rank_, ranks(), bytes, peer);
      with.push_back(peer);
    };
    for (const auto& send : sends) add(send.to, send.bytes);
    for (const auto& receive : receives) add(receive.from, receive.bytes);
    std::sort(with.begin(), with.end());
    with.erase(std::unique(with.begin(), with.end()), with.end());
    std::vector<Talk> talks(with.size());
    for (std::size_t i = 0; i < with.size(); ++i) talks[i].peer = with[i];
    for (const auto& send : sends) talk_with(talks, send.to).sends.add(send.bytes);
    for (const auto& receive : receives) talk_with(talks, receive.from).receives.add(receive.bytes);
    return talks;
  }

  /// `talks` ascend by peer.
  static Talk& talk_with(std::vector<Talk>& talks, int peer) {
    return *std::lower_bound(talks.begin(), talks.end(), peer,
                             [](const Talk& talk, int p) { return talk.peer < p; });
  }

  /// Moves all pieces of all talks, whatever comes first: no order of sizes can block.
  void pump(std::vector<Talk>& talks) {
    std::vector<pollfd> waits;
    std::vector<Talk*> open;
    for (;;) {
      waits.assign(1, {abort_descriptor_, POLLIN, 0});
      open.clear();
      for (auto& talk : talks) {
        const auto events = (talk.in.done() ? 0 : POLLIN) | (talk.out.done() ? 0 : POLLOUT);
        if (events == 0) continue;
        waits.push_back({peer(talk.peer).get(), static_cast<short>(events), 0});
        open.push_back(&talk);
      }
      if (open.empty()) return;
      if (::poll(waits.data(), waits.size(), -1) < 0) {
        BETHANY_CHECK(errno == EINTR, "poll: error {}", errno);
        continue;
      }
      if (waits[0].revents != 0) lose("called off");
      for (std::size_t i = 0; i < open.size(); ++i) {
        if (waits[i + 1].revents != 0) move(*open[i]);
      }
    }
  }

  /// Moves what the connection takes and gives without waiting.
  void move(Talk& talk) {
    const int socket = peer(talk.peer).get();
    if (!talk.out.done()) {
      const msghdr message = talk.out.message();
      advance(talk.out, talk.peer, ::sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT));
    }
    if (!talk.in.done()) {
      msghdr message = talk.in.message();
      const ssize_t moved = ::recvmsg(socket, &message, MSG_DONTWAIT);
      if (moved == 0) lose(fmt::format("rank {} closed its connection", talk.peer));
      advance(talk.in, talk.peer, moved);
    }
  }

  void advance(Pieces& pieces, int with, ssize_t moved) {
    if (moved >= 0) return pieces.advance(static_cast<std::size_t>(moved));
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) return;
    lose(fmt::format("the connection with rank {} broke", with));
  }

  /// Closes all connections, so that peers that wait for this rank go on, too.
  [[noreturn]] void lose(const std::string& why) {
    lost_ = why;
    for (auto& connection : peers_) connection.close();
    throw PeerLost(why);
  }

  Descriptor& peer(int rank) { return peers_[static_cast<std::size_t>(rank)]; }

  int rank_;
  int abort_descriptor_;
  std::vector<Descriptor> peers_;  // by rank; none for itself
  std::string lost_;               // why; empty while all is well
};

}  // namespace

std::unique_ptr<Fabric> connect_mesh(const Listener& listener, const MeshOptions& options) {
  return std::make_unique<SocketFabric>(options.rank, options.abort_descriptor,
                                        connect_peers(listener, options));
}

}  // namespace bethany
