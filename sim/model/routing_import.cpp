#include "sim/model/routing_import.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <numeric>

#include "sim/base/error.h"
#include "sim/base/files.h"
#include "sim/base/int128.h"
#include "sim/base/text.h"
#include "sim/model/routing_load_file.h"

namespace bethany {
namespace {

namespace fs = std::filesystem;

constexpr Int128 kLargestSum = static_cast<Int128>(1) << 62;

/// The one importer that recognises the input.
const Registry<RoutingImporter>::Entry& recognised(const RoutingInput& input) {
  const Registry<RoutingImporter>::Entry* found = nullptr;
  std::vector<std::string> candidates;
  for (const auto& entry : routing_importers().entries()) {
    const JsonNode no_options;
    ObjectReader none(no_options, "");
    if (!entry.make(none)->recognises(input)) continue;
    candidates.push_back(entry.name);
    found = &entry;
  }
  if (candidates.size() > 1) {
    throw InputError(fmt::format("{}: {} recognise this input; 'importer' says which it is",
                                 input.place(), list_in_words(candidates)));
  }
  if (found == nullptr) {
    throw InputError(fmt::format(
        "{}: the format is not recognised: neither a Bethany routing load nor one of {}; "
        "'importer' says which it is",
        input.place(), list_in_words(routing_importers().names())));
  }
  return *found;
}

/// What RoutingLoad requires; importers check what is special to their format.
void check_entries(const std::vector<RoutingLoad::Entry>& entries, const std::string& place) {
  const auto fail = [&place](const std::string& message) {
    throw InputError(fmt::format("{}: {}", place, message));
  };
  if (entries.empty()) fail("there are no loads");
  if (entries.front().step != 0) {
    fail(fmt::format("the first loads are of step {}; a routing load begins at step 0",
                     entries.front().step));
  }
  const auto& first = entries.front().shares;
  if (first.layers > kMostRoutingLayers)
    fail(fmt::format("more than {} layers", kMostRoutingLayers));
  if (first.experts > kMostRoutingExperts) {
    fail(fmt::format("more than {} experts", kMostRoutingExperts));
  }
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const auto& [step, loads] = entries[i];
    if (i > 0 && step <= entries[i - 1].step) {
      fail(fmt::format("step {} after step {}; steps must rise", step, entries[i - 1].step));
    }
    if (step > kMostRoutingSteps) fail(fmt::format("step {} is too large", step));
    if (loads.layers != first.layers || loads.experts != first.experts) {
      fail(fmt::format("step {} has {} layers of {} experts, step 0 has {} of {}", step,
                       loads.layers, loads.experts, first.layers, first.experts));
    }
    for (int layer = 0; layer < loads.layers; ++layer) {
      Int128 sum = 0;
      for (const std::int64_t value : loads.row(layer)) {
        if (value < 0) fail(fmt::format("step {}, layer {}: a load of {}", step, layer, value));
        sum += value;
      }
      if (sum == 0) fail(fmt::format("step {}, layer {}: no expert has any load", step, layer));
      if (sum >= kLargestSum) {
        fail(fmt::format("step {}, layer {}: the loads sum to 2^62 or more", step, layer));
      }
    }
  }
}

/// The experts of a layer that narrowed() keeps, ascending.
std::vector<std::size_t> busiest(const RoutingLoad& load, int layer, int count) {
  std::vector<Int128> sums(static_cast<std::size_t>(load.experts()), 0);
  for (const auto& entry : load.entries()) {
    const auto row = entry.shares.row(layer);
    for (std::size_t e = 0; e < sums.size(); ++e) sums[e] += row[e];
  }
  std::vector<std::size_t> order(sums.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&sums](std::size_t a, std::size_t b) { return sums[a] > sums[b]; });
  order.resize(static_cast<std::size_t>(count));
  std::sort(order.begin(), order.end());
  return order;
}

}  // namespace

RoutingInput::RoutingInput(const std::string& path)
    : place_(path == "-" ? "standard input" : path) {
  std::error_code error;
  if (path == "-") {
    bytes_ = read_input(path);
  } else if (!fs::exists(path, error)) {
    throw InputError(fmt::format("{}: there is no such file or directory", path));
  } else {
    is_directory_ = fs::is_directory(path, error);
  }
}

RoutingInput::RoutingInput(std::string place, std::string bytes)
    : place_(std::move(place)), in_memory_(true), bytes_(std::move(bytes)) {}

RoutingInput::RoutingInput(std::string place, std::map<std::string, std::string> files)
    : place_(std::move(place)), is_directory_(true), in_memory_(true), files_(std::move(files)) {}

const std::string& RoutingInput::bytes() const {
  BETHANY_CHECK(!is_directory_, "{} is a directory", place_);
  if (!bytes_) bytes_ = read_input(place_);
  return *bytes_;
}

std::vector<std::string> RoutingInput::names() const {
  std::vector<std::string> names;
  if (in_memory_) {
    for (const auto& [name, bytes] : files_) names.push_back(name);
    return names;
  }
  std::error_code error;
  for (fs::directory_iterator at(place_, error), end; !error && at != end; at.increment(error)) {
    std::error_code ignored;
    if (at->is_regular_file(ignored)) names.push_back(at->path().filename().string());
  }
  if (error) throw InputError(fmt::format("{}: cannot read: {}", place_, error.message()));
  std::sort(names.begin(), names.end());
  return names;
}

std::string RoutingInput::read(const std::string& name) const {
  return in_memory_ ? files_.at(name) : read_input(place_of(name));
}

Registry<RoutingImporter>& routing_importers() {
  static Registry<RoutingImporter> registry;
  return registry;
}

ImportedRouting import_routing(const RoutingInput& input, ObjectReader& options) {
  constexpr std::int64_t kMost = INT32_MAX;
  const auto optional = [&options](const char* key) {
    std::optional<int> value;
    if (options.has(key)) {
      value = static_cast<int>(options.integer(key, 1, kMost));
    } else {
      options.raw(key);
    }
    return value;
  };
  const bool named = options.has("importer");
  const bool canonical = !named && !input.is_directory() && looks_like_routing(input.bytes());
  const Registry<RoutingImporter>::Entry* importer = nullptr;
  if (named) {
    importer = routing_importers().find(options.choice("importer", routing_importers().names()));
  } else {
    options.raw("importer");
    if (!canonical) importer = &recognised(input);
  }
  const auto read = [&]() -> RoutingLoad {
    if (canonical) return parse_routing_load(input.bytes(), input.place());
    auto entries = importer->make(options)->import(input);
    check_entries(entries, input.place());
    return RoutingLoad(1, std::move(entries));
  };
  auto load = read();
  const auto layers = optional("layers");
  const auto experts = optional("experts");
  return {
      .load = layers || experts ? narrowed(load, layers, experts, input.place()) : std::move(load),
      .says_top_k = canonical};
}

RoutingLoad narrowed(const RoutingLoad& load, std::optional<int> layers, std::optional<int> experts,
                     const std::string& place) {
  const auto check = [&place](const char* what, int wanted, int there) {
    if (wanted <= there) return;
    throw InputError(
        fmt::format("{}: '{}' is {}, but there are only {}", place, what, wanted, there));
  };
  const int layer_count = layers.value_or(load.layers());
  const int expert_count = experts.value_or(load.experts());
  check("layers", layer_count, load.layers());
  check("experts", expert_count, load.experts());
  if (expert_count < load.top_k()) {
    throw InputError(fmt::format("{}: 'experts' is {}, but a token goes to {} (top_k)", place,
                                 expert_count, load.top_k()));
  }
  std::vector<RoutingLoad::Entry> entries;
  for (const auto& entry : load.entries()) {
    entries.push_back({entry.step, LoadMatrix(layer_count, expert_count)});
  }
  for (int layer = 0; layer < layer_count; ++layer) {
    const auto kept = busiest(load, layer, expert_count);
    for (std::size_t i = 0; i < entries.size(); ++i) {
      const auto from = load.entries()[i].shares.row(layer);
      const auto to = entries[i].shares.row(layer);
      std::int64_t sum = 0;
      for (std::size_t e = 0; e < kept.size(); ++e) sum += to[e] = from[kept[e]];
      if (sum == 0) {
        throw InputError(fmt::format(
            "{}: step {}, layer {}: none of the {} busiest experts of the whole log has any load",
            place, entries[i].step, layer, expert_count));
      }
    }
  }
  return RoutingLoad(load.top_k(), std::move(entries));
}

}  // namespace bethany
