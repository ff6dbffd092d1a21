#!/usr/bin/env bash
# From nothing to the main job: installs what is missing, builds `bethany` optimised, and compares
# policies on the bundled sample of a spot trace. The table goes to stdout, all else to stderr.
set -euo pipefail
cd "$(dirname "$0")"

./setup.sh
echo "quickstart.sh: building (a few minutes on two cores the first time)" >&2
cmake --preset quickstart >&2
cmake --build --preset quickstart >&2
echo "quickstart.sh: build/quickstart/bethany compare traces/samples/quickstart.json" >&2
build/quickstart/bethany compare traces/samples/quickstart.json
