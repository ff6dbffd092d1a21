#!/usr/bin/env python3
"""gpu/noise_between.py A.csv[.gz] B.csv[.gz]: how far two calibrations of the same points lie apart.

Prints, by operation, the ratio of medians B / A - 1: median signed, median, 90th percentile and worst
of its size. What a model misses below that is noise. Only the standard library is used.
"""
import csv
import gzip
import sys


def points(path):
    opened = gzip.open(path, "rt") if path.endswith(".gz") else open(path)
    with opened as file:
        lines = [line for line in file if not line.startswith("#")]
    keys = ("operation", "shape", "variant", "skew", "inputs", "outputs", "gated", "experts", "rows", "size")
    return {tuple(row[key] for key in keys): float(row["median_s"]) for row in csv.DictReader(lines)}


def quantile(values, share):
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


def main():
    first, second = points(sys.argv[1]), points(sys.argv[2])
    common = sorted(first.keys() & second.keys())
    groups = {}
    for key in common:
        change = second[key] / first[key] - 1
        groups.setdefault(key[0], []).append(change)
        long = "all from 100 us" if first[key] >= 1e-4 else "all below 100 us"
        groups.setdefault(long, []).append(change)
    print(f"{len(common)} points in both, {len(first)} and {len(second)} in one")
    print(f"{'operation':<22}{'points':>7}{'signed':>9}{'median':>9}{'P90':>9}{'worst':>9}")
    for name, changes in sorted(groups.items()):
        sizes = [abs(change) for change in changes]
        cells = (quantile(changes, 0.5), quantile(sizes, 0.5), quantile(sizes, 0.9), max(sizes))
        print(f"{name:<22}{len(changes):>7}" + "".join(f"{100 * cell:>8.1f}%" for cell in cells))


if __name__ == "__main__":
    main()
