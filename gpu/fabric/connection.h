#pragma once

#include <cstddef>
#include <string>
#include <utility>

namespace bethany {

/// Where a process listens.
struct Address {
  std::string host;
  int port = 0;
};

/// "host:port".
std::string text_of(const Address& address);

/// An open file descriptor, closed at the end; -1: none.
class Descriptor {
 public:
  explicit Descriptor(int descriptor = -1) : descriptor_(descriptor) {}
  ~Descriptor() { close(); }
  Descriptor(Descriptor&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    if (this != &other) {
      close();
      descriptor_ = std::exchange(other.descriptor_, -1);
    }
    return *this;
  }
  int get() const { return descriptor_; }
  bool open() const { return descriptor_ >= 0; }
  void close();

 private:
  int descriptor_;
};

/// A TCP port on which others connect. Not blocking.
class Listener {
 public:
  /// `port` 0: any free one. `host` empty: all interfaces, IPv4 and IPv6. Throws MachineError.
  explicit Listener(int port = 0, const std::string& host = "");
  int port() const { return port_; }
  int descriptor() const { return socket_.get(); }
  /// The next connection that waits, not blocking, without delay; none when nobody waits.
  Descriptor accept() const;

 private:
  Descriptor socket_;
  int port_ = 0;
};

/// How long something may take. The deadline is a time of wall_seconds().
struct Patience {
  double deadline = 0;
  /// Readable or closed: PeerLost. -1: none.
  int abort_descriptor = -1;
};

/// Whether what is under way is called off: an abort descriptor (-1: none) is readable or closed.
bool called_off(int abort_descriptor);

/// Waits until a descriptor can be read (`POLLIN`) or written; false after the deadline. Throws
/// PeerLost when called off.
bool wait_for(int descriptor, short events, const Patience& patience);

/// Connects, again and again where nobody listens yet. None after the deadline. Throws PeerLost
/// when called off, MachineError when the host is not known.
Descriptor connect_to(const Address& address, const Patience& patience);

/// The numeric address of this end of a connection: where its other end, and whoever shares its
/// network, reaches this process. Throws MachineError.
std::string own_host(int descriptor);

/// Whether a numeric address means the machine itself, to which no other machine connects by it.
bool loopback(const std::string& host);

/// Sends or receives all bytes; false when the connection ended or the deadline is over. Throws
/// PeerLost when called off.
bool send_all(int descriptor, const void* data, std::size_t bytes, const Patience& patience);
bool receive_all(int descriptor, void* data, std::size_t bytes, const Patience& patience);

}  // namespace bethany
