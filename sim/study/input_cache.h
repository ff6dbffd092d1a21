#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "sim/model/routing_load.h"

namespace bethany {

/// Inputs that many scenarios share, read once: routing loads, by what they were read or drawn
/// from. For several threads.
class InputCache {
 public:
  /// The load under `key`, made at the first question. `key` names everything it depends on.
  std::shared_ptr<const RoutingLoad> routing(const std::string& key,
                                             const std::function<RoutingLoad()>& make) {
    const std::lock_guard guard(mutex_);
    auto& known = routing_[key];
    if (!known) known = std::make_shared<const RoutingLoad>(make());
    return known;
  }

 private:
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<const RoutingLoad>> routing_;
};

}  // namespace bethany
