#pragma once

// Directories as `replay -o` and `compare -o` write them, from hand-made streams.

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "analysis/compare_answer.h"
#include "analysis/report/report_data.h"
#include "sim/model/run_record_file.h"
#include "tests/analysis/streams.h"
#include "tests/support/process.h"

namespace bethany::test {

using Stream = std::vector<RunEvent>;

inline RunResult result_of(const Stream& events, std::optional<double> usd_per_node_hour = {}) {
  SummaryFold fold({.usd_per_node_hour = usd_per_node_hour, .recovery_cache = {}});
  streams::feed(events, fold);
  RunResult result;
  result.summary = fold.summary();
  result.context.trace.name = "by hand";
  result.context.profile.name = "none";
  result.context.profile.kind = "assumed";
  return result;
}

/// A directory of results, removed at the end.
class ResultDirectory {
 public:
  const std::string& path() const { return directory_.path(); }
  std::string file(const std::string& name) const { return path() + "/" + name; }
  void write(const std::string& name, const std::string& text) const {
    std::filesystem::create_directories(std::filesystem::path(file(name)).parent_path());
    directory_.write(name, text);
  }
  void change(const std::string& name, const std::string& from, const std::string& to) const {
    std::string text = read_text(file(name));
    const auto place = text.find(from);
    if (place == std::string::npos) throw std::runtime_error("no " + from + " in " + name);
    write(name, text.replace(place, from.size(), to));
  }

  /// What `replay -o` writes, below `folder` ("" or "00-name/").
  void write_run(const Stream& events, const std::string& folder = "") const {
    RecordWriter record({.node_names = {"a", "b", "c", "d", "e"}});
    streams::feed(events, record);
    write(folder + "events.jsonl", record.text());
    write(folder + "summary.json", to_text(replay_answer(result_of(events))) + "\n");
  }
  void write_replay(const Stream& events) const {
    write("scenario.json", "{}\n");
    write_run(events);
  }
  /// What `compare -o` of one trace writes.
  void write_comparison(const std::vector<Stream>& runs) const {
    write("scenario.json", "{}\n");
    std::vector<RunResult> results;
    for (const auto& events : runs) {
      results.push_back(result_of(events));
      results.back().summary.is_bound = results.back().summary.policy == "ideal";
      write_run(events, kept_directory(results.size() - 1, results.back().summary.policy) + "/");
    }
    const Replications one{.runs = {results}, .drawn = "", .scope = ""};
    const auto answer = compare_answer(one, compare_on_replications(one));
    write("comparison.json", to_text(answer) + "\n");
  }

 private:
  TemporaryDirectory directory_;
};

}  // namespace bethany::test
