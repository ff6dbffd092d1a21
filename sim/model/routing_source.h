#pragma once

#include <memory>

#include "sim/base/object_reader.h"
#include "sim/model/moe_model.h"
#include "sim/model/routing_load.h"

namespace bethany {

RoutingShape routing_shape(const MoeModel& model);

/// Reads the object `routing` of a scenario: `file` with the keys of import_routing(), or
/// `generator` with its options (default zipf-drift), and calls finish(). A file answers every
/// generate() with what it holds.
/// Throws InputError; generate() of a file does when its shape is not the model's.
std::unique_ptr<RoutingGenerator> read_routing_source(ObjectReader& routing);

}  // namespace bethany
