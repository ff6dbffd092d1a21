#include <array>

#include "sim/base/check.h"
#include "sim/cost/profile.h"

namespace bethany {
namespace {

constexpr char kPublished[] = "published";
constexpr char kAssumed[] = "assumed";
constexpr char kFitted[] = "fitted";

void set(Profile& profile, Constant constant, double value, const char* kind, std::string source) {
  const auto& spec = constant_specs()[static_cast<std::size_t>(constant)];
  profile.constants[std::string(spec.key)] = {
      .value = value, .source = std::move(source), .kind = kind};
}

/// Stages that the Lazarus paper gives as ranges for all its testbeds.
void set_stages(Profile& profile) {
  const std::string lazarus = "Lazarus, arXiv 2407.04656: ";
  set(profile, Constant::detection, 15, kPublished,
      lazarus + "NCCL time-out of 10-20 s, the middle");
  set(profile, Constant::planning, 0.1, kPublished, lazarus + "planning takes less than 0.1 s");
  set(profile, Constant::communicator_base, 10, kPublished,
      lazarus + "communicators rebuilt in 5-15 s, the middle");
  set(profile, Constant::communicator_per_node, 0, kAssumed,
      "no dependence on the node count is published");
  set(profile, Constant::rebalance_communicator_base, 5, kAssumed,
      lazarus + "communicators rebuilt in 5-15 s; the low end, as nothing failed");
  set(profile, Constant::rebalance_communicator_per_node, 0, kAssumed,
      "no dependence on the node count is published");
  set(profile, Constant::reschedule, 0, kAssumed, "the machines are held: no queue");
  set(profile, Constant::group_init_base, 10, kPublished,
      "as a rebuild of communicators; " + lazarus + "5-15 s, the middle");
  set(profile, Constant::group_init_per_node, 0, kAssumed,
      "no dependence on the node count is published");
}

/// Constants without which a model of a step can do, and what is taken for them.
void set_small_terms(Profile& profile) {
  set(profile, Constant::expert_per_layer, 1e-3, kAssumed,
      "gate, reordering and kernel launches of a MoE layer, forward and backward");
  set(profile, Constant::all_reduce_latency, 0, kAssumed, "gradients are large: bandwidth decides");
  set(profile, Constant::optimizer_bytes, 30, kAssumed,
      "mixed-precision Adam: gradient read and cleared 4 B, master weight, momentum and variance "
      "each read and written 24 B, weight written 2 B");
  set(profile, Constant::fixed_per_step, 0, kAssumed, "no framework time of this kind");
  set(profile, Constant::fixed_per_micro_batch, 0, kAssumed, "no framework time of this kind");
}

/// The set of Lazarus' testbed A, picked with its published results in view (analysis/lazarus.md
/// has them beside ours).
Profile rtx3090_100g() {
  Profile p;
  p.name = "rtx3090-100g";
  p.kind = kAssumed;
  set_small_terms(p);
  set_stages(p);
  const std::string flops =
      "RTX 3090 data sheet: 71 TFLOPS fp16 with fp32 accumulation; x 0.50, picked within 0.30-0.55 "
      "for the published Lazarus results";
  set(p, Constant::dense_flop_rate, 35.5e12, kFitted, flops);
  set(p, Constant::expert_flop_rate, 35.5e12, kFitted, flops);
  const std::string link =
      "100 Gb/s per server shared by 2 GPUs = 6.25 GB/s; x 0.88, picked within 0.64-1.0 for the "
      "published Lazarus results";
  const std::string inside = "through host memory over PCIe 4.0";
  set(p, Constant::all_to_all_outside, 5.5e9, kFitted, link);
  set(p, Constant::all_to_all_inside, 8e9, kAssumed, inside);
  set(p, Constant::all_to_all_latency, 0.2e-3, kAssumed, "a collective over 10 ranks");
  set(p, Constant::count_exchange_latency, 0.2e-3, kAssumed, "as the latency of an all-to-all");
  set(p, Constant::all_reduce_dense_outside, 5.5e9, kFitted, link);
  set(p, Constant::all_reduce_dense_inside, 8e9, kAssumed, inside);
  set(p, Constant::all_reduce_expert_outside, 5.5e9, kFitted, link);
  set(p, Constant::all_reduce_expert_inside, 8e9, kAssumed, inside);
  set(p, Constant::tensor_parallel_latency, 0.2e-3, kAssumed,
      "as an all-to-all; a node has one GPU, so it is never used");
  set(p, Constant::tensor_parallel_bandwidth, 8e9, kAssumed,
      inside + "; a node has one GPU, so it is never used");
  set(p, Constant::optimizer_bandwidth, 750e9, kAssumed, "RTX 3090 data sheet: 936 GB/s; x 0.8");
  set(p, Constant::fixed_per_step, 0.17, kFitted,
      "fitted to Lazarus' 45 samples/s on GPT-M and its step counts of the 30-minute runs");
  set(p, Constant::migration_bandwidth, 1e9, kFitted,
      "fitted to three of the four transfer times of Lazarus, table 2");
  set(p, Constant::process_start, 50, kFitted,
      "picked for the published Lazarus results; a restart without load is then 75 s, Parcae "
      "(arXiv 2403.14097) measured 69-82 s on 8-16 nodes");
  return p;
}

Profile a10g_10g() {
  Profile p;
  p.name = "a10g-10g";
  p.kind = kAssumed;
  set_small_terms(p);
  set_stages(p);
  const std::string flops =
      "A10G data sheet: 70 TFLOPS fp16 with fp32 accumulation; x 0.50, as fitted on the RTX 3090 "
      "testbed";
  set(p, Constant::dense_flop_rate, 35e12, kAssumed, flops);
  set(p, Constant::expert_flop_rate, 35e12, kAssumed, flops);
  const std::string link = "Parcae (arXiv 2403.14097): 0.9 GB/s measured over 10 Gb/s TCP";
  const std::string inside = "a server has one GPU, so it is never used; host memory over PCIe 4.0";
  set(p, Constant::all_to_all_outside, 0.9e9, kPublished, link);
  set(p, Constant::all_to_all_inside, 8e9, kAssumed, inside);
  set(p, Constant::all_to_all_latency, 0.5e-3, kAssumed, "TCP, 16 ranks");
  set(p, Constant::count_exchange_latency, 0.5e-3, kAssumed, "as the latency of an all-to-all");
  set(p, Constant::all_reduce_dense_outside, 0.9e9, kPublished, link);
  set(p, Constant::all_reduce_dense_inside, 8e9, kAssumed, inside);
  set(p, Constant::all_reduce_expert_outside, 0.9e9, kPublished, link);
  set(p, Constant::all_reduce_expert_inside, 8e9, kAssumed, inside);
  set(p, Constant::tensor_parallel_latency, 0.5e-3, kAssumed, "a node has one GPU: never used");
  set(p, Constant::tensor_parallel_bandwidth, 8e9, kAssumed, inside);
  set(p, Constant::optimizer_bandwidth, 500e9, kAssumed, "A10G data sheet: 600 GB/s; x 0.83");
  set(p, Constant::fixed_per_micro_batch, 0.15, kFitted,
      "picked for the published Lazarus results on this testbed, which accumulate 20 "
      "micro-batches");
  set(p, Constant::migration_bandwidth, 0.9e9, kAssumed, "as measured for collectives: " + link);
  set(p, Constant::process_start, 40, kFitted,
      "picked for the published Lazarus results on this testbed");
  return p;
}

/// Data-sheet rates with the discounts of shallowsim, the model of Lazarus' simulated cluster.
Profile h200_8x400g() {
  Profile p;
  p.name = "h200-8x400g";
  p.kind = kAssumed;
  set_small_terms(p);
  set_stages(p);
  const std::string shallowsim = "shallowsim (zartbot/shallowsim, a model of inference), H200: ";
  const std::string flops = "H200 data sheet: 989 TFLOPS bf16; " + shallowsim +
                            "112 of 132 SMs compute, x 0.85, and of that ";
  set(p, Constant::dense_flop_rate, 499.3e12, kPublished,
      flops + "0.7 in the GEMMs of the attention, here in all dense ones");
  set(p, Constant::expert_flop_rate, 499.3e12, kPublished,
      flops + "0.7 in grouped GEMMs of 1024 or more tokens, here in all");
  set(p, Constant::expert_per_layer, 0, kAssumed, "the efficiency of the GEMMs covers it");
  const std::string nic = "400 Gb/s per GPU = 50 GB/s; " + shallowsim + "x 0.85";
  const std::string nvlink = "NVLink 450 GB/s each way; " + shallowsim + "x 0.85";
  set(p, Constant::all_to_all_outside, 42.5e9, kPublished, nic);
  set(p, Constant::all_to_all_inside, 382.5e9, kPublished, nvlink);
  set(p, Constant::all_to_all_latency, 50e-6, kPublished,
      shallowsim + "an all-to-all takes at least 50 us (prefill)");
  set(p, Constant::count_exchange_latency, 50e-6, kAssumed, "as the latency of an all-to-all");
  set(p, Constant::all_reduce_latency, 15e-6, kPublished,
      shallowsim + "an all-reduce takes at least 15 us");
  set(p, Constant::all_reduce_dense_outside, 340e9, kAssumed,
      "rings through all 8 NICs of a node side by side: 8 x 42.5 GB/s");
  set(p, Constant::all_reduce_dense_inside, 382.5e9, kPublished, nvlink);
  set(p, Constant::all_reduce_expert_outside, 42.5e9, kPublished, nic);
  set(p, Constant::all_reduce_expert_inside, 382.5e9, kPublished, nvlink);
  set(p, Constant::tensor_parallel_latency, 15e-6, kPublished,
      shallowsim + "an all-reduce takes at least 15 us");
  set(p, Constant::tensor_parallel_bandwidth, 382.5e9, kPublished, nvlink);
  set(p, Constant::optimizer_bandwidth, 4.08e12, kPublished,
      "H200 data sheet: 4.8 TB/s; " + shallowsim + "x 0.85");
  set(p, Constant::planning, 1, kPublished,
      "Lazarus, arXiv 2407.04656: less than 1 s on one core for 1000 GPUs");
  set(p, Constant::migration_bandwidth, 340e9, kAssumed, "all 8 NICs of a node: 8 x 42.5 GB/s");
  set(p, Constant::process_start, 425, kFitted,
      "a restart of 480 s stands in the one of 72 sets that explains Lazarus' published "
      "DeepSeek-V3 results best, 240-480 s in those within 25 %; this is what detection (15 s), "
      "process groups (10 s) and load (30 s) leave of 480 s");
  return p;
}

const std::array<Profile, 3>& built_in_profiles() {
  static const std::array<Profile, 3> profiles = {a10g_10g(), h200_8x400g(), rtx3090_100g()};
  return profiles;
}

/// bf16 or fp16 if the data sheet has it, else the slowest precision that it names.
FlopRate training_peak(const NodeType& type) {
  BETHANY_CHECK(!type.peak.empty(), "node type '{}' has no peak rate", type.name);
  FlopRate slowest = type.peak.begin()->second;
  for (const char* precision : {"bf16", "fp16"}) {
    const auto found = type.peak.find(precision);
    if (found != type.peak.end()) return found->second;
  }
  for (const auto& [precision, rate] : type.peak) slowest = std::min(slowest, rate);
  return slowest;
}

}  // namespace

std::vector<std::string> profile_names() {
  std::vector<std::string> names;
  for (const auto& profile : built_in_profiles()) names.push_back(profile.name);
  return names;
}

const Profile* find_profile(std::string_view name) {
  for (const auto& profile : built_in_profiles()) {
    if (profile.name == name) return &profile;
  }
  return nullptr;
}

Profile data_sheet_profile(const NodeType& type) {
  Profile p;
  p.name = kDataSheetProfile;
  p.kind = kAssumed;
  set_small_terms(p);
  set_stages(p);
  const double flops = 0.5 * training_peak(type).flops;
  const double nic = 0.88 * type.nic.bytes_per_second / type.nic_shared_by;
  const double inside = 0.85 * type.nvlink.bytes_per_second;
  const auto latency = [](Duration given) { return given.count() > 0 ? to_seconds(given) : 2e-4; };
  const std::string flops_source = "peak of the node type x 0.5, as fitted on RTX 3090";
  const std::string nic_source = "NIC of the node type per GPU x 0.88, as fitted on 100 Gb/s";
  const std::string inside_source = "link inside a server of the node type x 0.85, as shallowsim";
  const std::string latency_source = "latency of the node type, else 0.2 ms";
  const auto assume = [&p](Constant constant, double value, const std::string& source) {
    set(p, constant, value, kAssumed, source);
  };
  assume(Constant::dense_flop_rate, flops, flops_source);
  assume(Constant::expert_flop_rate, flops, flops_source);
  assume(Constant::all_to_all_outside, nic, nic_source);
  assume(Constant::all_to_all_inside, inside, inside_source);
  assume(Constant::all_to_all_latency, latency(type.nic_latency), latency_source);
  assume(Constant::count_exchange_latency, latency(type.nic_latency), latency_source);
  assume(Constant::all_reduce_dense_outside, nic * type.gpus, "all NICs of a node: " + nic_source);
  assume(Constant::all_reduce_dense_inside, inside, inside_source);
  assume(Constant::all_reduce_expert_outside, nic, nic_source);
  assume(Constant::all_reduce_expert_inside, inside, inside_source);
  assume(Constant::tensor_parallel_latency, latency(type.nvlink_latency), latency_source);
  assume(Constant::tensor_parallel_bandwidth, inside, inside_source);
  assume(Constant::optimizer_bandwidth, 0.8 * type.hbm.bytes_per_second,
         "memory bandwidth of the node type x 0.8");
  assume(Constant::migration_bandwidth, nic * type.gpus, "all NICs of a node: " + nic_source);
  assume(Constant::process_start, 50, "as on Lazarus' RTX 3090 testbed");
  return p;
}

}  // namespace bethany
