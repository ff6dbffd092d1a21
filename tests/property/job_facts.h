#pragma once

#include <string>

#include "sim/training/job.h"
#include "tests/property/naive_job.h"

namespace bethany {

/// What run() says a run comes to, in the form of the reference, and the facts themselves.
struct JobFacts {
  NaiveResult result;
  /// The ledger that the facts add up to; `unavailable` is not in them.
  Ledger folded;
  std::string reason;        // when infeasible
  std::string record_fault;  // what the reader of run records has against the facts
};

JobFacts facts_of(const JobInput& input);

/// Where two results of one run differ, a line each; empty when they agree.
std::string differences(const NaiveResult& expected, const NaiveResult& got);

/// Where the ledger differs from what the facts add up to, and what else is wrong with them.
std::string fold_differences(const JobFacts& facts);

}  // namespace bethany
