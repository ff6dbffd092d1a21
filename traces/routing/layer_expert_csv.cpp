#include <algorithm>

#include "sim/base/error.h"
#include "sim/model/load_matrix_file.h"
#include "sim/model/routing_import.h"
#include "traces/routing/csv_loads.h"

namespace bethany {
namespace {

using Columns = std::vector<std::string_view>;

/// Ours, and that of SGLang's first recorder.
const std::vector<Columns> kHeaders = {{"layer", "expert", "tokens"},
                                       {"layer_id", "expert_id", "count"}};

bool is_header(const Columns& fields) {
  return std::find(kHeaders.begin(), kHeaders.end(), fields) != kHeaders.end();
}

bool is_number(std::string_view text) {
  const std::size_t first = text.find_first_not_of(' ');
  return first != std::string_view::npos && text.find_first_not_of("0123456789 ") == text.npos;
}

/// Tokens without steps: a table with a row for each layer and expert, or the bare matrix with a
/// layer a row, as `place --loads-file` takes it. The one entry holds for ever.
class LayerExpertCsv final : public RoutingImporter {
 public:
  bool recognises(const RoutingInput& input) const override {
    if (input.is_directory()) return false;
    const auto fields = first_csv_line(input.bytes());
    if (is_header(fields)) return true;
    return fields.size() > 1 && std::all_of(fields.begin(), fields.end(), is_number);
  }

  std::vector<RoutingLoad::Entry> import(const RoutingInput& input) const override {
    if (!is_header(first_csv_line(input.bytes()))) {
      return {{0, parse_load_matrix(input.bytes(), input.place())}};
    }
    CsvReader csv(input.bytes(), input.place());
    csv.next();
    LoadRows rows;
    while (csv.next()) {
      csv.require_columns(3, "layer,expert,tokens");
      const auto& fields = csv.fields();
      rows.add(csv, "0", fields[0], fields[1], fields[2]);
    }
    return rows.entries(input.place());
  }
};

const bool registered = routing_importers().add({
    .name = "layer-expert-csv",
    .summary = "CSV layer,expert,tokens or a matrix with a layer a row: loads that do not change",
    .make = [](ObjectReader&) -> std::unique_ptr<RoutingImporter> {
      return std::make_unique<LayerExpertCsv>();
    },
});

}  // namespace
}  // namespace bethany
