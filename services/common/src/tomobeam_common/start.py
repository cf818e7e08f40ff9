"""`tomobeam-start [--wait URL]… [--first JSON] -- PROGRAM…`: the start of a service's container.

It waits until all that the service needs answers, runs what has to be run before, and becomes the
program. Compose files can order the first start, and only some runtimes; this holds after every
restart. No shell is involved: what runs before is a JSON list of words.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time

from tomobeam_common.answers import fault

PAUSE_S = 0.5
SAY_EVERY_S = 30.0


def wait_for(url: str) -> None:
    """Return once something answers there, however long that takes; says what it waits for."""
    said = float("-inf")
    while why := fault(url):
        if time.monotonic() - said > SAY_EVERY_S:
            said = time.monotonic()
            sys.stderr.write(f"waiting for {url}: {why}\n")
            sys.stderr.flush()
        time.sleep(PAUSE_S)


def _words(text: str) -> list[str]:
    words = json.loads(text)
    if not isinstance(words, list) or not words or not all(isinstance(w, str) for w in words):
        raise ValueError("not a list of words")
    return words


def main() -> None:
    """Become the program; exit code 2 where an argument is wrong, or that of what ran before."""
    # The first process of a container is ended by no signal that it does not handle.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    parser = argparse.ArgumentParser(prog="tomobeam-start", description=__doc__)
    parser.add_argument("--wait", action="append", default=[], metavar="URL")
    parser.add_argument("--first", type=_words, metavar="JSON")
    parser.add_argument("program", nargs="+", metavar="PROGRAM")
    told = parser.parse_args()
    try:
        for url in told.wait:
            wait_for(url)
    except ValueError as error:
        parser.error(str(error))
    program = ""
    try:
        if told.first:
            program = told.first[0]
            if code := subprocess.run(told.first, check=False).returncode:
                sys.exit(code)
        program = told.program[0]
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.execvp(program, told.program)
    except OSError as error:
        parser.error(f"{program}: {error.strerror}")
