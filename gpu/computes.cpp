#include "gpu/compute.h"

#include <utility>

#include "gpu/backend.h"
#include "sim/base/check.h"
#include "sim/base/error.h"
#include "sim/base/json.h"
#include "sim/base/object_reader.h"
#include "sim/base/text.h"

namespace bethany {

Registry<Compute>& computes() {
  static Registry<Compute> registry;
  return registry;
}

namespace {

constexpr std::pair<const char*, Products> kProducts[] = {{"fp32", Products::fp32},
                                                          {"tf32", Products::tf32},
                                                          {"bf16", Products::bf16},
                                                          {"fp16", Products::fp16}};

}  // namespace

std::string name_of(Products products) {
  for (const auto& [name, value] : kProducts) {
    if (value == products) return name;
  }
  BETHANY_CHECK(false, "products {}", static_cast<int>(products));
}

std::vector<std::string> products_names() {
  std::vector<std::string> names;
  for (const auto& [name, value] : kProducts) names.emplace_back(name);
  return names;
}

Products products_named(const std::string& name) {
  for (const auto& [known, value] : kProducts) {
    if (known == name) return value;
  }
  throw InputError(unknown_name("kind of products", name, products_names()));
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
  options.member("products") = JsonNode::of(name_of(share.products));
  ObjectReader reader(options, "/compute");
  return entry->make(reader);
}

}  // namespace bethany
