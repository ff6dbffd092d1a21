#include "sim/study/sweep/manifest.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "sim/base/digest.h"
#include "sim/base/error.h"
#include "sim/base/files.h"
#include "sim/base/object_reader.h"

namespace bethany {
namespace {

namespace fs = std::filesystem;

constexpr char kSchema[] = "bethany/sweep-manifest/1";
constexpr std::int64_t kMost = std::int64_t{1} << 40;

std::string last_part(const std::string& key) { return key.substr(key.rfind('.') + 1); }

/// Where a relative file name of this value is looked for, as ObjectReader::file() does.
fs::path base_of(const JsonNode& value) {
  return value.line > 0 && value.origin ? fs::path(*value.origin).parent_path() : fs::path();
}

std::string sha256_of(const fs::path& path) {
  if (!fs::is_directory(path)) return sha256(read_input(path.string()));
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(path)) {
    if (entry.is_regular_file()) names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  std::string listing;
  for (const auto& name : names) {
    listing += fmt::format("{} {}\n", sha256(read_input((path / name).string())), name);
  }
  return sha256(listing);
}

void collect(const JsonNode& node, const std::string& key, std::vector<NamedFile>& files) {
  if (auto file = named_file(key, node)) files.push_back(std::move(*file));
  for (const auto& member : node.members) {
    collect(member.value, key.empty() ? member.key : key + "." + member.key, files);
  }
}

/// The value of a.b.c, or null.
JsonNode* at_key(JsonNode& tree, const std::string& key) {
  JsonNode* node = &tree;
  std::size_t from = 0;
  while (node != nullptr && from <= key.size()) {
    const std::size_t to = std::min(key.find('.', from), key.size());
    node = node->find(key.substr(from, to - from));
    from = to + 1;
  }
  return node;
}

void sort_keys(JsonNode& node) {
  node.members.sort([](const JsonMember& a, const JsonMember& b) { return a.key < b.key; });
  for (auto& member : node.members) sort_keys(member.value);
  for (auto& item : node.items) sort_keys(item);
}

void remove(JsonNode& node, const std::string& key) {
  node.members.remove_if([&](const JsonMember& member) { return member.key == key; });
}

/// Calls `change` with every text of a manifest that is a file name.
template <class Change>
void each_path(JsonNode& manifest, const Change& change) {
  JsonNode* scenario = manifest.find("scenario");
  JsonNode* files = manifest.find("files");
  if (scenario == nullptr || files == nullptr) return;
  for (auto& file : files->items) {
    JsonNode* path = file.find("path");
    const JsonNode* key = file.find("key");
    if (path == nullptr || key == nullptr) continue;
    JsonNode* named = at_key(*scenario, key->text);
    const bool in_tree = named != nullptr && named->text == path->text;
    if (in_tree) change(*named);
    change(*path);
  }
}

/// All of a manifest that decides results.
JsonNode question_of(JsonNode manifest) {
  each_path(manifest, [](JsonNode& path) { path = JsonNode{}; });
  for (const char* key : {"hash", "shard"}) remove(manifest, key);
  sort_keys(manifest);
  return manifest;
}

std::string short_line(const JsonNode* node) {
  if (node == nullptr) return "absent";
  const auto line = to_line(*node);
  return line.size() <= 60 ? line : line.substr(0, 57) + "…";
}

/// The first difference below `path`, or nothing.
std::string differ(const JsonNode* there, const JsonNode* here, const std::string& path) {
  if (there == nullptr || here == nullptr || there->kind != here->kind ||
      there->items.size() != here->items.size()) {
    return fmt::format("{} is {} there and {} here", path.empty() ? "it" : path, short_line(there),
                       short_line(here));
  }
  for (std::size_t i = 0; i < there->items.size(); ++i) {
    const auto found = differ(&there->items[i], &here->items[i], fmt::format("{}/{}", path, i));
    if (!found.empty()) return found;
  }
  for (const auto& member : there->members) {
    const auto found = differ(&member.value, here->find(member.key), path + "/" + member.key);
    if (!found.empty()) return found;
  }
  for (const auto& member : here->members) {
    if (there->find(member.key) == nullptr) {
      return differ(nullptr, &member.value, path + "/" + member.key);
    }
  }
  const bool inner = !there->members.empty() || !there->items.empty();
  if (inner || to_line(*there) == to_line(*here)) return "";
  return fmt::format("{} is {} there and {} here", path, short_line(there), short_line(here));
}

}  // namespace

std::optional<NamedFile> named_file(const std::string& key, const JsonNode& value) {
  const auto last = last_part(key);
  const bool may_be =
      last == "file" || last == "config" || (last == "profile" && is_file_name(value.text));
  if (value.kind != JsonNode::Kind::string || !may_be || value.text.empty()) return {};
  fs::path path(value.text);
  if (path.is_relative()) path = fs::absolute(base_of(value) / path);
  path = path.lexically_normal();
  std::error_code ignored;
  if (!fs::is_regular_file(path, ignored) && !fs::is_directory(path, ignored)) return {};
  return NamedFile{.key = key, .path = path.string(), .sha256 = sha256_of(path)};
}

std::vector<NamedFile> named_files(const JsonNode& tree) {
  std::vector<NamedFile> files;
  collect(tree, "", files);
  return files;
}

JsonNode files_answer(const std::vector<NamedFile>& files, const std::string& directory) {
  std::vector<JsonNode> answer;
  for (const auto& file : files) {
    JsonNode entry;
    entry.member("key") = JsonNode::of(file.key);
    entry.member("path") = JsonNode::of(fs::path(file.path).lexically_relative(directory).string());
    entry.member("sha256") = JsonNode::of(file.sha256);
    answer.push_back(std::move(entry));
  }
  return JsonNode::array_of(std::move(answer));
}

JsonNode with_paths(JsonNode tree, const std::vector<NamedFile>& files,
                    const std::string& directory) {
  for (const auto& file : files) {
    if (!file.in_tree) continue;
    at_key(tree, file.key)->text = fs::path(file.path).lexically_relative(directory).string();
  }
  return tree;
}

std::string difference(const JsonNode& there, const JsonNode& here) {
  const auto before = question_of(there);
  const auto now = question_of(here);
  return differ(&before, &now, "");
}

std::string manifest_hash(const JsonNode& manifest) {
  return sha256(to_line(question_of(manifest)));
}

Manifest read_manifest(const std::string& path) {
  Manifest manifest;
  manifest.tree = parse_json(read_input(path), path);
  ObjectReader reader(manifest.tree, "");
  const auto schema = reader.string("schema", "");
  if (schema != kSchema) {
    throw InputError(fmt::format("{}: not the manifest of a sweep ({})", path, kSchema));
  }
  manifest.hash = reader.string("hash");
  manifest.runs = reader.integer("runs", 1, kMost);
  if (reader.has("shard")) {
    auto shard = reader.object("shard");
    manifest.shard.count = shard.integer("count", 1, kMost);
    manifest.shard.index = shard.integer("index", 0, manifest.shard.count - 1);
  }
  if (manifest_hash(manifest.tree) != manifest.hash) {
    throw InputError(fmt::format("{}: was changed: its hash is not that of what it says", path));
  }
  return manifest;
}

JsonNode moved(JsonNode manifest, const std::string& from, const std::string& to) {
  const auto source = fs::absolute(from).lexically_normal();
  const auto target = fs::absolute(to).lexically_normal();
  each_path(manifest, [&](JsonNode& path) {
    const auto absolute = (source / path.text).lexically_normal();
    path.text = absolute.lexically_relative(target).string();
  });
  return manifest;
}

JsonNode shard_answer(const Shard& shard) {
  JsonNode answer;
  if (shard.whole()) return answer;
  answer.member("index") = JsonNode::of(shard.index);
  answer.member("count") = JsonNode::of(shard.count);
  return answer;
}

}  // namespace bethany
