"""What passed over each wire, and how long it took, as one table."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.table import Table


@dataclass
class Row:
    """One wire: `passed` is filled in as it is learned."""

    wire: str
    passed: str = ""
    seconds: float | None = None
    fault: str | None = None


@dataclass
class Report:
    """The rows in the order in which the wires were used."""

    rows: list[Row] = field(default_factory=list)
    mean_iou: float | None = None

    @contextmanager
    def wire(self, name: str) -> Iterator[Row]:
        """Time one wire. What it raises is noted and raised on."""
        row = Row(name)
        self.rows.append(row)
        begin = time.monotonic()
        try:
            yield row
        except Exception as error:
            row.fault = str(error) or type(error).__name__
            raise
        finally:
            row.seconds = time.monotonic() - begin

    @property
    def passed(self) -> bool:
        """Whether every wire worked and the result could be scored."""
        return self.mean_iou is not None and all(row.fault is None for row in self.rows)

    def show(self, console: Console) -> None:
        """Print the table."""
        table = Table(title="One scan through every wire", title_justify="left")
        table.add_column("wire", no_wrap=True)
        table.add_column("what passed over it", overflow="fold")
        table.add_column("seconds", justify="right")
        table.add_column("")
        for row in self.rows:
            mark = "[red]failed[/]" if row.fault else "[green]ok[/]"
            seconds = "" if row.seconds is None else f"{row.seconds:.1f}"
            table.add_row(row.wire, row.fault or row.passed, seconds, mark)
        console.print(table)
        if self.mean_iou is not None:
            console.print(f"mean IoU against the ground truth: [bold]{self.mean_iou:.3f}[/]")
