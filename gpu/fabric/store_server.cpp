#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <list>
#include <map>
#include <utility>

#include "gpu/fabric/store.h"
#include "gpu/fabric/store_frames.h"
#include "gpu/protocol.h"
#include "sim/base/check.h"
#include "sim/base/error.h"

namespace bethany {
namespace {

/// One connection. While it waits for a key its later requests wait, too.
struct Client {
  Descriptor connection;
  std::string in;                  // not yet understood
  std::string out;                 // not yet sent
  std::optional<std::string> key;  // that it waits for
  double deadline = 0;             // of that wait
};

/// What the store knows. Answers requests; a "wait" without value yet is no business of its.
class Contents {
 public:
  StoreFields answer(const StoreFields& request) {
    const auto is = [&](const char* verb, std::size_t fields) {
      return request.size() == fields && request[0] == verb;
    };
    if (is("set", 3)) {
      values_[request[1]] = request[2];
      return {"ok"};
    }
    if (is("add", 3)) return add(request[1], request[2]);
    if (is("beat", 2)) {
      heard_[request[1]] = wall_seconds();
      return {"ok"};
    }
    if (is("leave", 2)) {
      heard_.erase(request[1]);
      return {"ok"};
    }
    if (is("silent", 2)) return silent(request[1]);
    return {"error", "unknown request"};
  }
  const std::string* find(const std::string& key) const {
    const auto found = values_.find(key);
    return found == values_.end() ? nullptr : &found->second;
  }

 private:
  StoreFields add(const std::string& key, const std::string& amount) {
    const std::string* value = find(key);
    const auto old = whole_number(value == nullptr ? "0" : *value);
    const auto more = whole_number(amount);
    std::int64_t sum = 0;
    if (!old || !more || __builtin_add_overflow(*old, *more, &sum)) {
      return {"error", "not a whole number"};
    }
    return {"ok", values_[key] = std::to_string(sum)};
  }
  StoreFields silent(const std::string& milliseconds) const {
    const auto limit = whole_number(milliseconds);
    if (!limit) return {"error", "not a whole number"};
    StoreFields names = {"ok"};
    const double before = wall_seconds() - static_cast<double>(*limit) * 1e-3;
    for (const auto& [name, heard] : heard_) {
      if (heard < before) names.push_back(name);
    }
    return names;
  }

  std::map<std::string, std::string> values_;
  std::map<std::string, double> heard_;
};

class Server {
 public:
  Server(const Listener& listener, int stop) : listener_(listener), stop_(stop) {}

  void run() {
    while (wait_for_events()) {
      for (auto& client : clients_) {
        if (client.connection.open()) answer_all(client);
      }
      clients_.remove_if([](const Client& client) { return !client.connection.open(); });
    }
  }

 private:
  /// Reads and writes what is ready, until something may be answered. False: the end.
  bool wait_for_events() {
    std::vector<pollfd> waits = {{stop_, POLLIN, 0}, {listener_.descriptor(), POLLIN, 0}};
    double next = wall_seconds() + 3600;
    for (const auto& client : clients_) {
      const auto events = POLLIN | (client.out.empty() ? 0 : POLLOUT);
      waits.push_back({client.connection.get(), static_cast<short>(events), 0});
      if (client.key) next = std::min(next, client.deadline);
    }
    const double left = std::max(0.0, next - wall_seconds());
    if (::poll(waits.data(), waits.size(), static_cast<int>(left * 1e3) + 1) < 0) {
      BETHANY_CHECK(errno == EINTR, "poll: error {}", errno);
      return true;
    }
    if (waits[0].revents != 0) return false;
    auto client = clients_.begin();
    for (std::size_t i = 2; i < waits.size(); ++i, ++client) {
      if ((waits[i].revents & ~POLLOUT) != 0) read(*client);
      if ((waits[i].revents & POLLOUT) != 0) write(*client);
    }
    if (waits[1].revents != 0) {
      Descriptor connection = listener_.accept();
      if (connection.open()) {
        clients_.emplace_back();
        clients_.back().connection = std::move(connection);
      }
    }
    return true;
  }

  static bool would_block() { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

  static void read(Client& client) {
    char buffer[4096];
    const ssize_t n = ::recv(client.connection.get(), buffer, sizeof buffer, 0);
    if (n > 0) client.in.append(buffer, static_cast<std::size_t>(n));
    if (n == 0 || (n < 0 && !would_block())) client.connection.close();
  }

  static void write(Client& client) {
    if (!client.connection.open()) return;
    const ssize_t n =
        ::send(client.connection.get(), client.out.data(), client.out.size(), MSG_NOSIGNAL);
    if (n >= 0) client.out.erase(0, static_cast<std::size_t>(n));
    if (n < 0 && !would_block()) client.connection.close();
  }

  void answer_all(Client& client) {
    while (client.connection.open() && !waits(client) && client.in.size() >= kLengthBytes) {
      const std::size_t length = decode_length(client.in);
      if (length > kMostFrameBytes) return client.connection.close();
      if (client.in.size() < kLengthBytes + length) return;
      const auto request = decode_frame(std::string_view(client.in).substr(kLengthBytes, length));
      if (!request) return client.connection.close();
      client.in.erase(0, kLengthBytes + length);
      take(client, *request);
    }
  }

  void take(Client& client, const StoreFields& request) {
    if (request.size() != 3 || request[0] != "wait") {
      say(client, contents_.answer(request));
      answer_waiters();
      return;
    }
    const auto limit = whole_number(request[2]);
    if (!limit) return say(client, {"error", "not a whole number"});
    client.key = request[1];
    client.deadline = wall_seconds() + static_cast<double>(*limit) * 1e-3;
  }

  /// Whether the client goes on waiting; else it was answered.
  bool waits(Client& client) {
    if (!client.key) return false;
    const std::string* value = contents_.find(*client.key);
    if (value == nullptr && wall_seconds() < client.deadline) return true;
    client.key.reset();
    say(client, value != nullptr ? StoreFields{"ok", *value} : StoreFields{"none"});
    return false;
  }

  /// A new value may be what others wait for, also those that were looked at before.
  void answer_waiters() {
    for (auto& client : clients_) {
      if (client.connection.open()) waits(client);
    }
  }

  static void say(Client& client, const StoreFields& fields) {
    client.out += encode_frame(fields);
    write(client);
  }

  const Listener& listener_;
  int stop_;
  Contents contents_;
  std::list<Client> clients_;
};

}  // namespace

StoreServer::StoreServer(int port, const std::string& host) : listener_(port, host) {
  int ends[2] = {};
  if (::pipe(ends) != 0) throw MachineError("no pipe");
  stops_ = Descriptor(ends[0]);
  stop_ = Descriptor(ends[1]);
  thread_ = std::thread([this] { Server(listener_, stops_.get()).run(); });
}

StoreServer::~StoreServer() {
  stop_.close();
  thread_.join();
}

}  // namespace bethany
