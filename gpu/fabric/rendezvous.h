#pragma once

#include <string>
#include <vector>

#include "gpu/fabric/store.h"

namespace bethany {

/// Every rank of a configuration gives a text and gets those of all, by rank. `topic`: new for each
/// gathering, such as "7/addresses" for epoch 7. Throws PeerLost naming the rank that does not come
/// within `timeout_seconds`, or when `abort_descriptor` is readable.
std::vector<std::string> gather(Store& store, const std::string& topic, int rank, int ranks,
                                const std::string& mine, double timeout_seconds,
                                int abort_descriptor = -1);

/// All ranks tell each other where they listen, for connect_mesh().
std::vector<Address> gather_addresses(Store& store, const std::string& topic, int rank, int ranks,
                                      const Address& mine, double timeout_seconds);

/// A name of this machine that all its containers share and that no other has: the kernel's boot
/// id, else the host name.
std::string machine_name();

/// Refuses, on every rank, a configuration in which two ranks have the same device (NCCL would hang
/// or fail in its own words). `device`: its name on this machine, such as a PCI bus id. Throws
/// InputError with both ranks, PeerLost as gather().
void refuse_shared_devices(Store& store, const std::string& topic, int rank, int ranks,
                           const std::string& device, double timeout_seconds,
                           int abort_descriptor = -1);

}  // namespace bethany
