#include "sim/placement/repair_rows.h"

#include <algorithm>
#include <queue>

#include "sim/base/check.h"
#include "sim/placement/replica_weights.h"

namespace bethany {
namespace {

using Counts = std::vector<std::int32_t>;

/// load / count, compared exactly; with equal values the lower id comes first in both directions.
struct LoadPerReplica {
  std::int64_t load;
  std::int32_t count;
  std::int32_t expert;

  Int128 against(const LoadPerReplica& other) const {
    return static_cast<Int128>(load) * other.count - static_cast<Int128>(other.load) * count;
  }
};

struct Lighter {  // the heaviest is on top
  bool operator()(const LoadPerReplica& a, const LoadPerReplica& b) const {
    const Int128 difference = a.against(b);
    return difference != 0 ? difference < 0 : a.expert > b.expert;
  }
};

struct Heavier {  // the lightest is on top
  bool operator()(const LoadPerReplica& a, const LoadPerReplica& b) const {
    const Int128 difference = a.against(b);
    return difference != 0 ? difference > 0 : a.expert > b.expert;
  }
};

/// How the counts change: who is lost, who gives up replicas, who gets more of them.
struct Repair {
  Counts counts;                      // afterwards
  Counts lost;                        // experts, each once
  std::vector<std::int32_t> given;    // experts, once for each replica given up
  std::vector<std::int32_t> further;  // experts, once for each replica in a newcomer's slot
};

Repair decide(Counts counts, std::int64_t newcomer_slots, std::int64_t other_slots,
              std::span<const std::int64_t> loads) {
  const bool no_load = std::all_of(loads.begin(), loads.end(), [](auto load) { return load == 0; });
  const auto load = [&](std::size_t e) { return no_load ? std::int64_t{1} : loads[e]; };
  Repair repair{.counts = std::move(counts), .lost = {}, .given = {}, .further = {}};
  const std::size_t experts = repair.counts.size();
  std::priority_queue<LoadPerReplica, std::vector<LoadPerReplica>, Heavier> donors;
  for (std::size_t e = 0; e < experts; ++e) {
    const auto expert = static_cast<std::int32_t>(e);
    if (repair.counts[e] == 0) repair.lost.push_back(expert);
    if (repair.counts[e] > 1) donors.push({load(e), repair.counts[e] - 1, expert});
  }
  const auto lost = static_cast<std::int64_t>(repair.lost.size());
  for (std::int64_t i = newcomer_slots + other_slots; i < lost; ++i) {
    BETHANY_CHECK(!donors.empty(), "fewer slots than experts");
    const auto donor = donors.top();
    donors.pop();
    repair.given.push_back(donor.expert);
    repair.counts[static_cast<std::size_t>(donor.expert)] = donor.count;
    if (donor.count > 1) donors.push({donor.load, donor.count - 1, donor.expert});
  }
  for (const std::int32_t expert : repair.lost) repair.counts[static_cast<std::size_t>(expert)] = 1;

  std::priority_queue<LoadPerReplica, std::vector<LoadPerReplica>, Lighter> heaviest;
  if (newcomer_slots > lost) {
    for (std::size_t e = 0; e < experts; ++e) {
      heaviest.push({load(e), repair.counts[e], static_cast<std::int32_t>(e)});
    }
  }
  for (std::int64_t i = lost; i < newcomer_slots; ++i) {
    auto top = heaviest.top();
    heaviest.pop();
    repair.further.push_back(top.expert);
    repair.counts[static_cast<std::size_t>(top.expert)] = ++top.count;
    heaviest.push(top);
  }
  return repair;
}

/// The GPU whose replica of the expert is given up.
int giving_gpu(const DeviceRows& devices, std::int32_t expert) {
  int best = -1;
  bool best_shares = false;
  for (int gpu = 0; gpu < devices.gpus(); ++gpu) {
    const auto held = devices.held(gpu);
    if (std::find(held.begin(), held.end(), expert) == held.end()) continue;
    const bool shares = devices.copies_on_node(devices.node_of(gpu), expert) > 1;
    if (best < 0 || (shares && !best_shares) ||
        (shares == best_shares && devices.load(gpu) > devices.load(best))) {
      best = gpu;
      best_shares = shares;
    }
  }
  BETHANY_CHECK(best >= 0, "nobody holds expert {}", expert);
  return best;
}

}  // namespace

DeviceRows repaired_rows(const PlacementShape& shape, const std::vector<std::int32_t>& held,
                         const std::vector<bool>& newcomer, std::span<const std::int64_t> loads) {
  Counts counts(static_cast<std::size_t>(shape.experts));
  const auto node_slots = static_cast<std::size_t>(shape.slots_per_node());
  std::int64_t newcomer_slots = 0;
  std::int64_t other_slots = 0;
  for (std::size_t slot = 0; slot < held.size(); ++slot) {
    if (held[slot] != kVacant) {
      ++counts[static_cast<std::size_t>(held[slot])];
    } else {
      ++(newcomer[slot / node_slots] ? newcomer_slots : other_slots);
    }
  }
  Repair repair = decide(std::move(counts), newcomer_slots, other_slots, loads);

  DeviceRows devices(shape, held, replica_weights(repair.counts, loads));
  for (const std::int32_t expert : repair.given) devices.take(giving_gpu(devices, expert), expert);
  const auto heaviest_first = [&](std::int32_t a, std::int32_t b) {
    const Int128 weight_a = devices.weight(a);
    const Int128 weight_b = devices.weight(b);
    return weight_a != weight_b ? weight_a > weight_b : a < b;
  };
  const auto is_new = [&](int gpu) -> bool {
    return newcomer[static_cast<std::size_t>(devices.node_of(gpu))];
  };
  std::sort(repair.lost.begin(), repair.lost.end(), heaviest_first);
  for (const std::int32_t expert : repair.lost) {
    int gpu = newcomer_slots > 0 ? devices.least_loaded(is_new) : -1;
    if (gpu < 0) gpu = devices.least_loaded([](int) { return true; });
    devices.put(gpu, expert);
  }
  std::sort(repair.further.begin(), repair.further.end(), heaviest_first);
  for (const std::int32_t expert : repair.further) {
    int gpu = devices.least_loaded([&](int candidate) {
      return is_new(candidate) && devices.copies_on_node(devices.node_of(candidate), expert) == 0;
    });
    if (gpu < 0) gpu = devices.least_loaded(is_new);
    devices.put(gpu, expert);
  }
  return devices;
}

std::vector<bool> newcomers(const PlacementShape& shape) {
  BETHANY_CHECK(shape.previous != nullptr, "no plan is in force");
  std::vector<bool> result;
  for (const auto place : shape.previous->place_of) result.push_back(place < 0);
  return result;
}

}  // namespace bethany
