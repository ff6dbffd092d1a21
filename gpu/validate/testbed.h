#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "gpu/validate/case_input.h"
#include "gpu/validate/claims.h"
#include "gpu/validate/observation.h"
#include "sim/base/registry.h"
#include "sim/training/machines.h"

namespace bethany {

/// Machines that can say what the work they did last was made of.
class ObservableMachines : public Machines {
 public:
  /// Whether that stage is really done here before that step, so that its time says something:
  /// threads detect no death, nobody reschedules a job on one machine, and a job that begins anew
  /// has no checkpoint to load. What is not done is not observed.
  virtual bool performs(Stage, std::int64_t) const { return true; }
  /// The phases of the last step that was not undone, by rank; empty when not known.
  virtual std::span<const std::vector<PhaseTime>> phases() const = 0;
  /// dispatch_digest() of what that step really followed; empty when not known.
  virtual std::string performed() const = 0;
  /// Bytes of the fullest rank, predicted and at most allocated; empty when not known.
  virtual std::optional<MemoryObservation> memory() const { return {}; }
};

/// What cases run on: machines of one kind.
class Testbed {
 public:
  virtual ~Testbed() = default;
  /// How ranks share the hardware, and so what may be claimed.
  virtual Mode mode() const = 0;
  /// Device, host, versions, … in a fixed order, and what became of the runs so far.
  virtual std::vector<std::pair<std::string, std::string>> facts() const = 0;
  /// What cases train; the cost is filled in.
  virtual CaseWorld world() const { return {}; }
  /// The most nodes that a case may have; 0: any number.
  virtual int nodes_max() const { return 0; }
  /// Machines for one run; `input` outlives them. Passes differ in nothing but chance.
  virtual std::unique_ptr<ObservableMachines> machines(const CaseInput& input,
                                                       const CaseWorld& world, int pass) = 0;
  /// The cost object of the cases when no profile is given; empty when one is required.
  virtual std::optional<JsonNode> own_cost() const { return {}; }
};

/// How a testbed is asked for; what is empty is the backend's own.
struct TestbedOptions {
  std::string mode;      // of the ranks
  std::string kill;      // how launched processes die
  std::string products;  // what ranks round the operands of products to
  bool cold = false;     // caches are emptied before each phase
};

/// By backend. `make` reads `mode` (default the backend's), where ranks compute `products` and
/// `cold`, and, where machines are launched processes, `kill` (soft or hard).
Registry<Testbed>& testbeds();

/// Throws InputError on an unknown name, mode or option, NoDevice when it cannot run here.
std::unique_ptr<Testbed> make_testbed(const std::string& backend,
                                      const TestbedOptions& options = {});

/// Fingerprint of what a step follows: the plan and the rows that every rank computes, sends and
/// receives in each layer. 16 hex digits.
std::string dispatch_digest(const PlacementPlan& plan, std::span<const LayerTraffic> layers);

}  // namespace bethany
