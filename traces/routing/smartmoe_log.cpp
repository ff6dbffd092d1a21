#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <set>

#include "sim/base/error.h"
#include "sim/model/routing_import.h"

namespace bethany {
namespace {

constexpr std::int64_t kMostIteration = 1'000'000'000'000;
constexpr std::int64_t kMostRank = 1'000'000;
/// Largest load of one expert, micro-batch and rank; keeps every sum below 2^62.
constexpr std::int64_t kMostLoad = 1'000'000'000'000;

/// What one file holds: the selections of one rank at one iteration.
struct RankLoads {
  int layers = 0;
  int batches = 0;
  int experts = 0;
  std::int64_t row_sum = 0;          // the same in every row of every file
  std::vector<std::int64_t> values;  // [layer][expert], summed over micro-batches
};

/// Reads a file: a line `layer:[[…],[…]]` for each layer, in it a row for each micro-batch, in it a
/// whole number, written as a float, for each expert.
class RankFile {
 public:
  /// Every row must sum to `row_sum`, unless it is 0.
  RankFile(std::string_view text, std::string place, std::int64_t row_sum)
      : text_(text), place_(std::move(place)) {
    loads_.row_sum = row_sum;
  }

  RankLoads read() {
    for (skip_blanks(); at_ < text_.size(); skip_blanks()) {
      read_layer();
      if (at_ < text_.size() && text_[at_] == '\r') ++at_;
      if (at_ < text_.size()) expect('\n');
      ++line_;
    }
    if (loads_.layers == 0) throw InputError(place_ + ": the file is empty");
    return std::move(loads_);
  }

 private:
  [[noreturn]] void fail(const std::string& message) const {
    throw InputError(fmt::format("{}:{}: {}", place_, line_, message));
  }

  void skip_blanks() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t')) ++at_;
  }

  bool take(char c) {
    skip_blanks();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  void expect(char c) {
    if (take(c)) return;
    const auto wanted = c == '\n' ? std::string("the end of the line") : fmt::format("'{}'", c);
    fail(fmt::format("expected {}: a line is LAYER:[[…],[…]]", wanted));
  }

  std::int64_t whole_number() {
    skip_blanks();
    std::int64_t value = 0;
    const auto [end, error] =
        std::from_chars(text_.data() + at_, text_.data() + text_.size(), value);
    if (error != std::errc() || value < 0 || value > kMostLoad) {
      fail(fmt::format("expected a whole number from 0 to {}", kMostLoad));
    }
    at_ = static_cast<std::size_t>(end - text_.data());
    if (at_ < text_.size() && text_[at_] == '.') {
      ++at_;
      while (at_ < text_.size() && text_[at_] == '0') ++at_;
    }
    if (at_ < text_.size() &&
        std::string_view(",]: \t").find(text_[at_]) == std::string_view::npos) {
      fail(fmt::format("{} is followed by '{}': expected a whole number", value, text_[at_]));
    }
    return value;
  }

  void read_layer() {
    if (whole_number() != loads_.layers) {
      fail(fmt::format("expected layer {}: layers come in order", loads_.layers));
    }
    expect(':');
    expect('[');
    int batches = 0;
    do {
      expect('[');
      read_row(batches == 0);
      ++batches;
    } while (take(','));
    expect(']');
    skip_blanks();
    if (loads_.layers == 0) loads_.batches = batches;
    if (batches != loads_.batches) {
      fail(fmt::format("{} micro-batches, layer 0 has {}", batches, loads_.batches));
    }
    ++loads_.layers;
  }

  std::string row_complaint() const {
    return fmt::format("a row without exactly {} experts", loads_.experts);
  }

  void read_row(bool first_of_layer) {
    const auto begin =
        static_cast<std::size_t>(loads_.layers) * static_cast<std::size_t>(loads_.experts);
    const bool first = loads_.layers == 0 && first_of_layer;
    int experts = 0;
    std::int64_t sum = 0;
    do {
      const std::int64_t value = whole_number();
      const std::size_t place = begin + static_cast<std::size_t>(experts);
      if (!first && experts == loads_.experts) fail(row_complaint());
      if (place == loads_.values.size()) loads_.values.push_back(0);
      loads_.values[place] += value;
      sum += value;
      ++experts;
    } while (take(','));
    if (first) loads_.experts = experts;
    if (experts != loads_.experts || !take(']')) {
      fail(row_complaint());
    }
    if (loads_.row_sum == 0) loads_.row_sum = sum;
    if (sum == 0 || sum != loads_.row_sum) {
      fail(fmt::format("a row sums to {}; every row has as many selections: {}", sum,
                       loads_.row_sum));
    }
  }

  std::string_view text_;
  std::string place_;
  std::size_t at_ = 0;
  int line_ = 1;
  RankLoads loads_;
};

struct FileName {
  std::int64_t iteration = 0;
  std::int64_t rank = 0;
  std::string name;
};

/// Takes `word` and then a number off the front.
bool take_number(std::string_view& text, std::string_view word, std::int64_t most,
                 std::int64_t& number) {
  if (!text.starts_with(word)) return false;
  text.remove_prefix(word.size());
  if (text.empty() || text.front() < '0' || text.front() > '9') return false;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return error == std::errc() && number <= most;
}

/// `table_iter<I>_rank<R>.log` without leading zeros: empty for any other name.
std::optional<FileName> file_name(const std::string& name) {
  FileName result{.name = name};
  std::string_view rest = name;
  if (!take_number(rest, "table_iter", kMostIteration, result.iteration) ||
      !take_number(rest, "_rank", kMostRank, result.rank) ||
      name != fmt::format("table_iter{}_rank{}.log", result.iteration, result.rank)) {
    return std::nullopt;
  }
  return result;
}

/// The log of the SmartMoE artifact: a directory with a file for each iteration and rank. Iteration
/// I is step I - 1, because iterations count from 1.
class SmartMoeLog final : public RoutingImporter {
 public:
  explicit SmartMoeLog(ObjectReader& options)
      : all_ranks_(options.choice("ranks", {"all", "any"}, "any") == "all") {}

  bool recognises(const RoutingInput& input) const override {
    return input.is_directory() && !files_of(input, false).empty();
  }

  std::vector<RoutingLoad::Entry> import(const RoutingInput& input) const override {
    if (!input.is_directory()) {
      throw InputError(input.place() + ": expected a directory of files table_iter<I>_rank<R>.log");
    }
    const auto files = files_of(input, true);
    if (files.empty()) {
      throw InputError(input.place() + ": no file table_iter<I>_rank<R>.log in this directory");
    }
    std::set<std::int64_t> ranks;
    for (const auto& file : files) ranks.insert(file.rank);
    std::vector<RoutingLoad::Entry> entries;
    RankLoads shape;
    std::string shape_of;
    for (std::size_t i = 0; i < files.size();) {
      std::size_t end = i;
      while (end < files.size() && files[end].iteration == files[i].iteration) ++end;
      if (all_ranks_ && end - i < ranks.size()) {
        i = end;
        continue;
      }
      if (files[i].iteration < 1) {
        throw InputError(input.place_of(files[i].name) + ": iterations count from 1");
      }
      auto& entry = entries.emplace_back();
      entry.step = files[i].iteration - 1;
      for (; i < end; ++i) {
        const auto place = input.place_of(files[i].name);
        auto loads = RankFile(input.read(files[i].name), place, shape.row_sum).read();
        if (shape_of.empty()) {
          shape = loads;
          shape_of = files[i].name;
        }
        check_shape(loads, shape, place, shape_of);
        if (entry.shares.layers == 0) entry.shares = LoadMatrix(loads.layers, loads.experts);
        for (std::size_t e = 0; e < loads.values.size(); ++e) {
          entry.shares.values[e] += loads.values[e];
        }
      }
    }
    if (entries.empty()) {
      throw InputError(
          fmt::format("{}: no iteration has all {} ranks", input.place(), ranks.size()));
    }
    return entries;
  }

 private:
  /// By iteration, then by rank.
  static std::vector<FileName> files_of(const RoutingInput& input, bool strict) {
    std::vector<FileName> files;
    for (const auto& name : input.names()) {
      if (auto file = file_name(name)) {
        files.push_back(*std::move(file));
      } else if (name.starts_with("table_iter") && name.ends_with(".log") && strict) {
        throw InputError(input.place_of(name) +
                         ": the name is not table_iter<I>_rank<R>.log with whole numbers");
      }
    }
    std::sort(files.begin(), files.end(), [](const FileName& a, const FileName& b) {
      if (a.iteration != b.iteration) return a.iteration < b.iteration;
      if (a.rank != b.rank) return a.rank < b.rank;
      return a.name < b.name;
    });
    return files;
  }

  static void check_shape(const RankLoads& loads, const RankLoads& shape, const std::string& place,
                          const std::string& shape_of) {
    if (loads.layers == shape.layers && loads.batches == shape.batches &&
        loads.experts == shape.experts) {
      return;
    }
    throw InputError(
        fmt::format("{}: {} layers of {} micro-batches of {} experts; {} has {} of {} of {}", place,
                    loads.layers, loads.batches, loads.experts, shape_of, shape.layers,
                    shape.batches, shape.experts));
  }

  bool all_ranks_;
};

const bool registered = routing_importers().add({
    .name = "smartmoe-log",
    .summary = "directory of table_iter<I>_rank<R>.log (SmartMoE artifact, used by Lazarus)",
    .make = [](ObjectReader& options) -> std::unique_ptr<RoutingImporter> {
      return std::make_unique<SmartMoeLog>(options);
    },
});

}  // namespace
}  // namespace bethany
