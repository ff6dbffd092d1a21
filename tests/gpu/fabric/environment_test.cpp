#include "gpu/fabric/environment.h"

#include <map>
#include <optional>

#include "sim/base/error.h"
#include "tests/support/catch.h"

namespace bethany {
namespace {

using Variables = std::map<std::string, std::string>;

/// "rank/ranks/local" with "@host:port", "alone", or what is wrong.
std::string launch(const Variables& variables) {
  try {
    const auto found = launch_from([&](const std::string& name) -> std::optional<std::string> {
      const auto at = variables.find(name);
      return at == variables.end() ? std::nullopt : std::optional(at->second);
    });
    if (!found) return "alone";
    const auto text = std::to_string(found->rank) + "/" + std::to_string(found->ranks) + "/" +
                      std::to_string(found->local_rank);
    return found->master ? text + "@" + text_of(*found->master) : text;
  } catch (const InputError& error) {
    return error.what();
  }
}

struct Row {
  Variables variables;
  std::string expected;
};

void check(const std::vector<Row>& rows) {
  for (const auto& row : rows) {
    std::string given;
    for (const auto& [name, value] : row.variables) given += name + "=" + value + " ";
    INFO(given);
    CHECK(launch(row.variables) == row.expected);
  }
}

TEST_CASE("every launcher is understood") {
  check({
      {{}, "alone"},
      {{{"HOME", "/root"}}, "alone"},
      {{{"RANK", "5"}, {"WORLD_SIZE", "8"}, {"LOCAL_RANK", "1"}}, "5/8/1"},
      {{{"RANK", "5"},
        {"WORLD_SIZE", "8"},
        {"LOCAL_RANK", "1"},
        {"MASTER_ADDR", "node0"},
        {"MASTER_PORT", "29500"}},
       "5/8/1@node0:29500"},
      {{{"OMPI_COMM_WORLD_RANK", "0"},
        {"OMPI_COMM_WORLD_SIZE", "1"},
        {"OMPI_COMM_WORLD_LOCAL_RANK", "0"}},
       "0/1/0"},
      {{{"SLURM_PROCID", "3"}, {"SLURM_NTASKS", "4"}, {"SLURM_LOCALID", "3"}}, "3/4/3"},
      {{{"PMI_RANK", "3"}, {"PMI_SIZE", "4"}, {"MPI_LOCALRANKID", "1"}}, "3/4/1"},
      {{{"PMI_RANK", "3"}, {"PMI_SIZE", "4"}, {"PMI_LOCAL_RANK", "2"}}, "3/4/2"},
  });
}

TEST_CASE("the innermost launcher counts") {
  check({
      {{{"RANK", "9"},
        {"WORLD_SIZE", "16"},
        {"LOCAL_RANK", "1"},
        {"SLURM_PROCID", "1"},
        {"SLURM_NTASKS", "2"},
        {"SLURM_LOCALID", "0"}},
       "9/16/1"},
      {{{"OMPI_COMM_WORLD_RANK", "2"},
        {"OMPI_COMM_WORLD_SIZE", "4"},
        {"OMPI_COMM_WORLD_LOCAL_RANK", "2"},
        {"SLURM_PROCID", "0"},
        {"SLURM_NTASKS", "1"},
        {"SLURM_LOCALID", "0"}},
       "2/4/2"},
      {{{"SLURM_PROCID", "3"},
        {"SLURM_NTASKS", "4"},
        {"SLURM_LOCALID", "3"},
        {"PMI_RANK", "3"},
        {"PMI_SIZE", "4"}},
       "3/4/3"},
      // The shell of an allocation has no rank.
      {{{"SLURM_NTASKS", "4"}, {"SLURM_JOB_ID", "17"}}, "alone"},
  });
}

TEST_CASE("what contradicts, is missing or is no number is refused by the variable's name") {
  check({
      {{{"RANK", "0"}}, "WORLD_SIZE: not set, but RANK is"},
      {{{"WORLD_SIZE", "2"}}, "RANK: not set, but WORLD_SIZE is"},
      {{{"RANK", "0"}, {"WORLD_SIZE", "2"}}, "LOCAL_RANK: not set, but RANK is"},
      {{{"PMI_RANK", "0"}, {"PMI_SIZE", "2"}}, "MPI_LOCALRANKID: not set, but PMI_RANK is"},
      {{{"OMPI_COMM_WORLD_RANK", "0"}},
       "OMPI_COMM_WORLD_SIZE: not set, but OMPI_COMM_WORLD_RANK is"},
      {{{"SLURM_PROCID", "0"}}, "SLURM_NTASKS: not set, but SLURM_PROCID is"},
      {{{"RANK", "2"}, {"WORLD_SIZE", "2"}, {"LOCAL_RANK", "0"}},
       "RANK: '2' is not a whole number in 0..1"},
      {{{"RANK", "-1"}, {"WORLD_SIZE", "2"}, {"LOCAL_RANK", "0"}},
       "RANK: '-1' is not a whole number in 0..1"},
      {{{"RANK", "1"}, {"WORLD_SIZE", "0"}, {"LOCAL_RANK", "0"}},
       "WORLD_SIZE: '0' is not a whole number in 1..2147483647"},
      {{{"RANK", "1x"}, {"WORLD_SIZE", "2"}, {"LOCAL_RANK", "0"}},
       "RANK: '1x' is not a whole number in 0..1"},
      {{{"RANK", ""}, {"WORLD_SIZE", "2"}, {"LOCAL_RANK", "0"}},
       "RANK: '' is not a whole number in 0..1"},
      {{{"RANK", "1"}, {"WORLD_SIZE", "4"}, {"LOCAL_RANK", "2"}},
       "LOCAL_RANK: '2' is not a whole number in 0..1"},
      {{{"RANK", "0"}, {"WORLD_SIZE", "1"}, {"LOCAL_RANK", "0"}, {"MASTER_ADDR", "a"}},
       "MASTER_PORT: not set, but MASTER_ADDR is"},
      {{{"RANK", "0"}, {"WORLD_SIZE", "1"}, {"LOCAL_RANK", "0"}, {"MASTER_PORT", "1"}},
       "MASTER_ADDR: not set, but MASTER_PORT is"},
      {{{"RANK", "0"},
        {"WORLD_SIZE", "1"},
        {"LOCAL_RANK", "0"},
        {"MASTER_ADDR", "a"},
        {"MASTER_PORT", "65536"}},
       "MASTER_PORT: '65536' is not a whole number in 1..65535"},
      {{{"SLURM_PROCID", "0"},
        {"SLURM_NTASKS", "2"},
        {"SLURM_LOCALID", "0"},
        {"PMI_RANK", "3"},
        {"PMI_SIZE", "4"}},
       "SLURM_PROCID is 0 but PMI_RANK is 3; set RANK, WORLD_SIZE and LOCAL_RANK"},
  });
}

TEST_CASE("the variables of this process are looked up") {
  CHECK(environment_variable("PATH").has_value());
  CHECK(!environment_variable("BETHANY_NO_SUCH_VARIABLE").has_value());
}

TEST_CASE("each process of a node gets a device of its own") {
  const auto device = [](int local_rank, int devices, const Variables& variables) -> std::string {
    try {
      return std::to_string(
          device_of({.rank = 8 + local_rank, .ranks = 16, .local_rank = local_rank}, devices,
                    [&](const std::string& name) -> std::optional<std::string> {
                      const auto at = variables.find(name);
                      return at == variables.end() ? std::nullopt : std::optional(at->second);
                    }));
    } catch (const InputError& error) {
      return error.what();
    }
  };
  CHECK(device(0, 1, {}) == "0");
  CHECK(device(3, 4, {}) == "3");
  CHECK(device(3, 4, {{"CUDA_VISIBLE_DEVICES", "4,5,6,7"}}) == "3");
  // The launcher shows each process its own.
  CHECK(device(3, 1, {{"CUDA_VISIBLE_DEVICES", "3"}}) == "0");
  CHECK(device(1, 1, {}) ==
        "rank 9 has local rank 1 and its node has 1 GPU; start one process a GPU");
  CHECK(device(4, 2, {{"CUDA_VISIBLE_DEVICES", "0,1"}}) ==
        "rank 12 has local rank 4 and its node has 2 GPUs; start one process a GPU");
  CHECK(device(5, 2, {{"BETHANY_SHARE_GPUS", "1"}}) == "1");
}

}  // namespace
}  // namespace bethany
