// The planner library at the sizes of the papers and of large clusters, each beside the plain way
// to get the same answer (named in the line), in turns. Medians of the turns. The digest covers
// plans, traffic, bindings and probabilities. The program fails when a plain answer differs:
// probabilities must be equal, sent rows within one row per expert (the plain program does not
// round); bindings may differ in ties, which are counted.

#include <fmt/core.h>

#include <algorithm>
#include <bit>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "sim/base/digest.h"
#include "sim/base/object_reader.h"
#include "sim/placement/binding.h"
#include "sim/placement/parts.h"
#include "sim/placement/recovery.h"
#include "tests/bench/placement_cases.h"

namespace bethany {
namespace {

using Clock = std::chrono::steady_clock;

struct Times {
  double ours_us = 0;
  double plain_us = 0;  // 0: no plain program
};

double once_us(const std::function<void()>& work, int repeats) {
  const auto start = Clock::now();
  for (int i = 0; i < repeats; ++i) work();
  return std::chrono::duration<double, std::micro>(Clock::now() - start).count() / repeats;
}

/// Medians over `turns` turns; each turn repeats the work until it takes about a millisecond.
Times measure(int turns, const std::function<void()>& ours, const std::function<void()>& plain) {
  const auto repeats_of = [](const std::function<void()>& work) {
    return static_cast<int>(std::clamp(1000.0 / std::max(once_us(work, 1), 0.1), 1.0, 5000.0));
  };
  const int our_repeats = repeats_of(ours);
  const int plain_repeats = plain ? repeats_of(plain) : 0;
  std::vector<double> our_times;
  std::vector<double> plain_times;
  for (int turn = 0; turn < turns; ++turn) {
    our_times.push_back(once_us(ours, our_repeats));
    if (plain) plain_times.push_back(once_us(plain, plain_repeats));
  }
  const auto median = [](std::vector<double>& times) {
    if (times.empty()) return 0.0;
    const auto middle = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2);
    std::nth_element(times.begin(), middle, times.end());
    return *middle;
  };
  return {median(our_times), median(plain_times)};
}

void print(const std::string& what, const Times& times, const std::string& plain) {
  fmt::print("{:<58} {:>12.2f} us", what, times.ours_us);
  if (times.plain_us > 0) {
    fmt::print("  {:>12.2f} us  {:>7.1f}x  {}", times.plain_us, times.plain_us / times.ours_us,
               plain);
  }
  fmt::print("\n");
}

struct Case {
  std::string name;
  PlacementShape shape;
  LoadMatrix loads;
};

PlacementPlan plan_of(const Case& at, const std::string& placement, std::uint64_t seed = 1) {
  auto rng = RngStreams(seed, 0).stream("bench");
  auto made = make_plan(*part(allocations(), "proportional"), *part(placements(), placement),
                        at.shape, LayerOrder::aligned, at.loads, rng);
  return std::get<PlacementPlan>(std::move(made));
}

void add(Digest& digest, const PlacementPlan& plan) {
  for (const auto& layer : plan.layers) {
    for (const auto expert : layer.expert_of_slot) digest.add(std::int64_t{expert});
  }
}

void bench_plan(const Case& at, int turns, Digest& digest) {
  for (const std::string placement : {"mro", "spread"}) {
    const auto times = measure(
        turns, [&] { plan_of(at, placement); }, nullptr);
    print(fmt::format("plan {} {}", at.name, placement), times, "");
    add(digest, plan_of(at, placement));
  }
}

/// Alg. 1 in doubles over the experts x ranks x ranks matrix, as the paper's listing runs it: the
/// most rows that one rank sends.
double plain_dispatch(const Case& at, const LayerPlan& plan, std::span<const std::int64_t> loads,
                      std::int64_t rows) {
  const auto ranks = static_cast<std::size_t>(at.shape.ranks());
  const auto slots = static_cast<std::size_t>(at.shape.slots_per_gpu);
  double sum = 0;
  for (const auto load : loads) sum += static_cast<double>(load);
  std::vector<double> send(ranks * ranks);
  std::vector<double> copies(ranks);
  std::vector<double> residual(ranks);
  for (std::size_t e = 0; e < loads.size(); ++e) {
    const double own = static_cast<double>(rows) * static_cast<double>(loads[e]) / sum;
    const double share = own * static_cast<double>(ranks) / plan.replicas[e];
    double all = 0;
    for (std::size_t j = 0; j < ranks; ++j) {
      copies[j] = 0;
      for (std::size_t s = 0; s < slots; ++s) {
        copies[j] += plan.expert_of_slot[j * slots + s] == static_cast<std::int32_t>(e) ? 1 : 0;
      }
      residual[j] = std::max(0.0, share * copies[j] - own);
      all += residual[j];
    }
    for (std::size_t i = 0; i < ranks; ++i) {
      const double surplus = own - std::min(own, share * copies[i]);
      if (all <= 0) continue;
      for (std::size_t j = 0; j < ranks; ++j) send[i * ranks + j] += surplus * residual[j] / all;
    }
  }
  double largest = 0;
  for (std::size_t i = 0; i < ranks; ++i) {
    double sent = 0;
    for (std::size_t j = 0; j < ranks; ++j) sent += send[i * ranks + j];
    largest = std::max(largest, sent);
  }
  return largest;
}

void bench_dispatch(const Case& at, bool with_plain, int turns, Digest& digest) {
  const auto plan = plan_of(at, "mro");
  const auto dispatch = part(dispatches(), "lazarus");
  const std::vector<std::int64_t> rows(static_cast<std::size_t>(at.shape.ranks()), 4096);
  double sink = 0;
  const auto ours = [&] {
    for (int l = 0; l < at.loads.layers; ++l) {
      const auto& layer = plan.layers[static_cast<std::size_t>(l)];
      const auto traffic = dispatch->dispatch(at.shape, layer, rows, at.loads.row(l));
      sink += static_cast<double>(traffic.computed.front());
    }
  };
  std::function<void()> plain;
  if (with_plain) {
    plain = [&] {
      for (int l = 0; l < at.loads.layers; ++l) {
        sink += plain_dispatch(at, plan.layers[static_cast<std::size_t>(l)], at.loads.row(l), 4096);
      }
    };
  }
  const auto times = measure(turns, ours, plain);
  print(fmt::format("dispatch {} lazarus, all layers", at.name), times,
        "E x ranks x ranks doubles");
  for (int l = 0; l < at.loads.layers; ++l) {
    const auto traffic = dispatch->dispatch(at.shape, plan.layers[static_cast<std::size_t>(l)],
                                            rows, at.loads.row(l));
    std::int64_t sent = 0;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      sent = std::max(sent, traffic.sent_inside[i] + traffic.sent_outside[i]);
    }
    if (l == 0 && with_plain) {
      const double plain_sent = plain_dispatch(at, plan.layers[0], at.loads.row(0), 4096);
      BETHANY_CHECK(std::abs(static_cast<double>(sent) - plain_sent) <= at.shape.experts,
                    "{} rows sent, {} by the plain program", sent, plain_sent);
    }
    for (const auto value : traffic.computed) digest.add(value);
    for (const auto value : traffic.sent_outside) digest.add(value);
  }
  BETHANY_CHECK(sink > 0, "nothing was dispatched");
}

/// The published rule word for word: every round looks at every free pair.
std::vector<int> plain_binding(const PlacementPlan& plan, const Holdings& holdings) {
  const auto missing = [&](int place, int machine) {
    const int old = holdings.place_of[static_cast<std::size_t>(machine)];
    int count = 0;
    for (int l = 0; l < static_cast<int>(plan.layers.size()); ++l) {
      const auto needs = plan.node_slots(l, place);
      for (std::size_t i = 0; i < needs.size(); ++i) {
        if (needs[i] == kVacant) continue;
        if (std::find(needs.begin(), needs.begin() + static_cast<std::ptrdiff_t>(i), needs[i]) !=
            needs.begin() + static_cast<std::ptrdiff_t>(i)) {
          continue;
        }
        if (old >= 0) {
          const auto held = holdings.plan->node_slots(l, old);
          if (std::find(held.begin(), held.end(), needs[i]) != held.end()) continue;
        }
        ++count;
      }
    }
    return count;
  };
  const auto n = static_cast<std::size_t>(plan.nodes);
  std::vector<int> cost(n * n);
  for (std::size_t p = 0; p < n; ++p) {
    for (std::size_t m = 0; m < n; ++m) {
      cost[p * n + m] = missing(static_cast<int>(p), static_cast<int>(m));
    }
  }
  std::vector<int> machine_of_place(n, -1);
  std::vector<bool> taken(n);
  for (std::size_t round = 0; round < n; ++round) {
    std::size_t best = n * n;
    for (std::size_t pair = 0; pair < n * n; ++pair) {
      if (machine_of_place[pair / n] >= 0 || taken[pair % n]) continue;
      if (best == n * n || cost[pair] < cost[best]) best = pair;
    }
    machine_of_place[best / n] = static_cast<int>(best % n);
    taken[best % n] = true;
  }
  return machine_of_place;
}

void bench_binding(const Case& at, bool with_plain, int turns, Digest& digest) {
  Case smaller = at;
  smaller.shape.nodes -= 1;
  const auto before = plan_of(at, "mro");
  const auto after = plan_of(smaller, "mro");
  Holdings holdings{.plan = &before, .place_of = {}};
  for (int n = 0; n < at.shape.nodes; ++n) {
    if (n != at.shape.nodes / 2) holdings.place_of.push_back(n);
  }
  BETHANY_CHECK(state_is_complete(holdings), "one loss was fatal");
  const StateSizes sizes{.dense_bytes = 1 << 30, .expert_bytes = 1 << 20, .checkpoint_bytes = 0};
  std::function<void()> plain;
  if (with_plain) plain = [&] { plain_binding(after, holdings); };
  const auto times = measure(
      turns, [&] { bind_plan(after, holdings, sizes); }, plain);
  print(fmt::format("binding {} after one loss", at.name), times, "all free pairs every round");
  const auto binding = bind_plan(after, holdings, sizes);
  for (const int machine : binding.machine_of_place) digest.add(std::int64_t{machine});
  digest.add(binding.summary.experts_moved);
  digest.add(binding.summary.busiest_port_bytes);
  if (with_plain) {
    // The two may only differ in ties with machines that hold exactly a place's experts.
    const auto words = plain_binding(after, holdings);
    std::int64_t moved = 0;
    for (std::size_t p = 0; p < words.size(); ++p) moved += words[p] != binding.machine_of_place[p];
    fmt::print("  places bound otherwise by the plain rule: {}\n", moved);
  }
}

/// survive(k) by looking at all 2^N loss sets.
std::vector<double> plain_recovery(int nodes, const std::vector<std::uint32_t>& sets) {
  std::vector<std::int64_t> survivors(static_cast<std::size_t>(nodes) + 1);
  std::vector<std::int64_t> all(static_cast<std::size_t>(nodes) + 1);
  for (std::uint32_t lost = 0; lost < (1U << nodes); ++lost) {
    const auto k = static_cast<std::size_t>(std::popcount(lost));
    ++all[k];
    survivors[k] += std::all_of(sets.begin(), sets.end(),
                                [&](std::uint32_t set) { return (set & ~lost) != 0; });
  }
  std::vector<double> result;
  for (std::size_t k = 0; k < all.size(); ++k) {
    result.push_back(static_cast<double>(survivors[k]) / static_cast<double>(all[k]));
  }
  return result;
}

void bench_recovery(const Case& at, const std::string& placement, bool with_plain, int turns,
                    Digest& digest) {
  const auto plan = plan_of(at, placement);
  const int nodes = at.shape.nodes;
  std::vector<std::uint32_t> masks;
  for (int l = 0; with_plain && l < at.loads.layers; ++l) {
    std::vector<std::uint32_t> hosts(static_cast<std::size_t>(plan.experts));
    for (int n = 0; n < nodes; ++n) {
      for (const auto e : plan.node_slots(l, n)) {
        if (e != kVacant) hosts[static_cast<std::size_t>(e)] |= 1U << n;
      }
    }
    masks.insert(masks.end(), hosts.begin(), hosts.end());
  }
  std::function<void()> plain;
  if (with_plain) plain = [&] { plain_recovery(nodes, masks); };
  const auto times = measure(
      turns, [&] { recovery_curve(plan, nodes); }, plain);
  print(fmt::format("recovery {} {}", at.name, placement), times, "all loss sets x all experts");
  const auto curve = recovery_curve(plan, nodes);
  if (!curve) {
    fmt::print("  not affordable\n");
    return;
  }
  digest.add(std::int64_t{curve->guaranteed_losses});
  for (const double p : curve->probability) digest.add(std::llround(p * 1e9));
  if (with_plain) BETHANY_CHECK(plain_recovery(nodes, masks) == curve->probability, "they differ");
}

Case make_case(const std::string& name, int layers, int experts, int nodes, int gpus, int slots) {
  return {name,
          {.nodes = nodes, .gpus_per_node = gpus, .slots_per_gpu = slots, .experts = experts},
          skewed_loads(layers, experts, 1.2)};
}

void run(bool quick) {
  const int turns = quick ? 1 : 15;
  Digest digest;
  const auto paper = make_case("12 x 16 on 10 nodes of 6", 12, 16, 10, 1, 6);
  const auto deepseek = make_case("58 x 256 on 40 GPUs of 8", 58, 256, 5, 8, 8);
  const auto single_slots = make_case("58 x 256 on 320 GPUs of 1", 58, 256, 40, 8, 1);
  const auto wide = make_case("12 x 16 on 1,000 nodes of 6", 12, 16, 1000, 1, 6);
  const auto cluster = make_case("58 x 256 on 64 nodes of 8 x 4", 58, 256, 64, 8, 4);
  const auto slots = make_case("1 x 256 on 10,000 slots", 1, 256, 1250, 8, 1);
  for (const auto* at : {&paper, &deepseek, &single_slots, &cluster, &wide, &slots}) {
    bench_plan(*at, turns, digest);
  }
  bench_dispatch(paper, true, turns, digest);
  bench_dispatch(deepseek, true, turns, digest);
  bench_dispatch(single_slots, !quick, quick ? 1 : 3, digest);
  bench_binding(paper, true, turns, digest);
  bench_binding(cluster, true, quick ? 1 : 3, digest);
  bench_binding(wide, false, quick ? 1 : 5, digest);
  bench_recovery(paper, "mro", true, turns, digest);
  bench_recovery(paper, "spread", true, turns, digest);
  bench_recovery(make_case("12 x 16 on 16 nodes of 6", 12, 16, 16, 1, 6), "random", !quick,
                 quick ? 1 : 5, digest);
  if (!quick) {
    bench_recovery(make_case("12 x 16 on 24 nodes of 6", 12, 16, 24, 1, 6), "random", false, 5,
                   digest);
  }
  bench_recovery(wide, "mro", false, quick ? 1 : 5, digest);
  fmt::print("digest {}\n", digest.hex());
}

}  // namespace
}  // namespace bethany

int main(int argc, char** argv) {
  bethany::run(argc > 1 && std::strcmp(argv[1], "--quick") == 0);
  return 0;
}
