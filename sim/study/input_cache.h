#pragma once

#include <cstddef>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "sim/base/json.h"
#include "sim/model/routing_load.h"
#include "sim/model/trace.h"

namespace bethany {

/// A routing load, and the object `routing` that it was made from with every default.
struct CachedRouting {
  std::shared_ptr<const RoutingLoad> load;
  JsonNode effective;
};

/// A trace as its file or generator has it.
struct CachedTrace {
  std::shared_ptr<const Trace> trace;
  int peak_alive = 1;
  JsonNode effective;  // what the object `trace` says of it, with every default
};

/// A trace with its replay options applied.
struct CachedReplay {
  std::shared_ptr<const Trace> trace;
  std::string sha256;  // of the file, or of the canonical text of a generated one
  JsonNode statistics;
};

/// The newest values by what they were made from: at most `most` of them. For several threads.
template <class Value>
class NewestValues {
 public:
  explicit NewestValues(std::size_t most) : most_(most) {}

  /// What stands under `key`, made at the first question. Who asks meanwhile waits.
  Value get(const std::string& key, const std::function<Value()>& make) {
    const auto slot = slot_of(key);
    const std::lock_guard guard(slot->mutex);
    if (!slot->value) slot->value = make();
    return *slot->value;
  }

 private:
  struct Slot {
    std::string key;
    std::mutex mutex;
    std::optional<Value> value;
  };

  std::shared_ptr<Slot> slot_of(const std::string& key) {
    const std::lock_guard guard(mutex_);
    for (auto slot = slots_.begin(); slot != slots_.end(); ++slot) {
      if ((*slot)->key != key) continue;
      slots_.splice(slots_.begin(), slots_, slot);
      return slots_.front();
    }
    slots_.push_front(std::make_shared<Slot>());
    slots_.front()->key = key;
    if (slots_.size() > most_) slots_.pop_back();
    return slots_.front();
  }

  std::size_t most_;
  std::mutex mutex_;
  std::list<std::shared_ptr<Slot>> slots_;  // newest first
};

/// Inputs that many scenarios share, read once: routing loads and traces, by what they were read or
/// drawn from. Files must not change while it lives. For several threads.
struct InputCache {
  NewestValues<CachedRouting> routing{128};
  NewestValues<std::optional<CachedTrace>> traces{128};
  NewestValues<CachedReplay> replays{128};
};

}  // namespace bethany
