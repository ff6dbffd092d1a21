// The plan reader: what it accepts is written and read back the same.
#include <cstdint>
#include <string_view>

#include "sim/base/check.h"
#include "sim/base/error.h"
#include "sim/model/plan_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const auto file =
        bethany::parse_plan(std::string_view(reinterpret_cast<const char*>(data), size), "fuzz");
    const auto text = bethany::to_text(bethany::plan_json(file));
    BETHANY_CHECK(bethany::parse_plan(text, "again").plan == file.plan,
                  "a plan is not read back as written");
  } catch (const bethany::InputError&) {
  }
  return 0;
}
