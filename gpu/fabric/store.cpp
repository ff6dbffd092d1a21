#include "gpu/fabric/store.h"

#include <fmt/format.h>

#include <cmath>

#include "gpu/fabric/store_frames.h"
#include "gpu/protocol.h"
#include "sim/base/error.h"

namespace bethany {
namespace {

/// What an answer may take beyond the time the request itself waits.
constexpr double kAnswerSeconds = 30;

std::string milliseconds(double seconds) {
  return std::to_string(static_cast<std::int64_t>(std::ceil(seconds * 1e3)));
}

}  // namespace

Store::Store(const Address& server, double timeout_seconds)
    : server_(server), connection_(connect_to(server, {wall_seconds() + timeout_seconds, -1})) {
  if (!connection_.open()) throw MachineError(fmt::format("no store at {}", text_of(server)));
}

StoreFields Store::ask(const StoreFields& request, double seconds) {
  const Patience patience{wall_seconds() + seconds + kAnswerSeconds, -1};
  const auto sent = encode_frame(request);
  std::string length(kLengthBytes, '\0');
  std::string frame;
  bool answered = send_all(connection_.get(), sent.data(), sent.size(), patience) &&
                  receive_all(connection_.get(), length.data(), length.size(), patience);
  if (answered) {
    frame.resize(decode_length(length));
    answered = receive_all(connection_.get(), frame.data(), frame.size(), patience);
  }
  auto fields = answered ? decode_frame(frame) : std::nullopt;
  if (!fields || fields->empty()) {
    connection_.close();
    throw MachineError(fmt::format("the store at {} is gone", text_of(server_)));
  }
  if (fields->front() == "error") {
    throw MachineError(fmt::format("the store at {} refuses '{}': {}", text_of(server_),
                                   request.front(), fields->back()));
  }
  return *fields;
}

void Store::set(const std::string& key, const std::string& value) { ask({"set", key, value}, 0); }

std::optional<std::string> Store::wait(const std::string& key, double timeout_seconds) {
  auto answer = ask({"wait", key, milliseconds(timeout_seconds)}, timeout_seconds);
  if (answer.front() == "none" || answer.size() < 2) return std::nullopt;
  return std::move(answer[1]);
}

std::int64_t Store::add(const std::string& key, std::int64_t amount) {
  const auto answer = ask({"add", key, std::to_string(amount)}, 0);
  const auto sum = whole_number(answer.back());
  if (!sum) throw MachineError(fmt::format("the store at {} is none", text_of(server_)));
  return *sum;
}

void Store::beat(const std::string& name) { ask({"beat", name}, 0); }

void Store::leave(const std::string& name) { ask({"leave", name}, 0); }

std::vector<std::string> Store::silent(double seconds) {
  auto answer = ask({"silent", milliseconds(seconds)}, 0);
  answer.erase(answer.begin());
  return answer;
}

}  // namespace bethany
