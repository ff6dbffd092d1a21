#include "gpu/fabric/rendezvous.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <map>

#include "gpu/fabric/fabric.h"
#include "gpu/fabric/store_frames.h"
#include "gpu/protocol.h"
#include "sim/base/check.h"
#include "sim/base/error.h"

namespace bethany {

namespace {

/// How soon a rank that waits for others notices that it is called off.
constexpr double kLookSeconds = 0.05;

}  // namespace

std::vector<std::string> gather(Store& store, const std::string& topic, int rank, int ranks,
                                const std::string& mine, double timeout_seconds,
                                int abort_descriptor) {
  const auto key = [&](int of) { return fmt::format("{}/{}", topic, of); };
  const double deadline = wall_seconds() + timeout_seconds;
  store.set(key(rank), mine);
  std::vector<std::string> all;
  for (int of = 0; of < ranks; ++of) {
    std::optional<std::string> value;
    while (!value) {
      if (called_off(abort_descriptor)) throw PeerLost("called off");
      const double left = std::max(0.0, deadline - wall_seconds());
      value = store.wait(key(of), abort_descriptor < 0 ? left : std::min(left, kLookSeconds));
      if (!value && wall_seconds() >= deadline) {
        throw PeerLost(fmt::format("rank {} did not come to {}", of, topic));
      }
    }
    all.push_back(std::move(*value));
  }
  return all;
}

std::vector<Address> gather_addresses(Store& store, const std::string& topic, int rank, int ranks,
                                      const Address& mine, double timeout_seconds) {
  std::vector<Address> addresses;
  for (const auto& text : gather(store, topic, rank, ranks, text_of(mine), timeout_seconds)) {
    const auto colon = text.rfind(':');  // a host may be an IPv6 address
    const auto port =
        colon == std::string::npos ? std::nullopt : whole_number(text.substr(colon + 1));
    BETHANY_CHECK(port.has_value(), "'{}' is no address", text);
    addresses.push_back({text.substr(0, colon), static_cast<int>(*port)});
  }
  return addresses;
}

std::string machine_name() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string name;
  if (std::getline(file, name) && !name.empty()) return name;
  char host[256] = {};
  gethostname(host, sizeof host - 1);
  return host;
}

void refuse_shared_devices(Store& store, const std::string& topic, int rank, int ranks,
                           const std::string& device, double timeout_seconds,
                           int abort_descriptor) {
  const auto mine = machine_name() + " " + device;
  std::map<std::string, int> owner;
  const auto all = gather(store, topic, rank, ranks, mine, timeout_seconds, abort_descriptor);
  for (int of = 0; of < ranks; ++of) {
    const auto& name = all[static_cast<std::size_t>(of)];
    const auto [first, fresh] = owner.emplace(name, of);
    if (fresh) continue;
    throw InputError(fmt::format("ranks {} and {} have the same device {}; start one process a GPU",
                                 first->second, of, name.substr(name.find(' ') + 1)));
  }
}

}  // namespace bethany
