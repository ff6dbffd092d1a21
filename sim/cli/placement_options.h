#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "sim/placement/answers.h"

namespace bethany {

/// The options that `place` and `recover` share.
struct PlacementOptions {
  PlaceRequest request;
  std::string loads;       // t1,t2,…
  std::string loads_file;  // [[…]…] as JSON, or CSV with a layer a row
  std::string replicas;    // r1,r2,…
  std::string layer_order = "aligned";
  std::string domains_file;
};

void add_placement_options(CLI::App& command, PlacementOptions& options);

/// The request with loads and replicas read. Throws InputError; a missing option is malformed (exit
/// 2).
PlaceRequest read_request(const PlacementOptions& options);

/// An option of the contract that is refused by name until it is built.
void add_later_option(CLI::App& command, const std::string& name, const std::string& help);

}  // namespace bethany
