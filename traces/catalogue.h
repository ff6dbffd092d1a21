#pragma once

#include <span>
#include <string_view>

namespace bethany {

/// A published trace that an importer reads. Nothing of it is in this repository.
struct PublicTrace {
  std::string_view name;        // for `trace fetch`
  std::string_view repository;  // owner/name
  std::string_view commit;
  std::string_view path;     // in the repository
  std::string_view licence;  // SPDX
  std::string_view importer;
  std::string_view folder;  // below $BETHANY_TRACES, where `path` then continues
  std::string_view sha256;
  std::string_view summary;
  std::string_view unpacked = {};  // `path` below the folder where the repository's is packed
};

/// In name order.
std::span<const PublicTrace> public_traces();

/// Null when there is none of that name.
const PublicTrace* find_public_trace(std::string_view name);

}  // namespace bethany
