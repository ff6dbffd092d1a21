#!/usr/bin/env python3
"""Recomputes the numbers of a run from its events.jsonl alone, by the schema in
analysis/README.md, and compares them with summary.json. Shares no code with the program.

usage: metrics_from_events.py [--json] [--bin-ns N] RUN_DIRECTORY...

Prints what differs and ends with 1, or says how many numbers agree. --json prints what was
recomputed instead, with the samples committed in bins of N nanoseconds.
"""
import bisect
import json
import sys

RELATIVE = 1e-12  # for rates and shares; whole numbers are compared exactly
MEMBERS = ("steps_committed", "rounds_committed", "step_discarded", "stage_ended")


def read_events(path):
    with open(path, encoding="utf-8") as lines:
        header = json.loads(next(lines))
        assert header["bethany_record"] == 1, "another version of the record"
        return [json.loads(line) for line in lines]


def step_spans(event):
    """(from, to) of the steps of a fact, without the checkpoint writes between them."""
    if event["event"] == "steps_committed":
        return [(event["from_ns"], event["to_ns"])]
    stepping = event["steps"] * event["step_time_ns"]
    each = stepping + event["write_time_ns"]
    begin = event["from_ns"]
    return [(begin + i * each, begin + i * each + stepping) for i in range(event["rounds"])]


def samples_by_bin(events, width):
    """Samples are spread evenly over the time of the steps of a fact; a sample belongs to the bin
    in which it is complete."""
    horizon = events[-1]["horizon_ns"]
    bins = [0] * -(-horizon // width)
    for event in events:
        if event["event"] not in ("steps_committed", "rounds_committed"):
            continue
        spans = step_spans(event)
        total = sum(to - begin for begin, to in spans)
        done = 0
        before = 0
        for begin, to in spans:
            edge = begin
            while edge < to:
                end = min(to, (edge // width + 1) * width)
                done += end - edge
                complete = event["samples"] * done // total
                bins[edge // width] += complete - before
                before = complete
                edge = end
    return bins


def ledger_of(events):
    """Node-nanoseconds by bucket; what no fact books is not available."""
    start, end = events[0], events[-1]
    total = start["target_nodes"] * end["horizon_ns"]
    ledger = {"total": total, "productive": 0, "blocked": {}, "rolled_back": 0, "in_flight": 0}
    blocked = ledger["blocked"]
    for event in events:
        kind = event["event"]
        if kind in ("steps_committed", "rounds_committed"):
            stepping = sum(to - begin for begin, to in step_spans(event))
            ledger["productive"] += event["nodes"] * stepping
            writing = event["to_ns"] - event["from_ns"] - stepping
            blocked["checkpoint"] = blocked.get("checkpoint", 0) + event["nodes"] * writing
        elif kind == "stage_ended":
            spent = event["nodes"] * (event["to_ns"] - event["from_ns"])
            blocked[event["bucket"]] = blocked.get(event["bucket"], 0) + spent
        elif kind == "step_discarded":
            ledger["in_flight"] += event["nodes"] * (event["to_ns"] - event["from_ns"])
        elif kind == "rolled_back":
            ledger["productive"] -= int(event["node_ns"])
            ledger["rolled_back"] += int(event["node_ns"])
    ledger["unavailable"] = (total - ledger["productive"] - sum(blocked.values())
                             - ledger["rolled_back"] - ledger["in_flight"])
    alive, since, live = 0, 0, 0
    for event in events:
        if event["event"] not in ("nodes_joined", "nodes_lost", "run_ended"):
            continue
        now = event.get("t_ns", end["horizon_ns"])
        live += min(alive, start["target_nodes"]) * (now - since)
        since = now
        if event["event"] == "nodes_joined":
            alive += len(event["nodes"])
        elif event["event"] == "nodes_lost":
            alive -= len(event["nodes"])
    ledger["absent"] = total - live
    return ledger


def recoveries_of(events):
    """Times from a loss of members to the next step, with the last decision before it."""
    begins = sorted(e["from_ns"] for e in events
                    if e["event"] in ("steps_committed", "rounds_committed", "step_discarded"))
    losses = [e["t_ns"] for e in events if e["event"] == "disruption_began"]
    decisions = [(e["t_ns"], e["recovery"]) for e in events if e["event"] == "recovery_decided"]
    found, unfinished, until = [], 0, -1
    for loss in losses:
        if loss <= until:
            continue  # met on the way of the recovery before
        place = bisect.bisect_left(begins, loss)
        if place == len(begins):
            unfinished, until = 1, events[-1]["horizon_ns"]
            continue
        until = begins[place]
        made = [recovery for time, recovery in decisions if loss <= time <= until]
        found.append((until - loss, made[-1] if made else "none"))
    return found, unfinished


def lost_work_of(events):
    """Node-nanoseconds and samples by disruption: the step in flight at its begin, and what was
    rolled back before the next step or disruption."""
    lost = []
    current = None
    in_flight = None
    for event in events:
        kind = event["event"]
        if kind == "disruption_began":
            current = [0, 0]
            lost.append(current)
            if in_flight and in_flight["to_ns"] == event["t_ns"]:
                current[0] = in_flight["nodes"] * (in_flight["to_ns"] - in_flight["from_ns"])
            in_flight = None
        elif kind == "rolled_back" and current:
            current[0] += int(event["node_ns"])
            current[1] += event["samples"]
        elif kind in ("steps_committed", "rounds_committed", "step_discarded"):
            current = None
            in_flight = event if kind == "step_discarded" else None
    return lost


def metrics_of(events, bin_ns=None):
    start, end = events[0], events[-1]
    horizon = end["horizon_ns"]
    steps = samples = undone_steps = undone_samples = step_ns = undone_ns = 0
    decided = {"in_place": 0, "regroup": 0, "restart": 0, "none": 0}
    disruptions = 0
    for event in events:
        kind = event["event"]
        if kind in ("steps_committed", "rounds_committed"):
            count = event["count"] if kind == "steps_committed" else event["rounds"] * event["steps"]
            steps += count
            samples += event["samples"]
            step_ns += count * event["step_time_ns"]
        elif kind == "rolled_back":
            undone_steps += event["from_step"] - event["to_step"]
            undone_samples += event["samples"]
            undone_ns += event["wall_time_ns"]
        elif kind == "disruption_began":
            disruptions += 1
        elif kind == "recovery_decided":
            decided[event["recovery"]] += 1
    decided["none"] = disruptions - decided["in_place"] - decided["regroup"] - decided["restart"]
    tokens = start["tokens_per_sample"]
    times, unfinished = recoveries_of(events)
    metrics = {
        "horizon_ns": horizon,
        "samples": samples - undone_samples,
        "tokens": (samples - undone_samples) * tokens,
        "steps_committed": steps - undone_steps,
        "steps_discarded": undone_steps,
        "goodput_tokens_per_s": (samples - undone_samples) * tokens / horizon * 1e9,
        "throughput_tokens_per_s": samples * tokens / horizon * 1e9,
        "step_throughput_tokens_per_s": samples * tokens / step_ns * 1e9 if step_ns else None,
        "ettr": (step_ns - undone_ns) / horizon,
        "disruptions": disruptions,
        "decided": decided,
        "ledger_node_ns": ledger_of(events),
        "recoveries_ns": times,
        "unfinished": unfinished,
        "lost": lost_work_of(events),
    }
    if bin_ns:
        metrics["samples_by_bin"] = samples_by_bin(events, bin_ns)
    return metrics


def pairs(metrics, summary):
    """(name, recomputed, in the summary)."""
    for key in ("samples", "tokens", "steps_committed", "steps_discarded", "goodput_tokens_per_s",
                "throughput_tokens_per_s", "step_throughput_tokens_per_s", "ettr"):
        yield key, metrics[key], summary[key]
    yield "horizon_s", metrics["horizon_ns"] / 1e9, summary["horizon_s"]
    yield "disruptions", metrics["disruptions"], summary["recovery"]["disruptions"]
    for key, count in metrics["decided"].items():
        yield "recovery." + key, count, summary["recovery"][key]
    observed = metrics["decided"]["in_place"] + metrics["decided"]["regroup"]
    decided = observed + metrics["decided"]["restart"]
    yield "observed", observed / decided if decided else None, summary["recovery"]["observed"]["p"]
    ours, theirs = metrics["ledger_node_ns"], summary["ledger_node_s"]
    yield "total", ours["total"] / 1e9, theirs["total"]
    yield "productive", ours["productive"] / 1e9, theirs["productive"]
    for bucket, spent in theirs["blocked"].items():
        yield "blocked." + bucket, ours["blocked"].get(bucket, 0) / 1e9, spent
    yield "rolled_back", ours["rolled_back"] / 1e9, theirs["discarded"]["rolled_back"]
    yield "step_in_flight", ours["in_flight"] / 1e9, theirs["discarded"]["step_in_flight"]
    yield "unavailable", ours["unavailable"] / 1e9, sum(theirs["unavailable"].values())
    yield "absent", ours["absent"] / 1e9, theirs["unavailable"]["absent"]
    yield "productive_node_share", ours["productive"] / ours["total"], summary["productive_node_share"]


def agree(ours, theirs):
    if ours is None or theirs is None or (isinstance(ours, int) and isinstance(theirs, int)):
        return ours == theirs
    return abs(ours - theirs) <= RELATIVE * max(1.0, abs(ours), abs(theirs))


def main(arguments):
    as_json = "--json" in arguments
    bin_ns = int(arguments[arguments.index("--bin-ns") + 1]) if "--bin-ns" in arguments else None
    directories = [a for i, a in enumerate(arguments)
                   if not a.startswith("--") and (i == 0 or arguments[i - 1] != "--bin-ns")]
    checked = wrong = 0
    for directory in directories:
        metrics = metrics_of(read_events(directory + "/events.jsonl"), bin_ns)
        if as_json:
            print(json.dumps(metrics))
            continue
        with open(directory + "/summary.json", encoding="utf-8") as file:
            summary = json.load(file)
        for name, ours, theirs in pairs(metrics, summary):
            checked += 1
            if not agree(ours, theirs):
                wrong += 1
                print(f"{directory}: {name}: recomputed {ours}, summary.json has {theirs}")
    if not as_json:
        print(f"{checked - wrong} of {checked} numbers agree")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
