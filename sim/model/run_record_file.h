#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sim/model/run_record.h"

namespace bethany {

/// Version of `events.jsonl` that is written, and the only one that is read.
constexpr int kRecordVersion = 1;

/// What stands beside the facts of a run.
struct RecordHeader {
  std::vector<std::string> node_names;  // by NodeId; may be empty
};

/// Writes the facts of one run as JSON Lines: a header line, then one object a fact, every integer
/// exact (128-bit ones as decimal text). Fields: analysis/README.md. Keeps the text in memory; the
/// caller stores it with write_output().
class RecordWriter final : public RunSink {
 public:
  explicit RecordWriter(const RecordHeader& header = {});
  void take(const RunEvent& event) override;
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

/// The first line of a record. Throws InputError as read_record() does.
RecordHeader read_record_header(std::string_view bytes, const std::string& place);

/// Feeds the facts of a record to `sink`, in order. What a RunEvent points to (the cause of a loss)
/// is valid during take() only.
/// Ensures: the first fact is RunStarted, the last RunEnded; counters and ledger agree with the
/// facts before them. Throws InputError (`place`, line, key) when the text breaks that, or has an
/// unknown version, event or key, a missing or doubled key, or a number out of range. `sink` may
/// have taken facts by then.
RecordHeader read_record(std::string_view bytes, const std::string& place, RunSink& sink);

}  // namespace bethany
