#include "gpu/compute.h"
#include "sim/base/error.h"
#include "sim/base/json.h"
#include "sim/base/object_reader.h"
#include "sim/base/text.h"

namespace bethany {

Registry<Compute>& computes() {
  static Registry<Compute> registry;
  return registry;
}

std::unique_ptr<Compute> make_compute(const std::string& name) {
  const auto* entry = computes().find(name);
  if (entry == nullptr) throw InputError(unknown_name("arithmetic", name, computes().names()));
  const JsonNode none;
  ObjectReader options(none, "/compute");
  return entry->make(options);
}

}  // namespace bethany
