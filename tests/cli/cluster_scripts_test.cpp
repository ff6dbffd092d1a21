// The example scripts for clusters, run without their schedulers: what those would set is set here.
#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <sstream>

#include "tests/support/catch.h"
#include "tests/support/process.h"

namespace bethany::test {
namespace {

namespace fs = std::filesystem;

constexpr int kShards = 8;  // as the scripts have it

constexpr char kScenario[] = R"({
  "model": "gpt-s", "training": { "start": "warm" },
  "cluster": { "nodes": 8, "slots_per_gpu": 6 },
  "trace": { "generator": "spot", "nodes": 16, "length": "2h" },
  "cost": { "model": "fixed", "step": "2s", "checkpoint": "1s", "detection": "3s" }
})";

/// The options of the sweep that all scripts run.
const std::vector<std::string> kSweep = {"--grid",         "cluster.nodes=8,10,12",
                                         "--grid",         "policy.checkpoint.every=50,100,200,400",
                                         "--policies",     "lazarus,ds",
                                         "--replications", "20"};

std::string script_path(const std::string& name) {
  return std::string(BETHANY_SOURCE_DIR) + "/sim/study/cluster/" + name;
}

struct Cluster {
  Cluster() { scenario = directory.write("scenario.json", kScenario); }

  std::string path(const std::string& name) const { return directory.path() + "/" + name; }

  /// Runs a script with these variables set.
  ProcessResult run(const std::string& script, const std::vector<std::string>& variables) const {
    std::vector<std::string> arguments = {"/usr/bin/env", "BETHANY=" + bethany_program(),
                                          "SCENARIO=" + scenario, "OUT=" + path("runs"),
                                          "THREADS=1"};
    arguments.insert(arguments.end(), variables.begin(), variables.end());
    arguments.insert(arguments.end(), {"/bin/sh", script});
    return run_process(arguments);
  }

  /// A program of that name that is found before the real one.
  std::string stand_in(const std::string& name, const std::string& text) const {
    fs::permissions(directory.write(name, "#!/bin/sh\nset -eu\n" + text), fs::perms::owner_all);
    return "PATH=" + directory.path() + ":/usr/bin:/bin";
  }

  /// Joins the shards: they are together what one process writes.
  void check_merged() const {
    std::vector<std::string> merge = {"merge"};
    for (int i = 0; i < kShards; ++i) {
      merge.push_back(path(fmt::format("runs/shard-{}-of-{}", i, kShards)));
    }
    merge.insert(merge.end(), {"-o", path("runs")});
    const auto merged = bethany_command(merge);
    INFO(merged.err);
    REQUIRE(merged.exit_code == 0);
    std::vector<std::string> sweep = {"sweep", scenario, "-o", path("whole")};
    sweep.insert(sweep.end(), kSweep.begin(), kSweep.end());
    REQUIRE(bethany_command(sweep).exit_code == 0);
    for (const char* name : {"manifest.json", "runs.jsonl", "runs.csv"}) {
      INFO(name);
      const auto text = read_text(path(std::string("runs/") + name));
      CHECK_FALSE(text.empty());
      CHECK(text == read_text(path(std::string("whole/") + name)));
    }
  }

  TemporaryDirectory directory;
  std::string scenario;
};

TEST_CASE("the script for a Slurm job array does its shard") {
  const Cluster cluster;
  for (int i = 0; i < kShards; ++i) {
    const auto result =
        cluster.run(script_path("slurm-array.sh"),
                    {fmt::format("SLURM_ARRAY_TASK_ID={}", i),
                     fmt::format("SLURM_ARRAY_TASK_COUNT={}", kShards), "SLURM_ARRAY_TASK_MIN=0",
                     "SLURM_PROCID=0", "SLURM_NTASKS=1", "SLURM_CPUS_PER_TASK=1"});
    INFO(result.err);
    REQUIRE(result.exit_code == 0);
  }
  cluster.check_merged();
}

TEST_CASE("the command of the Kubernetes job does its shard") {
  const Cluster cluster;
  std::istringstream lines(read_text(script_path("kubernetes.yaml")));
  std::string script;
  bool inside = false;
  for (std::string line; std::getline(lines, line);) {
    const bool indented = line.starts_with(std::string(14, ' '));
    if (inside && indented) script += line.substr(14) + "\n";
    inside = (inside && indented) || line.ends_with("- |");
  }
  REQUIRE_FALSE(script.empty());
  const auto path = cluster.directory.write("command.sh", script);
  for (int i = 0; i < kShards; ++i) {
    const auto result = cluster.run(path, {fmt::format("JOB_COMPLETION_INDEX={}", i)});
    INFO(result.err);
    REQUIRE(result.exit_code == 0);
  }
  cluster.check_merged();
}

TEST_CASE("the script for mpirun does a shard in each rank") {
  const Cluster cluster;
  const auto path = cluster.stand_in("mpirun", R"(test "$1" = -n
n=$2; shift 2; i=0
while test $i -lt "$n"; do
  OMPI_COMM_WORLD_RANK=$i OMPI_COMM_WORLD_SIZE=$n "$@"
  i=$((i + 1))
done
)");
  const auto result = cluster.run(script_path("mpirun.sh"), {path});
  INFO(result.err);
  REQUIRE(result.exit_code == 0);
  cluster.check_merged();
}

TEST_CASE("the script for GNU parallel does a shard in each job") {
  const Cluster cluster;
  const auto path = cluster.stand_in("parallel", R"(test "$1" = -n0
shift; i=0
while read -r ignored; do
  i=$((i + 1))
  PARALLEL_SEQ=$i "$@" < /dev/null
done
)");
  const auto result = cluster.run(script_path("parallel.sh"), {path});
  INFO(result.err);
  REQUIRE(result.exit_code == 0);
  cluster.check_merged();
}

}  // namespace
}  // namespace bethany::test
