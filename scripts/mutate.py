#!/usr/bin/env python3
"""Seeds bugs in the core, one at a time, and sees which test suite notices each.

  scripts/mutate.py --check           every bug of scripts/mutations.toml still fits the source
  scripts/mutate.py [NAME...]         run all, or the named ones
  scripts/mutate.py --write [NAME...] the same, and write docs/mutation.md; lines of others stay

A bug is an exact replacement of source text. Text that is not there exactly once is an error, so that
the list cannot rot. Bugs are planted in a copy of the tree below the target directory. Suites run in
order and the first that fails has killed the bug. A bug that no suite notices is a survivor.

Ends with 0 if every bug was killed, 1 if one survived, 2 if the list does not fit the source, if a bug
does not compile or if the suites fail without one.
"""

import argparse
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent
CRATE = "avalanche-consensus"
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve() / "mutate"
# A bug can make a loop endless. The slowest suite takes about a minute.
TIMEOUT_SECONDS = 300

SUITES = {
    "unit": ["--lib"],
    "models": [f"--test=model_{name}" for name in ("instances", "tree", "polls", "snowman", "engine")],
    "conformance": ["--test=conformance"],
}


class Wrong(Exception):
    """The list or the tree is not as it has to be."""


def load():
    """The seeded bugs, checked for their form."""
    with open(ROOT / "scripts" / "mutations.toml", "rb") as file:
        bugs = tomllib.load(file)["bug"]
    names = [bug["name"] for bug in bugs]
    for name in {name for name in names if names.count(name) > 1}:
        raise Wrong(f"two bugs are named {name!r}")
    for bug in bugs:
        # Most bugs are one replacement; some need several in the same file.
        bug.setdefault("edits", [bug])
        for edit in bug["edits"]:
            if edit["old"] == edit["new"]:
                raise Wrong(f"{bug['name']}: changes nothing")
    return bugs


def plant(bug, root=ROOT):
    """The text of the bug's file below `root`, with the bug in it."""
    path = root / CRATE / "src" / bug["file"]
    if not path.is_file():
        raise Wrong(f"{bug['name']}: no file {bug['file']}")
    text = path.read_text()
    for edit in bug["edits"]:
        found = text.count(edit["old"])
        if found != 1:
            raise Wrong(f"{bug['name']}: found {found} times in {bug['file']}:\n{edit['old']}")
        text = text.replace(edit["old"], edit["new"])
    return text


def check(bugs):
    """Every bug must fit. All that do not are named."""
    wrong = []
    for bug in bugs:
        try:
            plant(bug)
        except Wrong as error:
            wrong.append(str(error))
    if wrong:
        raise Wrong("\n".join(wrong))


def copy_tree():
    """A fresh copy of the tracked files; the build directory beside it is kept."""
    copy = TARGET / "tree"
    shutil.rmtree(copy, ignore_errors=True)
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, check=True, capture_output=True,
    ).stdout.decode()
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name)
    return copy


def run(copy, suite):
    """Runs a suite on the copy. Returns None if it passed, else what failed."""
    environment = {
        **os.environ,
        "CARGO_TARGET_DIR": str(TARGET / "build"),
        "CARGO_INCREMENTAL": "1",
        "CARGO_PROFILE_TEST_DEBUG": "0",
        "RUST_BACKTRACE": "0",
        "RUSTFLAGS": "-Awarnings",
        # The first counterexample is enough.
        "PROPTEST_MAX_SHRINK_ITERS": "0",
    }
    cargo = ["cargo", "test", "--locked", "--package", CRATE, "--all-features", *SUITES[suite]]
    build = subprocess.run(
        [*cargo, "--quiet", "--no-run"], cwd=copy, env=environment, capture_output=True, text=True
    )
    if build.returncode != 0:
        raise Wrong(f"does not compile:\n{build.stderr[-3000:]}")
    process = subprocess.Popen(
        cargo, cwd=copy, env=environment, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, start_new_session=True,
    )
    endless = threading.Event()

    def stop():
        endless.set()
        os.killpg(process.pid, signal.SIGKILL)

    timer = threading.Timer(TIMEOUT_SECONDS, stop)
    timer.start()
    try:
        # One failed test is enough; others may never end with this bug.
        for line in process.stdout:
            failed = re.match(r"test ([\w:]+) \.\.\. FAILED", line)
            if failed:
                os.killpg(process.pid, signal.SIGKILL)
                return failed[1]
        if process.wait() == 0:
            return None
        return "endless" if endless.is_set() else "aborted"
    finally:
        timer.cancel()
        process.stdout.close()
        process.wait()


def kill(copy, bug):
    """Plants one bug, runs the suites up to the first that fails, takes the bug out again."""
    path = copy / CRATE / "src" / bug["file"]
    original = path.read_text()
    path.write_text(plant(bug, copy))
    try:
        for suite in SUITES:
            failed = run(copy, suite)
            if failed:
                return suite, failed
        return None, None
    finally:
        path.write_text(original)
        # What proptest noted down for one bug must not help against the next.
        tests = pathlib.Path(CRATE) / "tests"
        for noted in (copy / tests).glob("*.regressions"):
            noted.unlink()
            if (ROOT / tests / noted.name).is_file():
                shutil.copy2(ROOT / tests / noted.name, noted)


def table_lines():
    """The lines of the documentation by the name of their bug."""
    path = ROOT / "docs" / "mutation.md"
    rows = (re.match(r"\| ([^|]+) \| `", line) for line in path.read_text().splitlines())
    return {row[1]: row.string for row in rows if row}


def write_table(bugs, results):
    """The table of the documentation: all bugs of the list that ever ran, with their last results."""
    kept = table_lines()
    for bug, suite, failed in results:
        test = f"`{failed}`" if suite else "none"
        kept[bug["name"]] = f"| {bug['name']} | `{bug['file']}` | {suite or '**survived**'} | {test} |"
    rows = [kept[bug["name"]] for bug in bugs if bug["name"] in kept]
    killed = [row.split("|")[3].strip() for row in rows]
    counts = ", ".join(f"{suite} {killed.count(suite)}" for suite in SUITES)
    lines = [
        "# Seeded bugs",
        "",
        "Written by `scripts/mutate.py --write`. Each line is one bug that was planted in the core and the",
        "first suite that noticed it, with one of the tests that failed. Suites run in this order: unit",
        "tests, the model tests of `avalanche-consensus/tests`, the recorded traces that are checked in.",
        "`endless` and `aborted` are runs that hung or died. Replacements are in `scripts/mutations.toml`.",
        "",
        f"{len(rows)} bugs: {counts}, survivors {killed.count('**survived**')}.",
        "",
        "| Bug | File | Suite | Test |",
        "|---|---|---|---|",
    ]
    lines += rows
    (ROOT / "docs" / "mutation.md").write_text("\n".join(lines) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="only see whether every bug fits")
    parser.add_argument("--write", action="store_true", help="write docs/mutation.md")
    parser.add_argument("names", nargs="*", metavar="NAME", help="part of the names of bugs to run")
    arguments = parser.parse_args()
    listed = load()
    check(listed)
    if arguments.check:
        print(f"==> mutate: {len(listed)} seeded bugs fit the source")
        return 0
    bugs = listed
    if arguments.names:
        bugs = [bug for bug in bugs if any(part in bug["name"] for part in arguments.names)]
    if not bugs:
        raise Wrong("no bug of that name")

    copy = copy_tree()
    for suite in SUITES:
        failed = run(copy, suite)
        if failed:
            raise Wrong(f"{suite} fails without a bug: {failed}")
    results = []
    for number, bug in enumerate(bugs, start=1):
        started = time.monotonic()
        try:
            suite, failed = kill(copy, bug)
        except Wrong as error:
            raise Wrong(f"{bug['name']}: {error}") from error
        results.append((bug, suite, failed))
        verdict = f"killed by {suite} ({failed})" if suite else "SURVIVED"
        spent = time.monotonic() - started
        print(f"[{number}/{len(bugs)}] {bug['name']}: {verdict}, {spent:.0f} s", flush=True)
    if arguments.write:
        write_table(listed, results)
    survivors = [bug["name"] for bug, suite, _ in results if suite is None]
    print(f"==> mutate: {len(results)} bugs, {len(survivors)} survivors")
    return 1 if survivors else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Wrong as error:
        print(f"scripts/mutate.py: {error}", file=sys.stderr)
        sys.exit(2)
