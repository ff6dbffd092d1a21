#include "sim/study/reproduction.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <numeric>

#include "sim/base/error.h"
#include "sim/base/files.h"
#include "sim/base/object_reader.h"
#include "sim/base/text.h"
#include "sim/study/reproduce/experiment.h"

namespace bethany {

std::string_view name_of(RowRole role) {
  switch (role) {
    case RowRole::predicted:
      return "predicted";
    case RowRole::selected:
      return "selected";
    case RowRole::fitted:
      return "fitted";
  }
  return "?";
}

std::optional<double> ReproducedRow::mean() const {
  if (draws.empty()) return {};
  return std::accumulate(draws.begin(), draws.end(), 0.0) / static_cast<double>(draws.size());
}

std::optional<double> ReproducedRow::low() const {
  if (draws.empty()) return {};
  return *std::min_element(draws.begin(), draws.end());
}

std::optional<double> ReproducedRow::high() const {
  if (draws.empty()) return {};
  return *std::max_element(draws.begin(), draws.end());
}

std::optional<double> ReproducedRow::relative_error() const {
  const auto simulated = mean();
  if (!simulated || !published || *published == 0) return {};
  return *simulated / *published - 1;
}

namespace {

struct Paper {
  const char* name;
  const char* summary;
  const char* parameters;
};

constexpr Paper kPapers[] = {
    {"lazarus", "Lazarus, resilient and elastic training of MoE models (arXiv 2407.04656 v2)",
     "One parameter set a testbed, never changed for a row (bethany profile show rtx3090-100g). It "
     "was chosen among plausible sets with the rows marked 'selected' in view, and fixed by those "
     "marked 'fitted'; only 'predicted' rows are predictions."}};

const Paper* find_paper(const std::string& name) {
  for (const auto& paper : kPapers) {
    if (paper.name == name) return &paper;
  }
  return nullptr;
}

bool wanted(const std::string& experiment, const std::vector<std::string>& only) {
  return only.empty() || std::find(only.begin(), only.end(), experiment) != only.end();
}

}  // namespace

std::vector<PaperInfo> reproducible_papers() {
  std::vector<PaperInfo> infos;
  for (const auto& paper : kPapers) infos.push_back({paper.name, paper.summary});
  return infos;
}

Reproduction reproduce(const std::string& name, const ReproduceOptions& options) {
  const Paper* paper = find_paper(name);
  if (paper == nullptr) {
    std::vector<std::string> names;
    for (const auto& known : kPapers) names.emplace_back(known.name);
    throw InputError(unknown_name("paper", name, names));
  }
  const JsonNode no_options;
  ObjectReader none(no_options, "");
  std::vector<std::string> names;
  for (const auto& entry : experiments().entries()) {
    if (entry.make(none)->paper() == name) names.push_back(entry.name);
  }
  for (const auto& asked : options.only) {
    if (std::find(names.begin(), names.end(), asked) == names.end()) {
      throw InputError(unknown_name("experiment", asked, names));
    }
  }
  if (!options.directory.empty()) make_output_directory(options.directory, true);
  Reproduction result;
  result.paper = name;
  result.parameters = paper->parameters;
  result.draws = options.draws;
  Lab lab(options, result);
  for (const auto& experiment : names) {
    if (wanted(experiment, options.only)) experiments().find(experiment)->make(none)->run(lab);
  }
  return result;
}

}  // namespace bethany
