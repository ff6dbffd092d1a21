#include "gpu/elastic/launched_device.h"

#include "sim/base/object_reader.h"

namespace bethany {

Registry<LaunchedDevice>& launched_devices() {
  static Registry<LaunchedDevice> registry;
  return registry;
}

std::unique_ptr<LaunchedDevice> launched_device(const std::string& compute) {
  const auto* const entry = launched_devices().find(compute);
  if (entry == nullptr) return nullptr;
  const JsonNode none;
  ObjectReader options(none, "/device");
  return entry->make(options);
}

}  // namespace bethany
