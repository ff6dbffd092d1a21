#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sim/base/json.h"
#include "sim/study/shape.h"

namespace bethany {

/// One file or answer, or a piece of them.
struct NamedShape {
  std::string name;
  std::string summary;  // empty: a piece that others use
  std::string shape;    // as schema_of() reads it
};

/// What has a schema, in the order of `bethany schema`.
std::vector<NamedShape> schema_list();

/// The JSON Schema (draft-07) of a file or answer. Names of parts, generators and metrics in it are
/// those of the registries. Throws InputError naming the nearest known name.
JsonNode schema_document(std::string_view name);

// The tables behind it, by what they describe.
std::vector<NamedShape> scenario_shapes();
std::vector<NamedShape> file_shapes();
std::vector<NamedShape> answer_shapes();
std::vector<NamedShape> study_shapes();  // of sweeps and planning questions

}  // namespace bethany
