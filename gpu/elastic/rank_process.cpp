#include "gpu/elastic/rank_process.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstring>
#include <limits>

#include "gpu/elastic/codec.h"
#include "gpu/fabric/sockets.h"
#include "gpu/protocol.h"
#include "sim/base/error.h"

namespace bethany {
namespace {

constexpr double kForEver = std::numeric_limits<double>::infinity();

/// Bytes of an earlier configuration's end mean nothing to the next.
void drain(int descriptor) {
  const int flags = ::fcntl(descriptor, F_GETFL);
  ::fcntl(descriptor, F_SETFL, flags | O_NONBLOCK);
  char bytes[64];
  while (::read(descriptor, bytes, sizeof bytes) > 0) {
  }
  ::fcntl(descriptor, F_SETFL, flags);
}

}  // namespace

std::string encode(const Connection& connection) {
  std::string text = std::to_string(connection.epoch) + " " + std::to_string(connection.rank);
  for (const auto& address : connection.addresses) {
    text += " " + address.host + " " + std::to_string(address.port);
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
  if (words.size() < 4 || words.size() % 2 != 0) {
    throw MachineError("a rank was told to connect to nothing");
  }
  connection.epoch = std::stoull(words[0]);
  connection.rank = std::stoi(words[1]);
  for (std::size_t i = 2; i < words.size(); i += 2) {
    connection.addresses.push_back({words[i], std::stoi(words[i + 1])});
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

void serve_rank(const TrainingSetup& setup, std::unique_ptr<Compute> compute, int control,
                int called_off) {
  const Listener listener(0, "127.0.0.1");
  Worker worker(setup, std::move(compute), nullptr);
  if (!send_message(control, RankMessage::hello, std::to_string(listener.port()))) return;
  while (const auto message = receive_message(control, kForEver)) {
    Reply reply;
    if (message->first == RankMessage::connect) {
      const auto connection = decode_connection(message->second);
      drain(called_off);
      worker.connect(nullptr);
      try {
        worker.connect(connect_mesh(listener, {.rank = connection.rank,
                                               .addresses = connection.addresses,
                                               .epoch = connection.epoch,
                                               .abort_descriptor = called_off}));
      } catch (const PeerLost&) {
        reply.lost = true;
      }
    } else {
      reply = worker.obey(decode_order(message->second));
    }
    if (!send_message(control, RankMessage::reply, encode(reply))) return;
  }
}

}  // namespace bethany
