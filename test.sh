#!/usr/bin/env bash
# Sets up, builds and runs every test but those labelled `slow` (./test.sh --slow runs them too). Tests
# on public traces run when BETHANY_TRACES names their folder. Other arguments go to ctest.
set -euo pipefail
cd "$(dirname "$0")"

ctest_args=(-LE slow)
if [ "${1:-}" = --slow ]; then
  ctest_args=()
  shift
fi

./setup.sh test
cmake --preset dev
cmake --build --preset dev
# The same program from another compiler and optimisation level: digests must agree.
cmake --preset clang
cmake --build --preset clang
export BETHANY_OTHER_BINARY="$PWD/build/clang/bethany"

status=0
ctest --preset dev -j "$(nproc)" "${ctest_args[@]}" --output-junit "$PWD/build/dev/junit.xml" "$@" ||
  status=$?
# One <testcase> a line; a skipped one is followed by <skipped>.
real=$(grep -c '<testcase name="[^"]*real trace' build/dev/junit.xml || true)
skipped=$(grep -c '<testcase name="[^"]*real trace[^>]*status="notrun"' build/dev/junit.xml || true)
echo "real-trace tests: $((real - skipped)) ran, $skipped skipped"
exit "$status"
