#!/usr/bin/env bash
# gpu/pack_for_gpu.sh BUILD OUT: copies what `gpu/run_on_gpu.sh` needs on a GPU machine that has a
# compiler, CMake, ninja and the CUDA toolkit but none of the libraries: the sources, and below
# OUT/deps the headers and shared libraries of this machine's Debian packages. BUILD is a build folder
# here in which the target bethany-gpu is up to date.
set -euo pipefail
build=$(realpath "$1")
mkdir -p "$2"
out=$(realpath "$2")
cd "$(dirname "$0")/.."

rm -rf "${out:?}"/*
git ls-files -co --exclude-standard -- CMakeLists.txt CMakePresets.json sim gpu traces analysis |
  while read -r file; do install -D -m "$(stat -c %a "$file")" "$file" "$out/$file"; done

deps="$out/deps/usr"
library_folder=/usr/lib/x86_64-linux-gnu
wanted='^/usr/include/(CLI|Random123|boost|fmt|lemon|nettle|nlohmann)/'
wanted+='|^/usr/include/(simdjson|xxhash|zconf|zlib|zstd|zdict|zstd_errors)\.h$'
{
  ninja -C "$build" -t deps | grep -oE '/usr/include/[^ ]+' | xargs realpath -s
  # What another compiler's version may ask for.
  find /usr/include/boost/config /usr/include/fmt /usr/include/lemon /usr/include/nettle -name '*.h*'
} | sort -u | grep -E "$wanted" | while read -r header; do
  install -D -m 644 "$header" "$deps/${header#/usr/}"
done
mkdir -p "$out/deps$library_folder/cmake"
for name in fmt simdjson; do
  cp -rL "$library_folder/cmake/$name" "$out/deps$library_folder/cmake/"
done
mkdir -p "$deps/share/cmake"
for name in nlohmann_json CLI11; do cp -rL "/usr/share/cmake/$name" "$deps/share/cmake/"; done
for name in fmt simdjson zstd z xxhash nettle; do
  # Under every name a linker or loader asks for: links may not travel.
  for file in "$library_folder"/lib$name.so*; do cp -L "$file" "$out/deps$library_folder/"; done
done
du -sh "$out" >&2
