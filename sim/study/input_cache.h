#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "sim/base/json.h"
#include "sim/model/routing_load.h"

namespace bethany {

/// A routing load, and the object `routing` that it was made from with every default.
struct CachedRouting {
  std::shared_ptr<const RoutingLoad> load;
  JsonNode effective;
};

/// Inputs that many scenarios share, read once: routing loads, by what they were read or drawn
/// from. Files must not change while it lives. For several threads.
class InputCache {
 public:
  /// What stands under `key`, made at the first question. `key` names everything it depends on.
  CachedRouting routing(const std::string& key, const std::function<CachedRouting()>& make) {
    const std::lock_guard guard(mutex_);
    auto& known = routing_[key];
    if (!known.load) known = make();
    return known;
  }

 private:
  std::mutex mutex_;
  std::map<std::string, CachedRouting> routing_;
};

}  // namespace bethany
