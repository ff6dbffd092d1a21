#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sim/base/random.h"

namespace bethany {

/// `KEY=VALUES` of an option such as --grid, split at the first equals sign. Throws InputError
/// naming the option when it is not of that form.
struct KeyAndValues {
  std::string key;
  std::string values;
};
KeyAndValues split_setting(const std::string& option, const std::string& text);

/// The values of an axis as typed: `a,b,c`, where commas inside [], {} and "" do not separate, and
/// any of them may be a range `i..j` or `i..j..step`, both ends included, of numbers with one unit.
/// Throws InputError when a value is empty, a range is not one, or there are more than 100,000.
std::vector<std::string> axis_values(const std::string& option, const std::string& text);

/// What random values of a key are drawn from: `low..high`, uniform; `log:low..high`, uniform in
/// the logarithm; `a|b|c`, one of them. Whole bounds give whole numbers, both included; others are
/// rounded to six significant digits. Both bounds have the same unit, or none.
class RandomValues {
 public:
  /// Throws InputError naming the option.
  RandomValues(const std::string& option, const std::string& text);
  std::string draw(Rng rng) const;
  const std::string& text() const { return text_; }

 private:
  std::string text_;
  std::vector<std::string> choices_;
  bool logarithmic_ = false;
  bool whole_ = false;
  double low_ = 0;
  double high_ = 0;
  std::string unit_;
};

}  // namespace bethany
