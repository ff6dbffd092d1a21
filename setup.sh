#!/usr/bin/env bash
# Installs what a fresh Debian or Ubuntu machine lacks: `./setup.sh` for the program, `./setup.sh test`
# for the tests too, `./setup.sh --all` also for figures of reports that can be zoomed (npm), their
# test (chromium), and the check of answers against their schemas. Works as root or with sudo; does nothing when everything is there.
set -euo pipefail

packages=(g++ cmake ninja-build libcli11-dev libfmt-dev nlohmann-json3-dev libsimdjson-dev
  libboost-dev libboost-math-dev liblemon-dev librandom123-dev libxxhash-dev libzstd-dev zlib1g-dev
  nettle-dev libopenblas-dev)
if [ "${1:-}" = test ] || [ "${1:-}" = --all ]; then
  packages+=(catch2 librapidcheck-dev clang lld scram git openmpi-bin)
fi
if [ "${1:-}" = --all ]; then
  packages+=(python3 python3-jsonschema)
  # Debian's npm brings hundreds of packages and excludes that of others: not where there is one.
  command -v npm >/dev/null || packages+=(nodejs npm)
  command -v chromium >/dev/null || packages+=(chromium)
fi

missing=()
for package in "${packages[@]}"; do
  state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
  [ "$state" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

echo "setup.sh: installing ${missing[*]}" >&2
sudo=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || { echo "setup.sh: needs root or sudo to install packages" >&2; exit 1; }
  sudo=(sudo)
fi
export DEBIAN_FRONTEND=noninteractive
"${sudo[@]}" apt-get update -qq >&2
"${sudo[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
