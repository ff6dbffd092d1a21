#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gpu/elastic/launched_crew.h"
#include "gpu/phase.h"
#include "gpu/validate/testbed.h"

namespace bethany {

/// Ranks that really train, whatever they compute on.
struct RankTestbedOptions {
  std::string compute;  // of make_compute()
  Products products = Products::fp32;
  Mode mode = Mode::serialised;
  CaseWorld world;  // what the backend measures
  std::vector<std::pair<std::string, std::string>> facts;
  /// Of the device in the mode partitioned; 0: as many as ranks.
  int parts = 0;
  /// Of the phases of serialised ranks; null: the wall's. thread_seconds() where threads compute.
  PhaseClock clock = nullptr;
  /// Caches are emptied before each phase, so that none finds there what it or another rank left.
  /// Of the mode serialised only.
  bool cold = false;
  /// Tensors lie in memory that only the arithmetic reaches.
  bool device_memory = false;
  Kill kill = Kill::soft;  // of mode cluster
};

/// Modes serialised, threads and partitioned: ranks are threads of this process; processes: forked
/// from it; cluster: launched processes, this one coordinates. The last two for arithmetic on host
/// memory. Throws NoDevice when it cannot run here, InputError when no launcher shows.
std::unique_ptr<Testbed> make_rank_testbed(RankTestbedOptions options);

/// Of this process, for ranks of that arithmetic. Throws InputError, NoDevice.
LaunchedOptions launched_options(const std::string& compute, Products products, Kill kill);

/// In a launched process that does not coordinate (its rank is not 0): serves its rank until the
/// validation ends, and answers true. Throws InputError, MachineError.
bool serve_if_launched(const std::string& compute, Products products, const std::string& kill);

}  // namespace bethany
