#include "traces/routing/json_loads.h"

namespace bethany {
namespace {

/// What the published EPLB planner is called with: a matrix [layer][expert], or one for each step.
class EplbJson final : public RoutingImporter {
 public:
  explicit EplbJson(ObjectReader& options) : every_(options.integer("every", 1, kMostEvery, 1)) {}

  bool recognises(const RoutingInput& input) const override {
    if (input.is_directory()) return false;
    const auto& bytes = input.bytes();
    const std::size_t first = bytes.find_first_not_of(" \t\r\n");
    return first != std::string::npos && bytes[first] == '[';
  }

  std::vector<RoutingLoad::Entry> import(const RoutingInput& input) const override {
    simdjson::dom::parser parser;
    const auto value = parse_load_json(parser, input.bytes(), input.place());
    return entries_of(read_load_matrices(value, input.place(), ""), every_);
  }

 private:
  std::int64_t every_;
};

const bool registered = routing_importers().add({
    .name = "eplb-json",
    .summary = "JSON [layer][expert] or [step][layer][expert], as EPLB takes it",
    .make = [](ObjectReader& options) -> std::unique_ptr<RoutingImporter> {
      return std::make_unique<EplbJson>(options);
    },
});

}  // namespace
}  // namespace bethany
