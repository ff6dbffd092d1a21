#!/usr/bin/env bash
# gpu/run_on_gpu.sh OUTDIR [SECONDS [OPTION…]]: builds bethany-gpu from source on a bare machine with the
# CUDA toolkit, checks the arithmetic, calibrates for about SECONDS (default 200) with the options of
# `bethany-gpu calibrate` that follow (`--quick`, `--warm 0.1 --passes 1`) and leaves everything in
# OUTDIR. Libraries come from the system or, when gpu/pack_for_gpu.sh brought them, from deps/.
set -euo pipefail
mkdir -p "$1"
out=$(realpath "$1")
seconds=${2:-200}
cd "$(dirname "$0")/.."
build=${BETHANY_BUILD:-build/gpu}

started=$SECONDS
prefix=()
if [ -d deps/usr ]; then
  prefix=(-DCMAKE_PREFIX_PATH="$PWD/deps/usr"
    -DBOOST_ROOT="$PWD/deps/usr" -DBoost_NO_BOOST_CMAKE=ON -DBoost_NO_SYSTEM_PATHS=ON)
fi
cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_FLAGS_RELEASE=-O2 \
  -DBETHANY_TESTS=OFF -DBETHANY_WERROR=OFF "${prefix[@]}" >"$out/configure.log" 2>&1 ||
  { tail -40 "$out/configure.log"; exit 1; }
ninja -C "$build" bethany-gpu >"$out/build.log" 2>&1 ||
  { grep -E -A5 'error|FAILED' "$out/build.log" | head -60; exit 1; }
echo "built in $((SECONDS - started)) s"

program="$build/bethany-gpu"
nvidia-smi --query-gpu=name,driver_version,clocks.sm,clocks.mem,temperature.gpu,power.draw,memory.total \
  --format=csv >"$out/nvidia-smi.csv" 2>&1 || true
"$program" info --backend cuda
"$program" selftest --backend cuda >"$out/selftest.txt" || failed=$?
tail -1 "$out/selftest.txt"
grep '^FAIL' "$out/selftest.txt" | head -20 || true
if [ "${failed:-0}" -ne 0 ]; then echo "selftest ended with $failed"; fi

"$program" calibrate --backend cuda --within "$seconds" --name measured -o "$out/measured.json" --force \
  "${@:3}" 2>"$out/measured.log" >"$out/measured.txt" || { tail -5 "$out/measured.log"; exit 1; }
tail -3 "$out/measured.log"
cut -c1-170 "$out/measured.txt"
nvidia-smi --query-gpu=clocks.sm,clocks.mem,temperature.gpu,power.draw --format=csv,noheader \
  >>"$out/nvidia-smi.csv" 2>&1 || true
if command -v compute-sanitizer >/dev/null; then
  for tool in memcheck racecheck; do
    timeout 100 compute-sanitizer --tool $tool --error-exitcode 9 "$program" selftest \
      --backend cuda >"$out/$tool.txt" 2>&1 || echo "$tool ended with $?"
    tail -2 "$out/$tool.txt"
  done
fi
echo "all in $((SECONDS - started)) s"
exit "${failed:-0}"
