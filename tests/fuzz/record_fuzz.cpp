// The run record reader, into the fold that makes summaries.
#include <cstdint>
#include <string_view>

#include "analysis/run_summary.h"
#include "sim/base/error.h"
#include "sim/model/run_record_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    bethany::SummaryFold fold;
    bethany::read_record(std::string_view(reinterpret_cast<const char*>(data), size), "fuzz", fold);
  } catch (const bethany::InputError&) {
  }
  return 0;
}
