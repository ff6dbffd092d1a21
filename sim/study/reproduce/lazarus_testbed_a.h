#pragma once

#include <array>

namespace bethany {

/// A model of Lazarus' testbeds and how many experts its layers have.
struct TestbedModel {
  const char* name;
  const char* title;
  int experts;
};
inline constexpr std::array kTestbedAModels = {TestbedModel{"gpt-s", "GPT-S", 8},
                                               TestbedModel{"gpt-m", "GPT-M", 12},
                                               TestbedModel{"gpt-l", "GPT-L", 16}};

/// The scenario of testbed A without model, trace, routing and end. One parameter set for all rows:
/// set P of reproduction.md §2.
extern const char* const kTestbedA;

}  // namespace bethany
