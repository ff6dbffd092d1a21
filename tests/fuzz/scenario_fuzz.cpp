// The scenario reader: any text is a setup or an InputError. Scenarios that name files or draw
// traces are left to other targets.
#include <cstdint>
#include <string_view>

#include "sim/base/error.h"
#include "sim/study/setup.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    const auto tree = bethany::parse_json(text, "fuzz");
    if (text.find("file") != std::string_view::npos) return 0;
    const auto* trace = tree.find("trace");
    if (trace != nullptr && trace->kind == bethany::JsonNode::Kind::object) return 0;
    const auto* cluster = tree.find("cluster");
    const auto* nodes = cluster == nullptr ? nullptr : cluster->find("nodes");
    if (nodes != nullptr && nodes->integer > 1000) return 0;  // large, not wrong
    const auto setup = bethany::make_setup(tree);
    // What was accepted is complete, and is accepted again.
    bethany::make_setup(bethany::parse_json(bethany::to_text(setup.effective), "effective"));
  } catch (const bethany::InputError&) {
  }
  return 0;
}
