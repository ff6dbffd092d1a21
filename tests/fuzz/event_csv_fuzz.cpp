// The importers of plain logs, and by content: what one accepts is a valid trace.
#include "tests/fuzz/importer.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  bethany::fuzz_importers({"", "event-csv", "log-csv"}, data, size);
  return 0;
}
