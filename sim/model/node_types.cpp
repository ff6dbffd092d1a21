#include <array>

#include "sim/model/cluster.h"
#include "sim/model/readers.h"

namespace bethany {
namespace {

constexpr Bandwidth gigabytes_per_second(double value) { return {value * 1e9}; }
constexpr Bandwidth gigabits_per_second(double value) { return {value * 1e9 / 8}; }
constexpr FlopRate tera_flops(double value) { return {value * 1e12}; }
constexpr Bytes gibibytes(std::int64_t value) { return {value << 30}; }

/// Testbed A of Lazarus: 5 servers of 2 GPUs, each GPU counted as a node.
NodeType rtx3090_100g() {
  NodeType type;
  type.name = "rtx3090-100g";
  type.gpus = 1;
  type.gpu_memory = gibibytes(24);
  type.peak = {{"fp16", tera_flops(71)}};
  type.hbm = gigabytes_per_second(936);
  type.nvlink = gigabytes_per_second(8);
  type.nic = gigabits_per_second(100);
  type.nic_shared_by = 2;
  type.host_link = gigabytes_per_second(31.5);
  type.source =
      "Lazarus (arXiv 2407.04656) testbed A: servers of 2 RTX 3090, one 100 Gb/s ConnectX-5 each, "
      "every GPU counted as a node; RTX 3090 data sheet: 24 GiB, 936 GB/s, 71 TFLOPS fp16 with "
      "fp32 "
      "accumulation; host link PCIe 4.0 x16; between the GPUs of a server 8 GB/s through host "
      "memory (assumed)";
  return type;
}

/// Testbed B of Lazarus: 16 g5.2xlarge instances.
NodeType a10g_10g() {
  NodeType type;
  type.name = "a10g-10g";
  type.gpus = 1;
  type.gpu_memory = gibibytes(24);
  type.peak = {{"fp16", tera_flops(70)}};
  type.hbm = gigabytes_per_second(600);
  type.nvlink = gigabytes_per_second(8);
  type.nic = gigabits_per_second(10);
  type.nic_shared_by = 1;
  type.host_link = gigabytes_per_second(31.5);
  type.source =
      "Lazarus (arXiv 2407.04656) testbed B: AWS g5.2xlarge, one A10G, 10 Gb/s; A10G data sheet: "
      "24 "
      "GiB, 600 GB/s, 70 TFLOPS fp16 with fp32 accumulation; host link PCIe 4.0 x16; a link inside "
      "the node is never used (one GPU)";
  return type;
}

/// The simulated cluster of Lazarus: nodes of 8 H200.
NodeType h200_8x400g() {
  NodeType type;
  type.name = "h200-8x400g";
  type.gpus = 8;
  type.gpu_memory = {141'000'000'000};
  type.peak = {{"bf16", tera_flops(989)}, {"fp16", tera_flops(989)}, {"fp8", tera_flops(1979)}};
  type.hbm = gigabytes_per_second(4800);
  type.nvlink = gigabytes_per_second(450);
  type.nic = gigabits_per_second(400);
  type.nic_shared_by = 1;
  type.host_link = gigabytes_per_second(63);
  type.source =
      "Lazarus (arXiv 2407.04656) section 6.7: nodes of 8 H200 and 8 x 400 Gb/s; H200 data sheet: "
      "141 GB, 4.8 TB/s, dense 989 TFLOPS bf16 and 1979 TFLOPS fp8, NVLink 900 GB/s both ways "
      "together; host link PCIe 5.0 x16";
  return type;
}

const std::array<NodeType, 3>& built_in_types() {
  static const std::array<NodeType, 3> types = {a10g_10g(), h200_8x400g(), rtx3090_100g()};
  return types;
}

}  // namespace

const NodeType* find_node_type(const std::string& name) {
  for (const auto& type : built_in_types()) {
    if (type.name == name) return &type;
  }
  return nullptr;
}

std::vector<std::string> node_type_names() {
  std::vector<std::string> names;
  for (const auto& type : built_in_types()) names.push_back(type.name);
  return names;
}

Storage assumed_storage(const NodeType& type) {
  // Lazarus testbed A: NFS behind 10 Gb/s, at the rate of the wire.
  if (type.name == "rtx3090-100g") return {gigabits_per_second(10), gigabits_per_second(10)};
  // Lazarus testbed B: EFS in elastic mode, 10 GB/s read and 3 GB/s written. Assumed: the paper
  // names the service, not the throughput.
  if (type.name == "a10g-10g") return {gigabytes_per_second(10), gigabytes_per_second(3)};
  // A checkpoint of DeepSeek-V3 (671.0 G parameters of 14 B) in 30 s, the write time among the
  // parameters that explain the published DeepSeek-V3 results best. Reads: assumed as fast.
  if (type.name == "h200-8x400g") return {gigabytes_per_second(313), gigabytes_per_second(313)};
  // Assumed: one file server with the NIC of these nodes.
  return {type.nic, type.nic};
}

}  // namespace bethany
