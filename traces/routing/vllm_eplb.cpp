#include <fmt/format.h>

#include <algorithm>

#include "sim/base/error.h"
#include "traces/routing/json_loads.h"

namespace bethany {
namespace {

namespace dom = simdjson::dom;

constexpr std::int64_t kVersion = 1;

/// Expert-load statistics of vLLM: JSON Lines, of which those with record_type eplb_load_stats
/// count. Loads are of physical experts; p2l_map says whose replica each is. Its step counter is
/// not used: it begins anew with every rebalance.
class VllmEplb final : public RoutingImporter {
 public:
  explicit VllmEplb(ObjectReader& options) : every_(options.integer("every", 1, kMostEvery, 1)) {}

  bool recognises(const RoutingInput& input) const override {
    if (input.is_directory()) return false;
    const auto& bytes = input.bytes();
    const std::size_t first = bytes.find_first_not_of(" \t\r\n");
    return first != std::string::npos && bytes[first] == '{' &&
           bytes.find("\"eplb_load_stats\"") != std::string::npos;
  }

  std::vector<RoutingLoad::Entry> import(const RoutingInput& input) const override {
    std::vector<LoadMatrix> records;
    dom::parser parser;
    std::string_view rest = input.bytes();
    for (int line = 1; !rest.empty(); ++line) {
      const std::size_t end = std::min(rest.find('\n'), rest.size());
      const auto text = rest.substr(0, end);
      rest.remove_prefix(std::min(end + 1, rest.size()));
      if (text.find_first_not_of(" \t\r") == std::string_view::npos) continue;
      read_record(parse_load_json(parser, text, input.place(), line),
                  fmt::format("{}:{}", input.place(), line), records);
    }
    return entries_of(std::move(records), every_);
  }

 private:
  static void read_record(const dom::element& record, const std::string& place,
                          std::vector<LoadMatrix>& records) {
    const auto fail = [&place](const std::string& message) {
      throw InputError(fmt::format("{}: {}", place, message));
    };
    std::string_view type;
    if (record.at_key("record_type").get(type) != simdjson::SUCCESS) {
      fail("expected an object with a record_type");
    }
    if (type != "eplb_load_stats") return;  // markers of the tools around it
    std::int64_t version = 0;
    if (record.at_key("version").get(version) != simdjson::SUCCESS || version != kVersion) {
      fail(fmt::format("/version: this program reads {}", kVersion));
    }
    const auto matrix = [&](const char* key) {
      dom::element value;
      if (record.at_key(key).get(value) != simdjson::SUCCESS) {
        fail(fmt::format("missing key '{}'", key));
      }
      auto found = read_load_matrices(value, place, fmt::format("/{}", key));
      if (found.size() > 1) fail(fmt::format("/{}: expected [layer][expert]", key));
      return std::move(found.front());
    };
    const auto loads = matrix("expert_load");
    const auto logical = matrix("p2l_map");
    if (loads.layers != logical.layers || loads.experts != logical.experts) {
      fail(fmt::format("/p2l_map: {} layers of {} experts, expert_load has {} of {}",
                       logical.layers, logical.experts, loads.layers, loads.experts));
    }
    if (is_idle(loads)) return;
    const int experts = records.empty() ? highest(logical) + 1 : records.front().experts;
    if (highest(logical) >= experts || experts > logical.experts) {
      fail(fmt::format("/p2l_map: a logical expert {} of {}", highest(logical),
                       std::min(experts, logical.experts)));
    }
    LoadMatrix sums(loads.layers, experts);
    for (int layer = 0; layer < loads.layers; ++layer) {
      const auto to = sums.row(layer);
      for (std::size_t slot = 0; slot < loads.row(layer).size(); ++slot) {
        to[static_cast<std::size_t>(logical.row(layer)[slot])] += loads.row(layer)[slot];
      }
    }
    records.push_back(std::move(sums));
  }

  static int highest(const LoadMatrix& logical) {
    const auto found = *std::max_element(logical.values.begin(), logical.values.end());
    return static_cast<int>(std::min<std::int64_t>(found, INT32_MAX - 1));
  }

  std::int64_t every_;
};

const bool registered = routing_importers().add({
    .name = "vllm-eplb",
    .summary = "JSON Lines of record_type eplb_load_stats (vLLM, an open pull request)",
    .make = [](ObjectReader& options) -> std::unique_ptr<RoutingImporter> {
      return std::make_unique<VllmEplb>(options);
    },
});

}  // namespace
}  // namespace bethany
