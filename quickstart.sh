#!/usr/bin/env bash
# From nothing to the main job: installs what is missing, builds `bethany` optimised, compares policies on
# 20 drawn traces of spot machines, and writes a report. Table and the report's path go to stdout, all
# else to stderr.
set -euo pipefail
cd "$(dirname "$0")"

./setup.sh
echo "quickstart.sh: building (a few minutes on two cores the first time)" >&2
cmake --preset quickstart >&2
cmake --build --preset quickstart >&2
say() { echo "quickstart.sh: $*" >&2; "$@"; }
say build/quickstart/bethany compare traces/samples/quickstart.json --replications 20 -o build/quickstart/result --force
echo
say build/quickstart/bethany report build/quickstart/result
