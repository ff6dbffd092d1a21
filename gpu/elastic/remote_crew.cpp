#include "gpu/elastic/remote_crew.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <thread>

#include "gpu/elastic/codec.h"
#include "gpu/protocol.h"
#include "sim/base/check.h"
#include "sim/base/error.h"

namespace bethany {
namespace {

/// Strikes at an instant unless it is called back before.
class Killer {
 public:
  Killer(Duration after, std::function<void()> strike)
      : thread_([this, after, strike = std::move(strike)] {
          std::unique_lock lock(mutex_);
          if (called_back_.wait_for(lock, after, [this] { return over_; })) return;
          strike();
        }) {}
  ~Killer() {
    {
      const std::lock_guard lock(mutex_);
      over_ = true;
    }
    called_back_.notify_all();
    thread_.join();
  }

 private:
  std::mutex mutex_;
  std::condition_variable called_back_;
  bool over_ = false;
  std::thread thread_;
};

void send(RemoteRank& rank, RankMessage kind, const std::string& content) {
  if (!rank.answers || !send_message(rank.control.get(), kind, content)) rank.answers = false;
}

}  // namespace

void call_off(RemoteRank& rank) {
  if (::send(rank.call_off.get(), "!", 1, MSG_NOSIGNAL) == 1) ++rank.call_offs;
}

void await_hello(RemoteRank& rank) {
  const auto hello = receive_message(rank.control.get(), wall_seconds() + kRankPatienceSeconds);
  if (!hello) throw MachineError("a rank ended before it said hello");
  const auto space = hello->second.find(' ');
  if (space == std::string::npos) throw MachineError("a rank that says no hello");
  rank.address = {hello->second.substr(0, space), std::stoi(hello->second.substr(space + 1))};
}

int RemoteCrew::rank_before(const RemoteRank* rank) const {
  const auto found = std::find(before_.begin(), before_.end(), rank);
  return found == before_.end() ? -1 : static_cast<int>(found - before_.begin());
}

void RemoteCrew::connect(const std::vector<RankPlace>& ranks) {
  connected_.clear();
  Connection connection;
  connection.epoch = ++epoch_;
  connection.store_port = store_port_;
  for (const auto& place : ranks) {
    connected_.push_back(machines_.at(place.node)[static_cast<std::size_t>(place.gpu)]);
    connection.addresses.push_back(connected_.back()->address);
    connection.before.push_back(rank_before(connected_.back()));
  }
  for (std::size_t rank = 0; rank < connected_.size(); ++rank) {
    connection.rank = static_cast<int>(rank);
    connection.call_offs = connected_[rank]->call_offs;
    send(*connected_[rank], RankMessage::connect, encode(connection));
  }
  const auto reply = collect();
  before_.clear();
  if (reply.lost) {
    const auto struck = [](const RemoteRank* rank) { return rank->struck.load(); };
    if (std::none_of(connected_.begin(), connected_.end(), struck)) {
      throw MachineError(fmt::format("{} ranks could not connect", connected_.size()));
    }
  } else {
    before_ = connected_;
    double slowest = 0;
    for (const auto& rank : reply.ranks) slowest = std::max(slowest, rank.phases.front().seconds);
    note_connected(reply.ranks.front().phases.front().name, slowest);
  }
  killed_at_ = 0;
}

CrewReply RemoteCrew::obey(const Order& order, const std::optional<Attack>& attack) {
  const double begin = wall_seconds();
  const std::string bytes = encode(order);
  std::optional<Killer> killer;
  if (attack) {
    killer.emplace(attack->after, [this, nodes = attack->nodes] { strike(nodes); });
  }
  for (auto* const rank : connected_) send(*rank, RankMessage::order, bytes);
  auto reply = collect();
  killer.reset();
  reply.seconds = wall_seconds() - begin;
  if (reply.lost) noticed_at_ = wall_seconds();
  return reply;
}

double RemoteCrew::wait_for_detection() {
  // The ranks that were busy have found out for themselves; of others the control connection
  // ends.
  const double since = killed_at_;
  BETHANY_CHECK(since > 0, "nobody was killed");
  if (noticed_at_ < since) noticed_at_ = wall_seconds();
  return noticed_at_ - since;
}

void RemoteCrew::strike(const std::vector<NodeId>& nodes) {
  for (const auto node : nodes) {
    const auto found = machines_.find(node);
    if (found == machines_.end()) continue;
    for (auto* const rank : found->second) {
      rank->struck = true;
      strike_rank(*rank);
    }
  }
  if (killed_at_ == 0) killed_at_ = wall_seconds();
}

void RemoteCrew::forget(NodeId node) {
  for (auto* const rank : machines_.at(node)) {
    std::erase(connected_, rank);
    std::replace(before_.begin(), before_.end(), rank, static_cast<RemoteRank*>(nullptr));
  }
  machines_.erase(node);
}

/// One answer of every connected rank; who dies has none, and the others are told.
CrewReply RemoteCrew::collect() {
  CrewReply reply;
  reply.ranks.resize(connected_.size());
  std::vector<std::size_t> waiting;
  const auto gone = [&](std::size_t i) {
    if (!connected_[i]->struck) throw MachineError("the process of a rank failed");
    connected_[i]->answers = false;
    reply.lost = true;
    for (auto* const rank : connected_) {
      if (rank->answers) call_off(*rank);
    }
  };
  for (std::size_t i = 0; i < connected_.size(); ++i) {
    if (connected_[i]->answers) {
      waiting.push_back(i);
    } else {
      gone(i);
    }
  }
  const double deadline = wall_seconds() + kRankPatienceSeconds;
  while (!waiting.empty()) {
    std::vector<pollfd> descriptors;
    for (const auto i : waiting) {
      descriptors.push_back({connected_[i]->control.get(), POLLIN, 0});
    }
    if (::poll(descriptors.data(), descriptors.size(), 1000) < 0 && errno != EINTR) {
      throw MachineError(fmt::format("cannot wait for ranks: {}", std::strerror(errno)));
    }
    if (wall_seconds() > deadline) throw MachineError("a rank hangs");
    std::vector<std::size_t> still;
    for (std::size_t w = 0; w < waiting.size(); ++w) {
      const std::size_t i = waiting[w];
      if (descriptors[w].revents == 0) {
        still.push_back(i);
      } else if (auto message = receive_message(connected_[i]->control.get(), deadline)) {
        reply.ranks[i] = decode_reply(message->second);
        reply.lost = reply.lost || reply.ranks[i].lost;
        if (reply.ranks[i].lost && connected_[i]->struck) gone(i);
      } else {
        gone(i);
      }
    }
    waiting = std::move(still);
  }
  return reply;
}

}  // namespace bethany
