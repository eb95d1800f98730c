#!/usr/bin/env python3
"""Plants faults in the engine, one at a time, and sees that the simulation finds each.

  scripts/planted.py --check          every fault of scripts/planted.toml still fits the source
  scripts/planted.py [NAME...]        run all, or the named ones
  scripts/planted.py --write          run all and write docs/planted-faults.md

A fault is found if a seed below 1,000 of the default scenario of `simulate` does not pass. Ends with 0
if every fault was found, 1 if not, 2 if the list does not fit the source, if a fault does not compile or
if a seed fails without one.
"""

import argparse
import json
import os
import subprocess
import sys
import tomllib

import mutate

SEEDS = 1_000
# Most faults show in the first seeds; a build without one must pass these.
STEPS = [10, 100, SEEDS]


def load():
    with open(mutate.ROOT / "scripts" / "planted.toml", "rb") as file:
        bugs = tomllib.load(file)["bug"]
    for bug in bugs:
        bug["edits"] = [bug]
    return bugs


def simulate(copy):
    """The seeds that were run, and the summary of the last run."""
    environment = {
        **os.environ, "CARGO_TARGET_DIR": str(mutate.TARGET / "planted"), "RUSTFLAGS": "-Awarnings",
        "CARGO_PROFILE_RELEASE_LTO": "off", "CARGO_PROFILE_RELEASE_CODEGEN_UNITS": "16",
    }
    build = ["cargo", "build", "--locked", "--release", "--quiet", "--bin", "simulate"]
    built = subprocess.run(build, cwd=copy, env=environment, capture_output=True, text=True)
    if built.returncode != 0:
        raise mutate.Wrong(f"does not compile:\n{built.stderr[-3000:]}")
    program = mutate.TARGET / "planted" / "release" / "simulate"
    for seeds in STEPS:
        command = [program, "run", "--seeds", f"0..{seeds}", "--json"]
        ran = subprocess.run(command, capture_output=True, text=True)
        if ran.returncode not in (0, 1):
            raise mutate.Wrong(f"simulate ended with {ran.returncode}:\n{ran.stderr[-3000:]}")
        summary = json.loads(ran.stdout.splitlines()[-1])
        if summary["pass"] < seeds:
            break
    return seeds, summary


def plant(copy, bug):
    path = copy / mutate.CRATE / "src" / bug["file"]
    original = path.read_text()
    path.write_text(mutate.plant(bug, copy))
    try:
        return simulate(copy)
    finally:
        path.write_text(original)


def write_table(results):
    lines = [
        "# Planted faults",
        "",
        "Written by `scripts/planted.py --write`. Each line is one fault that was built into the engine, and what",
        f"`simulate run --seeds 0..N` said then, for the first N of {', '.join(map(str, STEPS))} with a seed that did not",
        "pass. Without a fault all pass. Replacements are in `scripts/planted.toml`.",
        "",
        "| Fault | File | Seeds | Pass | NoProgress | Diverged |",
        "|---|---|---:|---:|---:|---:|",
    ]
    for bug, seeds, summary in results:
        counts = [seeds, summary["pass"], summary["no_progress"], summary["diverged"]]
        lines.append(f"| {bug['name']} | `{bug['file']}` | " + " | ".join(map(str, counts)) + " |")
    (mutate.ROOT / "docs" / "planted-faults.md").write_text("\n".join(lines) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="only see whether every fault fits")
    parser.add_argument("--write", action="store_true", help="write docs/planted-faults.md")
    parser.add_argument("names", nargs="*", metavar="NAME", help="part of the names of faults to run")
    arguments = parser.parse_args()
    bugs = load()
    mutate.check(bugs)
    if arguments.check:
        print(f"==> planted: {len(bugs)} faults fit the source")
        return 0
    if arguments.names:
        bugs = [bug for bug in bugs if any(part in bug["name"] for part in arguments.names)]
    if not bugs or (arguments.names and arguments.write):
        raise mutate.Wrong("no fault of that name, or --write together with names")
    copy = mutate.copy_tree()
    seeds, summary = simulate(copy)
    if summary["pass"] < seeds:
        raise mutate.Wrong(f"a seed fails without a fault: {summary}")
    print(f"==> planted: without a fault {seeds} seeds pass", flush=True)
    results, missed = [], 0
    for bug in bugs:
        try:
            seeds, summary = plant(copy, bug)
        except mutate.Wrong as error:
            raise mutate.Wrong(f"{bug['name']}: {error}") from error
        missed += summary["pass"] == seeds
        results.append((bug, seeds, summary))
        print(f"{bug['name']}: {seeds} seeds, {summary['pass']} pass, "
              f"{summary['no_progress']} no progress, {summary['diverged']} diverged", flush=True)
    if arguments.write:
        write_table(results)
    print(f"==> planted: {len(results)} faults, {missed} not found")
    return 1 if missed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except mutate.Wrong as wrong:
        print(f"planted: {wrong}", file=sys.stderr)
        sys.exit(2)
