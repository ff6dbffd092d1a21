#include "sim/model/routing_source.h"

#include <fmt/format.h>

#include "sim/base/error.h"
#include "sim/model/routing_import.h"

namespace bethany {
namespace {

/// A routing load from a file, as a source like the generators.
class FileSource final : public RoutingGenerator {
 public:
  FileSource(ImportedRouting imported, std::string place)
      : imported_(std::move(imported)), place_(std::move(place)) {}

  RoutingLoad generate(const RoutingShape& shape, const RngStreams&) const override {
    const auto& load = imported_.load;
    check("MoE layers", load.layers(), shape.layers, "'layers': {0} keeps the first {0}");
    check("experts", load.experts(), shape.experts,
          "'experts': {0} keeps the {0} busiest of each layer");
    if (!imported_.says_top_k) return load.with_top_k(shape.top_k);
    check("experts per token (top_k)", load.top_k(), shape.top_k, "");
    return load;
  }

 private:
  void check(const char* what, int in_file, int in_model, const char* remedy) const {
    if (in_file == in_model) return;
    auto message = fmt::format("{}: the routing load has {} {}, the model {}", place_, in_file,
                               what, in_model);
    if (in_file > in_model && *remedy != '\0') {
      message += "; " + fmt::format(fmt::runtime(remedy), in_model);
    }
    throw InputError(message);
  }

  ImportedRouting imported_;
  std::string place_;
};

}  // namespace

RoutingShape routing_shape(const MoeModel& model) {
  return {.layers = model.moe_layers, .experts = model.experts, .top_k = model.top_k};
}

std::unique_ptr<RoutingGenerator> read_routing_source(ObjectReader& routing) {
  std::unique_ptr<RoutingGenerator> source;
  if (routing.has("file")) {
    if (routing.has("generator")) routing.fail("generator", "give either 'file' or 'generator'");
    routing.raw("generator");
    const auto place = routing.place("file");
    source = std::make_unique<FileSource>(
        import_routing(RoutingInput(routing.file("file")), routing), place);
  } else {
    routing.raw("file");
    const auto name = routing.choice("generator", routing_generators().names(), "zipf-drift");
    source = routing_generators().find(name)->make(routing);
  }
  routing.finish();
  return source;
}

}  // namespace bethany
