#pragma once

#include <string>
#include <string_view>

#include "gpu/elastic/order.h"

namespace bethany {

/// Orders and replies as bytes between processes of one build on machines of one byte order: no
/// file format. decode_… throws MachineError on bytes that are none.
std::string encode(const Order& order);
Order decode_order(std::string_view bytes);
std::string encode(const Reply& reply);
Reply decode_reply(std::string_view bytes);

}  // namespace bethany
