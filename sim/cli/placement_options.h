#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <vector>

#include "sim/placement/answers.h"

namespace bethany {

/// The options that `place` and `recover` share.
struct PlacementOptions {
  PlaceRequest request;
  CLI::Option* nodes = nullptr;  // to tell what was not given
  CLI::Option* slots = nullptr;
  std::string loads;       // t1,t2,…
  std::string loads_file;  // [[…]…] as JSON, or CSV with a layer a row
  std::string replicas;    // r1,r2,…
  std::string layer_order = "aligned";
  std::string domains_file;
};

void add_placement_options(CLI::App& command, PlacementOptions& options);

/// The plan to come from, and what moving costs: options of `place`.
struct ChangeOptions {
  std::string previous;
  std::string lost;  // n1,n2,…
  std::string binding = "min-cost";
  std::string model;
  std::string expert_bytes;
  std::string dense_bytes;
  std::string bandwidth;
};
void add_change_options(CLI::App& command, ChangeOptions& options);
/// Empty without --previous. Throws InputError.
std::optional<ChangeRequest> read_change(const ChangeOptions& options);

/// The request with loads and replicas read. Nodes, slots and loads that are not given come from
/// `otherwise`. Throws InputError; an option that is missing then is malformed (exit 2).
PlaceRequest read_request(const PlacementOptions& options, const PlaceRequest* otherwise = nullptr);

/// A JSON array of a loss probability for each node. Throws InputError "FILE:LINE: /index: …".
std::vector<double> read_rates(const std::string& path, int nodes);

}  // namespace bethany
