#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "sim/base/object_reader.h"
#include "sim/model/moe_model.h"
#include "sim/model/routing_load.h"

namespace bethany {

/// Reads the canonical routing load, JSON Lines (sim/model/README.md). `name` stands in complaints.
/// Throws InputError "NAME:LINE: …": not JSON, unknown version or key, wrong shape, a negative
/// load, a layer without load, steps that do not rise from 0.
RoutingLoad parse_routing_load(std::string_view text, const std::string& name);

/// The same from a file ("-": standard input; gzip and zstd are unpacked).
RoutingLoad read_routing_load(const std::string& path);

/// The canonical text; parsing it gives the same shares back.
std::string routing_load_text(const RoutingLoad& load);

RoutingShape routing_shape(const MoeModel& model);

/// Reads the object `routing` of a scenario: `file`, or `generator` with its options (default
/// zipf-drift), and calls finish(). A file answers every generate() with what it holds.
/// Throws InputError; generate() of a file does when its shape is not the model's.
std::unique_ptr<RoutingGenerator> read_routing_source(ObjectReader& routing);

}  // namespace bethany
