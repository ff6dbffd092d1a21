#pragma once

#include <cstdint>
#include <vector>

#include "sim/model/plan.h"
#include "sim/model/traffic.h"

namespace bethany {

/// One fetch of the state of an expert, or of a piece of the dense state (expert -1), between
/// machines.
struct Transfer {
  int from = 0;  // index into the machines given to bind_plan; an owner
  int to = 0;
  int layer = -1;
  int expert = -1;
  std::int64_t bytes = 0;
};

/// What the machines hold before a plan change.
struct Holdings {
  const PlacementPlan* plan = nullptr;  // the last completed one; null: nobody holds anything
  /// For each machine of the new configuration: the place of `plan` whose state it still holds,
  /// or -1 (a newcomer, or it lost its state). More than the new plan has places: those at the end
  /// get none, they only send what they hold.
  std::vector<int> place_of;
};

/// How places find machines and missing states their owners.
enum class BindingMethod {
  /// As published (papers.md §1.4): again and again the pair of a place and a machine with the
  /// fewest newly assigned experts, ties by place, then machine. Each missing state comes from its
  /// owner that has sent least, ties by machine; the dense states, the largest, are dealt first.
  greedy,
  /// The least state moved of all assignments, over all layers at once; of those the first in the
  /// order of the machines of place 0, 1, …. Then the schedule whose busiest port sends and
  /// receives least: experts are fetched whole, the dense state in pieces from several owners.
  min_cost,
};

/// What a binding may do.
struct BindingRules {
  BindingMethod method = BindingMethod::greedy;
  /// Place i and machine i both stand in domain domain_of[i], and no place leaves its domain.
  /// Empty: places go anywhere.
  std::vector<std::int32_t> domain_of;
};

struct Binding {
  /// For each place of the new plan, the index of the machine that takes it.
  std::vector<int> machine_of_place;
  std::vector<Transfer> transfers;
  TransferSummary summary;
  /// No other assignment moves less. False with the greedy rule, and with min_cost beyond
  /// kMostOverlaps, where the greedy rule stands in.
  bool least_moved = false;
};

/// Most pairs of a place and a machine with a common expert among which min_cost looks for the
/// best assignment, after places and machines with equal contents were put together: about 100 B
/// and a microsecond each.
constexpr std::int64_t kMostOverlaps = 4'000'000;

/// Gives the unlabelled places of `plan` to machines so that little state moves, and says who
/// fetches what from whom (BindingMethod). In both methods places that need exactly what a machine
/// holds are bound first, a machine's own place before others: an unchanged plan moves nothing, and
/// such pairs are part of some best assignment. A machine that held no place fetches the dense
/// state too.
/// Requires: at least plan.nodes machines; every expert is held by some machine, or holdings.plan
/// is null (then nothing is fetched: state comes from elsewhere).
Binding bind_plan(const PlacementPlan& plan, const Holdings& holdings, const StateSizes& sizes,
                  const BindingRules& rules = {});

/// What moves when place p of `plan` goes to machine machine_of_place[p], fetches scheduled by
/// `method`. Requires: as bind_plan; no machine twice.
Binding transfers_of(const PlacementPlan& plan, std::vector<int> machine_of_place,
                     const Holdings& holdings, const StateSizes& sizes, BindingMethod method);

/// What moves when place i of `plan` goes to machine i: for a plan made for these very machines.
/// Fetches are scheduled by the method of `rules`. Requires: as bind_plan.
Binding keep_places(const PlacementPlan& plan, const Holdings& holdings, const StateSizes& sizes,
                    BindingMethod method = BindingMethod::greedy);

/// Which `wanted` of the machines go on when there is no room for all: of each different content
/// equally many, as far as there are, so that little has to move to machines that will hold it;
/// machines that hold nothing come last, ties go to the lowest index. Ascending indices.
/// Ensures: the chosen hold every expert if all machines do and every content fits (no more
/// different contents than `wanted`). Requires: wanted <= machines, holdings.plan not null.
std::vector<int> machines_to_keep(const Holdings& holdings, int wanted);

/// Whether every expert of every layer is held by a machine.
bool state_is_complete(const Holdings& holdings);

}  // namespace bethany
