#pragma once

#include "gpu/elastic/worker.h"
#include "gpu/fabric/connection.h"

namespace bethany {

/// Messages between the coordinator and the process of a rank: one byte of kind, eight of length
/// (little end first), then the content.
enum class RankMessage : char {
  hello,    // from the rank: the port on which it listens for others
  connect,  // to the rank: epoch, own rank, addresses of all
  order,    // to the rank
  reply,    // from the rank, to the last two
};

/// What a rank is to connect to.
struct Connection {
  std::uint64_t epoch = 0;
  int rank = 0;
  std::vector<Address> addresses;
};

std::string encode(const Connection& connection);
Connection decode_connection(std::string_view bytes);

/// Sends a whole message; false when the other side is gone.
bool send_message(int control, RankMessage kind, std::string_view content);
/// Receives one; nothing when the other side is gone or `deadline` (wall_seconds()) is over.
std::optional<std::pair<RankMessage, std::string>> receive_message(int control, double deadline);

/// The life of a rank's process: says hello, obeys until its coordinator is gone. `called_off`
/// becomes readable when what it does at the moment is called off.
void serve_rank(const TrainingSetup& setup, std::unique_ptr<Compute> compute, int control,
                int called_off);

}  // namespace bethany
