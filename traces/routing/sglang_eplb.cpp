#include <fmt/format.h>

#include <algorithm>

#include "sim/base/error.h"
#include "traces/routing/json_loads.h"

namespace bethany {
namespace {

constexpr std::string_view kZip = "PK\x03\x04";

/// SGLang's record of expert loads, as its --init-expert-location reads it from JSON: an object
/// with `logical_count`, [layer][expert] or a matrix for each recorded forward pass.
class SglangEplb final : public RoutingImporter {
 public:
  explicit SglangEplb(ObjectReader& options)
      : sum_(options.choice("passes", {"sum", "each"}, "sum") == "sum"),
        every_(options.integer("every", 1, kMostEvery, 1)) {}

  bool recognises(const RoutingInput& input) const override {
    if (input.is_directory()) return false;
    const auto& bytes = input.bytes();
    if (bytes.starts_with(kZip)) return true;  // import() says what to do with it
    const std::size_t first = bytes.find_first_not_of(" \t\r\n");
    return first != std::string::npos && bytes[first] == '{' &&
           bytes.find("\"logical_count\"") != std::string::npos;
  }

  std::vector<RoutingLoad::Entry> import(const RoutingInput& input) const override {
    if (input.bytes().starts_with(kZip)) {
      throw InputError(input.place() +
                       ": a zip archive, as torch.save writes it, is not opened, because it may "
                       "hold code; traces/README.md (sglang-eplb) says how to make JSON of it");
    }
    simdjson::dom::parser parser;
    const auto root = parse_load_json(parser, input.bytes(), input.place());
    simdjson::dom::element counts;
    if (root.at_key("logical_count").get(counts) != simdjson::SUCCESS) {
      throw InputError(input.place() + ": expected an object with the key 'logical_count'");
    }
    auto matrices = read_load_matrices(counts, input.place(), "/logical_count");
    // A buffer that was not full when it was written ends in passes without any token.
    matrices.erase(std::remove_if(matrices.begin(), matrices.end(), is_idle), matrices.end());
    if (sum_ && !matrices.empty()) return entries_of({sum_of(matrices, input.place())}, every_);
    return entries_of(std::move(matrices), every_);
  }

 private:
  static LoadMatrix sum_of(const std::vector<LoadMatrix>& matrices, const std::string& place) {
    LoadMatrix sum(matrices.front().layers, matrices.front().experts);
    for (const auto& matrix : matrices) {
      for (std::size_t i = 0; i < sum.values.size(); ++i) {
        if (__builtin_add_overflow(sum.values[i], matrix.values[i], &sum.values[i])) {
          throw InputError(place + ": /logical_count: the counts sum to 2^62 or more");
        }
      }
    }
    return sum;
  }

  bool sum_;
  std::int64_t every_;
};

const bool registered = routing_importers().add({
    .name = "sglang-eplb",
    .summary = "JSON with logical_count, as SGLang's --init-expert-location reads it",
    .make = [](ObjectReader& options) -> std::unique_ptr<RoutingImporter> {
      return std::make_unique<SglangEplb>(options);
    },
});

}  // namespace
}  // namespace bethany
