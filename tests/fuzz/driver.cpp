// Runs a fuzz target without libFuzzer: on every file of a corpus folder, and on seeded mutations
// of them. A crash, a hang or a sanitizer's complaint is the failure.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "sim/base/random.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

constexpr int kMutationsOfEach = 400;

void run(const std::string& input) {
  LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(input.data()), input.size());
}

/// Flips, inserts, removes, repeats and cuts; mixes in a piece of another input.
std::string mutate(const std::string& input, const std::string& other, bethany::Rng& rng) {
  static const std::vector<std::string> kWords = {
      "\n",       "\r\n", "\"",      "{",
      "}",        "[",    "]",       ",",
      ":",        "-1",   "1e999",   "9223372036854775808",
      "null",     "NaN",  "\\u0000", std::string(1, '\0'),
      "\xff\xfe", "lost", "join",    "remove",
      "0s"};
  std::string text = input;
  const std::uint64_t changes = 1 + rng.below(4);
  for (std::uint64_t i = 0; i < changes; ++i) {
    const std::size_t place = rng.below(text.size() + 1);
    switch (rng.below(7)) {
      case 0:
        if (place < text.size()) text[place] = static_cast<char>(rng.below(256));
        break;
      case 1:
        text.insert(place, kWords[rng.below(kWords.size())]);
        break;
      case 2:
        text.erase(place, rng.below(20));
        break;
      case 3:
        text.insert(place, text.substr(rng.below(text.size() + 1), rng.below(80)));
        break;
      case 4:
        text.resize(place);
        break;
      case 5:
        text.insert(place, other.substr(rng.below(other.size() + 1), rng.below(80)));
        break;
      default:
        if (place < text.size()) text[place] = static_cast<char>('0' + rng.below(10));
    }
  }
  return text;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s CORPUS\n", argv[0]);
    return 2;
  }
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(argv[1])) {
    files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  std::vector<std::string> corpus = {""};
  for (const auto& path : files) {
    std::ifstream in(path, std::ios::binary);
    corpus.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
  }
  const bethany::RngStreams streams(1, 0);
  for (std::size_t i = 0; i < corpus.size(); ++i) {
    run(corpus[i]);
    auto rng = streams.stream("fuzz", i);
    for (int j = 0; j < kMutationsOfEach; ++j) {
      run(mutate(corpus[i], corpus[rng.below(corpus.size())], rng));
    }
  }
  std::printf("%zu inputs and %zu mutations\n", corpus.size(),
              corpus.size() * static_cast<std::size_t>(kMutationsOfEach));
  return corpus.size() > 1 ? 0 : 1;  // a corpus without files tests nothing
}
