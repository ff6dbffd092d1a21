#!/usr/bin/env bash
# gpu/run_on_gpu.sh OUTDIR [SECONDS [OPTION…]]: builds bethany-gpu from source on a bare machine with the
# CUDA toolkit (or takes the program that BETHANY_GPU_PROGRAM names), checks the arithmetic, and that
# processes which share the GPU train through a death over NCCL, then measures for about SECONDS (default 400): kernels in 16 bits
# (three tenths, with the options of `bethany-gpu calibrate` that follow: `--quick`, `--warm 0.1
# --passes 1`), what ranks of training do, on the whole GPU and on a part (an eighth each), and lets
# policies train in its three modes for what is left (a run that has begun ends). All lies in OUTDIR
# then: profiles, and a folder validate-MODE of each mode. Checkpoints go below TMPDIR. Missed bounds are
# said and do not fail the script. Libraries come from the system or, when gpu/pack_for_gpu.sh brought
# them, from deps/.
set -euo pipefail
mkdir -p "$1"
out=$(realpath "$1")
seconds=${2:-400}
cd "$(dirname "$0")/.."
build=${BETHANY_BUILD:-build/gpu}

started=$SECONDS
build() {
  local prefix=()
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
}
program=${BETHANY_GPU_PROGRAM:-}
if [ -z "$program" ]; then
  build
  program="$build/bethany-gpu"
fi

nvidia-smi --query-gpu=name,driver_version,clocks.sm,clocks.mem,temperature.gpu,power.draw,memory.total \
  --format=csv >"$out/nvidia-smi.csv" 2>&1 || true
"$program" info --backend cuda
timeout 300 "$program" selftest --backend cuda >"$out/selftest.txt" || failed=$?
tail -1 "$out/selftest.txt"
grep '^FAIL' "$out/selftest.txt" | head -20 || true
if [ "${failed:-0}" -ne 0 ]; then echo "selftest ended with $failed"; fi

# launched PROCESSES PORT [OPTION…]: all on this GPU, so it shows that deaths and joins work, no times.
launched() {
  local rank ranks=() ended=0
  for ((rank = $1 - 1; rank >= 0; --rank)); do
    BETHANY_SHARE_GPUS=1 RANK=$rank LOCAL_RANK=$rank WORLD_SIZE=$1 MASTER_ADDR=127.0.0.1 MASTER_PORT=$2 \
      timeout 60 "$program" selftest --launched --backend cuda "${@:3}" \
      >"$out/launched-$1-$rank.txt" 2>&1 &
    ranks+=($!)
  done
  wait "${ranks[-1]}" || ended=$? # rank 0; others may have been killed
  wait
  tail -1 "$out/launched-$1-0.txt"
  if [ "$ended" -ne 0 ]; then echo "selftest of $1 launched processes ended with $ended"; fi
}
launched 3 29611
launched 4 29612 --kill hard

measuring=$SECONDS
# calibrate BACKEND NAME LIMIT [OPTION…]
calibrate() {
  "$program" calibrate --backend "$1" --within "$3" --name "$2" -o "$out/$2.json" --force \
    "${@:4}" 2>"$out/$2.log" >"$out/$2.txt" || { tail -5 "$out/$2.log"; exit 1; }
  tail -2 "$out/$2.log"
  cut -c1-170 "$out/$2.txt"
}
calibrate cuda measured $((seconds * 3 / 10)) "${@:3}"
calibrate cuda-training training $((seconds / 8)) --quick
calibrate cuda-partition partition $((seconds / 8)) --quick
nvidia-smi --query-gpu=clocks.sm,clocks.mem,temperature.gpu,power.draw --format=csv,noheader \
  >>"$out/nvidia-smi.csv" 2>&1 || true

modes=3
for mode in serialised partitioned threads; do
  left=$((seconds - (SECONDS - measuring)))
  if [ "$left" -lt "$modes" ]; then echo "validate $mode: no time left"; break; fi
  profile=training
  if [ $mode = partitioned ]; then profile=partition; fi
  ended=0
  "$program" validate --backend cuda --mode $mode --quick --profile "$out/$profile.json" \
    --within $((left / modes)) -o "$out/validate-$mode" --force \
    >"$out/validate-$mode.txt" 2>"$out/validate-$mode.log" || ended=$?
  echo "validate $mode ended with $ended"
  if [ "$ended" -ne 0 ] && [ "$ended" -ne 5 ]; then tail -3 "$out/validate-$mode.log"; fi
  sed -n '/^bound /,$p' "$out/validate-$mode.txt" | cut -c1-170
  modes=$((modes - 1))
done
if command -v compute-sanitizer >/dev/null; then
  for tool in memcheck racecheck; do
    timeout 100 compute-sanitizer --tool $tool --error-exitcode 9 "$program" selftest \
      --backend cuda >"$out/$tool.txt" 2>&1 || echo "$tool ended with $?"
    tail -2 "$out/$tool.txt"
  done
fi
echo "all in $((SECONDS - started)) s"
exit "${failed:-0}"
