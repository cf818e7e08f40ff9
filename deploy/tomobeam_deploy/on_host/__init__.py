"""The program that a host runs as root, and how it gets there.

Its modules need only Python's own library. They come by standard input together with the orders,
are made in the host's memory under their own names, and leave nothing behind. An order is a JSON
object: `do` is "compare" or "apply", `resources` a list of what `hosts.resources` says of each.

Comparing answers with one line of JSON on standard output: `differences` (title → sentences, of
every resource that has any) and `now` (the host's clock, seconds since 1970). Applying names each
resource on standard error as it begins with it. What goes wrong ends either with one sentence on
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
    "bundles",
    "packages",
    "accounts",
    "files",
    "units",
    "commands",
    "addresses",
    "main",
)

# What a host is asked to run. Everyone there can read it, unlike what comes by standard input.
BOOTSTRAP = """\
import json, sys, types
orders = json.load(sys.stdin)
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


def orders(do: Literal["compare", "apply"], resources: Sequence[Mapping[str, Any]]) -> str:
    """What the host gets by standard input: the program and what it shall do; one line."""
    return json.dumps({"modules": sources(), "do": do, "resources": resources})
