#include "sim/model/routing_import.h"

#include "sim/base/error.h"
#include "tests/support/catch.h"

using namespace bethany;

namespace {

using Files = std::map<std::string, std::string>;

ImportedRouting import(const RoutingInput& input, const std::string& options = "{}") {
  const auto node = parse_json(options, "options");
  ObjectReader reader(node, "/routing");
  auto imported = import_routing(input, reader);
  reader.finish();
  return imported;
}

std::string complaint(const RoutingInput& input, const std::string& options = "{}") {
  try {
    import(input, options);
  } catch (const InputError& error) {
    return error.what();
  }
  return "";
}

/// Shares in parts of `total`, which they must be whole parts of.
std::vector<std::int64_t> parts(const RoutingLoad& load, std::int64_t step, int layer,
                                std::int64_t total) {
  std::vector<std::int64_t> result(static_cast<std::size_t>(load.experts()));
  split_by_largest_remainder(total, load.shares_at(step).row(layer), result);
  return result;
}

std::vector<std::int64_t> steps(const RoutingLoad& load) {
  std::vector<std::int64_t> result;
  for (const auto& entry : load.entries()) result.push_back(entry.step);
  return result;
}

using Loads = std::vector<std::int64_t>;

const Files kLog = {
    {"LICENSE", "not read"},
    {"table_iter1_rank0.log", "0:[[4.0, 0.0, 0.0], [2.0, 2.0, 0.0]]\n1:[[1, 1.0, 2.], [0,4,0]]\n"},
    {"table_iter1_rank1.log", "0:[[0.0, 0.0, 4.0], [0.0, 2.0, 2.0]]\r\n1:[[4,0,0],[4,0,0]]"},
    {"table_iter11_rank0.log", "0:[[0,4,0],[0,4,0]]\n1:[[0,0,4],[0,4,0]]\n"},
    {"table_iter101_rank0.log", "0:[[4,0,0],[4,0,0]]\n1:[[4,0,0],[4,0,0]]\n"},
    {"table_iter101_rank1.log", "0:[[4,0,0],[4,0,0]]\n1:[[4,0,0],[4,0,0]]\n"},
};

RoutingInput log_with(const std::string& name, const std::string& bytes) {
  auto files = kLog;
  files[name] = bytes;
  return RoutingInput("dir", files);
}

TEST_CASE("smartmoe-log: iteration I is step I - 1, ranks and micro-batches are summed") {
  const auto imported = import(RoutingInput("dir", kLog));
  CHECK_FALSE(imported.says_top_k);
  CHECK(imported.load.layers() == 2);
  CHECK(steps(imported.load) == Loads{0, 10, 100});
  CHECK(parts(imported.load, 0, 0, 16) == Loads{6, 4, 6});
  CHECK(parts(imported.load, 0, 1, 16) == Loads{9, 5, 2});
  CHECK(parts(imported.load, 10, 1, 8) == Loads{0, 4, 4});
}

TEST_CASE("smartmoe-log: ranks \"all\" leaves out iterations that lack one") {
  const RoutingInput input("dir", kLog);
  CHECK(steps(import(input, R"({"importer":"smartmoe-log","ranks":"all"})").load) == Loads{0, 100});
  CHECK(steps(import(input, R"({"ranks":"any"})").load) == Loads{0, 10, 100});
  CHECK_THAT(complaint(input, R"({"ranks":"most"})"), Catch::Contains("/routing/ranks"));
}

TEST_CASE("smartmoe-log: what is not as it should be is refused with file and line") {
  const std::string name = "table_iter11_rank1.log";
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "dir/table_iter11_rank1.log: the file is empty"},
      {"1:[[4,0,0],[4,0,0]]\n", ":1: expected layer 0: layers come in order"},
      {"0:[[4,0,0],[4,0,0]]\n0:[[4,0,0],[4,0,0]]\n", ":2: expected layer 1"},
      {"0:[[4,0,0],[4,0,0]]\n",
       ": 1 layers of 2 micro-batches of 3 experts; table_iter1_rank0.log "
       "has 2 of 2 of 3"},
      {"0:[[4,0,0],[4,0,0]]\n1:[[4,0,0]]\n", ":2: 1 micro-batches, layer 0 has 2"},
      {"0:[[4,0,0],[4,0,0,0]]\n", ":1: a row without exactly 3 experts"},
      {"0:[[4,0,0],[4,0]]\n", ":1: a row without exactly 3 experts"},
      {"0:[[4,0,0],[4,1,0]]\n", ":1: a row sums to 5; every row has as many selections: 4"},
      {"0:[[2.5,1.5,0],[4,0,0]]\n", ":1: 2 is followed by '5': expected a whole number"},
      {"0:[[-4,8,0],[4,0,0]]\n", ":1: expected a whole number from 0"},
      {"0:[[4,0,x],[4,0,0]]\n", ":1: expected a whole number from 0"},
      {"0:[[4,0,0],[4,0,0]]\n1:[[4,0,0],[4,0,0]\n", ":2: expected ']'"},
      {"0:[[4,0,0],[4,0,0]] and\n", ":1: expected the end of the line"},
      {"[[4,0,0],[4,0,0]]\n", ":1: expected a whole number"},
  };
  for (const auto& [bytes, expected] : cases) {
    INFO(bytes);
    CHECK_THAT(complaint(log_with(name, bytes)),
               Catch::StartsWith("dir/table_iter11_rank1.log") && Catch::Contains(expected));
  }
  CHECK(
      complaint(log_with("table_iter011_rank0.log", "0:[[4]]")) ==
      "dir/table_iter011_rank0.log: the name is not table_iter<I>_rank<R>.log with whole numbers");
  CHECK_THAT(complaint(log_with("table_iter0_rank0.log", kLog.at("table_iter11_rank0.log"))),
             Catch::Contains("iterations count from 1"));
}

TEST_CASE("smartmoe-log: a log that begins late, or is no log, is refused") {
  auto late = kLog;
  late.erase("table_iter1_rank0.log");
  late.erase("table_iter1_rank1.log");
  CHECK(complaint(RoutingInput("dir", late)) ==
        "dir: the first loads are of step 10; a routing load begins at step 0");
  CHECK(complaint(RoutingInput("dir", {{"table_iter1_rank0.log", "0:[[1]]"},
                                       {"table_iter2_rank1.log", "0:[[1]]"}}),
                  R"({"ranks":"all","importer":"smartmoe-log"})") ==
        "dir: no iteration has all 2 ranks");
  CHECK_THAT(complaint(RoutingInput("dir", {{"a", "b"}}), R"({"importer":"smartmoe-log"})"),
             Catch::Contains("dir: no file table_iter<I>_rank<R>.log in this directory"));
  CHECK_THAT(complaint(RoutingInput("file", "0:[[1]]"), R"({"importer":"smartmoe-log"})"),
             Catch::Contains("file: expected a directory"));
  CHECK_THAT(complaint(RoutingInput("dir", Files{})), Catch::Contains("dir: the format is not "
                                                                      "recognised"));
}

const std::string kCanonical =
    "{\"bethany_routing\":1,\"layers\":2,\"experts\":4,\"top_k\":2}\n"
    "{\"step\":0,\"loads\":[[1,2,3,2],[8,0,0,0]]}\n"
    "{\"step\":5,\"loads\":[[6,0,1,1],[8,0,0,0]]}\n";

TEST_CASE("layers and experts keep the first layers and the experts with the largest mean share") {
  const RoutingInput input("f", kCanonical);
  const auto whole = import(input);
  CHECK(whole.says_top_k);
  CHECK(whole.load.top_k() == 2);
  CHECK(whole.load.experts() == 4);
  const auto one = import(input, R"({"layers":1})").load;
  CHECK(one.layers() == 1);
  CHECK(parts(one, 5, 0, 8) == Loads{6, 0, 1, 1});
  // Means of layer 0: 3.5/8, 1/8, 2/8, 1.5/8; of layer 1 all but the first are equal: the lowest.
  const auto two = import(input, R"({"experts":2})").load;
  CHECK(two.layers() == 2);
  CHECK(parts(two, 0, 0, 4) == Loads{1, 3});
  CHECK(parts(two, 5, 0, 7) == Loads{6, 1});
  CHECK(parts(two, 0, 1, 4) == Loads{4, 0});
  CHECK(parts(import(input, R"({"experts":3})").load, 0, 0, 6) == Loads{1, 3, 2});
}

TEST_CASE("more layers or experts than there are, or too few for a token, are refused") {
  const RoutingInput input("f", kCanonical);
  CHECK(complaint(input, R"({"layers":3})") == "f: 'layers' is 3, but there are only 2");
  CHECK(complaint(input, R"({"experts":5})") == "f: 'experts' is 5, but there are only 4");
  CHECK(complaint(input, R"({"experts":1})") == "f: 'experts' is 1, but a token goes to 2 (top_k)");
  CHECK_THAT(complaint(input, R"({"experts":0})"), Catch::Contains("/routing/experts"));
  const RoutingInput shifting("f",
                              "{\"bethany_routing\":1,\"layers\":1,\"experts\":2,\"top_k\":1}\n"
                              "{\"step\":0,\"loads\":[[0,1]]}\n{\"step\":1,\"loads\":[[1,0]]}\n"
                              "{\"step\":2,\"loads\":[[1,0]]}\n");
  CHECK(complaint(shifting, R"({"experts":1})") ==
        "f: step 0, layer 0: none of the 1 busiest experts of the whole log has any load");
}

TEST_CASE("a file that no importer recognises, and a wrong key of ours, are named") {
  CHECK_THAT(complaint(RoutingInput("f", "hello\n")),
             Catch::StartsWith("f: the format is not recognised: neither a Bethany routing load "
                               "nor one of"));
  CHECK_THAT(complaint(RoutingInput("f", "{\"bethany_routes\":1}\n")),
             Catch::Contains("f:1: unknown key 'bethany_routes'"));
  CHECK_THAT(complaint(RoutingInput("f", "hello\n"), R"({"importer":"smartmo-log"})"),
             Catch::Contains("did you mean 'smartmoe-log'?"));
  CHECK_THAT(complaint(RoutingInput("f", kCanonical), R"({"layer":1})"),
             Catch::Contains("did you mean 'layers'?"));
  CHECK_THROWS_WITH(RoutingInput("/no/such/file"),
                    "/no/such/file: there is no such file or "
                    "directory");
}

}  // namespace
