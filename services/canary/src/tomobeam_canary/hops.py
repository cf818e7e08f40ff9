"""Times the hops of a canary and prints a line of JSON for each, as soon as it is taken."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tomobeam_contracts.canary import Hop, HopReport


class CanaryFault(RuntimeError):
    """A hop did not go as it should; the message is the sentence."""


@dataclass
class Taken:
    """What is learned while a hop is taken; `seconds` where another clock knows better."""

    said: str = ""
    seconds: float | None = None
    scan: str | None = None


@contextmanager
def taking(hop: Hop) -> Iterator[Taken]:
    """Time one hop and report it. What it raises is reported as its fault, and raised on."""
    begin = time.monotonic()
    taken, fault = Taken(), None
    try:
        yield taken
    except Exception as error:
        fault = str(error) or type(error).__name__
        raise
    finally:
        took = time.monotonic() - begin if taken.seconds is None else taken.seconds
        report = HopReport(
            hop=hop, seconds=round(took, 2), said=taken.said, fault=fault, scan=taken.scan
        )
        sys.stdout.write(report.model_dump_json(exclude_none=True) + "\n")
        sys.stdout.flush()
