#pragma once

#include <optional>
#include <string>
#include <vector>

#include "sim/base/json.h"
#include "sim/study/sweep/runs_file.h"

namespace bethany {

/// A file, or directory of files, that a scenario or an axis names.
struct NamedFile {
  std::string key;      // a.b.c of the scenario
  std::string path;     // absolute
  std::string sha256;   // of the bytes; of a directory: of names and bytes
  bool in_tree = true;  // not a value of an axis
};

/// The file that the value of a scenario's key names, if it is there.
std::optional<NamedFile> named_file(const std::string& key, const JsonNode& value);

/// All files that a scenario names.
std::vector<NamedFile> named_files(const JsonNode& tree);

/// The member `files` of a manifest in that directory.
JsonNode files_answer(const std::vector<NamedFile>& files, const std::string& directory);

/// The scenario with the names of its files relative to the directory.
JsonNode with_paths(JsonNode tree, const std::vector<NamedFile>& files,
                    const std::string& directory);

/// What in two manifests' questions differs first: "/replications is 3 there and 4 here"; empty
/// when they ask the same of the same inputs. Where files lie does not count, what is in them does.
std::string difference(const JsonNode& there, const JsonNode& here);

/// The SHA-256 over all that decides the results of a sweep's manifest: everything but where files
/// lie, the shard, and `hash` itself.
std::string manifest_hash(const JsonNode& manifest);

/// A manifest that was read. Throws InputError when it is none of this version, or its hash is not
/// that of what it says.
struct Manifest {
  JsonNode tree;
  std::string hash;
  std::int64_t runs = 0;
  Shard shard;
};
Manifest read_manifest(const std::string& path);

/// The manifest with its file names, relative to `from`, made relative to `to`.
JsonNode moved(JsonNode manifest, const std::string& from, const std::string& to);

/// The member `shard` of a manifest: null for a whole sweep.
JsonNode shard_answer(const Shard& shard);

}  // namespace bethany
