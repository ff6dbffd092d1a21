// The best split of a layer's tokens: its value (min_makespan) and the split itself (dispatcher
// min-makespan), each beside a plain program that answers the same: bisection with a textbook Dinic
// flow for the value, the dispatcher `even` for the split (which solves an easier question).
// Medians of turns; the digest covers values and traffic. Fails when the plain value differs by
// more than its own tolerance.

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <ctime>
#include <functional>
#include <string>
#include <vector>

#include "sim/base/check.h"
#include "sim/base/digest.h"
#include "sim/base/object_reader.h"
#include "sim/placement/makespan.h"
#include "sim/placement/parts.h"
#include "tests/bench/placement_cases.h"

namespace bethany {
namespace {

/// Processor time: what else runs on the machine does not count.
double now_us() { return 1e6 * static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

/// Median over turns of about two milliseconds each.
double median_us(int turns, const std::function<void()>& work) {
  const auto once = [&](int repeats) {
    const double start = now_us();
    for (int i = 0; i < repeats; ++i) work();
    return (now_us() - start) / repeats;
  };
  const int repeats = static_cast<int>(std::clamp(2000.0 / std::max(once(1), 0.1), 1.0, 5000.0));
  std::vector<double> times;
  for (int turn = 0; turn < turns; ++turn) times.push_back(once(repeats));
  std::sort(times.begin(), times.end());
  return times[times.size() / 2];
}

struct Case {
  std::string name;
  PlacementShape shape;
  LoadMatrix loads;
  bool with_plain = true;
};

Case make_case(const std::string& name, int layers, int experts, int nodes, int gpus, int slots) {
  return {name,
          {.nodes = nodes, .gpus_per_node = gpus, .slots_per_gpu = slots, .experts = experts},
          skewed_loads(layers, experts, 0.8)};
}

PlacementPlan plan_of(const Case& at, const std::string& placement) {
  auto rng = RngStreams(1, 0).stream("bench");
  auto made = make_plan(*part(allocations(), "proportional"), *part(placements(), placement),
                        at.shape, LayerOrder::aligned, at.loads, rng);
  return std::get<PlacementPlan>(std::move(made));
}

/// Dinic's algorithm word for word on an adjacency list, in doubles.
class PlainFlow {
 public:
  explicit PlainFlow(std::size_t vertices) : arcs_of_(vertices) {}

  void add(std::size_t from, std::size_t to, double room) {
    arcs_of_[from].push_back(arcs_.size());
    arcs_.push_back({to, room});
    arcs_of_[to].push_back(arcs_.size());
    arcs_.push_back({from, 0});
  }

  double run(std::size_t source, std::size_t sink) {
    double sum = 0;
    while (find_levels(source, sink)) {
      next_.assign(arcs_of_.size(), 0);
      for (double sent = 1; sent > 0; sum += sent) sent = push(source, sink, 1e300);
    }
    return sum;
  }

 private:
  static constexpr double kNothing = 1e-3;

  struct Arc {
    std::size_t to;
    double room;
  };

  bool find_levels(std::size_t source, std::size_t sink) {
    level_.assign(arcs_of_.size(), -1);
    level_[source] = 0;
    std::vector<std::size_t> queue{source};
    for (std::size_t i = 0; i < queue.size(); ++i) {
      for (const auto a : arcs_of_[queue[i]]) {
        if (arcs_[a].room <= kNothing || level_[arcs_[a].to] >= 0) continue;
        level_[arcs_[a].to] = level_[queue[i]] + 1;
        queue.push_back(arcs_[a].to);
      }
    }
    return level_[sink] >= 0;
  }

  double push(std::size_t from, std::size_t sink, double amount) {
    if (from == sink) return amount;
    for (auto& next = next_[from]; next < arcs_of_[from].size(); ++next) {
      const auto a = arcs_of_[from][next];
      if (arcs_[a].room <= kNothing || level_[arcs_[a].to] != level_[from] + 1) continue;
      const double sent = push(arcs_[a].to, sink, std::min(amount, arcs_[a].room));
      if (sent <= 0) continue;
      arcs_[a].room -= sent;
      arcs_[a ^ 1].room += sent;
      return sent;
    }
    return 0;
  }

  std::vector<std::vector<std::size_t>> arcs_of_;
  std::vector<Arc> arcs_;
  std::vector<int> level_;
  std::vector<std::size_t> next_;
};

/// The makespan to a millionth of the mean, by bisection.
double plain_makespan(const HostLists& hosts, std::span<const std::int64_t> loads) {
  const auto experts = loads.size();
  const auto places = static_cast<std::size_t>(hosts.places);
  double sum = 0;
  for (const auto load : loads) sum += static_cast<double>(load);
  double low = sum / static_cast<double>(places);
  double high = sum;
  const double precision = low * 1e-6;
  while (high - low > precision) {
    const double middle = (low + high) / 2;
    PlainFlow flow(experts + places + 2);
    const auto source = experts + places;
    for (std::size_t e = 0; e < experts; ++e) {
      flow.add(source, e, static_cast<double>(loads[e]));
      for (const auto p : hosts.of(static_cast<int>(e))) {
        flow.add(e, experts + static_cast<std::size_t>(p), 1e300);
      }
    }
    for (std::size_t p = 0; p < places; ++p) flow.add(experts + p, source + 1, middle);
    (flow.run(source, source + 1) >= sum - precision / 4 ? high : low) = middle;
  }
  return high;
}

void print(const std::string& what, double ours_us, double plain_us, const std::string& plain) {
  fmt::print("{:<66} {:>9.2f} us", what, ours_us);
  if (plain_us > 0) {
    fmt::print("  {:>12.2f} us  {:>8.1f}x  {}", plain_us, plain_us / ours_us, plain);
  }
  fmt::print("\n");
}

void bench_value(const Case& at, const std::string& placement, int turns, Digest& digest) {
  const auto plan = plan_of(at, placement);
  const int layers = at.loads.layers;
  std::vector<HostLists> hosts;
  for (int l = 0; l < layers; ++l) hosts.push_back(hosts_by_rank(plan, l));
  MakespanSolver solver;
  double sink = 0;
  const double ours = median_us(turns, [&] {
    for (int l = 0; l < layers; ++l) {
      sink += solver.solve(hosts[static_cast<std::size_t>(l)], at.loads.row(l)).value();
    }
  });
  double worst = 0;
  for (int l = 0; l < layers; ++l) {
    const auto made = solver.solve(hosts[static_cast<std::size_t>(l)], at.loads.row(l));
    digest.add(made.load);
    digest.add(made.places);
    double sum = 0;
    for (const auto load : at.loads.row(l)) sum += static_cast<double>(load);
    worst = std::max(worst, made.value() * at.shape.ranks() / sum);
  }
  double plain = 0;
  if (at.with_plain) {
    plain =
        median_us(std::min(turns, 3), [&] { sink += plain_makespan(hosts[0], at.loads.row(0)); });
    const double value = solver.solve(hosts[0], at.loads.row(0)).value();
    BETHANY_CHECK(std::abs(plain_makespan(hosts[0], at.loads.row(0)) / value - 1) < 1e-5,
                  "the plain makespan differs from {}", value);
  }
  print(fmt::format("makespan {} {} (max/mean {:.3f}), a layer", at.name, placement, worst),
        ours / layers, plain, "bisection, Dinic in doubles");
  BETHANY_CHECK(sink > 0, "nothing was solved");
}

void bench_split(const Case& at, const std::string& placement, int turns, Digest& digest) {
  const auto plan = plan_of(at, placement);
  const std::vector<std::int64_t> rows(static_cast<std::size_t>(at.shape.ranks()), 8192);
  const auto best = part(dispatches(), "min-makespan");
  const auto even = part(dispatches(), "even");
  const int layers = at.loads.layers;
  double sink = 0;
  const auto all = [&](const Dispatch& dispatch) {
    for (int l = 0; l < layers; ++l) {
      const auto traffic = dispatch.dispatch(at.shape, plan.layers[static_cast<std::size_t>(l)],
                                             rows, at.loads.row(l));
      sink += static_cast<double>(traffic.computed.front());
    }
  };
  const double ours = median_us(turns, [&] { all(*best); });
  const double plain = median_us(turns, [&] { all(*even); });
  print(fmt::format("split {} {}, a layer", at.name, placement), ours / layers, plain / layers,
        "dispatcher even");
  for (int l = 0; l < layers; ++l) {
    const auto traffic =
        best->dispatch(at.shape, plan.layers[static_cast<std::size_t>(l)], rows, at.loads.row(l));
    for (const auto value : traffic.computed) digest.add(value);
    for (const auto value : traffic.sent_outside) digest.add(value);
  }
  BETHANY_CHECK(sink > 0, "nothing was dispatched");
}

void run(bool quick) {
  const int turns = quick ? 1 : 9;
  Digest digest;
  std::vector<Case> cases;
  cases.push_back(make_case("16 on 10 nodes of 6", 12, 16, 10, 1, 6));
  cases.push_back(make_case("256 on 320 GPUs of 1", 8, 256, 40, 8, 1));
  cases.push_back(make_case("256 on 40 GPUs of 8", 8, 256, 5, 8, 8));
  cases.push_back(make_case("512 on 2,048 GPUs of 2", 4, 512, 256, 8, 2));
  cases.push_back(make_case("16 on 1,000 nodes of 6", 4, 16, 1000, 1, 6));
  for (int nodes = 64; nodes <= (quick ? 64 : 1024); nodes *= 4) {  // growth
    cases.push_back(make_case(fmt::format("128 on {} nodes of 6", nodes), 4, 128, nodes, 1, 6));
  }
  for (auto& at : cases) {
    at.with_plain = !quick && at.shape.slots() <= 1000;
    for (const std::string placement : {"mro", "spread"}) {
      bench_value(at, placement, turns, digest);
      bench_split(at, placement, turns, digest);
    }
  }
  fmt::print("digest {}\n", digest.hex());
}

}  // namespace
}  // namespace bethany

int main(int argc, char** argv) {
  bethany::run(argc > 1 && std::strcmp(argv[1], "--quick") == 0);
  return 0;
}
