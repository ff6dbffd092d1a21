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

TEST_CASE("load-csv: rows in any order; an expert without a row has no tokens") {
  const auto load = import(RoutingInput("f",
                                        "step,layer,expert,tokens\r\n10,1,2,4\r\n0,0,0,3\r\n"
                                        "0,0,1,1\r\n0,1,2,4\r\n10,0,1,0.5\r\n10,0,0,1.5\r\n"))
                        .load;
  CHECK(steps(load) == Loads{0, 10});
  CHECK(parts(load, 0, 0, 4) == Loads{3, 1, 0});
  CHECK(parts(load, 0, 1, 4) == Loads{0, 0, 4});
  CHECK(parts(load, 10, 0, 4) == Loads{3, 1, 0});
}

TEST_CASE("layers that never have a token are left out: a model's dense layers") {
  const auto load = import(RoutingInput("f", "layer,expert,tokens\n3,0,1\n3,1,1\n5,1,2\n")).load;
  CHECK(load.layers() == 2);
  CHECK(parts(load, 0, 1, 2) == Loads{0, 2});
  CHECK(import(RoutingInput("f", "[[0,0],[1,3]]")).load.layers() == 1);
  CHECK(complaint(RoutingInput("f", "[[0,0],[0,0]]")) ==
        "f: step 0, layer 0: no expert has any load");
  CHECK(complaint(RoutingInput("f", "[[[1,1],[0,0]],[[1,1],[0,3]]]")) ==
        "f: step 0, layer 1: no expert has any load");
}

TEST_CASE("tables of loads: every bad row is refused with its line") {
  const auto refused = [](const std::string& rows, const std::string& expected) {
    INFO(rows);
    CHECK_THAT(complaint(RoutingInput("f.csv", "step,layer,expert,tokens\n" + rows)),
               Catch::Contains(expected));
  };
  refused("0,0,0\n", "f.csv:2: 3 columns, expected 4: step,layer,expert,tokens");
  refused("0,0,0,1\n0,0,0,2\n", "f.csv:3: expert 0 of layer 0 again; it is in line 2");
  refused("0,0,0,1\n-1,0,0,2\n", "f.csv:3: step '-1' is not a whole number from 0");
  refused("0,10000,0,1\n", "f.csv:2: layer '10000' is not a whole number from 0 to 9999");
  refused("0,0,65536,1\n", "f.csv:2: expert '65536' is not a whole number from 0 to 65535");
  refused("0,0,0,-1\n", "f.csv:2: '-1' is not a number of tokens");
  refused("0,0,0,nan\n", "f.csv:2: 'nan' is not a number of tokens");
  refused("0,0,0,1e999\n", "f.csv:2: '1e999' is not a number of tokens");
  refused("0,0,0,1\n0,1,0,1\n1,0,0,1\n1,0,1,1\n", "f.csv: step 1 has no row of layer 1");
  refused("0,0,0,1\n0,1,0,1\n1,0,0,1\n", "f.csv: 3 rows cannot name each of 2 layers");
  refused("1,0,0,1\n", "f.csv: the first loads are of step 1; a routing load begins at step 0");
  refused("", "f.csv: there are no loads");
  CHECK_THAT(complaint(RoutingInput("f", "step,layer,tokens\n"), R"({"importer":"load-csv"})"),
             Catch::Contains("f:1: expected the header step,layer,expert,tokens"));
}

TEST_CASE("layer-expert-csv: three headers, or a matrix as place takes it") {
  for (const std::string header : {"layer,expert,tokens\n", "layer_id,expert_id,count\n"}) {
    const auto load = import(RoutingInput("f", header + "0,0,1\n1,1,1\n0,1,3\n")).load;
    CHECK(parts(load, 0, 0, 4) == Loads{1, 3});
    CHECK(parts(load, 0, 1, 1) == Loads{0, 1});
  }
  CHECK(parts(import(RoutingInput("f", "1, 2,5\n4,0,4\n")).load, 0, 0, 8) == Loads{1, 2, 5});
  CHECK_THAT(complaint(RoutingInput("f", "1,2\n3\n")),
             Catch::Contains("f: layer 1 has 1 experts, layer 0 has 2"));
  CHECK_THAT(complaint(RoutingInput("f", "1,2\n3,x\n")),
             Catch::Contains("f:2: 'x' is not a whole number from 0"));
}

TEST_CASE("eplb-json: a matrix, or one for each step") {
  const auto one = import(RoutingInput("f", " [[1,3],[2,2]]\n")).load;
  CHECK(one.entries().size() == 1);
  CHECK(parts(one, 0, 0, 4) == Loads{1, 3});
  const RoutingInput two("f", "[[[1,3]],[[0.5,0.5]]]");
  CHECK(steps(import(two).load) == Loads{0, 1});
  CHECK(steps(import(two, R"({"every":50})").load) == Loads{0, 50});
  CHECK(parts(import(two).load, 1, 0, 2) == Loads{1, 1});
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"[[1,3],[2]]", "f: /1: 1 experts, layer 0 has 2"},
      {"[[1,3],2]", "f: /1: expected an array"},
      {"[1,3]", "f: /0: expected an array"},
      {"[]", "f: /: an empty array"},
      {"[[]]", "f: /0: an empty array"},
      {"[[1,-3]]", "f: /0/1: -3 is negative"},
      {"[[1,\"3\"]]", "f: /0/1: expected a number below 2^62"},
      {"[[4611686018427387904,1]]", "f: /0: the loads sum to 2^62 or more"},
      {"[[[1,3]],[[1,3],[1,3]]]", "f: /1: 2 layers of 2 experts, the first has 1 of 2"},
      {"[[1,\n3]", "f:2: "},
  };
  for (const auto& [bytes, expected] : cases) {
    INFO(bytes);
    CHECK_THAT(complaint(RoutingInput("f", bytes)), Catch::StartsWith(expected));
  }
}

TEST_CASE("sglang-eplb: the sum of all passes, or each; passes without tokens do not count") {
  const RoutingInput input("f", R"({"rank":0,"logical_count":)"
                                "[[[1,3],[2,2]],[[5,1],[0,1]],[[0,0],[0,0]]]}");
  const auto sum = import(input).load;
  CHECK(steps(sum) == Loads{0});
  CHECK(parts(sum, 0, 0, 10) == Loads{6, 4});
  CHECK(parts(sum, 0, 1, 5) == Loads{2, 3});
  const auto each = import(input, R"({"passes":"each","every":10})").load;
  CHECK(steps(each) == Loads{0, 10});
  CHECK(parts(each, 10, 0, 6) == Loads{5, 1});
  CHECK(parts(import(RoutingInput("f", R"({"logical_count":[[1,3]]})")).load, 0, 0, 4) ==
        Loads{1, 3});
  CHECK_THAT(complaint(RoutingInput("f", R"({"physical_to_logical_map":[[0,1]]})"),
                       R"({"importer":"sglang-eplb"})"),
             Catch::Contains("f: expected an object with the key 'logical_count'"));
  CHECK_THAT(complaint(RoutingInput("f", std::string("PK\x03\x04rest"))),
             Catch::Contains("f: a zip archive, as torch.save writes it, is not opened"));
  CHECK_THAT(complaint(RoutingInput("f", R"({"logical_count":[[[0,0]]]})")),
             Catch::Contains("f: there are no loads"));
}

const std::string kRecord =
    R"({"record_type":"eplb_load_stats","version":1,"step":7,"num_ranks":2,)"
    R"("expert_load":[[10,1,5,2],[2,8,1,3]],"p2l_map":[[0,1,2,0],[2,1,0,1]]})";

TEST_CASE("vllm-eplb: replicas of an expert are summed; other records are passed over") {
  const auto load = import(RoutingInput("f", "{\"record_type\":\"session_metadata\"}\n" + kRecord +
                                                 "\n\n" + kRecord + "\n"),
                           R"({"every":30})")
                        .load;
  CHECK(steps(load) == Loads{0, 30});
  CHECK(load.experts() == 3);
  CHECK(parts(load, 0, 0, 18) == Loads{12, 1, 5});
  CHECK(parts(load, 0, 1, 14) == Loads{1, 11, 2});
  const auto changed = [](const std::string& from, const std::string& to) {
    auto record = kRecord;
    record.replace(record.find(from), from.size(), to);
    return complaint(RoutingInput("f", kRecord + "\n" + record + "\n"));
  };
  CHECK_THAT(changed("\"version\":1", "\"version\":2"),
             Catch::Contains("f:2: /version: this program reads 1"));
  CHECK_THAT(changed("[2,1,0,1]]", "[2,1,0,3]]"),
             Catch::Contains("f:2: /p2l_map: a logical expert 3 of 3"));
  CHECK_THAT(changed("[2,8,1,3]]", "[2,8,1]]"),
             Catch::Contains("f:2: /expert_load/1: 3 experts, layer 0 has 4"));
  CHECK_THAT(changed(",\"p2l_map\":[[0,1,2,0],[2,1,0,1]]", ""),
             Catch::Contains("f:2: missing key 'p2l_map'"));
  CHECK_THAT(changed(",[2,1,0,1]]", "]"),
             Catch::Contains("f:2: /p2l_map: 1 layers of 4 experts, expert_load has 2 of 4"));
  CHECK_THAT(changed("{\"record_type\"", "{\"type\""),
             Catch::Contains("f:2: expected an object with a record_type"));
  CHECK_THAT(changed("}", ""), Catch::Contains("f:2: not JSON"));
}

/// Two formats that look alike.
class Twin final : public RoutingImporter {
 public:
  bool recognises(const RoutingInput& input) const override {
    return !input.is_directory() && input.bytes() == "twins";
  }
  std::vector<RoutingLoad::Entry> import(const RoutingInput&) const override {
    LoadMatrix loads(1, 1);
    loads.values = {1};
    return {{0, loads}};
  }
};

bool add_twin(const char* name) {
  return routing_importers().add({name, "for this test", [](ObjectReader&) {
                                    return std::unique_ptr<RoutingImporter>(new Twin);
                                  }});
}

TEST_CASE("an input that two importers recognise needs the name of one") {
  static const bool added = add_twin("twin-a") && add_twin("twin-b");
  REQUIRE(added);
  const RoutingInput input("f", "twins");
  CHECK(complaint(input) ==
        "f: twin-a and twin-b recognise this input; 'importer' says which it is");
  CHECK(import(input, R"({"importer":"twin-b"})").load.experts() == 1);
}

}  // namespace
