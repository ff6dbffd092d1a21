#include "sim/study/shape.h"

#include <cctype>
#include <map>

#include "sim/base/check.h"

namespace bethany {
namespace {

JsonNode typed(const char* type) {
  JsonNode node;
  node.member("type") = JsonNode::of(type);
  return node;
}

JsonNode quantity(const char* units) {
  auto node = typed("string");
  node.member("pattern") = JsonNode::of("^[0-9.]+([eE][+-]?[0-9]+)?(" + std::string(units) + ")$");
  return node;
}

JsonNode choice_of(const std::vector<std::string>& names) {
  std::vector<JsonNode> items;
  for (const auto& name : names) items.push_back(JsonNode::of(name));
  JsonNode node;
  node.member("enum") = JsonNode::array_of(std::move(items));
  return node;
}

JsonNode any_of(std::vector<JsonNode> alternatives) {
  if (alternatives.size() == 1) return std::move(alternatives.front());
  JsonNode node;
  node.member("anyOf") = JsonNode::array_of(std::move(alternatives));
  return node;
}

const std::map<std::string, JsonNode, std::less<>>& words() {
  static const std::map<std::string, JsonNode, std::less<>> table = {
      {"str", typed("string")},
      {"int", typed("integer")},
      {"num", typed("number")},
      {"bool", typed("boolean")},
      {"duration", quantity("ns|us|ms|s|min|h|d")},
      {"bytes", quantity("B|kB|MB|GB|TB|KiB|MiB|GiB|TiB")},
      {"bandwidth", quantity("[kMGT]?bps|[kMGT]?B/s")},
      {"flops", quantity("[kMGTP]?FLOPS")},
  };
  return table;
}

class Parser {
 public:
  Parser(std::string_view text, const NamesOfKind& names, std::set<std::string>& used)
      : text_(text), names_(names), used_(used) {}

  JsonNode all() {
    auto node = type();
    skip_space();
    BETHANY_CHECK(at_ == text_.size(), "shape: '{}' is left", text_.substr(at_));
    return node;
  }

 private:
  JsonNode type() {
    std::vector<JsonNode> alternatives;
    do {
      alternatives.push_back(base());
      if (take('?')) alternatives.push_back(typed("null"));
    } while (take('|'));
    return any_of(std::move(alternatives));
  }

  JsonNode base() {
    if (take('\'')) {
      const auto end = text_.find('\'', at_);
      BETHANY_CHECK(end != std::string_view::npos, "shape: a text without an end");
      const auto text = std::string(text_.substr(at_, end - at_));
      at_ = end + 1;
      JsonNode node;
      node.member("const") = JsonNode::of(text);
      return node;
    }
    if (take('#')) return choice_of(names_(word()));
    if (take('@')) {
      const auto name = word();
      used_.insert(name);
      JsonNode node;
      node.member("$ref") = JsonNode::of("#/definitions/" + name);
      return node;
    }
    if (take('[')) {
      auto node = typed("array");
      node.member("items") = type();
      expect(']');
      return node;
    }
    if (take('{')) return object();
    const auto name = word();
    if (name == "any") {
      JsonNode node;
      node.kind = JsonNode::Kind::object;
      return node;
    }
    const auto found = words().find(name);
    BETHANY_CHECK(found != words().end(), "shape: no type '{}'", name);
    return found->second;
  }

  JsonNode object() {
    auto node = typed("object");
    JsonNode properties;
    properties.kind = JsonNode::Kind::object;
    std::vector<JsonNode> required;
    auto others = JsonNode::of(false);
    while (!take('}')) {
      std::vector<std::string> keys;
      const bool rest = take('*');
      if (!rest) keys = take('#') ? names_(word()) : std::vector<std::string>{word()};
      const bool optional = take('?');
      expect(':');
      const auto value = type();
      if (rest) others = value;
      for (const auto& key : keys) {
        properties.member(key) = value;
        if (!optional) required.push_back(JsonNode::of(key));
      }
      if (!take(',')) {
        expect('}');
        break;
      }
    }
    node.member("properties") = std::move(properties);
    if (!required.empty()) node.member("required") = JsonNode::array_of(std::move(required));
    node.member("additionalProperties") = std::move(others);
    return node;
  }

  std::string word() {
    skip_space();
    const auto from = at_;
    while (at_ < text_.size() && (std::isalnum(static_cast<unsigned char>(text_[at_])) != 0 ||
                                  text_[at_] == '_' || text_[at_] == '-')) {
      ++at_;
    }
    BETHANY_CHECK(at_ > from, "shape: a word is missing before '{}'", text_.substr(from));
    return std::string(text_.substr(from, at_ - from));
  }

  void skip_space() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_])) != 0) ++at_;
  }

  bool take(char c) {
    skip_space();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  void expect(char c) {
    BETHANY_CHECK(take(c), "shape: '{}' is missing before '{}'", c, text_.substr(at_));
  }

  std::string_view text_;
  const NamesOfKind& names_;
  std::set<std::string>& used_;
  std::size_t at_ = 0;
};

}  // namespace

JsonNode schema_of(std::string_view shape, const NamesOfKind& names, std::set<std::string>& used) {
  return Parser(shape, names, used).all();
}

}  // namespace bethany
