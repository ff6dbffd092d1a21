// The routing load reader.
#include <cstdint>
#include <string_view>

#include "sim/base/error.h"
#include "sim/model/routing_load_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const auto load = bethany::parse_routing_load(
        std::string_view(reinterpret_cast<const char*>(data), size), "fuzz");
    bethany::parse_routing_load(bethany::routing_load_text(load), "again");
  } catch (const bethany::InputError&) {
  }
  return 0;
}
