"""Real files and answers against their schemas: python3 schema_check.py BETHANY SAMPLES.

Needs the module jsonschema. What the program writes must validate, and a key that is misspelt, is
missing or has another type must not.
"""
import collections
import copy
import glob
import json
import os
import re
import subprocess
import sys
import tempfile

import jsonschema

BETHANY, SAMPLES = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
PARTS = ("allocation", "placement", "dispatch", "on_loss", "checkpoint", "rebalance", "membership",
         "notice", "straggler")
OPTIONS = {"interval": {"every": "1h"}, "young-daly": {"mtbf": "8h"}, "evict": {}}
GENERATORS = {
    "bamboo": {"p": 0.1}, "interval": {"nodes": 8, "every": "30min"},
    "poisson": {"nodes": 8, "mtbf": "20h", "length": "5h"},
    "repair-shop": {"nodes": 8, "mtbf": "20h", "repair": "1h", "length": "5h"},
    "failures": {"nodes": 8, "mtbf": "20h", "length": "5h",
                 "repair": {"reboot": {"median": "10min", "mean": "12min"}},
                 "lemons": {"share": 0.1},
                 "domains": {"rack": {"size": 4, "mtbf": "90h", "median": "1h"}},
                 "bulks": {"every": "9h", "sizes": [1, 2], "median": "1h"},
                 "slow": {"mtbf": "30h"}},
    "llama3": {"nodes": 8, "length": "50h"}, "rsc1": {"nodes": 8, "length": "50h"},
    "rsc2": {"nodes": 8, "length": "50h"}, "spot": {},
}
ROUTING = {"constant": {"loads": [1] * 8}, "W4": None}
validators = {}


def run(*words, code=0):
    done = subprocess.run([BETHANY, *words], capture_output=True, text=True)
    assert done.returncode == code, (words, done.returncode, done.stderr)
    return done.stdout


def names(kind):
    return [item["name"] for item in json.loads(run("list", kind, "--format", "json"))["items"]]


def validator(name):
    if name not in validators:
        schema = json.loads(run("schema", name))
        jsonschema.Draft7Validator.check_schema(schema)
        check_closed(schema, name)
        validators[name] = jsonschema.Draft7Validator(schema)
    return validators[name]


def check_closed(node, place):
    """Every object says what it does with other keys, and it is no open door."""
    if isinstance(node, dict):
        if node.get("type") == "object":
            assert "additionalProperties" in node, place
            assert node["additionalProperties"] is not True, place
        for key, value in node.items():
            check_closed(value, place + "/" + key)
    elif isinstance(node, list):
        for value in node:
            check_closed(value, place)


def errors(name, value):
    # Not by str(error): that prints the whole value and schema of each.
    found = sorted(validator(name).iter_errors(value),
                   key=lambda error: (str(list(error.absolute_path)), error.message))
    return [f"{name}: {list(error.absolute_path)}: {error.message[:300]}" for error in found]


def check(name, value, misspelt=True):
    found = errors(name, value)
    assert not found, found[0]
    if not misspelt or not isinstance(value, dict):
        return
    for key in value:
        wrong = copy.deepcopy(value)
        wrong[key + "x"] = wrong.pop(key)
        assert errors(name, wrong), f"{name}: {key}x is let through"


def answer(name, *words):
    value = json.loads(run(*words, "--format", "json"))
    check(name, value)
    return value


def effective(directory, **changes):
    """The effective scenario of a small one with these keys, which must be as valid as it is."""
    scenario = {"model": "gpt-s", "cluster": {"nodes": 8, "slots_per_gpu": 6},
                "training": {"until": {"time": "1h"}},
                "trace": {"generator": "spot", "nodes": 8}, "routing": {"generator": "uniform"}}
    scenario.update(changes)
    path = os.path.join(directory, "scenario.json")
    with open(path, "w") as file:
        json.dump(scenario, file)
    check("scenario", scenario, misspelt=False)
    return answer("scenario", "check", path)


def check_policy(directory, policy):
    """As given, and complete where its parts fit together."""
    scenario = {"model": "gpt-s", "trace": "none", "policies": {"p": policy},
                "training": {"until": {"time": "1h"}}, "cluster": {"slots_per_gpu": 6, "nodes": 8}}
    check("scenario", scenario, misspelt=False)
    path = os.path.join(directory, "policy.json")
    with open(path, "w") as file:
        json.dump(scenario, file)
    done = subprocess.run([BETHANY, "check", path, "--format", "json"], capture_output=True)
    if done.returncode == 0:
        check("scenario", json.loads(done.stdout), misspelt=False)


def check_scenarios(directory):
    for path in glob.glob(os.path.join(SAMPLES, "*.json")):
        text = re.sub(r"^\s*//.*$|\s//.*$", "", open(path).read(), flags=re.M)
        check("scenario", json.loads(text), misspelt=False)
    quickstart = os.path.join(SAMPLES, "quickstart.json")
    answer("scenario", "check", quickstart)
    for name in names("generators"):
        effective(directory, trace={"generator": name, **GENERATORS[name]})
    effective(directory, trace="none")
    for name in names("routing"):
        options = ROUTING.get(name, {})
        if options is not None:
            effective(directory, routing={"generator": name, **options})
    for name in names("models"):
        effective(directory, model=name, cluster={"nodes": 8, "memory_check": "warn",
                                                  "slots_per_gpu": 64})
    for name in names("node-types"):
        effective(directory, cluster={"nodes": 8, "slots_per_gpu": 2, "node_type": name})
    effective(directory, cost={"model": "fixed", "step": {"4": "2s", "8": "1s"}})
    effective(directory, cost={"step_time": "2s", "communicator": "3s"})
    effective(directory, cluster={
        "nodes": 8, "node_type": {"base": "rtx3090-100g", "usd_per_hour": 2}, "slots_per_gpu": 6,
        "domains": [{"name": "zone", "domains": [{"name": "rack", "nodes": ["spot-1"]}]}]})
    policies = {name: {"preset": name} for name in names("policies")}
    effective(directory, policies=policies)
    for part in PARTS:
        for name in names(part):
            value = {"kind": name, **OPTIONS[name]} if name in OPTIONS else name
            for preset in ("lazarus", "ds", "ds-ft"):
                check_policy(directory, {"preset": preset, part: value})
    good = {"model": "gpt-s", "trace": "none"}
    for wrong in ({"cluster": {"nodse": 4}}, {"seed": "1x"}, {"training": {"start": "hot"}},
                  {"cluster": {"startup_delay": "5"}}, {"model": "gpt-x"},
                  {"policies": {"p": {"placement": "mroo"}}},
                  {"policies": {"p": {"checkpoint": {"kind": "steps", "evry": 5}}}},
                  {"trace": {"generator": "spot", "p": 0.5}},
                  {"cost": {"restart": {"proces_start": "1s"}}},
                  {"training": {"until": {"time": "1h", "samples": 5}}}):
        assert errors("scenario", {**good, **wrong}), wrong


def check_runs(directory):
    quickstart = os.path.join(SAMPLES, "quickstart.json")
    kept = os.path.join(directory, "kept")
    run("replay", quickstart, "-o", kept, "--timeline", os.path.join(directory, "timeline.json"))
    for name, file in (("replay", "summary.json"), ("scenario", "scenario.json")):
        check(name, json.load(open(os.path.join(kept, file))))
    seen = collections.Counter()
    for line in open(os.path.join(kept, "events.jsonl")):
        fact = json.loads(line)
        seen[fact.get("event")] += 1
        if seen[fact.get("event")] <= 3:
            check("record", fact, misspelt=False)
    assert errors("record", {"event": "rolled_back", "t_ns": 1})
    timeline = json.load(open(os.path.join(directory, "timeline.json")))
    timeline["traceEvents"] = timeline["traceEvents"][::50]
    check("timeline", timeline)
    both = ("--policies", "lazarus,lazarus:minimum_nodes=11,ideal")
    one = answer("compare", "compare", quickstart, *both)
    assert not one["runs"][1]["feasible"]
    wrong = copy.deepcopy(one)
    wrong["policies"][0]["metrics"]["etr"] = wrong["policies"][0]["metrics"].pop("ettr")
    assert errors("compare", wrong)
    five = answer("compare", "compare", quickstart, "--replications", "5", "--policies",
                  "lazarus,ds", "--set", "training.until.time=2h", "--set",
                  'trace={"generator":"spot"}')
    assert five["comparison"][0]["bootstrap"]["low"] is not None
    planned = answer("dry-run", "compare", quickstart, *both, "--replications", "7", "--dry-run")
    assert planned["runs"] == 21
    run("compare", quickstart, *both, "-o", os.path.join(directory, "compared"))
    check("compare", json.load(open(os.path.join(directory, "compared", "comparison.json"))))


def check_answers(directory):
    def file(name, value):
        path = os.path.join(directory, name)
        with open(path, "w") as out:
            json.dump(value, out)
        return path

    shape = ("--nodes", "6", "--slots", "4", "--loads", "5,3,2,1,1,1")
    plan = os.path.join(directory, "plan.json")
    domains = file("domains.json", [{"name": "a", "nodes": [0, 1]},
                                    {"name": "b", "domains": [{"name": "c", "nodes": [2]}]}])
    rates = file("rates.json", [0.1, 0.1, 0.1, 0.1, 0.1, 0.2])
    layers = ("--nodes", "6", "--slots", "4", "--loads-file", file("loads.json", [[5, 3], [1, 2]]))
    answer("place", "place", *shape)
    answer("place", "place", *shape, "--gpus-per-node", "2")
    answer("place", "place", *layers)
    answer("place", "place", "--nodes", "6", "--slots", "4", "--replicas", "8,8,8")
    for objective in ("recovery", "balance", "frontier"):
        answer("place", "place", *shape, "--objective", objective)
    answer("place", "place", *shape, "--rates", rates)
    answer("place", "place", "--objective", "goodput", "--scenario",
           os.path.join(SAMPLES, "quickstart.json"))
    run("place", *shape, "--domains", domains, "-o", plan)
    check("plan", json.load(open(plan)))
    answer("place", "place", "--nodes", "5", "--slots", "4", "--loads", "1,3,2,1,1,5", "--previous",
           plan, "--lost", "2", "--model", "gpt-s")
    answer("recover", "recover", *shape, "--failed", "1..3")
    answer("recover", "recover", *layers, "--failed", "1..3", "--per-layer")
    answer("recover", "recover", *shape, "--rates", rates)
    answer("recover", "recover", *shape, "--failed", "1..2", "--domains", domains)
    trace = os.path.join(SAMPLES, "spot-sample.jsonl")
    answer("trace-stats", "trace", "stats", trace)
    for line in open(trace):
        check("trace", json.loads(line), misspelt=False)
    load = os.path.join(directory, "load.jsonl")
    run("routing", "generate", "zipf-drift", "--layers", "2", "--experts", "4", "-o", load)
    answer("routing-stats", "routing", "stats", load)
    for line in open(load):
        check("routing", json.loads(line), misspelt=False)
    for name in names("models"):
        answer("model-show", "model", "show", name)
    for name in names("profiles"):
        answer("profile", "profile", "show", name)
    answer("list", "list", "metrics")
    answer("reproduce", "reproduce", "lazarus", "--only", "ablation", "--draws", "1", "--traces",
           directory)


def check_studies(directory):
    quickstart = os.path.join(SAMPLES, "quickstart.json")
    small = ("--set", "training.until.time=2h", "--replications", "2")
    answer("plan-answer", "plan", "checkpoint", quickstart, "--policy", "ds", *small)
    answer("plan-answer", "plan", "f", quickstart, "--most", "2", *small)
    answer("plan-answer", "plan", "finish", quickstart, "--tokens", "9000000", *small)
    answer("plan-answer", "plan", "breakeven", quickstart, "cost.detection", "--policies",
           "lazarus,ds", "--range", "1s..9s", *small)
    answer("plan-answer", "plan", "spares", os.path.join(SAMPLES, "cluster.json"), "--most", "1",
           *small)
    sweep = ("sweep", quickstart, "--grid", "cluster.nodes=2,8", "--zip", "seed=1,2", "--policies",
             "lazarus,ds", *small)
    answer("sweep-plan", *sweep, "--dry-run")
    kept = os.path.join(directory, "sweep")
    answer("sweep", *sweep, "-o", kept)
    check("sweep-manifest", json.load(open(os.path.join(kept, "manifest.json"))))
    for line in open(os.path.join(kept, "runs.jsonl")):
        check("sweep-run", json.loads(line), misspelt=False)


def check_validation():
    """Bounds may be missed (5): what is printed has its schema either way."""
    done = subprocess.run([BETHANY, "validate", "--backend", "synthetic", "--quick", "--policies",
                           "lazarus,ds", "--json"], capture_output=True, text=True)
    assert done.returncode in (0, 5), done.stderr
    value = json.loads(done.stdout)
    check("validation", value)
    wrong = copy.deepcopy(value)
    wrong["bounds"][0]["hold"] = wrong["bounds"][0].pop("holds")
    assert errors("validation", wrong)


with tempfile.TemporaryDirectory() as scratch:
    check_scenarios(scratch)
    check_runs(scratch)
    check_answers(scratch)
    check_studies(scratch)
    check_validation()
print(len(validators), "schemas hold")
