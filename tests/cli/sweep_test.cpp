// Sweeps as users run them: the files, and that nothing that can happen on the way changes a byte.
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

#include "sim/base/random.h"
#include "tests/support/catch.h"
#include "tests/support/process.h"
#include "tests/support/refused.h"

namespace bethany::test {
namespace {

namespace fs = std::filesystem;
using Texts = std::vector<std::string>;

constexpr char kScenario[] = R"({
  "model": "gpt-s",
  "training": { "until": { "time": "3h" }, "start": "warm" },
  "cluster": { "nodes": 4, "slots_per_gpu": 6 },
  "trace": { "file": "trace.csv", "importer": "event-csv" },
  "routing": { "generator": "zipf-drift" },
  "cost": { "model": "fixed", "step": "2s", "checkpoint": "1s", "detection": "3s" }
})";

std::string trace_text() {
  std::string text = "0,add,a\n0,add,b\n0,add,c\n0,add,d\n0,add,e\n";
  for (int minute = 1; minute < 170; minute += 2) {
    const char node = static_cast<char>('a' + minute % 5);
    text += fmt::format("{},remove,{}\n{},add,{}\n", minute * 60'000, node,
                        minute * 60'000 + 30'000, node);
  }
  return text;
}

/// A scenario and its trace in a directory of their own, and sweeps of it.
struct Files {
  Files() {
    directory.write("trace.csv", trace_text());
    scenario = directory.write("scenario.json", kScenario);
  }
  std::string path(const std::string& name) const { return directory.path() + "/" + name; }
  Texts command(const std::string& name, const Texts& more = {}) const {
    Texts arguments = {"sweep", scenario, "-o", path(name)};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }
  TemporaryDirectory directory;
  std::string scenario;
};

const Texts kSmall = {
    "--grid",     "cluster.nodes=0,1,3..5", "--grid",         "policy.checkpoint.every=50,100",
    "--policies", "lazarus,ds,ideal",       "--replications", "2"};

Texts joined(Texts a, const Texts& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

/// Every file that a sweep leaves, by name.
std::string all_of(const std::string& directory) {
  std::string text;
  for (const char* name : {"manifest.json", "runs.jsonl", "runs.csv"}) {
    text += read_text(directory + "/" + name) + "\n--\n";
  }
  return text;
}

TEST_CASE("a sweep writes every run, whatever it came to, and the same command does nothing more") {
  const Files files;
  const auto first = bethany_command(files.command("s", joined(kSmall, {"--format", "json"})));
  INFO(first.err);
  REQUIRE(first.exit_code == 0);
  CHECK(contains(first.out, R"("schema": "bethany/sweep/1")"));
  CHECK(contains(first.out, R"("runs": 60)"));
  const auto runs = read_text(files.path("s/runs.jsonl"));
  CHECK(std::count(runs.begin(), runs.end(), '\n') == 60);
  CHECK(contains(runs, R"("assignment":{"cluster.nodes":0,"policy.checkpoint.every":50,)"
                       R"("policy":"lazarus"},"replication":0,"status":"invalid","reason":)"
                       R"("cluster.nodes=0: /cluster/nodes: 0 is outside)"));
  CHECK(contains(runs, R"("status":"infeasible")"));
  CHECK(contains(runs, R"("policy":"ideal"},"replication":1,"status":"ok","reason":null,)"));
  CHECK_FALSE(contains(runs, files.directory.path()));  // results do not tell where they were made
  const auto before = all_of(files.path("s"));
  struct stat then {};
  REQUIRE(stat(files.path("s/runs.csv").c_str(), &then) == 0);
  const auto again = bethany_command(files.command("s", joined(kSmall, {"--format", "json"})));
  CHECK(again.exit_code == 0);
  CHECK(again.out == first.out);
  CHECK(all_of(files.path("s")) == before);
  struct stat now {};
  REQUIRE(stat(files.path("s/runs.csv").c_str(), &now) == 0);
  CHECK(then.st_ino == now.st_ino);
}

TEST_CASE("a run of a sweep is what replay says of its values") {
  const Files files;
  const auto sweep = bethany_command(
      files.command("s", {"--grid", "cluster.nodes=4,5", "--grid", "policy.checkpoint.every=70",
                          "--policies", "lazarus", "--replications", "2"}));
  REQUIRE(sweep.exit_code == 0);
  const auto runs = read_text(files.path("s/runs.jsonl"));
  for (const auto* nodes : {"4", "5"}) {
    for (const auto* replication : {"0", "1"}) {
      const auto replay =
          bethany_command({"replay", files.scenario, "--policy", "lazarus:checkpoint.every=70",
                           "--set", std::string("cluster.nodes=") + nodes, "--set",
                           std::string("replication=") + replication, "--format", "json"});
      REQUIRE(replay.exit_code == 0);
      const auto place = replay.out.find("\"digest\": \"");
      REQUIRE(place != std::string::npos);
      CHECK(contains(runs, "\"digest\":" + replay.out.substr(place + 10, 18)));
    }
  }
}

TEST_CASE("threads, shards and what joins them change no byte") {
  const Files files;
  REQUIRE(bethany_command(files.command("whole", joined(kSmall, {"-j", "1"}))).exit_code == 0);
  const auto whole = all_of(files.path("whole"));
  for (const auto* threads : {"2", "8"}) {
    const auto name = std::string("j") + threads;
    REQUIRE(bethany_command(files.command(name, joined(kSmall, {"-j", threads}))).exit_code == 0);
    CHECK(all_of(files.path(name)) == whole);
  }
  for (const int count : {1, 2, 3, 7, 61}) {
    Texts merge = {"merge"};
    for (int i = count - 1; i >= 0; --i) {
      const auto name = fmt::format("of-{}/part-{}", count, i);
      const auto result = bethany_command(
          files.command(name, joined(kSmall, {"--shard", fmt::format("{}/{}", i, count)})));
      REQUIRE(result.exit_code == 0);
      merge.push_back(files.path(name));
    }
    const auto output = fmt::format("merged-{}", count);
    const auto result = bethany_command(joined(merge, {"-o", files.path(output)}));
    INFO(result.err);
    CHECK(result.exit_code == 0);
    CHECK(all_of(files.path(output)) == whole);
  }
}

/// Kills the sweep again and again until it is complete; the files stay what they would have been.
void kill_and_go_on(int kills, std::uint64_t seed) {
  const Files files;
  const Texts many = {"--grid",
                      "cluster.nodes=3..5",
                      "--grid",
                      "cost.detection=1s..10s",
                      "--policies",
                      "lazarus,ds",
                      "--replications",
                      "6",
                      "-j",
                      "2"};
  REQUIRE(bethany_command(files.command("calm", many)).exit_code == 0);
  const auto runs = read_text(files.path("calm/runs.jsonl"));
  auto arguments = files.command("killed", many);
  arguments.insert(arguments.begin(), bethany_program());
  Rng rng(seed, 0);
  int inside = 0;
  for (int k = 0; k < kills; ++k) {
    Process sweep(arguments);
    usleep(static_cast<useconds_t>(rng.below(40'000)));
    sweep.signal(SIGKILL);
    inside += sweep.wait().exit_code == 128 + SIGKILL ? 1 : 0;
    const auto there = read_text(files.path("killed/runs.jsonl"));
    REQUIRE(runs.starts_with(there));
    if (there.size() == runs.size()) fs::remove_all(files.path("killed"));  // and once more
  }
  CHECK(inside > 0);
  REQUIRE(bethany_command(files.command("killed", many)).exit_code == 0);
  CHECK(all_of(files.path("killed")) == all_of(files.path("calm")));
}

TEST_CASE("a sweep that is killed goes on to the same bytes") { kill_and_go_on(8, 1); }

TEST_CASE("a sweep that is killed a hundred times goes on to the same bytes", "[.slow]") {
  kill_and_go_on(100, 2);
}

TEST_CASE("a torn line is done again, wherever it is torn") {
  const Files files;
  REQUIRE(bethany_command(files.command("s", kSmall)).exit_code == 0);
  const auto whole = all_of(files.path("s"));
  const auto runs = read_text(files.path("s/runs.jsonl"));
  Rng rng(5, 0);
  for (int k = 0; k < 12; ++k) {
    fs::resize_file(files.path("s/runs.jsonl"), k == 0 ? runs.size() - 1 : rng.below(runs.size()));
    fs::remove(files.path("s/runs.csv"));
    REQUIRE(bethany_command(files.command("s", kSmall)).exit_code == 0);
    REQUIRE(all_of(files.path("s")) == whole);
  }
  // A crash can leave zeros where the tail was not written.
  fs::resize_file(files.path("s/runs.jsonl"), runs.size() - 100);
  fs::resize_file(files.path("s/runs.jsonl"), runs.size());
  REQUIRE(bethany_command(files.command("s", kSmall)).exit_code == 0);
  CHECK(all_of(files.path("s")) == whole);
}

TEST_CASE("signals end a sweep with what is done kept, and another process is kept out") {
  const Files files;
  const Texts many = {"--grid", "cluster.nodes=3..5", "--replications", "20000", "-j", "2"};
  auto arguments = files.command("s", many);
  arguments.insert(arguments.begin(), bethany_program());
  for (const int signal : {SIGINT, SIGTERM}) {
    Process sweep(arguments);
    std::error_code none;
    const auto size = [&] {
      const auto bytes = fs::file_size(files.path("s/runs.jsonl"), none);
      return none ? 0 : bytes;
    };
    const auto before = size();
    for (int wait = 0; wait < 20'000 && size() <= before; ++wait) usleep(1000);
    check_refused(bethany_command(files.command("s", many)), 3,
                  "another process is writing this sweep");
    sweep.signal(signal);
    const auto result = sweep.wait();
    CHECK(result.exit_code == 128 + signal);
    CHECK(contains(result.err, "the same command goes on"));
    const auto runs = read_text(files.path("s/runs.jsonl"));
    CHECK(runs.size() > before);
    CHECK(runs.ends_with('\n'));
  }
  CHECK_FALSE(fs::exists(files.path("s/runs.csv")));
}

TEST_CASE("a directory that holds something else is left as it is") {
  const Files files;
  const Texts two = {"--grid", "cluster.nodes=3,4", "--policies", "ds"};
  REQUIRE(bethany_command(files.command("s", two)).exit_code == 0);
  const auto before = all_of(files.path("s"));
  const auto refuse = [&](const Texts& more, const std::string& part) {
    check_refused(bethany_command(files.command("s", more)), 3, part);
    CHECK(all_of(files.path("s")) == before);
  };
  refuse({"--grid", "cluster.nodes=3,5", "--policies", "ds"}, "/axes/0/values/1 is 4 there and 5");
  refuse({"--grid", "cluster.nodes=3,4", "--policies", "lazarus"}, "/policies/0");
  refuse(joined(two, {"--seed", "2"}), "seed");
  refuse(joined(two, {"--set", "cost.step=3s"}),
         R"(/scenario/cost/step is "2s" there and "3s" here)");
  refuse(joined(two, {"--replications", "2"}), "/replications is 1 there and 2 here");
  refuse(joined(two, {"--shard", "0/2"}), "holds shard 0/1, not shard 0/2");
  files.directory.write("trace.csv", trace_text() + "10400000,remove,a\n");
  refuse(two, "sha256");
  files.directory.write("trace.csv", trace_text());
  CHECK(bethany_command(files.command("s", two)).exit_code == 0);
  CHECK(all_of(files.path("s")) == before);
  // Lines of another sweep below the right manifest.
  auto runs = read_text(files.path("s/runs.jsonl"));
  files.directory.write("s/runs.jsonl", runs.substr(runs.find('\n') + 1));
  check_refused(bethany_command(files.command("s", two)), 3, "runs.jsonl:1: not run 0");
  files.directory.write("s/runs.jsonl", runs + runs);
  check_refused(bethany_command(files.command("s", two)), 3, "no further run");
  auto manifest = read_text(files.path("s/manifest.json"));
  manifest.replace(manifest.find("\"2s\""), 4, "\"4s\"");
  files.directory.write("s/manifest.json", manifest);
  check_refused(bethany_command(files.command("s", two)), 3, "was changed");
  CHECK(bethany_command(files.command("s", joined(two, {"--force"}))).exit_code == 0);
  CHECK(all_of(files.path("s")) == before);
}

TEST_CASE("what is wrong for every run is refused before anything is written") {
  const Files files;
  const auto refuse = [&](const Texts& more, int code, const std::string& part) {
    check_refused(bethany_command(files.command("s", more)), code, part);
    CHECK_FALSE(fs::exists(files.path("s")));
  };
  refuse({"--grid", "cluster.nodse=3,4"}, 3, "did you mean 'nodes'?");
  refuse({"--grid", "clutser.nodes=3,4"}, 3, "did you mean 'cluster'?");
  refuse({"--grid", "policy.checkpiont.every=3"}, 3, "did you mean 'checkpoint'?");
  refuse({"--grid", "policy.checkpiont.every=3", "--policies", "ideal,ds"}, 3, "checkpoint");
  refuse({"--grid", "cluster.nodes=0,-1"}, 3, "/cluster/nodes");
  refuse({"--grid", "cluster.nodes"}, 3, "expected KEY=VALUES");
  refuse({"--grid", "cluster.nodes="}, 3, "a value is empty");
  refuse({"--grid", "cluster.nodes.x=1"}, 3, "cluster");
  refuse({"--grid", "cluster..nodes=1"}, 3, "empty key");
  refuse({"--grid", "cluster.nodes=3", "--set", "cost.setp=1s"}, 3, "did you mean 'step'?");
  refuse({"--policies", "lazzarus"}, 3, "did you mean 'lazarus'?");
  refuse({"--policies", "ds,ds"}, 3, "named twice");
  refuse({"--grid", "trace.file=absent.csv"}, 3, "absent.csv");
  refuse({"--shard", "2/2"}, 3, "--shard");
  refuse({"--shard", "auto"}, 3, "give --shard i/n");
  refuse({"--random", "cluster.nodes=3..5"}, 3, "--samples");
  refuse({"--replications", "0"}, 2, "--replications");
  refuse({"--grid", "cluster.nodes=1..100000", "--grid", "seed=1..100000"}, 3, "more than");
  check_refused(bethany_command({"sweep", files.scenario}), 2, "-o");
  const auto dry = bethany_command(files.command("s", joined(kSmall, {"--dry-run"})));
  CHECK(dry.exit_code == 0);
  CHECK(contains(dry.out, "60 runs"));
  CHECK_FALSE(fs::exists(files.path("s")));
}

TEST_CASE("merge names what is missing, doubled, foreign or broken, and then writes nothing") {
  const Files files;
  const Texts axes = {"--grid", "cluster.nodes=3,4", "--policies", "ds", "--replications", "3"};
  const auto part = [&](const std::string& name, const std::string& shard, const Texts& more) {
    REQUIRE(bethany_command(files.command(name, joined(more, {"--shard", shard}))).exit_code == 0);
    return files.path(name);
  };
  const auto a = part("a", "0/3", axes);
  const auto b = part("b", "1/3", axes);
  const auto c = part("c", "2/3", axes);
  const auto doubled = part("doubled", "1/3", axes);
  const auto halves = part("halves", "1/2", axes);
  const auto foreign = part("foreign", "2/3", joined(axes, {"--seed", "9"}));
  const auto refuse = [&](const Texts& parts, int code, const std::string& text) {
    check_refused(bethany_command(joined(joined({"merge"}, parts), {"-o", files.path("m")})), code,
                  text);
    CHECK_FALSE(fs::exists(files.path("m")));
  };
  refuse({a, c}, 6, "of 3 shards these are missing: 1");
  refuse({a, b, doubled, c}, 3, "are both shard 1");
  refuse({a, halves, c}, 3, "one of 2 shards");
  refuse({a, b, foreign}, 3, "another sweep");
  refuse({a, b, files.directory.path()}, 3, "no manifest.json");
  const auto runs = read_text(b + "/runs.jsonl");
  files.directory.write("b/runs.jsonl", runs.substr(0, runs.find('\n') + 1));
  refuse({a, b, c}, 6, "b: not complete: 1 of 2 runs");
  files.directory.write("b/runs.jsonl", runs.substr(0, runs.size() - 5));
  refuse({a, b, c}, 6, "b: not complete: 1 of 2 runs");
  files.directory.write("b/runs.jsonl", read_text(a + "/runs.jsonl"));
  refuse({a, b, c}, 3, "b/runs.jsonl:1: not run 1 of this sweep");
  files.directory.write("b/runs.jsonl", runs);
  const Texts good = {"merge", a, b, c, "-o", files.path("m")};
  REQUIRE(bethany_command(good).exit_code == 0);
  check_refused(bethany_command(good), 3, "exists already");
  CHECK(bethany_command(joined(good, {"--force"})).exit_code == 0);
}

}  // namespace
}  // namespace bethany::test
