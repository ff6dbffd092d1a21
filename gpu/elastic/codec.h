#pragma once

#include <string>
#include <string_view>

#include "gpu/elastic/order.h"
#include "gpu/elastic/worker.h"

namespace bethany {

/// Orders and replies as bytes between processes of one build on machines of one byte order: no
/// file format. decode_… throws MachineError on bytes that are none.
std::string encode(const Order& order);
Order decode_order(std::string_view bytes);
std::string encode(const Reply& reply);
Reply decode_reply(std::string_view bytes);

/// What a process must know to be a rank. The dispatch is that of the policy, made there anew.
struct RankSetup {
  TrainingSetup training;
  std::string policy;  // as `compare` takes it
};
std::string encode(const RankSetup& setup);
RankSetup decode_setup(std::string_view bytes);

}  // namespace bethany
