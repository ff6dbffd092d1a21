#!/usr/bin/env bash
# Every specification that a report writes is valid Vega-Lite, compiles without warnings and draws.
#   check_specs.sh BETHANY REPORT_SAMPLES WEB_DIRECTORY_OF_THE_BUILD
set -euo pipefail
bethany=$1 samples=$2 web=$3
here=$(cd "$(dirname "$0")" && pwd)
if [ ! -d "$web/node_modules/ajv" ]; then
  echo "skipped: this build has no Vega-Lite (npm is missing or BETHANY_WEB is off)"
  exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$bethany" compare "$here/../../traces/samples/quickstart.json" --policies lazarus,ds,ideal --replications 3 \
  -o "$work/compared" >/dev/null
"$bethany" report "$work/compared" --figures "$work/figures"
mkdir "$work/samples"
"$samples" "$work/samples"
node "$here/check_specs.mjs" "$web" "$work"/figures/*.vl.json "$work"/samples/*.vl.json
