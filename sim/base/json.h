#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace bethany {

struct JsonMember;

/// A JSON value that remembers where it was written, so that every complaint can name the line.
/// Objects keep the order of their keys. Numbers written without fraction and exponent are
/// integers; everything else is real.
struct JsonNode {
  enum class Kind { null, boolean, integer, real, string, array, object };

  Kind kind = Kind::null;
  bool boolean = false;
  bool is_path = false;  // a file name: absolute here, written relative to where it is written
  std::int64_t integer = 0;
  double real = 0;
  std::string text;
  std::vector<JsonNode> items;
  std::list<JsonMember> members;  // a list: references to members stay valid while others are added
  int line = 0;                   // from 1; 0 when it comes from no file
  std::shared_ptr<const std::string> origin;  // file name, or "--set a.b=c"

  const JsonNode* find(std::string_view key) const;
  JsonNode* find(std::string_view key);
  /// The member of that name, made as null when it is missing. Makes this an object.
  JsonNode& member(std::string_view key);

  static JsonNode of(bool value);
  static JsonNode of(std::int64_t value);
  static JsonNode of(double value);
  static JsonNode of(std::string value);
  static JsonNode of(const char* value) { return of(std::string(value)); }
  static JsonNode array_of(std::vector<JsonNode> items);

  /// "file:line" or the `--set` that it comes from.
  std::string place() const;
};

struct JsonMember {
  std::string key;
  JsonNode value;
};

/// Deepest nesting that is read; deeper input is refused.
constexpr int kJsonDepth = 64;

/// Parses one JSON value; `//` and `/* */` comments are allowed.
/// Throws InputError (with `name` and line) on syntax errors, duplicate keys, integers beyond 64
/// bits and nesting beyond kJsonDepth.
JsonNode parse_json(std::string_view text, const std::string& name);

/// "array", "a string", … for messages.
std::string_view kind_in_words(JsonNode::Kind kind);

/// Writes the value with two spaces of indentation; arrays of scalars on one line. Doubles are
/// written as the shortest text that reads back the same; NaN and infinity as null. Paths are
/// written relative to `directory` when it is not empty.
std::string to_text(const JsonNode& value, const std::string& directory = "");

/// The same on one line, without spaces.
std::string to_line(const JsonNode& value);

}  // namespace bethany
