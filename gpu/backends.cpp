#include "gpu/backend.h"
#include "sim/base/error.h"
#include "sim/base/json.h"
#include "sim/base/object_reader.h"
#include "sim/base/text.h"

namespace bethany {

Registry<Backend>& backends() {
  static Registry<Backend> registry;
  return registry;
}

std::string Machine::fact(std::string_view name) const {
  for (const auto& [key, value] : facts) {
    if (key == name) return value;
  }
  return "";
}

std::unique_ptr<Backend> make_backend(const std::string& name, std::uint64_t seed,
                                      const std::string& element) {
  const auto* entry = backends().find(name);
  if (entry == nullptr && name == "cuda") {
    throw NoDevice("no GPU: this program was built without the CUDA toolkit");
  }
  if (entry == nullptr) throw InputError(unknown_name("backend", name, backends().names()));
  JsonNode options;
  options.member("seed") = JsonNode::of(static_cast<std::int64_t>(seed));
  if (!element.empty()) options.member("element") = JsonNode::of(element);
  ObjectReader reader(options, "/backend");
  auto backend = entry->make(reader);
  reader.integer("seed", 0, std::numeric_limits<std::int64_t>::max());  // known to all backends
  reader.finish();
  return backend;
}

}  // namespace bethany
