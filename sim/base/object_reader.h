#pragma once

#include <limits>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "sim/base/json.h"
#include "sim/base/quantities.h"

namespace bethany {

/// Reads the keys of one JSON object, each asked for once, and refuses the rest.
///
/// Every value that is read, given or default, is also written into `effective`, in canonical text.
/// So the complete effective scenario is what the readers read: it cannot differ from what runs.
/// Every complaint is an InputError "FILE:LINE: /path: …" (or "--set …: /path: …").
/// A member of value null counts as absent.
class ObjectReader {
 public:
  /// Reads `node` (an object, or null for an empty one), found at `path` ("" for the root).
  /// `effective` outlives the reader; what it holds already is kept.
  ObjectReader(const JsonNode& node, std::string path, JsonNode* effective = nullptr);

  bool has(std::string_view key) const;

  /// Values. Without `fallback` the key is required. Numbers outside low..high are refused.
  std::int64_t integer(std::string_view key, std::int64_t low, std::int64_t high,
                       std::optional<std::int64_t> fallback = {});
  double real(std::string_view key, double low, double high, std::optional<double> fallback = {});
  bool boolean(std::string_view key, std::optional<bool> fallback = {});
  std::string string(std::string_view key, std::optional<std::string> fallback = {});
  /// One of `choices`; otherwise the nearest is named.
  std::string choice(std::string_view key, const std::vector<std::string>& choices,
                     std::optional<std::string> fallback = {});
  Duration duration(std::string_view key, std::optional<Duration> fallback = {},
                    Duration low = Duration(0), Duration high = kLongest);
  Bytes bytes(std::string_view key, std::optional<Bytes> fallback = {});
  Bandwidth bandwidth(std::string_view key, std::optional<Bandwidth> fallback = {});
  FlopRate flop_rate(std::string_view key, std::optional<FlopRate> fallback = {});
  /// A file name, made absolute: relative to the file the value stands in, or to the working
  /// directory for a value given with `--set`.
  std::string file(std::string_view key, std::optional<std::string> fallback = {});
  std::vector<std::int64_t> integers(std::string_view key, std::int64_t low, std::int64_t high,
                                     std::optional<std::vector<std::int64_t>> fallback = {});
  std::vector<std::string> strings(std::string_view key,
                                   std::optional<std::vector<std::string>> fallback = {});

  /// The reader of a nested object; of an empty one when the key is missing and not `required`.
  ObjectReader object(std::string_view key, bool required = false);
  /// The raw value, or null when missing; marks the key as read. Nothing is written to effective.
  const JsonNode* raw(std::string_view key);

  /// Writes a value that is known only now (a default that depends on other files).
  void set_effective(std::string_view key, JsonNode value);
  JsonNode* effective(std::string_view key);

  /// The keys of the object in the order written; for maps with free keys.
  std::vector<std::string> keys() const;

  /// Refuses keys nobody asked for, naming the nearest that was. Call it last.
  void finish();

  /// Throws InputError naming the value of `key` (or the object when it has none).
  [[noreturn]] void fail(std::string_view key, const std::string& message) const;
  const std::string& path() const { return path_; }
  std::string place(std::string_view key = "") const;

 private:
  const JsonNode* take(std::string_view key, bool required);
  const JsonNode* value_of_kind(std::string_view key, bool required, JsonNode::Kind kind);
  void write(std::string_view key, JsonNode value);
  template <class T>
  T quantity(std::string_view key, const std::optional<T>& fallback,
             std::optional<T> (*parse)(std::string_view), std::string_view example);

  const JsonNode* node_;
  std::string path_;
  JsonNode* effective_;
  std::set<std::string, std::less<>> asked_;
};

}  // namespace bethany
