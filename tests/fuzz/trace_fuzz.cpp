// The canonical trace reader: what it accepts is written and read back the same.
#include <cstdint>
#include <string_view>

#include "sim/base/check.h"
#include "sim/base/error.h"
#include "sim/model/trace_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const auto trace =
        bethany::read_trace(std::string_view(reinterpret_cast<const char*>(data), size), "fuzz");
    const auto text = bethany::write_trace(trace);
    BETHANY_CHECK(bethany::write_trace(bethany::read_trace(text, "again")) == text,
                  "a trace is not read back as written");
  } catch (const bethany::InputError&) {
  }
  return 0;
}
