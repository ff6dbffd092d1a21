"""An independent check of timelines: python3 timeline_check.py BETHANY SAMPLES.

Replays a scenario, reads the timeline with Python's own JSON reader and exact fractions, and checks
what a viewer relies on: slices of a track nest, counters fall only where they may, and the time of
all slices is the ledger's.
"""
import collections
import json
import os
import subprocess
import sys
import tempfile
from fractions import Fraction

BETHANY, SAMPLES = sys.argv[1:]


def run(*words):
    return subprocess.run([BETHANY, *words], check=True, capture_output=True, text=True).stdout


def parse(text):
    return json.loads(text, parse_float=Fraction, parse_int=Fraction)


def read(path):
    with open(path) as file:
        return parse(file.read())


def check_nesting(slices):
    tracks = collections.defaultdict(list)
    for event in slices:
        tracks[event["pid"], event["tid"]].append((event["ts"], -event["dur"]))
    for track, spans in tracks.items():
        open_until = []
        for start, negative in sorted(spans):
            end = start - negative
            while open_until and open_until[-1] <= start:
                open_until.pop()
            assert not open_until or end <= open_until[-1], (track, float(start))
            open_until.append(end)


def node_seconds(slices, weight):
    sums = collections.defaultdict(Fraction)
    for event in slices:
        sums[event["cat"]] += event["dur"] / 1_000_000 * weight(event)
    return sums


def buckets(ledger):
    """Seconds by category as a timeline names them; `steps` are kept or rolled back."""
    wanted = {"steps": ledger["productive"] + ledger["discarded"]["rolled_back"],
              "discarded.step_in_flight": ledger["discarded"]["step_in_flight"]}
    for name, value in ledger["blocked"].items():
        wanted["blocked." + name] = value
    return {name: value for name, value in wanted.items() if value}


def close(a, b):
    return abs(a - b) <= Fraction(1, 10**6) * max(1, abs(b))  # the ledger's are rounded doubles


def check(scenario, policy, directory):
    path = os.path.join(directory, "timeline.json")
    kept = os.path.join(directory, "kept")
    run("replay", scenario, "--policy", policy, "--timeline", path, "-o", kept, "--force")
    timeline = read(path)
    summary = read(os.path.join(kept, "summary.json"))
    events = timeline["traceEvents"]
    assert timeline["otherData"]["dropped_events"] == 0
    assert timeline["otherData"]["events"] == sum(event["ph"] != "M" for event in events)
    slices = [event for event in events if event["ph"] == "X"]
    check_nesting(slices)

    wanted = buckets(summary["ledger_node_s"])
    job = [event for event in slices if event["pid"] == 1]
    sums = node_seconds([e for e in job if e["cat"] != "waiting"], lambda e: e["args"]["nodes"])
    assert set(sums) == set(wanted), (sums, wanted)
    for name, value in wanted.items():
        assert close(sums[name], value), (name, float(sums[name]), float(value))
    nodes = [event for event in slices if event["pid"] != 1]
    sums = node_seconds(nodes, lambda e: 1)
    member = sums.pop("member", 0)
    for name, value in sums.items():
        assert value <= wanted[name] + Fraction(1, 10**6), (name, float(value))
    # Only a change that was cut short, and the detection of that, may be missing on node tracks.
    for name in ("steps", "discarded.step_in_flight", "blocked.checkpoint"):
        assert close(sums.get(name, 0), wanted.get(name, 0)), (name, float(sums.get(name, 0)))
    missing = wanted["blocked.detection"] - sums["blocked.detection"]
    cut = any(not event["args"].get("completed", True) and event["cat"] != "blocked.checkpoint"
              for event in job)
    assert cut or close(missing, 0), float(missing)
    assert member >= sum(sums.values()) - Fraction(1, 10**6)

    counters = collections.defaultdict(list)
    for event in events:
        if event["ph"] == "C":
            (name, value), = event["args"].items()
            counters[name].append((event["ts"], value))
    rollbacks = {event["ts"] for event in events if event["name"] == "rolled back"}
    samples = counters["samples that count"]
    assert samples[-1][1] == summary["samples"]
    for (_, before), (time, after) in zip(samples, samples[1:]):
        assert after > before or time in rollbacks, float(time)
    assert all(0 <= value <= 10 for _, value in counters["members"])

    # The kept record gives the same timeline, and a small one says what it dropped.
    assert run("timeline", kept) == open(path).read()
    small = parse(run("timeline", os.path.join(kept, "events.jsonl"), "--timeline-events", "100"))
    shown = [event for event in small["traceEvents"] if event["ph"] != "M"]
    assert len(shown) == 100 == small["otherData"]["events"]
    total = timeline["otherData"]["events"]
    assert small["otherData"]["dropped_events"] == total - 100
    check_nesting([event for event in shown if event["ph"] == "X"])
    return {event["args"]["name"] for event in events if event["name"] == "process_name"}


with tempfile.TemporaryDirectory() as directory:
    quickstart = os.path.join(SAMPLES, "quickstart.json")
    for policy in ("lazarus", "ds", "ds-ft", "lazarus+"):
        assert check(quickstart, policy, directory) == {"job", "nodes"}
    racks = os.path.join(directory, "racks.json")
    domains = [{"name": 'rack "1"', "nodes": ["spot-3", "spot-4"]}]
    with open(racks, "w") as file:
        json.dump({"model": "gpt-l", "cluster": {"nodes": 10, "domains": domains},
                   "trace": {"file": os.path.join(os.path.abspath(SAMPLES), "spot-sample.jsonl")},
                   "routing": {"generator": "uniform"}}, file)
    assert check(racks, "lazarus", directory) == {"job", "nodes", 'rack "1"'}
print("timelines nest and agree with the ledger")
