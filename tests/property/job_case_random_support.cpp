#include <algorithm>

#include "tests/property/job_case.h"

namespace bethany {
namespace {

/// Draws small numbers.
class Dice {
 public:
  explicit Dice(Rng rng) : rng_(rng) {}

  std::int64_t between(std::int64_t low, std::int64_t high) {
    return low + static_cast<std::int64_t>(rng_.below(static_cast<std::uint64_t>(high - low + 1)));
  }
  int small(int low, int high) { return static_cast<int>(between(low, high)); }
  bool chance(int percent) { return between(1, 100) <= percent; }
  template <class T>
  T one_of(const std::vector<T>& values) {
    return values[static_cast<std::size_t>(rng_.below(values.size()))];
  }
  std::uint64_t number() { return rng_.next(); }

 private:
  Rng rng_;
};

void draw_cluster(Dice& dice, JobCase& job) {
  job.nodes = dice.small(2, 8);
  job.gpus = dice.chance(25) ? 2 : 1;
  job.slots_per_gpu = dice.small(1, 3);
  job.layers = dice.small(1, 2);
  job.experts = dice.small(2, 6);
  // Mostly room for a second replica, sometimes not even for the first.
  const int slots = job.nodes * job.gpus * job.slots_per_gpu;
  if (slots < job.experts && !dice.chance(3)) job.experts = slots;
  job.startup_ms = dice.chance(50) ? 0 : 1000 * dice.between(1, 7);
  job.global_batch = dice.chance(30);
  job.sequences = dice.between(1, 5);
  job.accumulation = dice.chance(20) ? 2 : 1;
  job.warm = dice.chance(40);
}

void draw_costs(Dice& dice, JobCase& job) {
  // Mostly nothing happens between whole seconds; sometimes nearly everything does.
  const std::int64_t unit = dice.chance(85) ? 1000 : 700;
  const auto step = [&] { return unit * dice.one_of<std::int64_t>({1, 1, 2, 3, 5}); };
  job.step_ms = {step()};
  if (dice.chance(40)) {
    job.step_ms.clear();
    for (int n = 1; n <= job.nodes; ++n) job.step_ms.push_back(step());
  }
  const auto stage = [&] { return unit * dice.one_of<std::int64_t>({0, 0, 1, 1, 2, 3, 6}); };
  job.checkpoint_ms = stage();
  job.detection_ms = stage();
  job.planning_ms = stage();
  job.communicator_ms = stage();
  job.transfer_ms = stage();
  job.reschedule_ms = stage();
  job.process_start_ms = stage();
  job.group_init_ms = stage();
  job.load_ms = stage();
  job.rebalance_communicator_ms = stage();
  if (dice.chance(15)) job.planning_ms = job.communicator_ms = job.transfer_ms = 0;
  if (dice.chance(10)) {
    job.reschedule_ms = job.process_start_ms = job.group_init_ms = job.load_ms = 0;
  }
}

void draw_policy(Dice& dice, JobCase& job) {
  const int family = dice.small(0, 9);
  job.preset = family < 7 ? "lazarus" : "ds";
  if (family < 7) {
    job.placement = dice.one_of<std::string>({"mro", "spread", "compact", "random"});
    job.on_loss = family < 5 ? "in-place" : "restart";
    job.layer_order = dice.chance(70) ? "aligned" : "independent";
  }
  job.fault_threshold = dice.small(1, 3);
  if (dice.chance(40)) job.minimum_nodes = dice.small(1, job.nodes);
  const int checkpoint = dice.small(0, 9);
  if (checkpoint < 6) job.checkpoint_steps = dice.between(1, 7);
  if (checkpoint >= 6 && checkpoint < 9) job.checkpoint_interval_ms = 1000 * dice.between(1, 15);
  const int membership = dice.small(0, 9);
  if (membership < 3) job.gather_ms = 0;
  if (membership >= 3 && membership < 8) job.gather_ms = 1000 * dice.between(1, 12);
  if (dice.chance(job.preset == "ds" ? 10 : 50)) job.rebalance_steps = dice.between(1, 8);
  job.routing_entries = dice.chance(30) ? 1 : dice.between(2, 8);
  job.routing_every = dice.between(1, 12);
  job.routing_seed = dice.number() % 1000;
}

/// What happens to machines at one instant.
void draw_instant(Dice& dice, JobCase& job, std::int64_t ms, std::vector<bool>& there) {
  const auto machines = static_cast<int>(there.size());
  const auto add = [&](int machine) {
    job.rows.push_back({ms, machine, false});
    there[static_cast<std::size_t>(machine)] = !there[static_cast<std::size_t>(machine)];
  };
  const auto pick = [&](bool alive) {
    std::vector<int> found;
    for (int i = 0; i < machines; ++i) {
      if (there[static_cast<std::size_t>(i)] == alive) found.push_back(i);
    }
    return found.empty() ? dice.small(0, machines - 1) : dice.one_of(found);
  };
  const int what = dice.small(0, 99);
  if (what < 30) {
    add(pick(true));
  } else if (what < 60) {
    for (int n = dice.small(1, 3); n > 0; --n) add(pick(false));
  } else if (what < 72) {
    for (int n = dice.small(2, 4); n > 0; --n) add(pick(true));
  } else if (what < 80) {  // replaced by another machine
    add(pick(true));
    add(pick(false));
  } else if (what < 88) {  // lost and back
    const int machine = pick(true);
    add(machine);
    add(machine);
  } else if (what < 92) {  // there and lost, or lost and back and lost
    const int machine = dice.small(0, machines - 1);
    for (int n = dice.small(2, 3); n > 0; --n) add(machine);
  } else if (what < 97) {
    for (int n = dice.small(1, 4); n > 0; --n) add(dice.small(0, machines - 1));
  } else {
    job.rows.push_back({ms, pick(true), true});
  }
}

void draw_trace(Dice& dice, JobCase& job) {
  std::vector<bool> there(static_cast<std::size_t>(job.nodes + dice.small(0, 4)));
  const std::int64_t end = dice.chance(75) ? dice.between(5, 90) : dice.between(90, 400);
  job.trace_end_ms = 1000 * end;
  const int first = dice.chance(80) ? job.nodes : dice.small(0, job.nodes);
  for (int machine = 0; machine < first; ++machine) {
    job.rows.push_back({0, machine, false});
    there[static_cast<std::size_t>(machine)] = true;
  }
  const std::int64_t gap = dice.one_of<std::int64_t>({3, 8, 16, 30, 80});
  const std::int64_t grid = dice.chance(90) ? 1000 : 100;
  for (std::int64_t ms = 0;;) {
    ms += grid * dice.between(ms == 0 && dice.chance(90) ? 1 : 0, gap * 1000 / grid);
    if (ms > job.trace_end_ms) break;
    draw_instant(dice, job, ms, there);
    if (job.rows.size() > 60) break;
  }
}

void draw_end(Dice& dice, JobCase& job) {
  const int what = dice.small(0, 9);
  const std::int64_t per_step =
      job.accumulation * job.sequences * (job.global_batch ? 1 : job.nodes * job.gpus);
  if (what < 6) {
    job.until_ms = 1000 * dice.between(1, 2 * job.trace_end_ms / 1000);
    job.at_end = dice.one_of<AtEnd>({AtEnd::hold, AtEnd::hold, AtEnd::stop, AtEnd::repeat});
  } else if (what < 8) {
    job.at_end = dice.one_of<AtEnd>({AtEnd::hold, AtEnd::stop, AtEnd::repeat});
    job.until_samples = dice.between(1, (job.at_end == AtEnd::repeat ? 4 : 40) * per_step);
  } else if (what < 9) {
    job.until_tokens = dice.between(1, 16 * 40 * per_step);
    job.at_end = dice.one_of<AtEnd>({AtEnd::hold, AtEnd::stop});
  } else {
    job.at_end = AtEnd::stop;
  }
}

}  // namespace

/// Some machines become slow and mostly recover.
void draw_slowness(Dice& dice, JobCase& job) {
  const std::int64_t end = job.trace_end_ms / 1000;
  for (std::int64_t n = dice.between(1, 10); n > 0; --n) {
    const int machine = dice.small(0, job.nodes + 1);
    // On the instants of other rows, too.
    std::int64_t ms = 1000 * dice.between(0, end);
    if (!job.rows.empty() && dice.chance(30)) ms = dice.one_of(job.rows).ms;
    // Steps of whole seconds divided by these are mostly whole milliseconds, sometimes not whole.
    const auto speed = [&] { return dice.one_of<double>({0.25, 0.5, 0.5, 0.625, 0.8, 0.9, 0.3}); };
    job.rows.push_back({ms, machine, false, speed()});
    if (dice.chance(25)) {  // less slow or slower later
      ms += 1000 * dice.between(0, 15);
      job.rows.push_back({std::min(ms, job.trace_end_ms), machine, false, speed()});
    }
    ms += 1000 * dice.between(0, 40);
    if (dice.chance(70)) {
      job.rows.push_back({std::min(ms, job.trace_end_ms), machine, false, 1});
    }
  }
  std::stable_sort(job.rows.begin(), job.rows.end(),
                   [](const auto& a, const auto& b) { return a.ms < b.ms; });
  if (!dice.chance(85)) return;
  job.evict_after_ms = dice.chance(20) ? 0 : 1000 * dice.between(1, 15);
  job.evict_below = dice.one_of<double>({0.4, 0.7, 0.7, 0.85, 1});
}

JobCase random_job(std::uint64_t seed, std::uint64_t number) {
  Dice dice(RngStreams(seed, 0).stream("job", number));
  JobCase job;
  draw_cluster(dice, job);
  draw_costs(dice, job);
  draw_policy(dice, job);
  draw_trace(dice, job);
  draw_end(dice, job);
  if (job.preset == "lazarus" && dice.chance(40)) job.binding = "min-cost";
  if (job.preset == "lazarus" && dice.chance(25)) {
    job.placement = dice.one_of<std::string>({"repair", "smartmoe", "domain-spread", "mro+"});
  }
  if (job.preset == "ds" && dice.chance(60)) {
    job.preset = "ds-ft";
    job.on_loss = dice.one_of<std::string>({"regroup", "regroup", R"({"kind": "regroup",
        "reuse_idle": true})"});
  }
  if (dice.chance(30)) {
    for (int n = job.nodes + 4; n > 0; --n) job.domains.push_back(dice.small(-1, 2));
  }
  if (dice.chance(50)) draw_slowness(dice, job);
  return job;
}

std::vector<JobCase> smaller_jobs(const JobCase& job) {
  std::vector<JobCase> jobs;
  const auto changed = [&](const auto& change) {
    jobs.push_back(job);
    change(jobs.back());
  };
  const std::size_t count = job.rows.size();
  for (std::size_t length = count / 2; length > 0; length /= 2) {
    for (std::size_t from = 0; from + length <= count; from += length) {
      changed([&](JobCase& to) {
        const auto first = to.rows.begin() + static_cast<std::ptrdiff_t>(from);
        to.rows.erase(first, first + static_cast<std::ptrdiff_t>(length));
      });
    }
  }
  const auto cut = [&](std::int64_t JobCase::*number, std::int64_t low) {
    if (job.*number > low) changed([&](JobCase& to) { to.*number = low; });
  };
  for (const auto number :
       {&JobCase::startup_ms, &JobCase::checkpoint_ms, &JobCase::detection_ms,
        &JobCase::planning_ms, &JobCase::communicator_ms, &JobCase::transfer_ms,
        &JobCase::reschedule_ms, &JobCase::process_start_ms, &JobCase::group_init_ms,
        &JobCase::load_ms, &JobCase::rebalance_communicator_ms}) {
    cut(number, 0);
    cut(number, 1000);
  }
  cut(&JobCase::accumulation, 1);
  cut(&JobCase::sequences, 1);
  cut(&JobCase::routing_entries, 1);
  if (job.step_ms != std::vector<std::int64_t>{1000}) {
    changed([](JobCase& to) { to.step_ms = {1000}; });
  }
  if (job.gpus > 1) changed([](JobCase& to) { to.gpus = 1; });
  if (job.layers > 1) changed([](JobCase& to) { to.layers = 1; });
  if (job.experts > 2) changed([](JobCase& to) { --to.experts; });
  if (job.nodes > 2) changed([](JobCase& to) { --to.nodes; });
  if (job.rebalance_steps) changed([](JobCase& to) { to.rebalance_steps.reset(); });
  if (job.minimum_nodes) changed([](JobCase& to) { to.minimum_nodes.reset(); });
  if (job.gather_ms) changed([](JobCase& to) { to.gather_ms.reset(); });
  if (job.checkpoint_steps || job.checkpoint_interval_ms) {
    changed([](JobCase& to) { to.checkpoint_steps.reset(), to.checkpoint_interval_ms.reset(); });
  }
  if (job.evict_after_ms) {
    changed([](JobCase& to) { to.evict_after_ms.reset(); });
    changed([](JobCase& to) { to.evict_after_ms = 0; });
  }
  if (!job.domains.empty()) changed([](JobCase& to) { to.domains.clear(); });
  if (job.binding != "greedy") changed([](JobCase& to) { to.binding = "greedy"; });
  if (!job.warm) changed([](JobCase& to) { to.warm = true; });
  if (job.global_batch) changed([](JobCase& to) { to.global_batch = false; });
  if (job.until_ms && *job.until_ms > 1000) {
    changed([](JobCase& to) { *to.until_ms /= 2; });
    changed([](JobCase& to) { *to.until_ms -= 1000; });
  }
  return jobs;
}

}  // namespace bethany
