// The reader of published model configurations: any text is a model or an InputError.
#include <cstdint>
#include <string_view>

#include "sim/base/error.h"
#include "sim/model/readers.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    bethany::parse_model_config({reinterpret_cast<const char*>(data), size}, "fuzz");
  } catch (const bethany::InputError&) {
  }
  return 0;
}
