#pragma once

#include <stdexcept>
#include <string>

namespace bethany {

/// A name, file or value that was given is wrong. Exit code 3: caught in main.cpp, and by studies
/// that go on with other values.
class InputError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Well formed, but no plan or run exists. Exit code 4. Caught in main.cpp only; floors below
/// `sim/study` answer with a value instead.
class InfeasibleError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The machine failed us: cannot write, program missing. Exit code 1.
class MachineError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// An outcome of the model: there is no plan, and why. `std::variant<Plan, Infeasible>` returns it.
struct Infeasible {
  std::string reason;
};

}  // namespace bethany
