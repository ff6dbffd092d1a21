#include "sim/model/routing_import.h"
#include "traces/routing/csv_loads.h"

namespace bethany {
namespace {

const std::vector<std::string_view> kColumns = {"step", "layer", "expert", "tokens"};

/// "My own log": a row for each step, layer and expert.
class LoadCsv final : public RoutingImporter {
 public:
  bool recognises(const RoutingInput& input) const override {
    return !input.is_directory() && first_csv_line(input.bytes()) == kColumns;
  }

  std::vector<RoutingLoad::Entry> import(const RoutingInput& input) const override {
    CsvReader csv(input.bytes(), input.place());
    csv.next();
    if (csv.fields() != kColumns) csv.fail("expected the header step,layer,expert,tokens");
    LoadRows rows;
    while (csv.next()) {
      csv.require_columns(kColumns.size(), "step,layer,expert,tokens");
      const auto& fields = csv.fields();
      rows.add(csv, fields[0], fields[1], fields[2], fields[3]);
    }
    return rows.entries(input.place());
  }
};

const bool registered = routing_importers().add({
    .name = "load-csv",
    .summary = "CSV with the header step,layer,expert,tokens",
    .make = [](ObjectReader&) -> std::unique_ptr<RoutingImporter> {
      return std::make_unique<LoadCsv>();
    },
});

}  // namespace
}  // namespace bethany
