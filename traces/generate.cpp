#include "traces/generate.h"

#include <fmt/format.h>

#include "sim/base/error.h"
#include "sim/base/object_reader.h"
#include "sim/base/text.h"
#include "sim/model/trace_text.h"

namespace bethany {

Trace generate_trace(std::string_view generator, const JsonNode& options, std::uint64_t seed,
                     std::uint64_t replication) {
  const auto* entry = trace_generators().find(generator);
  if (entry == nullptr) {
    throw InputError(unknown_name("generator", printable(generator), trace_generators().names()));
  }
  JsonNode effective;
  ObjectReader reader(options, "", &effective);
  const auto drawn = entry->make(reader);
  reader.finish();
  auto trace = drawn->generate(RngStreams(seed, replication));
  trace.source =
      fmt::format("bethany generator {} {} seed {}", generator, to_line(effective), seed);
  if (replication != 0) trace.source += fmt::format(" replication {}", replication);
  return trace;
}

}  // namespace bethany
