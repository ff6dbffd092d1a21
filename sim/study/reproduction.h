#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "analysis/table.h"
#include "sim/base/json.h"

namespace bethany {

/// What a published number was to the parameters that the simulation uses.
enum class RowRole {
  predicted,  // no parameter was chosen with it in view
  selected,   // the parameters were picked among plausible ones with it in view, not for it alone
  fitted,     // it fixed a parameter
};
std::string_view name_of(RowRole role);

/// One published number beside what the simulator says.
struct ReproducedRow {
  std::string id;        // "a/gpt-l/5min/ds": experiment, then what
  std::string quantity;  // in words
  std::string unit;      // ratio, s, steps, samples/s, share or experts
  std::optional<double> published;
  std::vector<double> draws;  // simulated, a value a draw; empty when an input is missing
  RowRole role = RowRole::predicted;
  std::string source;  // where the number stands
  std::string note;    // why it is missed, or how it is counted

  std::optional<double> mean() const;
  std::optional<double> low() const;
  std::optional<double> high() const;
  /// mean / published - 1; empty without either.
  std::optional<double> relative_error() const;
};

/// A published statement that is no number, checked in every draw.
struct ReproducedStatement {
  std::string id;
  std::string statement;
  std::int64_t held = 0;
  std::int64_t draws = 0;  // 0: an input is missing
  std::string source;
  std::string note;
};

struct Reproduction {
  std::string paper;
  std::string parameters;  // where they come from, in a sentence
  int draws = 0;
  std::vector<ReproducedRow> rows;
  std::vector<ReproducedStatement> statements;
  std::vector<std::string> missing_inputs;
};

struct ReproduceOptions {
  int draws = 20;
  int threads = 1;
  std::string traces;             // folder of public traces ($BETHANY_TRACES); empty: none
  bool generated_loads = false;   // the generator zipf-drift instead of the published routing log
  std::vector<std::string> only;  // experiments by the beginning of their names; empty: all
  std::string directory;          // scenarios are written here; empty: nowhere
};

/// Names of papers that reproduce() knows, with a line of description.
struct PaperInfo {
  std::string name;
  std::string summary;
};
std::vector<PaperInfo> reproducible_papers();

/// Runs the experiments of a paper. Pure but for options.directory: equal inputs give equal rows,
/// for any number of threads. Throws InputError on an unknown paper or experiment.
Reproduction reproduce(const std::string& paper, const ReproduceOptions& options);

/// The answer of `bethany reproduce` (DESIGN §7).
JsonNode reproduction_answer(const Reproduction& reproduction);
/// The same for people: the table, statements, the summary of errors, a sentence on each miss.
std::string reproduction_text(const Reproduction& reproduction, TableFormat format);

/// Errors of the rows of one role, in words: "7 rows, off by 6.1 % in the mean, 14 % at most".
/// Empty without rows.
std::string error_summary(const Reproduction& reproduction, RowRole role);

}  // namespace bethany
