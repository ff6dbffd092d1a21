#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sim/base/object_reader.h"
#include "sim/base/registry.h"
#include "sim/model/routing_load.h"

namespace bethany {

/// Where a routing load is read from: a file, standard input ("-"), or a directory of files.
class RoutingInput {
 public:
  /// Nothing is read yet, but it must be there. Throws InputError.
  explicit RoutingInput(const std::string& path);
  /// A file that is in memory.
  RoutingInput(std::string place, std::string bytes);
  /// A directory that is in memory: bytes by name.
  RoutingInput(std::string place, std::map<std::string, std::string> files);

  /// Names the input in complaints.
  const std::string& place() const { return place_; }
  bool is_directory() const { return is_directory_; }

  /// The file, unpacked; read on first use. Requires: no directory. Throws InputError.
  const std::string& bytes() const;

  /// The names of the files in the directory, in byte order. Requires: a directory.
  std::vector<std::string> names() const;
  /// A file of the directory, unpacked. Throws InputError.
  std::string read(const std::string& name) const;
  std::string place_of(const std::string& name) const { return place_ + "/" + name; }

 private:
  std::string place_;
  bool is_directory_ = false;
  bool in_memory_ = false;
  mutable std::optional<std::string> bytes_;
  std::map<std::string, std::string> files_;
};

/// Reads one published format of expert loads. Bad input throws InputError with file and line;
/// nothing is invented.
class RoutingImporter {
 public:
  virtual ~RoutingImporter() = default;
  /// Whether the input looks like this format. Must not throw for anything the input holds.
  virtual bool recognises(const RoutingInput& input) const = 0;
  /// Loads in any scale. import_routing() checks what RoutingLoad requires of them.
  virtual std::vector<RoutingLoad::Entry> import(const RoutingInput& input) const = 0;
};

Registry<RoutingImporter>& routing_importers();

struct ImportedRouting {
  RoutingLoad load;         // of top_k 1 when the input does not say
  bool says_top_k = false;  // the canonical format does, importers do not
};

/// Reads a routing load in the canonical format or in one that an importer knows.
///
/// Keys of `options`: `importer` (without it the format is recognised by content: the canonical one
/// by its header, any other when exactly one importer recognises it), `layers` and `experts` (see
/// narrowed()), and the importer's own. The caller calls `finish()`. Throws InputError when no
/// importer or several recognise the content, or the content is bad.
ImportedRouting import_routing(const RoutingInput& input, ObjectReader& options);

/// The first `layers` layers and of each the `experts` experts with the largest mean share, in
/// their own order, scaled again; the mean is over all entries, each with the same weight, ties go
/// to the lowest expert. What is not given stays. Throws InputError naming `place` when there are
/// fewer than that, or when at some step none of the chosen experts of a layer has any load.
RoutingLoad narrowed(const RoutingLoad& load, std::optional<int> layers, std::optional<int> experts,
                     const std::string& place);

}  // namespace bethany
