"""Progress: a bar for a person, plain lines for a log."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer
from tqdm import tqdm

from tomobeam_contracts.job import Progress

Report = Callable[[int, int], None]
LINES = 10


@contextmanager
def reporting(what: str) -> Iterator[Report]:
    """A function that is told (done, total): a bar on a terminal, else about ten lines."""
    if sys.stderr.isatty():
        with tqdm(desc=what, unit="slice", file=sys.stderr) as bar:

            def move(done: int, total: int) -> None:
                bar.total = total
                bar.update(done - bar.n)

            yield move
        return
    said = 0

    def say(done: int, total: int) -> None:
        nonlocal said
        if done * LINES // total > said:
            said = done * LINES // total
            typer.echo(str(Progress(done=done, total=total, what=what)))

    yield say
