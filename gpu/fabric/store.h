#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "gpu/fabric/connection.h"

namespace bethany {

/// Where the processes of a job meet outside their configurations: keys with values, counters, and
/// who is alive (README.md has the protocol). Serves from a thread of its own until it goes.
class StoreServer {
 public:
  /// `port` 0: any free one. Throws MachineError.
  explicit StoreServer(int port = 0, const std::string& host = "");
  ~StoreServer();
  StoreServer(const StoreServer&) = delete;
  StoreServer& operator=(const StoreServer&) = delete;
  int port() const { return listener_.port(); }

 private:
  void serve();

  Listener listener_;
  Descriptor stop_;   // closed to end the thread
  Descriptor stops_;  // its other end
  std::thread thread_;
};

/// One process's connection with the store. All members throw MachineError when the store is gone
/// or refuses the request. Used by one thread.
class Store {
 public:
  /// Tries until somebody listens there, at most so long.
  explicit Store(const Address& server, double timeout_seconds = 30);

  /// Where others reach this process: its end of the connection with the store.
  std::string own_host() const { return bethany::own_host(connection_.get()); }

  void set(const std::string& key, const std::string& value);
  /// The value, as soon as there is one; nothing when there is none in time (0: ask only).
  std::optional<std::string> wait(const std::string& key, double timeout_seconds);
  /// Adds to a counter, a key whose value is a whole number (none: 0), and answers the sum: of
  /// several that add, each gets another one.
  std::int64_t add(const std::string& key, std::int64_t amount);
  /// This name is alive.
  void beat(const std::string& name);
  /// Nobody expects this name to be alive any more.
  void leave(const std::string& name);
  /// The names that have been alive and have not been heard of for so long, by the clock of the
  /// store, ascending.
  std::vector<std::string> silent(double seconds);

 private:
  std::vector<std::string> ask(const std::vector<std::string>& request, double seconds);

  Address server_;
  Descriptor connection_;
};

}  // namespace bethany
