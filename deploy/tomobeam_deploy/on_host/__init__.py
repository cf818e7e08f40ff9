"""The program that a host runs as root, and how it gets there.

Its modules need only Python's own library. They come by standard input together with the orders,
are made in the host's memory under their own names, and leave nothing behind. An order is a JSON
object: `do` says what, `resources` is a list of what `hosts.resources` says of each.

What only looks answers with one line of JSON on standard output, with `now`, the host's clock in
seconds since 1970: "compare" with `differences` (title → sentences, of every resource that has
any), "remains" with `remains` (titles of those of which something can be taken away), "report" with
what `questions` ask for (report.py). What changes the host, "apply" and "remove", names each
resource on standard error as it begins with it. What goes wrong ends each with one sentence on
standard error and exit code 1.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal

# Each after those that it imports.
MODULES = (
    "running",
    "resource",
    "accounts",
    "files",
    "bundles",
    "packages",
    "units",
    "schemas",
    "images",
    "commands",
    "addresses",
    "report",
    "main",
)

Do = Literal["compare", "apply", "remains", "remove", "report"]

# What a host is asked to run. Everyone there can read it, unlike what comes by standard input.
# A line before the orders is a password of sudo's, which did not ask for it.
BOOTSTRAP = """\
import json, sys, types
orders = json.loads(sys.stdin.readlines()[-1])
for name, source in orders.pop("modules"):
    module = sys.modules[name] = types.ModuleType(name)
    exec(compile(source, name, "exec"), module.__dict__)
module.main(orders)
"""
# Nothing of the host's own decides what it does: no variables, no packages, no working directory.
COMMAND = ("python3", "-I", "-S", "-c", BOOTSTRAP)


@cache
def sources() -> list[tuple[str, str]]:
    """The program: names and texts of its modules, in order; their packages are empty."""
    folder = Path(__file__).parent
    return [
        (__name__.rpartition(".")[0], ""),
        (__name__, ""),
        *(
            (f"{__name__}.{name}", (folder / f"{name}.py").read_text(encoding="utf-8"))
            for name in MODULES
        ),
    ]


def orders(do: Do, resources: Sequence[Mapping[str, Any]] = (), **more: Any) -> str:
    """What the host gets by standard input: the program and what it shall do; one line."""
    return json.dumps({"modules": sources(), "do": do, "resources": resources, **more})
