#include "gpu/compute.h"

#include "gpu/backend.h"
#include "sim/base/error.h"
#include "sim/base/json.h"
#include "sim/base/object_reader.h"
#include "sim/base/text.h"

namespace bethany {

Registry<Compute>& computes() {
  static Registry<Compute> registry;
  return registry;
}

std::unique_ptr<Compute> make_compute(const std::string& name, const DeviceShare& share) {
  const auto* entry = computes().find(name);
  if (entry == nullptr && name == "cuda") {
    throw NoDevice("no GPU: this program was built without the CUDA toolkit");
  }
  if (entry == nullptr) throw InputError(unknown_name("arithmetic", name, computes().names()));
  JsonNode options;
  options.member("device") = JsonNode::of(static_cast<std::int64_t>(share.device));
  options.member("rank") = JsonNode::of(static_cast<std::int64_t>(share.rank));
  options.member("ranks") = JsonNode::of(static_cast<std::int64_t>(share.ranks));
  options.member("partitioned") = JsonNode::of(share.partitioned);
  options.member("tf32") = JsonNode::of(share.tf32);
  ObjectReader reader(options, "/compute");
  return entry->make(reader);
}

}  // namespace bethany
