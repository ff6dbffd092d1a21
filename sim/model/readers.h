#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "sim/base/object_reader.h"
#include "sim/model/cluster.h"
#include "sim/model/moe_model.h"

namespace bethany {

/// Reads the key `model` of a scenario: a built-in name, an object, or an object whose key `config`
/// names a published configuration (sim/model/README.md). Echoes what it reads. Throws InputError:
/// unknown name (with the nearest), missing or wrong key, a model of more than kLargestModel
/// parameters.
MoeModel read_model(ObjectReader& scenario);

/// Reads a published configuration: a Hugging Face `config.json` of a family of
/// `sim/model/README.md`, or arguments of Megatron-LM. `file` names it in complaints. Its keys that
/// are not needed are not looked at. The model is named by its family. Throws InputError: unknown
/// family (with all known), missing key, names of one size that contradict each other.
MoeModel parse_model_config(std::string_view text, const std::string& file);
/// The same from a file.
MoeModel read_model_config(const std::string& path);

/// A built-in model by its name, or the one of a configuration file: a text that ends in `.json` or
/// has a `/`. Throws InputError.
MoeModel model_named(const std::string& text);

/// More parameters than this are taken for a slip; sums of bytes then stay within 64 bits.
constexpr std::int64_t kLargestModel = 1'000'000'000'000'000;

/// Reads the keys of `training` but `until`, and leaves finish() to the caller.
/// Throws InputError on a wrong value.
Training read_training(ObjectReader& training);

/// Reads the key `node_type` of a cluster: a built-in name, or an object, whose key `base` may name
/// a built-in type for what is left out. Default: rtx3090-100g. Throws InputError.
NodeType read_node_type(ObjectReader& cluster);

/// Reads the key `nodes` of a cluster; empty when it is left out. Throws InputError.
std::optional<int> read_nodes(ObjectReader& cluster);

/// Reads the key `domains` of a cluster: a tree in which every node stands once. Throws InputError.
std::vector<FailureDomain> read_failure_domains(ObjectReader& cluster);

/// Reads all keys of a cluster and calls finish(). `nodes_left_out` is the number of nodes when the
/// key is left out (what the trace says). Slots default to what the memory holds, at most one
/// replica of each expert; more than the memory holds are refused with the whole sum.
/// Requires: nodes_left_out > 0. Throws InputError.
Cluster read_cluster(ObjectReader& cluster, int nodes_left_out, const MoeModel& model,
                     const Training& training);

/// What a cluster of that node type stores on when the scenario does not say.
Storage assumed_storage(const NodeType& type);

/// The sum as people read it: every part, what is needed and what is there.
std::string memory_text(const MemorySum& sum, int slots);

}  // namespace bethany
