#!/usr/bin/env bash
# A browser shows the page: Vega draws every figure, nothing is said on the console (so the content
# security policy forbids nothing that is ours), and no name does anything.
#   check_page.sh BETHANY REPORT_SAMPLES WEB_DIRECTORY_OF_THE_BUILD
set -euo pipefail
bethany=$1 samples=$2 web=$3
here=$(cd "$(dirname "$0")" && pwd)
browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)
if [ -z "$browser" ]; then
  echo "skipped: no chromium (./setup.sh --all installs it)"
  exit 77
fi
if [ ! -s "$web/vega.js" ]; then
  echo "skipped: this build has no Vega-Lite (npm is missing or BETHANY_WEB is off)"
  exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# show PAGE FIGURES: fails unless so many figures were drawn and the console stayed silent.
show() {
  timeout 120 "$browser" --headless --no-sandbox --disable-gpu --disable-quic --no-first-run \
    --disable-background-networking --disable-component-update --disable-sync \
    --user-data-dir="$work/profile" --enable-logging=stderr --virtual-time-budget=60000 \
    --dump-dom "file://$1" >"$work/dom" 2>"$work/log" || { echo "$1: the browser failed"; tail -5 "$work/log"; exit 1; }
  if grep -F 'CONSOLE' "$work/log"; then echo "$1: the console is not empty"; exit 1; fi
  grep -Eq "<html[^>]* data-figures=\"$2 of $2\"" "$work/dom" || { echo "$1: not all of $2 figures were drawn"; head -c 300 "$work/dom"; exit 1; }
  if grep -Eq '<html[^>]* data-pwned' "$work/dom"; then echo "$1: a name ran as a script"; exit 1; fi
  # Headings of tables became buttons: our own script ran to its end.
  grep -q '<th scope="col"[^>]*><button type="button"' "$work/dom" || { echo "$1: tables cannot be sorted"; exit 1; }
}

"$bethany" compare "$here/../../traces/samples/quickstart.json" --policies lazarus,ds,ideal --replications 3 \
  -o "$work/compared" >/dev/null
"$bethany" report "$work/compared" >/dev/null
figures=$(grep -c '^<figure ' "$work/compared/report.html")
[ "$figures" -ge 5 ]
show "$work/compared/report.html" "$figures"
mkdir "$work/samples"
"$samples" "$work/samples"
for page in "$work"/samples/*.html; do show "$page" 4; done
echo "$figures figures of a report and 4 of each page of hostile names were drawn"
