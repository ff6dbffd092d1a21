// The importers of routing loads, by content and by name: what one accepts is a valid load.
#include <cstdint>
#include <string_view>

#include "sim/base/error.h"
#include "sim/base/object_reader.h"
#include "sim/model/routing_import.h"
#include "sim/model/routing_load_file.h"

namespace {

void import_as(const bethany::RoutingInput& input, const std::string& importer) {
  try {
    bethany::JsonNode given;
    given.kind = bethany::JsonNode::Kind::object;
    if (!importer.empty()) given.member("importer") = bethany::JsonNode::of(importer);
    bethany::ObjectReader options(given, "");
    const auto imported = bethany::import_routing(input, options);
    bethany::parse_routing_load(bethany::routing_load_text(imported.load), "again");
  } catch (const bethany::InputError&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const bethany::RoutingInput file("fuzz", text);
  import_as(file, "");
  for (const auto& entry : bethany::routing_importers().entries()) import_as(file, entry.name);
  const std::map<std::string, std::string> files = {{"table_iter1_rank0.log", text},
                                                    {"table_iter11_rank0.log", text}};
  import_as(bethany::RoutingInput("fuzz", files), "");
  return 0;
}
