#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "gpu/elastic/worker.h"
#include "gpu/fabric/connection.h"

namespace bethany {

/// Messages between the coordinator and the process of a rank: one byte of kind, eight of length
/// (little end first), then the content.
enum class RankMessage : char {
  hello,    // from the rank: where it listens for others; again after each life
  begin,    // to the rank: a life begins; how (encode_setup)
  connect,  // to the rank: a Connection
  order,    // to the rank
  end,      // to the rank: the life is over, with all it held
  reply,    // from the rank, to the last four
};

/// What a rank is to connect to.
struct Connection {
  std::uint64_t epoch = 0;
  int rank = 0;
  int call_offs = 0;   // bytes that ever went to it over the descriptor that calls off
  int store_port = 0;  // of the coordinator's store, where its processes are launched
  std::vector<Address> addresses;
  /// Of each rank, its rank in the configuration before this one, in which it has been connected
  /// ever since; -1 where it was in none.
  std::vector<int> before;
};

std::string encode(const Connection& connection);
Connection decode_connection(std::string_view bytes);

/// Sends a whole message; false when the other side is gone.
bool send_message(int control, RankMessage kind, std::string_view content);
/// Receives one; nothing when the other side is gone or `deadline` (wall_seconds()) is over.
std::optional<std::pair<RankMessage, std::string>> receive_message(int control, double deadline);

/// A rank's own means to connect.
struct OwnEnd {
  const Listener& listener;  // at the rank's address
  int called_off = -1;       // readable when the configuration is called off
  Compute& compute;
  std::unique_ptr<Fabric> previous;  // what it was connected by; null where `before` has -1
};

/// Makes a rank's end of the fabric of a configuration. All its ranks are asked at the same time.
/// Throws PeerLost when it does not come about.
using FabricMaker = std::function<std::unique_ptr<Fabric>(const Connection&, OwnEnd)>;

/// TCP connections between the addresses; data lies in host memory.
std::unique_ptr<Fabric> connect_by_sockets(const Connection& connection, OwnEnd end);

/// Where the process of a rank talks to its coordinator, how it computes and how it connects.
struct RankLink {
  int control = -1;
  int called_off = -1;                // readable when what it does at the moment is called off
  std::string host = "127.0.0.1";     // where others reach it, as far as it knows
  std::string listens = "127.0.0.1";  // on what; empty: on all interfaces
  std::function<std::unique_ptr<Compute>()> compute;
  FabricMaker fabric = connect_by_sockets;
};

/// The process of a rank: says hello, obeys until its coordinator is gone. `setup`: of the only
/// life, which begins at once; null: lives begin and end as the coordinator says, each policy by
/// its name.
void serve_rank(const RankLink& link, const TrainingSetup* setup);

}  // namespace bethany
