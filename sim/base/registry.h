#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sim/base/check.h"

namespace bethany {

class ObjectReader;

/// The named implementations of one plug-in kind. Each `.cpp` adds itself before `main`; afterwards
/// a registry never changes. Entries are kept in name order, so a listing does not depend on links.
template <class Part>
class Registry {
 public:
  struct Entry {
    std::string name;
    std::string summary;  // one line, for `bethany list`
    /// Reads the part's own options and builds it. The caller calls `finish()` on the reader.
    std::function<std::unique_ptr<Part>(ObjectReader&)> make;
  };

  /// Requires: the name is new. Returns true, so that a static initialiser can call it.
  bool add(Entry entry) {
    const auto place =
        std::lower_bound(entries_.begin(), entries_.end(), entry.name,
                         [](const Entry& e, const std::string& name) { return e.name < name; });
    BETHANY_CHECK(place == entries_.end() || place->name != entry.name, "'{}' is registered twice",
                  entry.name);
    entries_.insert(place, std::move(entry));
    return true;
  }

  const Entry* find(std::string_view name) const {
    for (const auto& entry : entries_) {
      if (entry.name == name) return &entry;
    }
    return nullptr;
  }

  const std::vector<Entry>& entries() const { return entries_; }

  std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (const auto& entry : entries_) names.push_back(entry.name);
    return names;
  }

 private:
  std::vector<Entry> entries_;
};

}  // namespace bethany
