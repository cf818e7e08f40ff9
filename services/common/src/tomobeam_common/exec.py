"""`tomobeam-exec --secret NAME … -- PROGRAM …`: secrets from files for programs of others.

Tiled and Prefect take secrets as environment variables only. This reads `NAME` from the file
that `NAME_FILE` names and becomes the program, so that no secret stands in a unit file, a
compose file or an argument list.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tomobeam_common.settings import fail

USAGE = "usage: tomobeam-exec [--secret NAME]… -- PROGRAM [ARGUMENT]…"


def main(argv: list[str] | None = None) -> None:
    """Become the program; exit code 2 with one sentence if a secret cannot be read."""
    arguments = sys.argv[1:] if argv is None else argv
    names, program = _parse(arguments)
    environment = dict(os.environ)
    for name in names:
        environment[name] = _read(environment.pop(f"{name}_FILE", None), name)
    try:
        os.execvpe(program[0], program, environment)
    except OSError as error:
        fail(f"tomobeam-exec: {program[0]}: {error.strerror}")


def _parse(arguments: list[str]) -> tuple[list[str], list[str]]:
    if "--" not in arguments:
        fail(USAGE)
    split = arguments.index("--")
    options, program = arguments[:split], arguments[split + 1 :]
    if not program or len(options) % 2 or any(word != "--secret" for word in options[::2]):
        fail(USAGE)
    return options[1::2], program


def _read(path: str | None, name: str) -> str:
    if path is None:
        fail(f"tomobeam-exec: {name}_FILE is not set")
    try:
        text = Path(path).read_text(encoding="utf-8").rstrip("\n")
    except OSError as error:
        fail(f"tomobeam-exec: {name}_FILE: {path}: {error.strerror}")
    if not text:
        fail(f"tomobeam-exec: {name}_FILE: {path} is empty")
    return text


if __name__ == "__main__":
    main()
