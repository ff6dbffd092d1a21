#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "sim/model/routing_load.h"

namespace bethany {

constexpr std::int64_t kMostRoutingLayers = 10'000;
constexpr std::int64_t kMostRoutingExperts = 1 << 16;
constexpr std::int64_t kMostRoutingSteps = std::int64_t{1} << 60;

/// Reads the canonical routing load, JSON Lines (sim/model/README.md). `name` stands in complaints.
/// Throws InputError "NAME:LINE: …": not JSON, unknown version or key, wrong shape, a negative
/// load, a layer without load, steps that do not rise from 0.
RoutingLoad parse_routing_load(std::string_view text, const std::string& name);

/// Whether the first line has a key of ours: what is wrong with it is then for the reader to say.
bool looks_like_routing(std::string_view bytes);

/// The canonical text; parsing it gives the same shares back.
std::string routing_load_text(const RoutingLoad& load);

}  // namespace bethany
