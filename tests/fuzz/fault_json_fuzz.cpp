// The importer fault-json: what it accepts is a valid trace.
#include "tests/fuzz/importer.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  bethany::fuzz_importers({"fault-json"}, data, size);
  return 0;
}
