#include "gpu/elastic/rank_process.h"

#include <fmt/format.h>

#include <cstring>
#include <limits>

#include "gpu/elastic/codec.h"
#include "gpu/fabric/sockets.h"
#include "gpu/protocol.h"
#include "sim/base/error.h"
#include "sim/policy/policy.h"

namespace bethany {
namespace {

constexpr double kForEver = std::numeric_limits<double>::infinity();

/// The process of a rank.
class RankServer {
 public:
  RankServer(const RankLink& link, const TrainingSetup* setup)
      : link_(link), listener_(0, link.listens) {
    if (setup != nullptr) begin(*setup);
  }

  void serve() {
    const std::string hello = link_.host + " " + std::to_string(listener_.port());
    if (!send_message(link_.control, RankMessage::hello, hello)) return;
    while (const auto message = receive_message(link_.control, kForEver)) {
      if (!send_message(link_.control, RankMessage::reply, encode(answer(*message)))) return;
    }
  }

 private:
  void begin(const TrainingSetup& setup) {
    worker_ = std::make_unique<Worker>(setup, link_.compute());
  }

  Reply answer(const std::pair<RankMessage, std::string>& message) {
    switch (message.first) {
      case RankMessage::begin: {
        auto setup = decode_setup(message.second);
        const std::string& name = setup.policy;
        policy_.emplace(
            read_policy(policy_from_text(name, {}), "/policies/" + name, name, nullptr));
        setup.training.dispatch = policy_->dispatch.get();
        begin(setup.training);
        return {};
      }
      case RankMessage::connect:
        return connect(decode_connection(message.second));
      case RankMessage::order:
        return worker_->obey(decode_order(message.second));
      case RankMessage::end:
        worker_.reset();
        return {};
      case RankMessage::hello:
      case RankMessage::reply:
        break;
    }
    throw MachineError("a rank was told what only ranks say");
  }

  Reply connect(const Connection& connection) {
    Reply reply;
    // What called off an earlier configuration means nothing to the next, however late it comes.
    std::string old(static_cast<std::size_t>(connection.call_offs - call_offs_), '\0');
    if (!receive_all(link_.called_off, old.data(), old.size(), {.deadline = kForEver})) {
      throw MachineError("the coordinator is gone");
    }
    call_offs_ = connection.call_offs;
    auto previous = worker_->disconnect();
    if (connection.before[static_cast<std::size_t>(connection.rank)] < 0) previous.reset();
    const double begin = wall_seconds();
    try {
      auto fabric = link_.fabric(connection, {.listener = listener_,
                                              .called_off = link_.called_off,
                                              .compute = worker_->compute(),
                                              .previous = std::move(previous)});
      reply.phases.push_back({std::string(fabric->origin()), -1, wall_seconds() - begin});
      worker_->connect(std::move(fabric));
    } catch (const PeerLost& lost) {
      fmt::print(stderr, "rank {}, configuration {}: {}\n", connection.rank, connection.epoch,
                 lost.what());
      reply.lost = true;
    }
    return reply;
  }

  const RankLink& link_;
  const Listener listener_;
  std::optional<Policy> policy_;  // outlives the worker
  std::unique_ptr<Worker> worker_;
  int call_offs_ = 0;  // read
};

}  // namespace

std::unique_ptr<Fabric> connect_by_sockets(const Connection& connection, OwnEnd end) {
  end.previous.reset();  // peers that still wait for this rank there go on
  return connect_mesh(end.listener, {.rank = connection.rank,
                                     .addresses = connection.addresses,
                                     .epoch = connection.epoch,
                                     .abort_descriptor = end.called_off});
}

std::string encode(const Connection& connection) {
  auto text = fmt::format("{} {} {} {}", connection.epoch, connection.rank, connection.call_offs,
                          connection.store_port);
  for (std::size_t rank = 0; rank < connection.addresses.size(); ++rank) {
    const auto& address = connection.addresses[rank];
    text += fmt::format(" {} {} {}", address.host, address.port, connection.before[rank]);
  }
  return text;
}

Connection decode_connection(std::string_view bytes) {
  Connection connection;
  std::string text(bytes);
  std::vector<std::string> words;
  for (char* word = std::strtok(text.data(), " "); word != nullptr;
       word = std::strtok(nullptr, " ")) {
    words.emplace_back(word);
  }
  constexpr std::size_t kHead = 4;
  constexpr std::size_t kEach = 3;
  if (words.size() < kHead + kEach || (words.size() - kHead) % kEach != 0) {
    throw MachineError("a rank was told to connect to nothing");
  }
  connection.epoch = std::stoull(words[0]);
  connection.rank = std::stoi(words[1]);
  connection.call_offs = std::stoi(words[2]);
  connection.store_port = std::stoi(words[3]);
  for (std::size_t i = kHead; i < words.size(); i += kEach) {
    connection.addresses.push_back({words[i], std::stoi(words[i + 1])});
    connection.before.push_back(std::stoi(words[i + 2]));
  }
  return connection;
}

bool send_message(int control, RankMessage kind, std::string_view content) {
  std::string message(1, static_cast<char>(kind));
  const auto length = static_cast<std::uint64_t>(content.size());
  message.append(reinterpret_cast<const char*>(&length), sizeof length);
  message.append(content);
  return send_all(control, message.data(), message.size(), {.deadline = kForEver});
}

std::optional<std::pair<RankMessage, std::string>> receive_message(int control, double deadline) {
  char kind = 0;
  std::uint64_t length = 0;
  const Patience patience{.deadline = deadline};
  if (!receive_all(control, &kind, 1, patience)) return {};
  if (!receive_all(control, &length, sizeof length, patience)) return {};
  std::string content(length, '\0');
  if (!receive_all(control, content.data(), content.size(), patience)) return {};
  return std::pair(static_cast<RankMessage>(kind), std::move(content));
}

void serve_rank(const RankLink& link, const TrainingSetup* setup) {
  RankServer(link, setup).serve();
}

}  // namespace bethany
