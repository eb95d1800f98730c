#!/usr/bin/env python3
"""Plants faults in the engine, one at a time, and sees whether the simulator notices each.

  scripts/planted.py --check           every fault of scripts/planted.toml still fits the source
  scripts/planted.py [NAME...]         run all, or the named ones
  scripts/planted.py --write           run all and write docs/planted-faults.md

A fault is an exact replacement of source text, as in scripts/mutate.py. It is planted in a copy of the
tree below the target directory; there `simulate run` runs seeds of the default scenario up to the
first that fails.

Ends with 0 if every fault was noticed, 1 if one was not, 2 if the list does not fit the source, if a
fault does not compile or if seeds fail without one.
"""

import argparse
import os
import re
import subprocess
import sys
import time
import tomllib

from mutate import CRATE, ROOT, TARGET, Wrong, check, copy_tree, plant

# A seed is milliseconds; a fault that costs much makes it seconds.
TIMEOUT_SECONDS = 1_800


def load():
    """The planted faults."""
    with open(ROOT / "scripts" / "planted.toml", "rb") as file:
        bugs = tomllib.load(file)["bug"]
    for bug in bugs:
        bug.setdefault("edits", [bug])
    return bugs


def simulate(copy, seeds):
    """Builds the copy and runs seeds up to the first that fails. Its number and verdict, or None."""
    environment = {
        **os.environ,
        "CARGO_TARGET_DIR": str(TARGET / "planted"),
        "CARGO_INCREMENTAL": "1",
        "CARGO_PROFILE_RELEASE_LTO": "off",
        "CARGO_PROFILE_RELEASE_CODEGEN_UNITS": "16",
        "RUSTFLAGS": "-Awarnings",
    }
    cargo = ["cargo", "build", "--quiet", "--locked", "--release", "--bin", "simulate"]
    build = subprocess.run(cargo, cwd=copy, env=environment, capture_output=True, text=True)
    if build.returncode != 0:
        raise Wrong(f"does not compile:\n{build.stderr[-3000:]}")
    program = TARGET / "planted" / "release" / "simulate"
    try:
        run = subprocess.run(
            [program, "run", "--seeds", f"0..{seeds}", "--stop"], cwd=copy, capture_output=True,
            text=True, timeout=TIMEOUT_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return 0, "endless"
    if run.returncode == 0:
        return None
    failed = re.search(r"^seed (\d+): ([^\n]*)", run.stdout, re.MULTILINE)
    return (int(failed[1]), failed[2]) if failed else (0, f"aborted: {run.stderr[-300:]}")


def write_table(results, seeds):
    """The table of the documentation."""
    noticed = [found for _, found in results if found]
    diverged = sum(verdict.startswith("diverged") for _, verdict in noticed)
    stalled = sum(verdict.startswith("no progress") for _, verdict in noticed)
    lines = [
        "# Planted faults",
        "",
        "Written by `scripts/planted.py --write`. Each line is one fault that was planted in the engine, and",
        "the first seed of the default scenario that failed because of it. The same engine without a fault",
        f"passes the first {seeds:,} seeds. Replacements are in `scripts/planted.toml`; what the verdicts mean is on",
        "the page about [simulation](simulation.md).",
        "",
        f"{len(results)} faults: diverged {diverged}, no progress {stalled}, not noticed {len(results) - len(noticed)}.",
        "",
        "| Fault | File | First seed | Verdict |",
        "|---|---|---:|---|",
    ]
    for bug, found in results:
        seed, verdict = found or ("", "**not noticed**")
        # Which node it was, and when, says nothing.
        verdict = re.sub(r" \(node .*", "", verdict)
        lines.append(f"| {bug['name']} | `{bug['file']}` | {seed} | {verdict} |")
    (ROOT / "docs" / "planted-faults.md").write_text("\n".join(lines) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="only see whether every fault fits")
    parser.add_argument("--write", action="store_true", help="write docs/planted-faults.md")
    parser.add_argument("--seeds", type=int, default=1_000, help="seeds to try (default 1000)")
    parser.add_argument("names", nargs="*", metavar="NAME", help="part of the names of faults to run")
    arguments = parser.parse_args()
    bugs = load()
    check(bugs)
    if arguments.check:
        print(f"==> planted: {len(bugs)} faults fit the source")
        return 0
    if arguments.names:
        bugs = [bug for bug in bugs if any(part in bug["name"] for part in arguments.names)]
    if not bugs or (arguments.names and arguments.write):
        raise Wrong("no fault of that name, or --write together with names")

    copy = copy_tree()
    if not arguments.names and (failed := simulate(copy, arguments.seeds)):
        raise Wrong(f"seed {failed[0]} fails without a fault: {failed[1]}")
    results = []
    for number, bug in enumerate(bugs, start=1):
        started = time.monotonic()
        path = copy / CRATE / "src" / bug["file"]
        original = path.read_text()
        path.write_text(plant(bug, copy))
        try:
            found = simulate(copy, arguments.seeds)
        except Wrong as error:
            raise Wrong(f"{bug['name']}: {error}") from error
        finally:
            path.write_text(original)
        results.append((bug, found))
        verdict = f"seed {found[0]}: {found[1]}" if found else "NOT NOTICED"
        spent = time.monotonic() - started
        print(f"[{number}/{len(bugs)}] {bug['name']}: {verdict}, {spent:.0f} s", flush=True)
    if arguments.write:
        write_table(results, arguments.seeds)
    missed = [bug["name"] for bug, found in results if found is None]
    print(f"==> planted: {len(results)} faults, {len(missed)} not noticed")
    return 1 if missed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Wrong as error:
        print(f"scripts/planted.py: {error}", file=sys.stderr)
        sys.exit(2)
