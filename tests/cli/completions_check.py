"""Completions in the shells that are there: python3 completions_check.py BETHANY.

Each script must pass its shell's own parser; in bash (and fish) words are completed for real.
"""
import os
import shutil
import subprocess
import sys
import tempfile

BETHANY = os.path.abspath(sys.argv[1])
ENVIRONMENT = {**os.environ, "PATH": os.path.dirname(BETHANY) + ":" + os.environ["PATH"]}


def run(*words, text=None):
    return subprocess.run(words, check=True, capture_output=True, text=True, input=text,
                          env=ENVIRONMENT).stdout


def bash_words(script, *words):
    """What bash offers for the last of these words."""
    quoted = " ".join("'" + word + "'" for word in words)
    lines = run("bash", "-c", f"source {script}; COMP_WORDS=({quoted}); "
                f"COMP_CWORD={len(words) - 1}; _bethany; printf '%s\\n' \"${{COMPREPLY[@]}}\"")
    return [line for line in lines.split("\n") if line]


def check_bash(script):
    run("bash", "-n", script)

    def offers(*words):
        return bash_words(script, "bethany", *words)

    assert "replay" in offers("") and "completions" in offers("")
    assert offers("comp") == ["compare", "completions"]
    assert offers("trace", "st") == ["stats"]
    assert offers("trace", "stats", "--format", "js") == ["json"]
    assert offers("replay", "--format", "=", "m") == ["md"]
    assert "--policy" in offers("replay", "x.json", "--po")
    assert "--slots" not in offers("replay", "--")
    assert {"lazarus", "lazarus+"} <= set(offers("replay", "x.json", "--policy", "la"))
    assert "lazarus,ds-ft" in offers("compare", "x.json", "--policies", "lazarus,ds")
    assert "metrics" in offers("list", "m") and "models" in offers("list", "")
    assert "spot" in offers("trace", "generate", "s")
    assert "gpt-l" in offers("model", "show", "gpt")
    assert offers("replay", "--seed", "") == []
    with tempfile.TemporaryDirectory() as directory:
        name = os.path.join(directory, "my scenario.json")
        open(name, "w").close()
        assert offers("check", directory + "/my") == [name]


def check_fish(script):
    run("fish", "-n", script)

    def offers(line):
        lines = run("fish", "-N", "-c", f"source {script}; complete -C '{line}'").split("\n")
        return [each.split("\t")[0] for each in lines if each]

    assert "replay" in offers("bethany rep")
    assert offers("bethany trace stats --format js") == ["json"]
    assert "lazarus+" in offers("bethany replay x.json --policy la")
    assert "--slots" not in offers("bethany replay --")


with tempfile.TemporaryDirectory() as directory:
    for shell in ("bash", "zsh", "fish"):
        if not shutil.which(shell):
            continue
        script = os.path.join(directory, shell)
        with open(script, "w") as file:
            file.write(run(BETHANY, "completions", shell))
        if shell == "bash":
            check_bash(script)
        elif shell == "fish":
            check_fish(script)
        else:
            run("zsh", "-n", script)
        print(shell, "completes")
