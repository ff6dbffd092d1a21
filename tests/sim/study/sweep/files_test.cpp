// How the runs of a sweep come into files: in order, line by line, each proved to be its run's.
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <map>
#include <thread>

#include "sim/base/error.h"
#include "sim/base/random.h"
#include "sim/study/sweep/lines.h"
#include "sim/study/sweep/manifest.h"
#include "sim/study/sweep/ordered.h"
#include "sim/study/sweep/runs_file.h"
#include "sim/study/sweep/runs_table.h"
#include "sim/study/sweep/shard.h"
#include "tests/support/catch.h"
#include "tests/support/process.h"

namespace bethany {
namespace {

using test::read_text;
using test::TemporaryDirectory;

std::string numbers_below(std::int64_t count) {
  std::string text;
  for (std::int64_t i = 0; i < count; ++i) text += std::to_string(i) + "\n";
  return text;
}

OrderedWork slow_work(std::int64_t count, int threads, std::string& taken) {
  return {.count = count,
          .threads = threads,
          .make =
              [](std::int64_t i) {
                Rng rng(3, static_cast<std::uint64_t>(i));
                const auto wait = static_cast<useconds_t>(rng.below(200));
                if (i % 97 == 0) usleep(wait * 20);
                return std::to_string(i) + "\n";
              },
          .take = [&taken](const std::string& texts, std::int64_t) { taken += texts; },
          .stop = {}};
}

TEST_CASE("work on threads is taken in order, whatever takes long") {
  for (const int threads : {1, 2, 3, 8}) {
    std::string taken;
    in_order(slow_work(2000, threads, taken));
    CHECK(taken == numbers_below(2000));
  }
  std::string taken;
  in_order(slow_work(0, 4, taken));
  CHECK(taken.empty());
}

TEST_CASE("work that is stopped leaves all that had begun, in order") {
  std::string taken;
  auto work = slow_work(100'000, 4, taken);
  std::atomic<std::int64_t> asked{0};
  work.stop = [&] { return ++asked > 500; };
  in_order(work);
  CHECK(taken == numbers_below(500));
}

TEST_CASE("a failure in the work comes out after what is before it was taken") {
  std::string taken;
  auto work = slow_work(2000, 4, taken);
  const auto make = work.make;
  work.make = [&](std::int64_t i) {
    if (i == 700) throw MachineError("broken");
    return make(i);
  };
  CHECK_THROWS_AS(in_order(work), MachineError);
  CHECK(taken == numbers_below(700));
  taken.clear();
  auto full = slow_work(2000, 4, taken);
  full.take = [&](const std::string&, std::int64_t) { throw MachineError("disk full"); };
  CHECK_THROWS_AS(in_order(full), MachineError);
}

TEST_CASE("lines are read whole across pieces, and what is torn is counted") {
  const TemporaryDirectory directory;
  std::string text;
  for (int i = 0; i < 50; ++i) text += std::string(static_cast<std::size_t>(i * 997), 'x') + "\n";
  const auto file = directory.write("lines", text + "torn");
  LineSource lines(file);
  std::string_view line;
  for (int i = 0; i < 50; ++i) {
    REQUIRE(lines.next(line));
    CHECK(line.size() == static_cast<std::size_t>(i * 997));
  }
  CHECK_FALSE(lines.next(line));
  CHECK(lines.torn() == 4);
  CHECK(lines.consumed() == static_cast<std::int64_t>(text.size()));
  LineSource absent(directory.path() + "/absent");
  CHECK_THROWS_AS(absent.next(line), InputError);
}

std::string line_of(std::int64_t index, const std::string& assignment, int replication) {
  return R"({"run_id":")" + run_id("hash", index, assignment, replication) + R"(","assignment":)" +
         assignment + R"(,"replication":)" + std::to_string(replication) +
         R"(,"status":"invalid","reason":"x","result":null})";
}

TEST_CASE("a line is that of one run of one sweep and of no other") {
  const auto line = line_of(5, R"({"a":1,"policy":"p"})", 2);
  CHECK(is_line_of(line, "hash", 5));
  CHECK_FALSE(is_line_of(line, "hash", 6));
  CHECK_FALSE(is_line_of(line, "other", 5));
  for (std::size_t length = 0; length < line.size(); ++length) {
    CHECK_FALSE(is_line_of(line.substr(0, length), "hash", 5));
  }
  auto changed = line;
  changed[changed.find(":1,") + 1] = '2';
  CHECK_FALSE(is_line_of(changed, "hash", 5));
}

TEST_CASE("a file of runs keeps whole lines, cuts a torn one, and refuses others") {
  const TemporaryDirectory directory;
  const Shard shard{1, 3};
  const std::string whole = line_of(1, "{}", 0) + "\n" + line_of(4, "{}", 0) + "\n";
  const auto path = directory.write("runs.jsonl", whole + "{\"run_id\":\"12");
  {
    RunsFile file(path);
    CHECK(file.keep_whole_lines("hash", shard, 100) == 2);
    CHECK(read_text(path) == whole);
    file.append("more\n");
    CHECK(read_text(path) == whole + "more\n");
    CHECK_THROWS_AS(RunsFile(path), InputError);  // locked
    CHECK_THROWS_AS(file.keep_whole_lines("hash", shard, 100), InputError);
  }
  RunsFile file(path);
  CHECK_THROWS_AS(file.keep_whole_lines("hash", Shard{0, 3}, 100), InputError);
  file.clear();
  CHECK(file.keep_whole_lines("hash", shard, 100) == 0);
  file.append(whole);
  CHECK_THROWS_AS(file.keep_whole_lines("hash", shard, 3), InputError);  // one too many
}

TEST_CASE("a shard has the runs of its remainder") {
  for (std::int64_t runs : {0, 1, 5, 6, 7, 100}) {
    for (std::int64_t count : {1, 2, 3, 7}) {
      std::int64_t all = 0;
      for (std::int64_t i = 0; i < count; ++i) {
        std::int64_t counted = 0;
        for (std::int64_t r = 0; r < runs; ++r) counted += r % count == i ? 1 : 0;
        CHECK(Shard{i, count}.size(runs) == counted);
        all += counted;
      }
      CHECK(all == runs);
    }
  }
}

std::string shard_told(const std::map<std::string, std::string>& variables,
                       std::int64_t count = 0) {
  try {
    const auto shard = shard_of_environment(
        [&](const char* name) -> std::optional<std::string> {
          const auto found = variables.find(name);
          return found == variables.end() ? std::nullopt : std::optional(found->second);
        },
        count);
    return std::to_string(shard.index) + "/" + std::to_string(shard.count);
  } catch (const InputError& error) {
    return error.what();
  }
}

TEST_CASE("each launcher's variables tell the shard") {
  CHECK(shard_told({{"SLURM_ARRAY_TASK_ID", "3"}, {"SLURM_ARRAY_TASK_COUNT", "8"}}) == "3/8");
  CHECK(shard_told({{"SLURM_ARRAY_TASK_ID", "14"},
                    {"SLURM_ARRAY_TASK_COUNT", "3"},
                    {"SLURM_ARRAY_TASK_MIN", "10"},
                    {"SLURM_ARRAY_TASK_STEP", "2"}}) == "2/3");
  CHECK(shard_told({{"SLURM_PROCID", "2"}, {"SLURM_NTASKS", "4"}}) == "2/4");
  CHECK(shard_told({{"OMPI_COMM_WORLD_RANK", "1"}, {"OMPI_COMM_WORLD_SIZE", "2"}}) == "1/2");
  CHECK(shard_told({{"PMI_RANK", "0"}, {"PMI_SIZE", "5"}}) == "0/5");
  CHECK(shard_told({{"JOB_COMPLETION_INDEX", "4"}}, 6) == "4/6");
  CHECK(shard_told({{"PARALLEL_SEQ", "1"}}, 6) == "0/6");
}

TEST_CASE("the innermost launcher counts, and one of size 1 only alone") {
  const std::map<std::string, std::string> array = {{"SLURM_ARRAY_TASK_ID", "3"},
                                                    {"SLURM_ARRAY_TASK_COUNT", "8"}};
  auto with = [&](std::map<std::string, std::string> more) {
    more.insert(array.begin(), array.end());
    return more;
  };
  CHECK(shard_told(with({{"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "1"}})) == "3/8");
  CHECK(shard_told(with({{"PMI_RANK", "0"}, {"PMI_SIZE", "1"}})) == "3/8");
  CHECK(shard_told({{"SLURM_PROCID", "0"},
                    {"SLURM_NTASKS", "2"},
                    {"OMPI_COMM_WORLD_RANK", "3"},
                    {"OMPI_COMM_WORLD_SIZE", "4"}}) == "3/4");
  CHECK(shard_told({{"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "1"}, {"PARALLEL_SEQ", "2"}}, 4) ==
        "1/4");
  CHECK(shard_told({{"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "1"}}) == "0/1");
}

TEST_CASE("what tells no shard is refused, and says what to add") {
  const auto refuse = [](const std::map<std::string, std::string>& variables, std::int64_t count,
                         const std::string& part) {
    const auto told = shard_told(variables, count);
    INFO(told);
    CHECK(told.find(part) != std::string::npos);
  };
  refuse({}, 0, "give --shard i/n");
  refuse({{"JOB_COMPLETION_INDEX", "1"}}, 0, "--shards N");
  refuse({{"PARALLEL_SEQ", "0"}}, 4, "PARALLEL_SEQ=0");
  refuse({{"PARALLEL_SEQ", "5"}}, 4, "PARALLEL_SEQ=5");
  refuse({{"SLURM_ARRAY_TASK_ID", "x"}, {"SLURM_ARRAY_TASK_COUNT", "8"}}, 0, "whole number");
  refuse({{"SLURM_ARRAY_TASK_ID", "8"}, {"SLURM_ARRAY_TASK_COUNT", "8"}}, 0, "no place");
  refuse({{"PMI_RANK", "0"}, {"PMI_SIZE", "5"}}, 4, "the launcher started 5");
  for (const auto* bad : {"", "1", "1/", "/2", "2/2", "-1/2", "1/0", "a/b", "1/2/3"}) {
    INFO(bad);
    CHECK_THROWS_AS(parse_shard(bad), InputError);
  }
  CHECK(parse_shard("1/2").index == 1);
}

TEST_CASE("the hash of a manifest sees what decides results and not where files lie") {
  const auto manifest = [](const std::string& path, const std::string& sha, int nodes) {
    return parse_json(R"({"schema": "s", "hash": "h", "shard": null, "files": [{"key": "trace.file",
      "path": ")" + path + R"(", "sha256": ")" +
                          sha + R"("}], "scenario": {"trace": {"file": ")" + path +
                          R"("}, "nodes": )" + std::to_string(nodes) + "}}",
                      "m");
  };
  const auto here = manifest("../a.csv", "00", 4);
  CHECK(manifest_hash(here) == manifest_hash(manifest("b.csv", "00", 4)));
  CHECK(manifest_hash(here) != manifest_hash(manifest("../a.csv", "01", 4)));
  CHECK(manifest_hash(here) != manifest_hash(manifest("../a.csv", "00", 5)));
  CHECK(difference(here, manifest("b.csv", "00", 4)).empty());
  CHECK(difference(here, manifest("b.csv", "00", 5)) == "/scenario/nodes is 4 there and 5 here");
  CHECK(difference(here, manifest("b.csv", "11", 4)) ==
        "/files/0/sha256 is \"00\" there and \"11\" here");
  const auto away = moved(manifest("../t/a.csv", "00", 4), "/x/one", "/y");
  CHECK(away.find("files")->items[0].find("path")->text == "../x/t/a.csv");
  CHECK(away.find("scenario")->find("trace")->find("file")->text == "../x/t/a.csv");
}

TEST_CASE("the table of runs has a column for every number that any run has") {
  const TemporaryDirectory directory;
  const auto runs = directory.write(
      "runs.jsonl",
      std::string(R"({"run_id":"1","assignment":{"a":"x,\"y\"","policy":"p"},"replication":0,)") +
          R"("status":"invalid","reason":"no, not so","result":null})" + "\n" +
          R"({"run_id":"2","assignment":{"a":[1,2],"policy":"p"},"replication":1,"status":"ok",)" +
          R"("reason":null,"result":{"s":"text","n":1.5,"o":{"i":-3,"none":null},)" +
          R"("l":[7,null,0.1]}})" + "\n");
  write_runs_csv(runs, directory.path() + "/runs.csv");
  CHECK(read_text(directory.path() + "/runs.csv") ==
        "a,policy,replication,status,reason,n,o.i,l.1,l.3\n"
        "\"x,\"\"y\"\"\",p,0,invalid,\"no, not so\",,,,\n"
        "\"[1,2]\",p,1,ok,,1.5,-3,7,0.1\n");
  const auto summary = summarise_runs(runs, 1);
  CHECK(summary.runs == 2);
  CHECK(summary.ok == 1);
  CHECK(summary.invalid == 1);
  CHECK(summary.all_rows == 2);
  REQUIRE(summary.rows.size() == 1);
  CHECK(summary.rows[0].reason == "no, not so");
  directory.write("bad.jsonl", "{}\n");
  CHECK_THROWS_AS(summarise_runs(directory.path() + "/bad.jsonl", 1), InputError);
}

}  // namespace
}  // namespace bethany
