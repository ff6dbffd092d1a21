#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "sim/base/error.h"
#include "sim/base/json.h"

namespace bethany {
namespace {

/// Walks the text for nlohmann's parser and knows how many lines lie behind it.
struct Cursor {
  std::string_view text;
  std::size_t position = 0;  // characters handed out
  std::size_t counted = 0;   // characters whose line ends are in `line`
  int line = 1;

  /// The line of the token that was just read. The lexer may have taken one character beyond it.
  int token_line() {
    const std::size_t last = position == 0 ? 0 : position - 1;
    for (; counted < last; ++counted) line += text[counted] == '\n' ? 1 : 0;
    return line;
  }
};

class CountingIterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  explicit CountingIterator(Cursor* cursor) : cursor_(cursor) {}
  CountingIterator() = default;

  reference operator*() const { return cursor_->text[cursor_->position]; }
  CountingIterator& operator++() {
    ++cursor_->position;
    return *this;
  }
  CountingIterator operator++(int) {
    auto before = *this;
    ++*this;
    return before;
  }
  friend bool operator==(const CountingIterator& a, const CountingIterator& b) {
    return a.at_end() == b.at_end();
  }
  friend bool operator!=(const CountingIterator& a, const CountingIterator& b) { return !(a == b); }

 private:
  bool at_end() const { return cursor_ == nullptr || cursor_->position >= cursor_->text.size(); }
  Cursor* cursor_ = nullptr;
};

/// Builds the tree from nlohmann's SAX events.
class TreeBuilder {
 public:
  TreeBuilder(Cursor* cursor, const std::string& name)
      : cursor_(cursor), origin_(std::make_shared<const std::string>(name)) {}

  bool null() { return put({}); }
  bool boolean(bool value) { return put(JsonNode::of(value)); }
  bool number_integer(std::int64_t value) { return put(JsonNode::of(value)); }
  bool number_unsigned(std::uint64_t value) {
    if (value > static_cast<std::uint64_t>(INT64_MAX)) fail(fmt::format("{} is too large", value));
    return put(JsonNode::of(static_cast<std::int64_t>(value)));
  }
  bool number_float(double value, const std::string& text) {
    if (!std::isfinite(value)) fail(fmt::format("{} is too large", text.substr(0, 40)));
    if (text.find_first_of(".eE") == std::string::npos) {
      fail(fmt::format("{} does not fit 64 bits", text.substr(0, 40)));
    }
    return put(JsonNode::of(value));
  }
  bool string(std::string& value) { return put(JsonNode::of(std::move(value))); }
  bool binary(std::vector<std::uint8_t>&) { return false; }
  bool start_object(std::size_t) { return open(JsonNode::Kind::object); }
  bool start_array(std::size_t) { return open(JsonNode::Kind::array); }
  bool end_object() { return close(); }
  bool end_array() { return close(); }
  bool key(std::string& key) {
    JsonNode& object = *open_.back();
    if (object.find(key) != nullptr) fail(fmt::format("duplicate key '{}'", key.substr(0, 80)));
    object.members.push_back({std::move(key), {}});
    return true;
  }
  bool parse_error(std::size_t, const std::string& token, const nlohmann::json::exception& error) {
    const bool ended =
        std::string_view(error.what()).find("unexpected end of input") != std::string_view::npos;
    fail(ended ? std::string("the JSON text ends too early")
               : fmt::format("not JSON at '{}'", printable(token)));
  }

  JsonNode take() { return std::move(root_); }

 private:
  static std::string printable(const std::string& token) {
    std::string text;
    for (const char c : token.substr(token.size() > 40 ? token.size() - 40 : 0)) {
      text += c >= 32 && c < 127 ? c : '?';
    }
    return text;
  }

  [[noreturn]] void fail(const std::string& message) {
    throw InputError(fmt::format("{}:{}: {}", *origin_, cursor_->token_line(), message));
  }

  JsonNode* place(JsonNode value) {
    value.line = cursor_->token_line();
    value.origin = origin_;
    if (open_.empty()) {
      root_ = std::move(value);
      return &root_;
    }
    JsonNode& parent = *open_.back();
    if (parent.kind == JsonNode::Kind::array) {
      parent.items.push_back(std::move(value));
      return &parent.items.back();
    }
    parent.members.back().value = std::move(value);
    return &parent.members.back().value;
  }

  bool put(JsonNode value) {
    place(std::move(value));
    return true;
  }

  bool open(JsonNode::Kind kind) {
    if (open_.size() >= kJsonDepth) fail(fmt::format("nested deeper than {}", kJsonDepth));
    JsonNode value;
    value.kind = kind;
    open_.push_back(place(std::move(value)));
    return true;
  }

  bool close() {
    open_.pop_back();
    return true;
  }

  Cursor* cursor_;
  std::shared_ptr<const std::string> origin_;
  JsonNode root_;
  std::vector<JsonNode*> open_;  // the parent's vector does not grow while its item is open
};

/// Whether a text stands in JSON as it is, between quotes.
bool is_plain(const std::string& text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return c >= ' ' && c <= '~' && c != '"' && c != '\\'; });
}

std::string quoted(const std::string& text) {
  if (is_plain(text))
    return '"' + text + '"';  // nearly all are; the long way takes ten times as long
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string scalar_text(const JsonNode& value, const std::string& directory) {
  switch (value.kind) {
    case JsonNode::Kind::null:
      return "null";
    case JsonNode::Kind::boolean:
      return value.boolean ? "true" : "false";
    case JsonNode::Kind::integer:
      return fmt::format("{}", value.integer);
    case JsonNode::Kind::real: {
      if (!std::isfinite(value.real)) return "null";
      auto text = fmt::format("{}", value.real);
      if (text.find_first_of(".e") == std::string::npos) text += ".0";
      return text;
    }
    default:
      if (value.is_path && !directory.empty()) {
        const auto relative =
            std::filesystem::path(value.text).lexically_relative(std::filesystem::path(directory));
        if (!relative.empty()) return quoted(relative.string());
      }
      return quoted(value.text);
  }
}

bool is_container(const JsonNode& value) {
  return value.kind == JsonNode::Kind::array || value.kind == JsonNode::Kind::object;
}

bool is_flat(const JsonNode& array) {
  for (const auto& item : array.items) {
    if (is_container(item) && !(item.items.empty() && item.members.empty())) return false;
  }
  return true;
}

void write(const JsonNode& value, const std::string& directory, std::size_t indent,
           std::string& out) {
  if (!is_container(value)) {
    out += scalar_text(value, directory);
    return;
  }
  const bool object = value.kind == JsonNode::Kind::object;
  if (value.items.empty() && value.members.empty()) {
    out += object ? "{}" : "[]";
    return;
  }
  const bool flat = !object && is_flat(value);
  const std::string separator = flat ? ", " : ",\n" + std::string(indent + 2, ' ');
  out += object ? "{" : "[";
  if (!flat) out += "\n" + std::string(indent + 2, ' ');
  bool first = true;
  for (const auto& item : value.items) {
    if (!first) out += separator;
    first = false;
    write(item, directory, indent + 2, out);
  }
  for (const auto& member : value.members) {
    if (!first) out += separator;
    first = false;
    out += quoted(member.key) + ": ";
    write(member.value, directory, indent + 2, out);
  }
  if (!flat) out += "\n" + std::string(indent, ' ');
  out += object ? "}" : "]";
}

void write_line(const JsonNode& value, std::string& out) {
  if (!is_container(value)) {
    out += scalar_text(value, "");
    return;
  }
  const bool object = value.kind == JsonNode::Kind::object;
  out += object ? '{' : '[';
  bool first = true;
  for (const auto& item : value.items) {
    if (!first) out += ',';
    first = false;
    write_line(item, out);
  }
  for (const auto& member : value.members) {
    if (!first) out += ',';
    first = false;
    out += quoted(member.key);
    out += ':';
    write_line(member.value, out);
  }
  out += object ? '}' : ']';
}

}  // namespace

const JsonNode* JsonNode::find(std::string_view key) const {
  for (const auto& m : members) {
    if (m.key == key) return &m.value;
  }
  return nullptr;
}

JsonNode* JsonNode::find(std::string_view key) {
  return const_cast<JsonNode*>(static_cast<const JsonNode&>(*this).find(key));
}

JsonNode& JsonNode::member(std::string_view key) {
  kind = Kind::object;
  if (auto* found = find(key)) return *found;
  members.push_back({std::string(key), {}});
  return members.back().value;
}

JsonNode JsonNode::of(bool value) {
  JsonNode node;
  node.kind = Kind::boolean;
  node.boolean = value;
  return node;
}

JsonNode JsonNode::of(std::int64_t value) {
  JsonNode node;
  node.kind = Kind::integer;
  node.integer = value;
  return node;
}

JsonNode JsonNode::of(double value) {
  JsonNode node;
  node.kind = Kind::real;
  node.real = value;
  return node;
}

JsonNode JsonNode::of(std::string value) {
  JsonNode node;
  node.kind = Kind::string;
  node.text = std::move(value);
  return node;
}

JsonNode JsonNode::array_of(std::vector<JsonNode> items) {
  JsonNode node;
  node.kind = Kind::array;
  node.items = std::move(items);
  return node;
}

std::string JsonNode::place() const {
  if (!origin) return "(built in)";
  return line > 0 ? fmt::format("{}:{}", *origin, line) : *origin;
}

JsonNode parse_json(std::string_view text, const std::string& name) {
  Cursor cursor{.text = text};
  TreeBuilder builder(&cursor, name);
  nlohmann::json::sax_parse(CountingIterator(&cursor), CountingIterator(), &builder,
                            nlohmann::json::input_format_t::json, true, true);
  return builder.take();
}

std::string_view kind_in_words(JsonNode::Kind kind) {
  switch (kind) {
    case JsonNode::Kind::null:
      return "null";
    case JsonNode::Kind::boolean:
      return "true or false";
    case JsonNode::Kind::integer:
      return "a whole number";
    case JsonNode::Kind::real:
      return "a number with a fraction";
    case JsonNode::Kind::string:
      return "a text";
    case JsonNode::Kind::array:
      return "an array";
    case JsonNode::Kind::object:
      return "an object";
  }
  return "?";
}

std::string to_text(const JsonNode& value, const std::string& directory) {
  std::string out;
  write(value, directory, 0, out);
  return out;
}

std::string to_line(const JsonNode& value) {
  std::string out;
  write_line(value, out);
  return out;
}

}  // namespace bethany
