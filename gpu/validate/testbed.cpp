#include "gpu/validate/testbed.h"

#include "gpu/backend.h"
#include "sim/base/digest.h"
#include "sim/base/error.h"
#include "sim/base/object_reader.h"
#include "sim/base/text.h"

namespace bethany {
namespace {

void add(const std::vector<std::int64_t>& rows, Digest& digest) {
  digest.add(static_cast<std::int64_t>(rows.size()));
  for (const auto value : rows) digest.add(value);
}

}  // namespace

Registry<Testbed>& testbeds() {
  static Registry<Testbed> registry;
  return registry;
}

std::unique_ptr<Testbed> make_testbed(const std::string& backend, const TestbedOptions& asked) {
  const auto* entry = testbeds().find(backend);
  if (entry == nullptr && backend == "cuda") {
    throw NoDevice("no GPU: this program was built without the training of CUDA ranks");
  }
  if (entry == nullptr) throw InputError(unknown_name("backend", backend, testbeds().names()));
  JsonNode options;
  options.kind = JsonNode::Kind::object;
  for (const auto& [key, value] :
       {std::pair("mode", asked.mode), {"kill", asked.kill}, {"products", asked.products}}) {
    if (!value.empty()) options.member(key) = JsonNode::of(value);
  }
  if (asked.cold) options.member("cold") = JsonNode::of(true);
  ObjectReader reader(options, "/backend");
  auto made = entry->make(reader);
  reader.finish();
  return made;
}

std::string dispatch_digest(const PlacementPlan& plan, std::span<const LayerTraffic> layers) {
  Digest digest;
  for (const auto& layer : plan.layers) {
    digest.add(std::span<const std::int32_t>(layer.expert_of_slot));
  }
  for (const auto& layer : layers) {
    for (const auto* rows : {&layer.computed, &layer.sent_inside, &layer.received_inside,
                             &layer.sent_outside, &layer.received_outside}) {
      add(*rows, digest);
    }
  }
  return digest.hex();
}

}  // namespace bethany
