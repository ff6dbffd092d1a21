#include "sim/model/cluster.h"

#include "sim/base/error.h"
#include "sim/model/readers.h"
#include "tests/support/catch.h"

namespace bethany {
namespace {

struct Asked {
  std::string model = "gpt-l";
  int nodes_left_out = 10;
  Training training;
  JsonNode* effective = nullptr;
};

Cluster read(const std::string& json, const Asked& asked = {}) {
  const auto node = parse_json(json, "s.json");
  ObjectReader reader(node, "/cluster", asked.effective);
  return read_cluster(reader, asked.nodes_left_out, *find_model(asked.model), asked.training);
}

NodeType read_type(const std::string& json, JsonNode* effective = nullptr) {
  const auto node = parse_json("{\"node_type\":" + json + "}", "s.json");
  ObjectReader reader(node, "/cluster", effective);
  return read_node_type(reader);
}

TEST_CASE("every built-in node type has its figures, a source, and no price") {
  CHECK(node_type_names() == std::vector<std::string>{"a10g-10g", "h200-8x400g", "rtx3090-100g"});
  for (const auto& name : node_type_names()) {
    const NodeType* type = find_node_type(name);
    REQUIRE(type != nullptr);
    CHECK(type->gpu_memory.value > 0);
    CHECK_FALSE(type->peak.empty());
    CHECK(type->hbm.bytes_per_second > 0);
    CHECK(type->nvlink.bytes_per_second > 0);
    CHECK(type->nic.bytes_per_second > 0);
    CHECK(type->source.size() > 20);
    CHECK_FALSE(type->usd_per_hour.has_value());
  }
  CHECK(find_node_type("h100") == nullptr);
}

TEST_CASE("the GPUs of Lazarus' testbed A are nodes that share a server's NIC by two") {
  const NodeType& type = *find_node_type("rtx3090-100g");
  CHECK(type.gpus == 1);
  CHECK(type.nodes_per_server() == 2);
  CHECK(find_node_type("h200-8x400g")->nodes_per_server() == 1);
}

TEST_CASE("a cluster has defaults for every key, and echoes them") {
  JsonNode effective;
  Asked asked;
  asked.effective = &effective;
  const auto cluster = read("{}", asked);
  CHECK(cluster.nodes == 10);
  CHECK(cluster.node_type.name == "rtx3090-100g");
  CHECK(cluster.slots_per_gpu == 11);  // what memory allows, below 16 experts
  CHECK(cluster.memory_check);
  CHECK(cluster.storage.write.bytes_per_second == 1.25e9);
  CHECK(cluster.startup_delay.count() == 0);
  CHECK(cluster.domains.empty());
  JsonNode again;
  asked.effective = &again;
  read(to_line(effective), asked);
  CHECK(to_line(again) == to_line(effective));
}

TEST_CASE("the key nodes may be read before the others") {
  const auto node = parse_json("{\"nodes\":7}", "s.json");
  ObjectReader reader(node, "/cluster");
  CHECK(read_nodes(reader) == 7);
  CHECK(read_cluster(reader, 10, *find_model("gpt-s"), Training{}).nodes == 7);
  const auto empty = parse_json("{}", "s.json");
  ObjectReader without(empty, "/cluster");
  CHECK_FALSE(read_nodes(without).has_value());
}

TEST_CASE("slots default to what memory holds, at most one replica of each expert") {
  Asked asked;
  asked.model = "gpt-s";
  CHECK(read("{}", asked).slots_per_gpu == 8);
  CHECK(read("{\"slots_per_gpu\":6}").slots_per_gpu == 6);
  CHECK(read("{\"slots_per_gpu\":6}").slots_per_node() == 6);
}

TEST_CASE("slots beyond the memory are refused with the sum, or let pass on request") {
  CHECK_THROWS_WITH(
      read("{\"slots_per_gpu\":12}"),
      "s.json:1: /cluster/slots_per_gpu: 12 slots do not fit, 11 do: dense part 1.65 GB + 12 "
      "slots x 1.61 GB + 20 % for activations and buffers 5.15 GB = 26.13 GB of 25.77 GB per GPU; "
      "\"memory_check\": \"warn\" lets it pass");
  const auto cluster = read("{\"slots_per_gpu\":12,\"memory_check\":\"warn\"}");
  CHECK(cluster.slots_per_gpu == 12);
  CHECK_FALSE(cluster.memory_check);
  Asked asked;
  asked.model = "deepseek-v3";
  CHECK_THROWS_WITH(read("{\"node_type\":\"h200-8x400g\"}", asked),
                    Catch::Contains("/cluster: no slot fits the memory of a GPU: dense part"));
}

TEST_CASE("tensor parallelism must divide the GPUs of a node") {
  Asked asked;
  asked.training.tensor_parallel = 2;
  CHECK_THROWS_WITH(read("{}", asked), Catch::Contains("does not divide the 1 GPUs"));
  asked.training.tensor_parallel = 8;
  CHECK(read("{\"node_type\":\"h200-8x400g\"}", asked).node_type.gpus == 8);
}

TEST_CASE("storage defaults follow the node type") {
  CHECK(assumed_storage(*find_node_type("a10g-10g")).write.bytes_per_second == 3e9);
  const auto cluster = read("{\"storage\":{\"write\":\"0.35GB/s\"}}");
  CHECK(cluster.storage.write.bytes_per_second == 0.35e9);
  CHECK(cluster.storage.read.bytes_per_second == 1.25e9);
}

TEST_CASE("failure domains form a tree in which every node stands once") {
  const auto cluster = read(
      "{\"domains\":[{\"name\":\"row\",\"domains\":[{\"name\":\"rack-1\",\"nodes\":[\"a\",\"b\"]},"
      "{\"name\":\"rack-2\",\"nodes\":[\"c\"]}]}]}");
  REQUIRE(cluster.domains.size() == 1);
  REQUIRE(cluster.domains[0].domains.size() == 2);
  CHECK(cluster.domains[0].domains[1].nodes == std::vector<std::string>{"c"});
  CHECK_THROWS_WITH(read("{\"domains\":[{\"name\":\"x\",\"nodes\":[\"a\"]},"
                         "{\"name\":\"y\",\"nodes\":[\"a\"]}]}"),
                    "s.json:1: /cluster/domains/1/nodes: node 'a' stands in two places");
  CHECK_THROWS_WITH(read("{\"domains\":[{\"name\":\"x\"}]}"),
                    "s.json:1: /cluster/domains/0: a domain needs nodes or domains");
  CHECK_THROWS_WITH(read("{\"domains\":[{\"name\":\"x\",\"node\":[\"a\"]}]}"),
                    Catch::Contains("a domain needs nodes or domains"));
  CHECK_THROWS_WITH(read("{\"domains\":{}}"), Catch::Contains("expected an array of domains"));
}

TEST_CASE("a node type is read by name or from an object") {
  CHECK(read_type("\"a10g-10g\"").gpus == 1);
  CHECK_THROWS_WITH(read_type("\"a10-10g\""),
                    Catch::Contains("unknown node type 'a10-10g'; did you mean 'a10g-10g'?"));
  const auto type = read_type(
      "{\"gpu_memory\":\"80GiB\",\"peak\":{\"bf16\":\"989TFLOPS\"},\"hbm\":\"3.35TB/s\","
      "\"nic\":\"400Gbps\",\"gpus\":8,\"nic_shared_by\":2,\"usd_per_hour\":30}");
  CHECK(type.name == "custom");
  CHECK(type.gpus == 8);
  CHECK(type.nic.bytes_per_second == 50e9);
  CHECK(type.usd_per_hour == 30.0);
  CHECK(type.nvlink == type.host_link);
  CHECK(type.peak.at("bf16").flops == 989e12);
}

TEST_CASE("a node type may be a built-in one with changes, and the echo reads back") {
  JsonNode effective;
  const auto type = read_type("{\"base\":\"h200-8x400g\",\"usd_per_hour\":35.5}", &effective);
  CHECK(type.name == "h200-8x400g");
  CHECK(type.usd_per_hour == 35.5);
  CHECK(type.nvlink.bytes_per_second == 450e9);
  CHECK(type.peak.size() == 3);
  JsonNode again;
  read_type(to_line(*effective.find("node_type")), &again);
  CHECK(to_line(again) == to_line(effective));
}

TEST_CASE("wrong node types are refused") {
  CHECK_THROWS_WITH(read_type("{\"base\":\"h200\"}"), Catch::Contains("unknown node type 'h200'"));
  CHECK_THROWS_WITH(read_type("{\"gpu_memory\":\"80GiB\"}"),
                    Catch::Contains("/cluster/node_type: missing key 'peak'"));
  CHECK_THROWS_WITH(read_type("{\"base\":\"a10g-10g\",\"nic\":\"0GB/s\"}"),
                    Catch::Contains("a bandwidth must be above 0"));
  CHECK_THROWS_WITH(read_type("{\"base\":\"h200-8x400g\",\"nic_shared_by\":3}"),
                    Catch::Contains("3 GPUs per NIC do not fit 8 GPUs per node"));
  CHECK_THROWS_WITH(read_type("{\"base\":\"a10g-10g\",\"nics\":2}"),
                    Catch::Contains("unknown key 'nics'; did you mean 'nic'?"));
}

}  // namespace
}  // namespace bethany
